"""What a test of conformance may ask of a side: clients, records from outside, time, accidents.

The clients are those of the ports in `streams.broker`. On the real side time is what it is; on the
model's it passes while a client waits for an answer, and in `wait`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

import pytest

from schemas.topics import TopicNames
from streams.broker import (
    CallFailed,
    ChangelogReader,
    ChangelogRecord,
    Cluster,
    GroupConsumer,
    InputRecord,
    Polled,
    Producer,
    Rebalance,
    RebalanceEvent,
    Remedy,
    TopicPartition,
)

CALL_MS = 20_000
SESSION_TIMEOUT_MS = 6_000
"""The least that brokers allow as they are delivered."""
WITHIN_MS = 30_000
"""How long anything may take that must come true."""
ANSWER_MS = 100
RECORDS_MOST = 1_000
FILLER = b"filler"


class Side(ABC):
    """A cluster that no other test sees, with the three topics that are read, and one group."""

    partitions = 2

    def __init__(self, topics: TopicNames) -> None:
        self.topics = topics
        self._reads: ChangelogReader | None = None

    # -- clients

    @abstractmethod
    def producer(
        self,
        slot: str = "0",
        *,
        transaction_timeout_ms: int = 60_000,
        queue_records_max: int | None = None,
        can_be_copied: bool = False,
    ) -> Producer:
        """A transactional producer, before `init_transactions`; one slot is one transactional id.

        `queue_records_max`: a queue as small as this, where it can be chosen.
        `can_be_copied`: for `commit_with_copy` and `name_leaders_early`.
        """

    @abstractmethod
    def consumer(
        self, slot: str = "0", *, max_poll_interval_ms: int = 120_000, can_be_silenced: bool = False
    ) -> GroupConsumer:
        """A member of the group, before its first poll; it may begin to join at once."""

    @abstractmethod
    def reader(self) -> ChangelogReader:
        """A reader of the changelog."""

    @abstractmethod
    def cluster(self) -> Cluster:
        """For questions."""

    # -- what others do

    @abstractmethod
    def publish(
        self,
        place: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> int:
        """A record from outside any transaction, written now; returns its offset."""

    @abstractmethod
    def delete_before(self, place: TopicPartition, offset: int) -> None:
        """What retention does."""

    @abstractmethod
    def compact(self, partition: int, *, tombstones_too: bool = False) -> None:
        """Let the changelog be compacted, soon, up to its end as it is now.

        A record `FILLER` is written first: the newest part of a log is left as it is.
        `tombstones_too`: the topic keeps them for no time at all. Kafka notes how long a tombstone
        is to stay when it first comes across it, and lets it go when it next comes by.
        """

    @abstractmethod
    def silence(self, consumer: GroupConsumer) -> None:
        """The group hears nothing of this member any more; don't call it meanwhile."""

    @abstractmethod
    def unsilence(self, consumer: GroupConsumer) -> None:
        """It is heard again."""

    @abstractmethod
    def commit_with_copy(self, producer: Producer) -> Callable[[], None]:
        """Commit. What is returned lets a copy of that `EndTxn` arrive late at the brokers."""

    @abstractmethod
    def name_leaders_early(self, producer: Producer) -> Callable[[], None]:
        """Leaders don't lead yet when this producer's first requests come, and do for the next.

        What is returned lets the answers through: before that, more can be sent. `producer`: made
        with `can_be_copied`.
        """

    # -- time

    @abstractmethod
    def wait(self, ms: float) -> None:
        """Let so much time pass."""

    @abstractmethod
    def now_ms(self) -> float:
        """For measuring how long something took."""

    @abstractmethod
    def close(self) -> None:
        """End all clients."""

    # -- the same on all sides

    def until(self, condition: Callable[[], bool], what: str, *, pause_ms: float = 10) -> None:
        """Ask again until it holds; without a pause where asking takes time anyway."""
        deadline_ms = self.now_ms() + WITHIN_MS
        while not condition():
            assert self.now_ms() < deadline_ms, f"never: {what}"
            self.wait(pause_ms)

    def places(self, partition: int = 0) -> tuple[TopicPartition, TopicPartition, TopicPartition]:
        """The partitions with this number: of batches, roster changes, and the changelog."""
        return (
            (self.topics.lead_batches, partition),
            (self.topics.roster_changes, partition),
            (self.topics.changelog, partition),
        )

    def ready(
        self,
        slot: str = "0",
        *,
        transaction_timeout_ms: int = 60_000,
        queue_records_max: int | None = None,
        can_be_copied: bool = False,
    ) -> Producer:
        """A producer that has the transactional id to itself."""
        producer = self.producer(
            slot,
            transaction_timeout_ms=transaction_timeout_ms,
            queue_records_max=queue_records_max,
            can_be_copied=can_be_copied,
        )
        self.init(producer)
        return producer

    def init(self, producer: Producer) -> None:
        """`init_transactions`, asked again while that says nothing."""

        def done() -> bool:
            with retried() as call:
                producer.init_transactions(CALL_MS)
            return call.done

        self.until(done, "init_transactions")

    def put(self, producer: Producer, place: TopicPartition, *pairs: str) -> list[int]:
        """Add records "key=value" ("key" alone: a tombstone) and wait until they are stored.

        Returns their offsets; raises CallFailed as the producer does.
        """
        offsets: list[int] = []
        for pair in pairs:
            key, is_value, value = pair.partition("=")
            stored = value.encode() if is_value else None
            producer.produce(*place, [(key.encode(), stored)], None, offsets.append)
        deadline_ms = self.now_ms() + CALL_MS
        while len(offsets) < len(pairs):
            producer.serve(20)
            if self.now_ms() > deadline_ms:
                raise CallFailed(Remedy.RETRY, "never stored")
        return offsets

    def transact(self, producer: Producer, place: TopicPartition, *pairs: str) -> list[int]:
        """A whole transaction with these records, committed."""
        producer.begin()
        offsets = self.put(producer, place, *pairs)
        producer.commit(CALL_MS)
        return offsets

    def ends(self, place: TopicPartition) -> tuple[int, int]:
        """The last stable offset and the high watermark."""
        cluster = self.cluster()
        stable = cluster.end_offsets([place], read_committed=True)[place]
        return stable, cluster.end_offsets([place], read_committed=False)[place]

    def read_changelog(self, partition: int = 0, offset: int = 0) -> list[ChangelogRecord]:
        """What a reader is given up to the last stable offset as it is now."""
        place = (self.topics.changelog, partition)
        stable, _ = self.ends(place)
        if self._reads is None:
            self._reads = self.reader()
        reader = self._reads
        reader.start(partition, offset)
        records: list[ChangelogRecord] = []

        def is_there() -> bool:
            records.extend(reader.read(RECORDS_MOST, 50))
            return (reader.position(partition) or 0) >= stable

        self.until(is_there, f"position {stable}", pause_ms=0)
        reader.stop(partition)
        return records

    def changelog(self, partition: int = 0) -> list[str]:
        """The same as "key=value", or "key" for a tombstone."""
        return [pair(record) for record in self.read_changelog(partition)]

    def poll_until(
        self, consumer: GroupConsumer, condition: Callable[[Polled], bool], what: str
    ) -> Polled:
        """Poll until what was polled, all together, is enough."""
        polled = Polled([], [], [])

        def enough() -> bool:
            poll_into(polled, consumer)
            return condition(polled)

        self.until(enough, what, pause_ms=0)
        return polled

    def joined(self, *consumers: GroupConsumer) -> list[Polled]:
        """Poll all of them until their assignments make up the whole group; returns all polled."""
        polled = [Polled([], [], []) for _ in consumers]

        def all_are_in() -> bool:
            for each, consumer in zip(polled, consumers, strict=True):
                poll_into(each, consumer)
            generations = {consumer.generation() for consumer in consumers}
            owned = [owned_after(each.rebalances) for each in polled]
            return len(generations) == 1 and sorted(
                number for numbers in owned for number in numbers or ()
            ) == list(range(self.partitions))

        self.until(all_are_in, "the group is whole", pause_ms=0)
        return polled

    def started(
        self, consumer: GroupConsumer, positions: Mapping[TopicPartition, int] | None = None
    ) -> GroupConsumer:
        """Deliver from these positions on; without any: all partitions of the inputs from 0."""
        if positions is None:
            positions = {
                place: 0 for number in range(self.partitions) for place in self.places(number)[:2]
            }
        self.until(lambda: consumer.start_from(positions), "ready to deliver")
        return consumer

    def delivered(self, consumer: GroupConsumer, count: int) -> list[InputRecord]:
        """Poll until so many records have come."""
        return self.poll_until(
            consumer, lambda polled: len(polled.records) >= count, f"{count} records"
        ).records

    def committed(self, consumer: GroupConsumer, place: TopicPartition) -> int | None:
        """The group's committed offset, asked again while it isn't certain."""
        found: dict[TopicPartition, int | None] = {}

        def answered() -> bool:
            with retried() as call:
                found.update(committed(consumer, place))
            return call.done

        self.until(answered, "the committed offset is certain")
        return found[place]


