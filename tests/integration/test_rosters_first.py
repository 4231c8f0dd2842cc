"""Leads are divided among the people who are there when they are divided (R5)."""

from tests.reference import events
from tests.support import oracle
from tests.support.installation import Installation
from tests.support.publisher import encoded

TIMES = 1_000


def test_a_pause_acknowledged_before_a_batch_is_sent_always_counts(
    installation: Installation,
) -> None:
    """A thousand times: the pause is acknowledged, the batch is sent, the paused one gets nothing.

    While one batch is sent the ones before it are being divided.
    """
    channels = [f"channel-{number}" for number in range(TIMES)]
    installation.started()
    installation.process(
        events.roster("first", {"here": "1", "away": "3"}, name) for name in channels
    )
    for name in channels:
        installation.publish([events.change("assignee_paused", "pause", name, assignee_id="away")])
        installation.publisher.publish([events.lead_batch("batch", 4, name)])
    outcome = oracle.check(installation)
    takers = [record.event["assignee_id"] for record in outcome.assignments]
    assert takers == ["here"] * 4 * TIMES


def test_after_an_outage_the_newest_roster_takes_the_backlog(installation: Installation) -> None:
    """Batches that waited are divided by the changes that came after them, whatever clocks say."""
    day_ms = 86_400_000
    topics, publisher = installation.topics, installation.publisher
    installation.publish([events.roster("first", {"A": "1", "B": "1"})])
    installation.publish([events.lead_batch(f"batch-{number}", 6) for number in range(5)])
    late = events.change("assignee_left", "late", assignee_id="A")
    publisher.send(topics.roster_changes, encoded(late), b"web", timestamp_ms=day_ms)
    publisher.flush()
    installation.started()
    outcome = oracle.check(installation)
    assert {record.event["assignee_id"] for record in outcome.assignments} == {"B"}
    assert len(outcome.assignments) == 30


def test_a_source_that_writes_in_transactions_is_read_like_any_other(
    installation: Installation,
) -> None:
    """Its markers occupy offsets at the ends of the topics, and nobody waits for them."""
    installation.started()
    for number in range(3):
        installation.publisher.publish_in_a_transaction(
            [
                events.roster(f"roster-{number}", {"A": "1", f"B{number}": "2"}),
                events.lead_batch(f"batch-{number}", 3),
            ]
        )
        installation.publisher.publish_in_a_transaction(
            [events.lead_batch("never", 7)], commit=False
        )
        installation.wait_until_assigned(3 * (number + 1))
    kinds = [decision["type"] for decision in installation.decisions("web")]
    assert kinds == ["roster_changed", "batch_dispatched"] * 3
