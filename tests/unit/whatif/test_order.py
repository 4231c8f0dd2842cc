"""The order of a running system's inputs, as its decisions name them."""

import json
from collections.abc import Sequence

from dispatcher.events import BatchReceived, InputRef
from dispatcher.limits import Limits
from schemas.inputs import (
    AssigneePaused,
    CapacityChanged,
    ChannelConfigured,
    RosterReplaced,
    SkillsChanged,
)
from schemas.topics import TopicNames
from streams.replay import Replay
from streams.whatif.course import course_of
from streams.whatif.history import History
from streams.whatif.order import assembled, input_readers, named_inputs
from tests.reference import events

LIMITS = Limits()
READERS = input_readers(TopicNames())
Json = events.Json
UNTIL = "2026-11-29T09:00:00Z"


def decided(parts: Sequence[Json]) -> tuple[list[bytes], dict[InputRef, bytes]]:
    """Decisions on a file of events, and its records; offsets are lines, one behind."""
    lines = [json.dumps(event).encode() for event in parts]
    outputs = Replay(LIMITS).lines(lines)
    decisions = [line for line in outputs if b'"lead_assigned"' not in line[:30]]
    topics = {True: "leads.batches", False: "roster.changes"}
    records = {
        InputRef(topics[event["type"] == "lead_batch"], 0, offset): line
        for offset, (event, line) in enumerate(zip(parts, lines, strict=True))
    }
    return decisions, records


def history(decisions: Sequence[bytes], records: dict[InputRef, bytes]) -> History:
    """What comes of them."""
    return assembled(list(named_inputs(decisions)), records, READERS, LIMITS)


STORY = [
    events.roster("r", {"A": "1", "B": "2"}),
    events.change("channel_configured", "k", required_skills=["language"]),
    events.change("skills_changed", "s", assignee_id="B", skills=["language=vi"]),
    events.change("capacity_changed", "c", assignee_id="A", per_day=5),
    events.change("assignee_paused", "p", assignee_id="A", until=UNTIL),
    events.lead_batch("b1", 3),
    events.lead_batch("b2", 4),
]


def test_each_input_comes_once_in_the_order_of_the_decisions() -> None:
    """Though a release and a timer name again what caused them, and a parked batch its record."""
    later = {"created_at": "2026-12-01T09:00:00Z"}
    parked = [
        events.roster("r", {"A": "1"}),
        events.change("assignee_paused", "p", assignee_id="A", until=UNTIL),
        events.lead_batch("b1", 3),
        {**events.lead_batch("b2", 1), **later},
    ]
    decisions, records = decided(parked)
    kinds = [json.loads(line)["type"] for line in decisions]
    assert {"batch_released", "day_began", "batch_parked"} <= set(kinds)
    named = list(named_inputs(decisions))
    assert [each.ref.offset for each in named] == [0, 1, 2, 3]
    found = history(decisions, records)
    assert course_of(found.events, "web", LIMITS).leads == 4


def test_the_decisions_say_what_came_first_and_not_the_times_of_events() -> None:
    """A batch that says to be older than the change before it was decided after that."""
    parts = [
        events.roster("r", {"A": "1", "B": "1"}),
        {**events.change("assignee_paused", "p", assignee_id="A"), "created_at": UNTIL},
        events.lead_batch("b1", 4),
    ]
    decisions, records = decided(parts)
    found = history(decisions, records)
    assert [event.input.offset for event in found.events] == [0, 1, 2]
    assert not found.notes


def test_a_type_of_decision_that_came_later_is_no_obstacle() -> None:
    """What it was about is an input like others; unknown fields are ignored."""
    decisions, records = decided(STORY)
    newer = json.loads(decisions[-1])
    newer.update(type="decided_by_the_moon", phase="full")
    found = history([*decisions[:-1], json.dumps(newer).encode()], records)
    assert (len(found.events), found.outcomes) == (len(STORY), 0)
    newer["input"] = {"topic": "leads.outcomes", "partition": 0, "offset": 0}
    found = history([*decisions, json.dumps(newer).encode()], records)
    assert (len(found.events), found.outcomes, found.notes) == (len(STORY), 1, ())


def test_where_inputs_are_gone_the_roster_of_then_comes_first() -> None:
    """With rules, skills, capacities, and a pause that ends by itself."""
    decisions, records = decided(STORY)
    gone = {ref: value for ref, value in records.items() if ref.offset >= 6}
    found = history(decisions, gone)
    *opening, batch = found.events
    assert isinstance(batch, BatchReceived)
    assert batch.batch_id == "b2"
    changes = [event.change for event in opening if not isinstance(event, BatchReceived)]
    kinds = {type(change) for change in changes}
    assert kinds == {
        RosterReplaced, ChannelConfigured, SkillsChanged, CapacityChanged, AssigneePaused,
    }  # fmt: skip
    assert "older inputs are gone" in found.notes[0]
    course = course_of(found.events, "web", LIMITS)
    assert not course.rejected
    assert {name for step in course.steps for name in step.assigned} == {"B"}
    assert course.leads == 4


def test_where_everything_is_gone_nothing_is_left() -> None:
    """And nothing fails."""
    decisions, _ = decided(STORY)
    assert history(decisions, {}).events == []


def test_what_can_no_longer_be_read_is_counted() -> None:
    """A limit may have become smaller since."""
    decisions, records = decided(STORY)
    named = list(named_inputs(decisions))
    found = assembled(named, records, READERS, Limits(input_bytes_max=170))
    assert found.refused > 0
    assert len(found.events) + found.refused == len(STORY)
