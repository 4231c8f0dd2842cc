"""Topics read as they grow, read committed, by a consumer that belongs to no group.

In: a topic, from its beginning. Out: its records as they are committed; whether all there is of it
was read.
"""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Self

import msgspec
from confluent_kafka import KafkaError, Message, TopicPartition

from schemas.outputs import DECISION, AnyDecision, BatchDispatched
from streams.demo.processes import Running
from streams.failure import Failed
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    partition_counts,
    problem,
    reader,
)

RECORDS_AT_ONCE_MAX: Final = 10_000
POLL_S: Final = 0.1
SILENCE_MAX_S: Final = 60.0
"""Nothing new for so long, while something is awaited, is a failure."""


def record_count(running: Running, topic: str) -> int:
    """How many offsets a topic has used: 0 when nothing was ever written. Raises Failed."""
    settings = running.settings
    admin = admin_client(settings)
    count = partition_counts(admin, settings, [topic])[topic]
    return sum(end_offsets(admin, settings, [(topic, number) for number in range(count)]).values())


class Tail(ABC):
    """A topic from its beginning on; a context manager. Raises Failed."""

    def __init__(self, running: Running, topic: str) -> None:
        self.topic = topic
        self._running = running
        settings = running.settings
        count = partition_counts(admin_client(settings), settings, [topic])[topic]
        self._next_offsets: dict[Place, int] = {(topic, number): 0 for number in range(count)}
        self._consumer = reader(settings)
        self._consumer.assign([TopicPartition(*place, 0) for place in self._next_offsets])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the consumer."""
        self._consumer.close()

    def records(self, wait_s: float = 0.0) -> Iterator[Message]:
        """What has come since the last time; waits for the first record, if wanted."""
        for message in self._consumer.consume(RECORDS_AT_ONCE_MAX, wait_s):
            error = message.error()
            place = (message.topic() or "", message.partition() or 0)
            if error is None:
                self._next_offsets[place] = (message.offset() or 0) + 1
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                # Behind markers and aborted records, which are never seen otherwise.
                self._next_offsets[place] = message.offset() or 0
            else:
                raise problem(self._running.settings, f"can't read {self.topic}", error)

    def take(self, wait_s: float = 0.0) -> int:
        """Take in what has come. Returns how many records that were."""
        taken = 0
        for message in self.records(wait_s):
            self.receive(message)
            taken += 1
        return taken

    @abstractmethod
    def receive(self, message: Message) -> None:
        """Take in a record."""

    def take_until(
        self, done: Callable[[], bool], what: str, on_taken: Callable[[], None] = lambda: None
    ) -> None:
        """Go on until `done`. Raises Failed after a minute's silence, or when a process ended."""
        silent_since = time.monotonic()
        while not done():
            if self.take(POLL_S):
                silent_since = time.monotonic()
                on_taken()
                continue
            self._running.check()
            if time.monotonic() - silent_since > SILENCE_MAX_S:
                raise Failed(f"{what} did not come within {SILENCE_MAX_S:.0f} s")

    def take_rest(self) -> None:
        """Read up to the end as it is now."""
        settings = self._running.settings
        ends = end_offsets(admin_client(settings), settings, self._next_offsets)
        self.take_until(
            lambda: all(self._next_offsets[place] >= end for place, end in ends.items()),
            f"the rest of {self.topic}",
        )


class Decisions(Tail):
    """All decisions so far: as they are, and as `schemas.outputs` reads them."""

    def __init__(self, running: Running) -> None:
        super().__init__(running, running.settings.topics.decisions)
        self.values: list[bytes] = []
        self.decisions: list[AnyDecision] = []
        self.batches: dict[str, BatchDispatched] = {}

    def take_until_divided(self, batch_ids: Iterable[str]) -> None:
        """Go on until all these batches are divided. Raises Failed."""
        wanted = list(batch_ids)
        self.take_until(lambda: all(each in self.batches for each in wanted), "the decisions")

    def receive(self, message: Message) -> None:
        """Keep a decision; on a batch, also under its batch_id."""
        value = message.value() or b""
        decision = DECISION.validate_json(value)
        self.values.append(value)
        self.decisions.append(decision)
        if isinstance(decision, BatchDispatched):
            self.batches[decision.batch_id] = decision


class Assignment(msgspec.Struct, frozen=True):
    """What is looked at in an assignment."""

    assignment_id: str
    channel: str
    lead_id: str
    assignee_id: str


class Assignments(Tail):
    """All assignments so far, counted.

    Attributes:
        count: records.
        leads: how often each lead was assigned.
        ids: different assignment ids.
        by_assignee: leads by channel and assignee.
    """

    def __init__(self, running: Running) -> None:
        super().__init__(running, running.settings.topics.assignments)
        self._decode = msgspec.json.Decoder(Assignment).decode
        self.count = 0
        self.leads: Counter[str] = Counter()
        self.ids: set[str] = set()
        self.by_assignee: Counter[tuple[str, str]] = Counter()

    def take_until_count(self, least: int, on_taken: Callable[[], None] = lambda: None) -> None:
        """Go on until so many have come in all. Raises Failed."""
        self.take_until(lambda: self.count >= least, f"{least:,} assignments", on_taken)

    def receive(self, message: Message) -> None:
        """Count an assignment."""
        found = self._decode(message.value() or b"")
        self.count += 1
        self.leads[found.lead_id] += 1
        self.ids.add(found.assignment_id)
        self.by_assignee[found.channel, found.assignee_id] += 1
