"""The reference's replayer holds by itself: versions, parking, duplicates, dead letters, order."""

from __future__ import annotations

import json

import pytest

from tests.reference.comparison import differences
from tests.reference.events import change, correction, lead_batch, roster, the_seeds_story
from tests.reference.histories import history, lines
from tests.reference.replayer import Replayer, replayed
from tests.reference.spoiled import BAD_LEADS, BAD_VALUES
from tests.reference.validation import Json, is_timestamp

LATER = "2026-11-21T10:00:00+10:00"
A_ALONE = roster("r", {"A": "1"})


def kinds(outputs: list[Json]) -> list[str]:
    """The types of the outputs, the reason for a dead letter."""
    return [o["reason"] if o["type"] == "dead_letter" else o["type"] for o in outputs]


def test_a_batch_is_its_assignments_in_order_and_then_the_decision() -> None:
    """Positions count from 1; rows are in order of assignee_id, the paused ones with nothing."""
    pause = change("assignee_paused", "p", assignee_id="C")
    outputs, _ = replayed(
        [roster("r", {"C": "5", "B": "1", "A": "1"}), pause, lead_batch("b", ["x", "y"])]
    )
    first, second, decision = outputs[2:]
    assert [first["position"], second["position"]] == [1, 2]
    assert [first["lead_id"], second["lead_id"]] == ["x", "y"]
    assert first["assignment_id"] == "web/3/x"
    assert {first["assignee_id"], second["assignee_id"]} == {"A", "B"}
    assert [row["assignee_id"] for row in decision["shares"]] == ["A", "B", "C"]
    paused = decision["shares"][2]
    assert (paused["fair_share"], paused["assigned"], paused["weight"]) == (
        "0.000000000000",
        0,
        "5",
    )


def test_state_versions_count_decisions_and_roster_versions_count_changes() -> None:
    """Duplicates are decisions; dead letters count for nothing."""
    stranger = change("assignee_left", "l", assignee_id="nobody")
    outputs, states = replayed(
        [A_ALONE, stranger, lead_batch("b", 1), lead_batch("b", 1), A_ALONE, lead_batch("c", 0)]
    )
    decisions = [o for o in outputs if "roster_version" in o]
    assert [d["state_version"] for d in decisions] == [1, 2, 3, 4, 5]
    assert states["web"].roster_version == 1


def test_parked_batches_are_released_oldest_first_when_someone_comes() -> None:
    """Released, assigned, dispatched, batch after batch, at the time of the change."""
    join = {**change("assignee_joined", "j", assignee_id="A", weight="1"), "created_at": LATER}
    outputs, states = replayed([lead_batch("b", 2), lead_batch("a", 0), lead_batch("b", 2), join])
    assert kinds(outputs) == [
        "batch_parked",
        "batch_parked",
        "duplicate_ignored",
        "roster_changed",
        "batch_released",
        "lead_assigned",
        "lead_assigned",
        "batch_dispatched",
        "batch_released",
        "batch_dispatched",
    ]
    assert {output["decided_at"] for output in outputs[3:]} == {LATER}
    assert [o["batch_id"] for o in outputs if o["type"] == "batch_dispatched"] == ["b", "a"]
    assert outputs[-1]["state_version"] == states["web"].state_version == 8
    assert not states["web"].parked


def test_bad_leads_are_dead_letters_of_their_own_and_the_rest_is_dispatched() -> None:
    """Their place in the event is told; the others are numbered without them."""
    leads = ["x", {"lead_id": ""}, "y", "x"]
    outputs, _ = replayed([A_ALONE, lead_batch("b", leads)])
    assert kinds(outputs[1:]) == [
        "invalid_lead",
        "duplicate_lead",
        "lead_assigned",
        "lead_assigned",
        "batch_dispatched",
    ]
    assert [dead["position"] for dead in outputs[1:3]] == [2, 4]
    assert [outputs[3]["position"], outputs[4]["position"]] == [1, 2]
    assert outputs[-1]["batch_size"] == 2


@pytest.mark.parametrize("lead", BAD_LEADS, ids=range(len(BAD_LEADS)))
def test_every_bad_lead_is_refused(lead: object) -> None:
    """Alone in a batch it leaves an empty one."""
    outputs, _ = replayed([A_ALONE, lead_batch("b", [lead] if lead != "L1" else [["L1"]])])
    assert kinds(outputs[1:]) == ["invalid_lead", "batch_dispatched"]


