"""The bytes that go out are what the models of the output events say."""

import json

from dispatcher.limits import Limits
from dispatcher.roster import Member, Roster, rank_digest
from schemas.documents import EVENTS
from schemas.outputs import DECISION, BatchDispatched, BatchParked, LeadAssigned
from streams.replay import Replay
from tests.reference.events import the_seeds_story
from tests.reference.histories import history


def outputs(events: list[dict[str, object]]) -> list[bytes]:
    """What replaying the events writes."""
    return list(Replay(Limits()).lines(json.dumps(event).encode() for event in events))


def test_every_output_is_valid_and_its_fields_are_in_the_order_of_the_formats() -> None:
    """`type` and `schema_version` first; nothing that the model doesn't know."""
    count = 0
    for seed in range(30):
        kinds = {"rules": seed % 2 == 1, "values": seed % 3 == 1, "outcomes": seed % 5 == 1}
        for line in outputs(history(seed, channels=2, events=25, **kinds)):
            event = json.loads(line)
            assert ["type", "schema_version"] == list(event)[:2]
            model = EVENTS[event["type"]]
            assert event == model.model_validate(event).model_dump(mode="json", exclude_unset=True)
            count += 1
    assert count > 1_000


def test_ids_that_json_escapes_come_out_as_they_came_in() -> None:
    """Quotes, backslashes, other scripts, percent signs."""
    odd = ['"', "\\", "ü/ß", "100%d", "%b%s", "日本", "a b", "{}"]
    channel, common = 'we"b/%s\\', {"schema_version": 1, "created_at": "2026-11-21T09:00:00Z"}
    join = {"type": "assignee_joined", "change_id": "c", "assignee_id": 'A"%b', "weight": "1"}
    leads = [{"lead_id": each, "attributes": {each: each}} for each in odd]
    batch = {"type": "lead_batch", "batch_id": 'b"1', "leads": leads}
    written = outputs(
        [{**join, **common, "channel": channel}, {**batch, **common, "channel": channel}]
    )
    assigned = [LeadAssigned.model_validate_json(line) for line in written[1:-1]]
    assert odd == [each.lead_id for each in assigned]
    assert [{each: each} for each in odd] == [each.attributes for each in assigned]
    assert {'A"%b'} == {each.assignee_id for each in assigned}
    assert [f"{channel}/2/{each}" for each in odd] == [each.assignment_id for each in assigned]


def test_the_seeds_story_comes_out_as_in_the_source_document() -> None:
    """27/33/40, then 13/17/20, then 115/127/58."""
    decisions = [json.loads(line) for line in outputs(the_seeds_story())]
    divided = [
        {share["assignee_id"]: share["assigned"] for share in event["shares"]}
        for event in decisions
        if event["type"] == "batch_dispatched"
    ]
    assert [
        {"A": 27, "B": 33, "C": 40},
        {"A": 13, "B": 17, "C": 20},
        {"B": 115, "C": 127, "D": 58},
    ] == divided


def test_a_large_roster_is_listed_whole_every_fiftieth_decision_only() -> None:
    """In between, those who received leads; the exact errors of the others follow."""
    common = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
    members = [{"assignee_id": f"A{n:03d}", "weight": "1"} for n in range(30)]
    events: list[dict[str, object]] = [
        {**common, "type": "roster_replaced", "change_id": "c", "members": members}
    ]
    events += [
        {**common, "type": "lead_batch", "batch_id": f"b{n}", "leads": [{"lead_id": f"L{n}"}]}
        for n in range(60)
    ]
    listed = {}
    for line in outputs(events):
        event = json.loads(line)
        if event["type"] == "batch_dispatched":
            DECISION.validate_python(event)
            listed[event["state_version"]] = (event["shares_complete"], len(event["shares"]))
    assert {50: (True, 30)} == {
        version: rows for version, rows in listed.items() if rows != (False, 1)
    }


def test_the_listing_of_a_roster_fits_what_the_roster_says_of_itself() -> None:
    """`Roster.listing_bytes` bounds the real size, with the longest numbers there can be."""
    names = [f'{"x" * 60}"{n}' for n in range(40)]
    common = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
    members = [{"assignee_id": name, "weight": "999999.999999"} for name in names]
    events: list[dict[str, object]] = [
        {**common, "type": "roster_replaced", "change_id": "c", "members": members},
        {
            **common,
            "type": "cumulative_error_corrected",
            "change_id": "d",
            "assignee_id": names[0],
            "amount": "-99999.999999",
            "counter_assignee_id": names[1],
        },
    ]
    events += [
        {**common, "type": "lead_batch", "batch_id": f"b{n}", "leads": [{"lead_id": f"L{n}"}]}
        for n in range(50)
    ]
    bound = Roster(
        Member(rank_digest("web", name), name, 999_999_999_999, False) for name in names
    ).listing_bytes()
    assert max(map(len, outputs(events))) < bound + 1_000


def test_a_decision_stays_short_when_each_lead_asks_for_something_else() -> None:
    """It lists as many groups as there is room for, and says so; leads that wait are counted."""
    common = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
    changes = [
        {"type": "channel_configured", "change_id": "1", "required_skills": ["x"]},
        {"type": "assignee_joined", "change_id": "2", "assignee_id": "A", "weight": "1"},
    ]
    asking = [{"lead_id": f"L{n}", "attributes": {"x": f"{n}" * 10}} for n in range(5_000)]
    some = {"type": "lead_batch", "batch_id": "some", "leads": [{"lead_id": "L"}, *asking]}
    none = {"type": "lead_batch", "batch_id": "none", "leads": asking}
    *_, dispatched, parked = outputs([{**each, **common} for each in (*changes, some, none)])
    for line in (dispatched, parked):
        assert len(line) < 64 * 1024
        event = DECISION.validate_json(line)
        assert isinstance(event, BatchDispatched | BatchParked)
        assert event.groups
        assert event.groups_complete is False
    assert json.loads(dispatched)["leads_parked"] == 5_000
    assert json.loads(parked)["batch_size"] == 5_000
