"""Events sent as any lead source sends them, and the assignments read back meanwhile.

In: input events. Out: how long it took from the first batch sent to the last assignment read.
"""

import time
from collections.abc import Iterable
from typing import Final

import msgspec

from schemas.inputs import OUTCOME_TYPES
from streams.cli.output import progress_bar
from streams.delivery import Delivery
from streams.demo.processes import Running
from streams.demo.reading import Assignments
from streams.generators import Event
from streams.kafka_clients import admin_client, partition_counts

EVENTS_BETWEEN_LOOKS: Final = 20
"""Sent before what has come back is looked at."""

LEADS_AHEAD_MAX: Final = 10_000
"""Sent and not yet assigned. Roster changes are to meet a stream on its way: a backlog would be
divided by the newest roster, as if all of them had come first."""


class Sender:
    """Sends events of all input topics."""

    def __init__(self, running: Running) -> None:
        """Raises Failed."""
        settings = running.settings
        self._topics = settings.topics
        counts = partition_counts(admin_client(settings), settings, self._topics.inputs)
        self._delivery = Delivery(settings, counts)

    def send(self, event: Event) -> None:
        """Hand over an event. Raises Failed."""
        topic = self._topic_of(event["type"])
        self._delivery.send(topic, event["channel"].encode(), msgspec.json.encode(event))

    def _topic_of(self, kind: str) -> str:
        if kind == "lead_batch":
            return self._topics.lead_batches
        is_outcome = kind in OUTCOME_TYPES
        return self._topics.lead_outcomes if is_outcome else self._topics.roster_changes

    def flush(self) -> None:
        """Wait until all is acknowledged. Raises Failed."""
        self._delivery.flush()


class Source(Sender):
    """Sends events, and knows which leads were among them.

    Attributes:
        lead_ids: of all leads that were sent.
    """

    def __init__(self, running: Running) -> None:
        """Raises Failed."""
        super().__init__(running)
        self.lead_ids: set[str] = set()

    def send(self, event: Event) -> None:
        """Hand over an event. Raises Failed."""
        super().send(event)
        if event["type"] == "lead_batch":
            self.lead_ids.update(lead["lead_id"] for lead in event["leads"])


def play(events: Iterable[Event], leads: int, source: Source, assignments: Assignments) -> float:
    """Send everything; return when `leads` more assignments have been read. Raises Failed.

    Returns: seconds from the first batch to the last assignment.
    """
    assignments.take_until_count(len(source.lead_ids))
    goal = assignments.count + leads
    shown = assignments.count
    started: float | None = None
    with progress_bar("assigned", leads) as advance:

        def show() -> None:
            nonlocal shown
            advance(assignments.count - shown, assignments.count - shown)
            shown = assignments.count

        for number, event in enumerate(events):
            if started is None and event["type"] == "lead_batch":
                source.flush()
                started = time.monotonic()
            source.send(event)
            if number % EVENTS_BETWEEN_LOOKS == 0 and assignments.take():
                show()
            least = len(source.lead_ids) - LEADS_AHEAD_MAX
            assignments.take_until_count(least, show)
        source.flush()
        assignments.take_until_count(goal, show)
    return time.monotonic() - (started or time.monotonic())
