"""Assignees that are channels: their leads go on as batches, and everything else stays as it is."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import BatchReceived, InputRef
from dispatcher.limits import Limits
from dispatcher.routing import routed_batch_id
from dispatcher.state_records import all_records, read_state
from schemas.inputs import LeadBatch
from schemas.outputs import BatchDispatched, RosterChanged
from schemas.scalars import ID_LENGTH_MAX
from streams.intake import read_batch
from streams.plain_batches import read_plain_batch
from streams.replay import Replay

Json = dict[str, Any]
NOW = "2026-11-21T09:00:00Z"


def change(kind: str, number: int, channel: str = "web", **fields: Any) -> Json:
    """A roster change."""
    return {
        "type": kind,
        "schema_version": 1,
        "change_id": f"{channel}-{number}",
        "channel": channel,
        "created_at": NOW,
        **fields,
    }


def route(number: int, assignee_id: str, target: str | None, channel: str = "web") -> Json:
    """A route, or none."""
    return change("assignee_routed", number, channel, assignee_id=assignee_id, routes_to=target)


def roster(number: int, weights: dict[str, str], channel: str = "web") -> Json:
    """A whole roster."""
    members = [{"assignee_id": name, "weight": weight} for name, weight in weights.items()]
    return change("roster_replaced", number, channel, members=members)


def batch(number: int, leads: list[Json] | int, channel: str = "web") -> Json:
    """Leads, or so many."""
    if isinstance(leads, int):
        leads = [{"lead_id": f"L{place}"} for place in range(1, leads + 1)]
    return {
        "type": "lead_batch",
        "schema_version": 1,
        "batch_id": f"b{number}",
        "channel": channel,
        "created_at": NOW,
        "leads": leads,
    }


def outcome(kind: str, number: int, lead_id: str, assignee_id: str, **fields: Any) -> Json:
    """An outcome on the channel web."""
    return {
        "type": kind,
        "schema_version": 1,
        "outcome_id": f"o{number}",
        "channel": "web",
        "created_at": NOW,
        "lead_id": lead_id,
        "assignee_id": assignee_id,
        **fields,
    }


def decided(*events: Json, limits: Limits | None = None) -> list[Json]:
    """All outputs."""
    lines = [json.dumps(event, ensure_ascii=False).encode() for event in events]
    return [json.loads(line) for line in Replay(limits or Limits()).lines(lines)]


def of_type(outputs: list[Json], kind: str, channel: str | None = None) -> list[Json]:
    """Those of a type."""
    return [each for each in outputs if each["type"] == kind and channel in (None, each["channel"])]


TEAM = (
    roster(1, {"A": "1", "B": "2"}),
    roster(1, {"K": "1", "L": "1"}, "web/b"),
)


def test_a_route_changes_nothing_about_who_gets_what() -> None:
    """Shares, errors, order: only how the leads of the routed one go out differs."""
    batches = [batch(number, size) for number, size in enumerate((7, 1, 0, 12, 1), start=1)]
    plain = of_type(
        decided(*TEAM, change("assignee_resumed", 2, assignee_id="B"), *batches),
        "batch_dispatched",
        "web",
    )
    routed = decided(*TEAM, route(2, "B", "web/b"), *batches)
    seen = of_type(routed, "batch_dispatched", "web")
    assert [{**each, "routed": None} for each in plain] == [
        {**each, "routed": None} for each in seen
    ]
    for decision in seen:
        BatchDispatched.model_validate(decision)
        rows = {row["assignee_id"]: row["assigned"] for row in decision["shares"]}
        sent = {row["assignee_id"]: row["leads"] for row in decision.get("routed", [])}
        assert sent == ({"B": rows["B"]} if rows["B"] else {})


def test_every_lead_is_assigned_once_where_its_way_ends() -> None:
    """Over three levels; positions are those of the batch, with gaps for what went on."""
    outputs = decided(
        *TEAM,
        route(2, "B", "web/b"),
        roster(1, {"x": "1"}, "branches/deep/er"),
        route(2, "L", "branches/deep/er", "web/b"),
        batch(1, 30),
    )
    assigned = of_type(outputs, "lead_assigned")
    assert Counter(each["lead_id"] for each in assigned) == Counter(
        f"L{place}" for place in range(1, 31)
    )
    assert Counter(each["channel"] for each in assigned) == {
        "web": 10,
        "web/b": 10,
        "branches/deep/er": 10,
    }
    assert {each["assignee_id"] for each in assigned} == {"A", "K", "x"}
    upper = of_type(assigned, "lead_assigned", "web")
    assert [each["lead_id"] for each in upper] == [f"L{each['position']}" for each in upper]
    assert {each["batch_size"] for each in upper} == {30}
    (sent, further) = of_type(outputs, "lead_batch")
    assert sent["routed_from"] == {"channel": "web", "batch_id": "b1", "state_version": 3}
    assert sent["batch_id"] == "web/3/B"
    assert further["batch_id"] == "web/b/3/L"
    assert [int(lead["lead_id"][1:]) for lead in sent["leads"]] == sorted(
        {*range(1, 31)} - {each["position"] for each in upper}
    )


def test_attributes_go_on_as_they_came() -> None:
    """To the digit and the last space: their text is never decoded."""
    replay = Replay(Limits())
    for event in (*TEAM, route(2, "B", "web/b"), change("assignee_left", 3, assignee_id="A")):
        replay.outputs(json.dumps(event).encode(), 1)
    text = json.dumps(batch(1, [{"lead_id": 'L"1', "attributes": {"n": 7}}]))
    text = text.replace('{"n": 7}', '{ "n" : 1.50e3, "ü": "\\u00fc" }')
    outputs = replay.outputs(text.encode(), 2)
    assert b'{"lead_id":"L\\"1","attributes":{ "n" : 1.50e3, "\xc3\xbc": "\\u00fc" }}' in outputs[0]
    assert any(b'"attributes":{ "n" : 1.50e3, "\xc3\xbc": "\\u00fc" }}' in o for o in outputs[1:])


@pytest.mark.parametrize(
    ("channel", "target"),
    [("web", "web"), ("web", "other"), ("a/b", "a/b"), ("a/b", "c/d"), ("a/b/c", "a/b")],
)
def test_a_route_that_does_not_lead_deeper_is_refused(channel: str, target: str) -> None:
    """So no chain of routes can come back, and that shows where it is configured."""
    first = roster(1, {"A": "1"}, channel)
    (letter,) = of_type(decided(first, route(2, "A", target, channel)), "dead_letter")
    assert letter["reason"] == "invalid_event"
    assert 'more "/"' in letter["detail"]


def test_a_stranger_cannot_be_routed() -> None:
    """As with any change of one assignee."""
    (letter,) = of_type(decided(*TEAM, route(2, "Z", "web/b")), "dead_letter")
    assert letter["reason"] == "not_a_member"


def routes_after(*events: Json) -> Json:
    """The routes in the last standings of web, from the decision and from the state's records."""
    replay = Replay(Limits())
    outputs = [
        output
        for number, event in enumerate(events, start=1)
        for output in replay.outputs(json.dumps(event).encode(), number)
    ]
    last = of_type([json.loads(output) for output in outputs], "roster_changed", "web")[-1]
    RosterChanged.model_validate(last)
    state = replay.states["web"]
    records = {key: value for key, value in all_records(state) if value is not None}
    assert read_state(records).roster == state.roster
    return {row["assignee_id"]: row["routes_to"] for row in last["shares"] if "routes_to" in row}