def test_every_bad_value_makes_the_event_invalid_and_leaves_no_trace() -> None:
    """Each field that an event has, with each value it can't have, and without it."""
    member = {"assignee_id": "N", "weight": "1"}
    events = [
        lead_batch("b", 1),
        change("assignee_joined", "c", **member, reason="new"),
        change("roster_replaced", "c", members=[member]),
        correction("c", "N", "1"),
    ]
    for event in events:
        assert "invalid_event" not in kinds(replayed([event])[0])
        for name in BAD_VALUES.keys() & event.keys():
            spoiled = [{**event, name: value} for value in BAD_VALUES[name]]
            spoiled += [{key: value for key, value in event.items() if key != name}] * (
                name != "reason"
            )
            outputs, states = replayed(spoiled)
            assert set(kinds(outputs)) == {"invalid_event"}, name
            assert len(outputs) == len(spoiled)
            assert not states


@pytest.mark.parametrize(
    ("events", "reasons"),
    [
        ([b"\xff{}"], ["not_json"]),
        (['{"type": "lead_batch"'], ["not_json"]),
        (['{"schema_version": NaN}'], ["not_json"]),
        (['"\\ud800"'], ["not_json"]),
        (["", "[]"], ["invalid_event"]),
        ([A_ALONE, lead_batch("b", 1), lead_batch("b", 2)], ["batch_id_reused"]),
        ([lead_batch("b", 1), lead_batch("b", 2)], ["batch_id_reused"]),
        ([A_ALONE, roster("r", {"A": "2"})], ["change_id_reused"]),
        ([lead_batch("b", 10_001)], ["limit_exceeded"]),
        ([change("assignee_left", "c", assignee_id="A")], ["not_a_member"]),
        ([change("weight_changed", "c", assignee_id="A", weight="1")], ["not_a_member"]),
        (
            [A_ALONE, change("assignee_joined", "c", assignee_id="A", weight="1")],
            ["already_a_member"],
        ),
        ([A_ALONE, correction("c", "B", "1", "B")], ["not_a_member"]),
        ([A_ALONE, correction("c", "A", "1", "A")], ["no_counterparty"]),
        ([A_ALONE, correction("c", "A", "1", "B")], ["no_counterparty"]),
        ([roster("r", {"A": "0"}), correction("c", "A", "1")], ["no_counterparty"]),
        (
            [A_ALONE, {**roster("s", {}), "expected_roster_version": 0}],
            ["roster_version_mismatch"],
        ),
    ],
    ids=range(17),
)
def test_each_reason_has_its_cause(events: list[Json | str | bytes], reasons: list[str]) -> None:
    """The last line is refused, with its line number, and changes nothing."""
    replayer = Replayer()
    for event in events[:-1]:
        replayer.feed(event)
    before = repr(replayer.states)
    outputs = replayer.feed(events[-1])
    assert kinds(outputs) == reasons
    assert outputs[0]["line"] == len(events)
    assert repr(replayer.states) == before


def test_the_windows_remember_the_last_thousand_and_no_more() -> None:
    """The same batch and the same change are new again after a thousand others."""
    replayer = Replayer()
    replayer.feed(A_ALONE)
    for number in range(1_001):
        replayer.feed(lead_batch(f"b{number}", 0))
        replayer.feed(
            change(
                "assignee_paused" if number else "assignee_resumed", f"c{number}", assignee_id="A"
            )
        )
        replayer.feed(change("assignee_resumed", f"d{number}", assignee_id="A"))
    assert kinds(replayer.feed(lead_batch("b1", 0))) == ["duplicate_ignored"]
    assert kinds(replayer.feed(lead_batch("b0", 0))) == ["batch_dispatched"]
    assert kinds(replayer.feed(lead_batch("b1", 0))) == ["batch_dispatched"]
    assert kinds(replayer.feed(A_ALONE)) == ["roster_changed"]


