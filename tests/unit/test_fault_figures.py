"""What is counted after a run with faults: a lead that is gone, one too many, a batch too early."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tests.faults.figures import Figures, figures
from tests.reference import events
from tests.support.expected import Expected
from tests.support.oracle import Outcome
from tests.support.records import Json, Record

LEADS, CHANGES = "leads.batches", "roster.changes"


def record(topic: str, offset: int, event: Json, headers: dict[str, str] | None = None) -> Record:
    """A record of partition 0."""
    named = tuple(
        (f"partidor.error.{name}", text.encode()) for name, text in (headers or {}).items()
    )
    return Record(topic, 0, offset, 0, b"web", json.dumps(event).encode(), named)


def decision(kind: str, version: int, topic: str, offset: int, **fields: object) -> Json:
    """As far as figures look at it."""
    source = {"topic": topic, "partition": 0, "offset": offset}
    return {"type": kind, "channel": "web", "state_version": version, "input": source, **fields}


def assigned(batch_id: str, lead_id: str) -> Json:
    """As far as figures look at it."""
    return {"channel": "web", "batch_id": batch_id, "lead_id": lead_id}


class Story:
    """A change, a batch of two leads, a batch that waits; all went well."""

    def __init__(self) -> None:
        self.inputs = [
            record(CHANGES, 0, events.roster("r", {"A": "1"})),
            record(LEADS, 0, events.lead_batch("b", 2)),
            record(LEADS, 1, events.lead_batch("p", 1)),
        ]
        self.assignments = [assigned("b", "L1"), assigned("b", "L2")]
        self.decisions = [
            decision("roster_changed", 1, CHANGES, 0),
            decision("batch_dispatched", 2, LEADS, 0, batch_id="b"),
            decision("batch_parked", 3, LEADS, 1, batch_id="p"),
        ]
        self.dead_letters: list[Record] = []
        self.load: Any = SimpleNamespace(
            sent_at={("web", "b"): 10.0}, needs={(LEADS, 0, 0): 0}, aborted=set()
        )

    def figures(self) -> Figures:
        """Count."""
        outcome = Outcome(
            self.inputs,
            [record("a", n, event) for n, event in enumerate(self.assignments)],
            [record("d", n, event) for n, event in enumerate(self.decisions)],
            self.dead_letters,
            {},
            Expected({}, {}, [], {}),
            [],
        )
        watcher: Any = SimpleNamespace(seen_at={("web", "b"): 12.5})
        return figures(outcome, self.load, watcher)


@pytest.fixture
def story() -> Story:
    """Each test spoils one thing of it."""
    return Story()


def test_what_went_well_counts_nothing_but_leads_and_waits(story: Story) -> None:
    """A parked lead is neither lost nor waited for."""
    assert story.figures() == Figures(3, 0, 0, 0, {("web", "b"): 2.5})


def test_a_lead_without_assignment_is_lost(story: Story) -> None:
    """Whatever the decision says."""
    del story.assignments[0]
    assert story.figures().lost == 1


def test_a_parked_batch_that_was_released_has_to_be_assigned(story: Story) -> None:
    """It is no longer an excuse."""
    story.decisions.append(decision("batch_released", 4, CHANGES, 1, batch_id="p"))
    assert story.figures().lost == 1


def test_a_lead_with_two_assignments_is_duplicated_once(story: Story) -> None:
    """Leads are counted, not assignments."""
    story.assignments += [assigned("b", "L1")] * 2
    assert story.figures().duplicated == 1


def test_a_lead_that_was_never_committed_is_one_too_many(story: Story) -> None:
    """Its transaction was aborted."""
    story.load.aborted.add(("web", "x"))
    story.assignments.append(assigned("x", "L1"))
    assert story.figures().duplicated == 1


def test_the_same_batch_again_changes_nothing(story: Story) -> None:
    """Its leads are the same leads."""
    story.inputs.append(record(LEADS, 2, events.lead_batch("b", 2)))
    assert story.figures() == Figures(3, 0, 0, 0, {("web", "b"): 2.5})


def test_a_dead_letter_was_never_accepted(story: Story) -> None:
    """Neither whole nor in part."""
    event = events.lead_batch("c", ["L1", {"no": "id"}])
    story.inputs.append(record(LEADS, 2, event))
    place = {"topic": LEADS, "partition": "0", "offset": "2", "reason": "wrong_key"}
    story.dead_letters.append(record("dead", 0, event, place))
    assert story.figures().leads == 3
    story.dead_letters.clear()
    assert story.figures().leads == 4


def test_a_batch_before_the_change_that_it_was_sent_after_is_stale(story: Story) -> None:
    """By the order of decisions, whatever the clocks say."""
    story.decisions[0]["state_version"], story.decisions[1]["state_version"] = 2, 1
    assert story.figures().stale == 1
    story.load.needs.clear()
    assert story.figures().stale == 0