def test_a_route_stays_until_it_is_taken_back_or_its_assignee_leaves() -> None:
    """Through pauses, weights and whole rosters, and through a restore."""
    routed = (*TEAM, route(2, "B", "web/b"))
    assert routes_after(*TEAM) == {}
    assert routes_after(*routed) == {"B": "web/b"}
    kept = (
        change("assignee_paused", 3, assignee_id="B"),
        change("weight_changed", 4, assignee_id="B", weight="5"),
        change("skills_changed", 5, assignee_id="B", skills=["language=vi"]),
        roster(6, {"B": "1", "C": "1"}),
    )
    assert routes_after(*routed, *kept) == {"B": "web/b"}
    assert routes_after(*routed, route(3, "B", "x/y"), route(4, "A", "web/b")) == {
        "A": "web/b",
        "B": "x/y",
    }
    assert routes_after(*routed, route(3, "B", None)) == {}
    gone = (change("assignee_left", 3, assignee_id="B"),)
    back = (change("assignee_joined", 4, assignee_id="B", weight="1"),)
    assert routes_after(*routed, *gone, *back) == {}


def test_a_state_without_routes_is_stored_as_ever() -> None:
    """Not a byte of it is new, so records of before are read, too."""
    replay = Replay(Limits())
    for event in TEAM:
        replay.outputs(json.dumps(event).encode(), 1)
    assert all(b"routes" not in (value or b"") for _, value in all_records(replay.states["web"]))


def test_whatever_sends_a_lead_to_a_routed_assignee_sends_it_on() -> None:
    """What was parked, what came back, what is given by hand or moved."""
    outputs = decided(
        batch(1, 2),
        *TEAM[1:],
        roster(1, {"B": "1"}),
        route(2, "B", "web/b"),
        change("assignee_joined", 3, assignee_id="A", weight="1"),
        outcome("lead_assigned_manually", 1, "M1", "B"),
        outcome("lead_returned", 2, "M2", "A", reason="busy", attributes={"n": 1}),
        outcome("lead_assigned_manually", 3, "M3", "A"),
        outcome("lead_reassigned", 4, "M3", "A", to_assignee_id="B"),
        outcome("lead_returned", 5, "M1", "B", reason="busy"),
    )
    # Before the route they were B's own.
    assert [e["lead_id"] for e in of_type(outputs, "lead_assigned", "web")] == [
        "L1",
        "L2",
        "M3",
        "M1",
    ]
    sent = of_type(outputs, "lead_batch")
    assert [[lead["lead_id"] for lead in each["leads"]] for each in sent] == [
        ["M1"],
        ["M2"],
        ["M3"],
    ]
    assert [each["routed_from"]["batch_id"] for each in sent] == [
        "by-hand/o1",
        "returned/o2",
        "reassigned/o4",
    ]
    assert sent[1]["leads"][0]["attributes"] == {"n": 1}
    below = of_type(outputs, "lead_assigned", "web/b")
    assert [each["lead_id"] for each in below] == ["M1", "M2", "M3"]
    assert not of_type(outputs, "dead_letter")