def test_a_change_is_the_same_whatever_its_time() -> None:
    """Null is absent, unknown fields don't count; a reason does."""
    join = change("assignee_joined", "c", assignee_id="A", weight="1")
    again = {**join, "created_at": LATER, "reason": None, "news": 1}
    other = {**join, "reason": "new"}
    outputs, _ = replayed([join, again, other])
    assert kinds(outputs) == ["roster_changed", "duplicate_ignored", "change_id_reused"]


def test_leaving_and_coming_back_is_starting_anew() -> None:
    """What the leaver was owed is cancelled; who stays in a new roster keeps error and pause."""
    batch = lead_batch("b", 1)
    pause = change("assignee_paused", "p", assignee_id="A")
    new = roster("s", {"A": "2", "D": "1"})
    _, states = replayed([roster("r", {"A": "1", "B": "1", "C": "1"}), batch, pause, new])
    assert {name: seat.error for name, seat in states["web"].members.items()} == {"A": 0, "D": 0}
    assert states["web"].members["A"].paused


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("2026-11-21T09:00:00Z", True),
        ("2026-11-21t09:00:00.123456789z", True),
        ("0001-01-01T00:00:00+14:00", True),
        ("9999-12-31T23:59:59-23:59", True),
        ("2028-02-29T00:00:00-00:00", True),
        ("2026-02-29T00:00:00Z", False),
        ("2026-11-21 09:00:00Z", False),
        ("2026-11-21T09:00:00", False),
        ("2026-11-21T09:00:00+1000", False),
        ("2026-11-21T24:00:00Z", False),
        ("2026-11-21T09:00:00+24:00", False),
        ("2026-11-21T09:00:00Z\n", False),
        ("0000-01-01T00:00:00Z", False),
    ],
)
def test_times_are_rfc_3339_with_an_offset(text: str, valid: bool) -> None:
    """However far in the past or the future."""
    assert is_timestamp(text) is valid


def test_histories_are_the_same_for_a_seed_and_valid_only_means_no_dead_letter() -> None:
    """Every kind of output and nearly every reason turns up in some seeds."""
    seen: set[str] = set()
    for seed in range(60):
        events = history(seed, channels=2, events=40)
        assert events == history(seed, channels=2, events=40)
        seen |= set(kinds(replayed(events)[0]))
        valid = history(seed, channels=2, events=40, valid_only=True)
        assert "dead_letter" not in {output["type"] for output in replayed(valid)[0]}
        staffed = history(seed, events=40, parking=False, valid_only=True)
        assert "batch_parked" not in kinds(replayed(staffed)[0])
    reasons = {"batch_id_reused", "change_id_reused", "invalid_event", "invalid_lead"}
    reasons |= {"duplicate_lead", "not_a_member", "already_a_member", "no_counterparty"}
    assert seen >= reasons | {"roster_version_mismatch", "batch_released", "duplicate_ignored"}


def test_lines_of_text_say_the_same_as_parsed_events() -> None:
    """Blank and broken lines only add dead letters and move the line numbers."""
    for seed in range(10):
        events = history(seed, channels=2)
        parsed, states = replayed(events)
        assert differences(replayed(lines(events, seed))[0], parsed) == []
        spoiled, spoiled_states = replayed(lines(events, seed, spoil=0.2))
        texts = [json.dumps(o) for o in spoiled if o["type"] != "dead_letter"]
        assert texts == [json.dumps(o) for o in parsed if o["type"] != "dead_letter"]
        assert repr(spoiled_states) == repr(states)


def test_the_comparison_sees_a_difference_and_allows_what_is_free() -> None:
    """Another denominator is the same error; a missing row is one only if it had leads."""
    expected, _ = replayed(the_seeds_story())
    actual = json.loads(json.dumps(expected))
    for output in actual:
        if output["type"] == "roster_changed":
            output["error_denominator"] = "1"
            for row in output["shares"]:
                row["cumulative_error_numerator"] = "0"
    actual[-1] |= {"shares_complete": False, "input": {"offset": 1}}
    assert differences(actual, expected) == []
    actual[-1]["shares"].pop()
    assert differences(actual, expected) == ["output 459: batch_dispatched: no row for 'D'"]
    actual[3]["assignee_id"] = "Z"
    assert len(differences(actual, expected)) == 2
    assert differences(actual[:-1], expected[:-2])