def committed(consumer: GroupConsumer, *places: TopicPartition) -> dict[TopicPartition, int | None]:
    """The group's committed offsets, asked once. Raises CallFailed."""
    question = consumer.ask_committed(places)
    for _ in range(WITHIN_MS // ANSWER_MS):
        if (found := question.answer(ANSWER_MS)) is not None:
            return found
    raise AssertionError("neither an answer nor a failure")


def poll_into(polled: Polled, consumer: GroupConsumer) -> None:
    """Poll once, and add what it brought."""
    records, ends, rebalances = consumer.poll(RECORDS_MOST, 20)
    polled.records.extend(records)
    polled.ends.extend(ends)
    polled.rebalances.extend(rebalances)


def owned_after(rebalances: Sequence[RebalanceEvent]) -> frozenset[int] | None:
    """What a member owns after these; None: it hasn't been told anything, or has lost all."""
    owned = None
    for event in rebalances:
        owned = event.partitions if event.kind is Rebalance.ASSIGNED else None
    return owned


def pair(record: ChangelogRecord | InputRecord) -> str:
    """A record as `Side.put` takes it."""
    assert record.key is not None
    key = record.key.decode()
    return key if record.value is None else f"{key}={record.value.decode()}"


@contextmanager
def fails(remedy: Remedy) -> Iterator[None]:
    """A call fails, and this is what may be done about it."""
    with pytest.raises(CallFailed) as caught:
        yield
    assert caught.value.remedy is remedy, f"{caught.value.remedy}: {caught.value}"


class retried:  # noqa: N801 - reads as a statement
    """A call that may fail such that it may be made again. Any other failure is one of the test.

    Attributes:
        done: Whether it was carried out.
    """

    done = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.done = error is None
        return isinstance(error, CallFailed) and error.remedy is Remedy.RETRY