def test_parked_leads_go_on_when_they_are_released() -> None:
    """And wait again below, where nobody is there."""
    outputs = decided(
        *TEAM[:1],
        route(2, "B", "web/b"),
        change("assignee_left", 3, assignee_id="A"),
        change("assignee_paused", 4, assignee_id="B"),
        batch(1, 3),
        change("assignee_resumed", 5, assignee_id="B"),
        *TEAM[1:],
    )
    kinds = [(each["channel"], each["type"]) for each in outputs][5:]
    assert kinds == [
        ("web", "roster_changed"),
        ("web", "batch_released"),
        ("web/b", "lead_batch"),
        ("web", "batch_dispatched"),
        ("web/b", "batch_parked"),
        ("web/b", "roster_changed"),
        ("web/b", "batch_released"),
        *[("web/b", "lead_assigned")] * 3,
        ("web/b", "batch_dispatched"),
    ]


def _sent_on(limits: Limits, leads: list[Json]) -> Iterator[bytes]:
    replay = Replay(limits)
    for event in (*TEAM, route(2, "B", "web/b"), change("assignee_left", 3, assignee_id="A")):
        replay.outputs(json.dumps(event).encode(), 1)
    for output in replay.outputs(json.dumps(batch(1, leads)).encode(), 2):
        if output.startswith(b'{"type":"lead_batch"'):
            yield output


def test_what_is_over_the_limits_of_a_batch_goes_on_in_several() -> None:
    """Each is within them, read the quick way, and has an id of its own."""
    leads = [{"lead_id": f"L{n}", "attributes": {"text": "x" * 500}} for n in range(40)]
    # The limit holds for what goes on, whatever came in under another one.
    limits = Limits(input_bytes_max=32_768)
    parts = list(_sent_on(limits, leads))
    assert len(parts) == 1
    narrow = Limits(input_bytes_max=32_768, leads_per_batch_max=40)
    values = list(_sent_on(narrow, leads))
    assert values == parts
    big = [{"lead_id": f"L{n}", "attributes": {"text": "x" * 4_000}} for n in range(8)]
    values = list(_sent_on(Limits(input_bytes_max=33_000), big))
    assert [json.loads(value)["batch_id"] for value in values] == ["web/4/B", "web/4/B.2"]
    received = []
    for value in values:
        assert len(value) <= 33_000
        assert read_plain_batch(value, Limits()) is not None
        received += LeadBatch.model_validate_json(value).leads
    assert [lead.lead_id for lead in received] == [f"L{n}" for n in range(8)]


def test_reading_a_batch_does_not_look_at_where_it_came_from() -> None:
    """The same content, whatever `routed_from` says."""
    plain = batch(1, 3)
    odd = {**plain, "routed_from": {"channel": 7}}
    reference = InputRef("leads.batches", 0, 0)
    read = [read_batch(json.dumps(e).encode(), Limits(), reference, None) for e in (plain, odd)]
    assert read[0] == read[1]
    assert isinstance(read[0], BatchReceived)


def test_ids_of_batches_that_go_on_are_unique_and_short_enough() -> None:
    """Also where names could be read in two ways."""
    names = ("A", "web/b", "7/A", "1/2/3", "A.2", "a" * 200, "b" * 186, "b" * 187, "ü" * 200)
    channels = ("web", "web/7", "web/7/1", "c" * 200)
    ids = [
        routed_batch_id(channel, version, name)
        for channel in channels
        for name in names
        for version in (1, 2, 7, 123_456)
    ]
    assert len(set(ids)) == len(ids)
    assert max(map(len, ids)) <= ID_LENGTH_MAX - len(".10000")
    assert routed_batch_id("web", 7, "web/b") == "web/7/web/b"
    parts = {routed_batch_id("web", 7, "A") + ".2", routed_batch_id("web", 7, "A.2")}
    assert len(parts) == 2


def test_a_decision_without_routes_is_encoded_as_ever() -> None:
    """No field, and an assignment for each lead."""
    replay = Replay(Limits())
    for event in TEAM:
        replay.outputs(json.dumps(event).encode(), 1)
    received = replay.read(json.dumps(batch(1, 3)).encode(), 2)
    outcome = replay.decide(received)
    assert isinstance(outcome, list)
    (decision,) = outcome
    assert msgspec.structs.asdict(decision)["routed"] == ()
    assert "routed" not in encode_decision(decision)
    assert len(encode_assignments(decision)) == 3  # type: ignore[arg-type]
