"""The ports to Kafka: what the processor needs of a cluster, in Kafka's own terms.

A real cluster is in `kafka_broker`; the simulation has a model. The hard cases are part of the
contract, and a test that both pass holds them to it:

- Only `GroupConsumer.poll` serves rebalances, and it reports them in order, after the fact. It may
  return records of partitions that were revoked within the same call: the caller drops them.
- An assigned partition is paused until `start_from`; nothing of it is delivered before.
- A call that fails raises `CallFailed`, which says what may be done about it. No call waits longer
  than the time-out it is given.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeVar

import msgspec

T = TypeVar("T")

TopicPartition = tuple[str, int]
"""A topic's name and a partition number."""

Headers = Sequence[tuple[str, bytes | None]]


class InputRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of an input topic. `timestamp_ms` is milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Rebalance(Enum):
    """What happened to partitions of this process."""

    ASSIGNED = "assigned"
    REVOKED = "revoked"
    """Handed over in good order: whatever was committed is committed."""
    LOST = "lost"
    """Taken away: another process may have gone on with them already."""


class RebalanceEvent(NamedTuple):
    """A rebalance, with the partition numbers (of all input topics) that it is about."""

    kind: Rebalance
    partitions: frozenset[int]


class Polled(NamedTuple):
    """What a poll brought.

    Attributes:
        records: in order of offset within a partition.
        ends: (topic, partition, offset) where the end of what is visible was reached; records
            below that offset have been returned, transaction markers included in the count.
        rebalances: in order.
    """

    records: list[InputRecord]
    ends: list[tuple[str, int, int]]
    rebalances: list[RebalanceEvent]


class Remedy(Enum):
    """What may be done about a call that failed."""

    RETRY = "retry"
    """The same call again."""
    ABORT = "abort"
    """Abort the transaction, then go on."""
    REPLACE = "replace"
    """The producer can't go on, or the outcome is unknown: close it and make a new one."""
    FENCED = "fenced"
    """As REPLACE: a rival with the same transactional id, or a transaction timed out."""
    STOP = "stop"
    """Nothing that this process may decide by itself, or can mend."""


class CallFailed(Exception):
    """A call to the cluster failed."""

    def __init__(self, remedy: Remedy, detail: str) -> None:
        """`detail` for people."""
        super().__init__(detail)
        self.remedy = remedy


class InputLost(Exception):
    """Input that was not processed is gone, or isn't what it was: an operator has to decide."""


class AskedOffsets(Protocol):
    """A question about a group's committed offsets."""

    def answer(self, timeout_ms: float) -> dict[TopicPartition, int | None] | None:
        """The offsets, None where there is none. None for all of them: no answer yet.

        While a transaction could still change them there is no answer; CallFailed(RETRY) when
        that took too long, or the question was lost: which says nothing (R1).
        """


class GroupConsumer(Protocol):
    """The member of the consumer group that reads the input topics, read_committed."""

    def poll(self, records_max: int, timeout_ms: int) -> Polled:
        """Wait for a first record or rebalance, then take what is there.

        Raises InputLost when an offset to read from is out of the log; CallFailed(STOP) when the
        group will have nothing of this process any more.
        """

    def ask_committed(self, partitions: Sequence[TopicPartition]) -> AskedOffsets:
        """Ask for the group's committed offsets as they are from now on; returns at once."""

    def start_from(self, positions: Mapping[TopicPartition, int]) -> bool:
        """Deliver assigned partitions from these offsets on. False: not ready yet, ask again."""

    def known_end(self, place: TopicPartition) -> int | None:
        """The end of an assigned partition as last fetched, markers included; None: not known."""

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver nothing of these until `resume`."""

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """Deliver again, from where it stopped."""

    def group_metadata(self) -> bytes:
        """Membership as of the last poll; transactions are fenced by it (R4)."""

    def generation(self) -> int:
        """The generation in that metadata; below 0 while this process is no member."""

    def close(self) -> None:
        """Leave the group."""


KeyValue = tuple[bytes | None, bytes | str | None]
"""Key and value of a record; text goes out as UTF-8."""

OnOffset = Callable[[int], None]
UNKNOWN_OFFSET: Final = -1
"""Of a record that the client takes for stored, and the brokers never said so."""


class Producer(Protocol):
    """A transactional producer. Every call may raise CallFailed."""

    def init_transactions(self, timeout_ms: int) -> None:
        """Fence whoever has the same transactional id, and end what they left open."""

    def begin(self) -> None:
        """Begin a transaction."""

    def produce(
        self,
        topic: str,
        partition: int,
        records: Sequence[KeyValue],
        headers: Headers | None = None,
        on_offset: OnOffset | None = None,
        timestamp_ms: int | None = None,
    ) -> int:
        """Add records, in order; all have the same headers, and the time of now if none is given.

        `on_offset` is told the offset of the first one, or UNKNOWN_OFFSET, before `flush` returns.

        Returns: how many were taken; fewer than there are when the queue is full.
        """

    def serve(self, timeout_ms: int) -> None:
        """Let the queue drain."""

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """Commit input offsets with the transaction."""

    def flush(self, timeout_ms: int) -> None:
        """Wait until nothing is queued or on its way any more; RETRY if that takes longer."""

    def commit(self, timeout_ms: int) -> None:
        """Commit. After an error or the time-out nobody knows the outcome."""

    def abort(self, timeout_ms: int) -> None:
        """Abort; likewise."""

    def alongside(self, calls: Callable[[], T]) -> Callable[[], T]:
        """Have calls made while the caller does something else, which is no call of this producer.

        Returns: waits until they are made, and returns or raises what they do.
        """

    def connection_errors(self) -> int:
        """How many errors of connections this producer has seen so far."""

    def close(self) -> None:
        """Drop the producer, and whatever is open in it."""


class ChangelogRecord(NamedTuple):
    """A record of the changelog."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None


class ChangelogReader(Protocol):
    """Reads changelog partitions, read_committed, outside any group."""

    def start(self, partition: int, offset: int) -> None:
        """Read this partition from the offset on."""

    def stop(self, partition: int) -> None:
        """Read it no more."""

    def read(self, records_max: int, timeout_ms: int) -> list[ChangelogRecord]:
        """Records of any started partition; [] when none came in time."""

    def position(self, partition: int) -> int | None:
        """The offset that would be read next, markers passed; None before anything was read."""

    def close(self) -> None:
        """Close all."""


class TopicFacts(NamedTuple):
    """What a cluster says of a topic."""

    topic_id: str
    partition_count: int
    config: Mapping[str, str]


class Cluster(Protocol):
    """Questions to the cluster. Each raises CallFailed(RETRY) when it isn't answered in time."""

    def end_offsets(
        self, partitions: Sequence[TopicPartition], *, read_committed: bool
    ) -> dict[TopicPartition, int]:
        """The last stable offsets, or (read uncommitted) the high watermarks."""

    def start_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where the logs begin."""

    def topic_facts(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """Facts of the topics that exist; the others are left out."""

    def close(self) -> None:
        """Ask no more."""
