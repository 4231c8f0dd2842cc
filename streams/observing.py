"""What the dispatcher's loop tells whoever counts, measures or asks after its health.

In: words of the loop, on its thread. Out: whatever an observer makes of them; by itself nothing.

Observers neither wait nor fail, and change nothing: a dispatcher decides the same with and without
them. They are told of what is committed only, but for how transactions and calls went.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from dispatcher.state import ChannelState
from streams.broker import Rebalance
from streams.lifecycle import Life

if TYPE_CHECKING:
    from streams.draft import Draft


class Ending(Enum):
    """How a transaction ended."""

    COMMITTED = "committed"
    ABORTED = "aborted"
    UNKNOWN = "unknown"
    """Nobody can say; the producer is replaced (R6)."""


class PartitionStanding(NamedTuple):
    """Where a partition of this process stands.

    Attributes:
        channels: with a state in memory.
        buffered: records received and not decided, by input topic.
        behind: records that Kafka has beyond what was received, by input topic, where known.
        oldest_ms: time of the oldest record that is received and not committed, milliseconds since
            1970; None where none is.
        unflushed: changes that Redis has not taken.
        restoring_s: for how long it is being restored; None if it isn't.
    """

    life: Life
    channels: int
    buffered: Mapping[str, int]
    behind: Mapping[str, int]
    oldest_ms: int | None
    unflushed: int
    restoring_s: float | None


class ProcessStanding(NamedTuple):
    """Where a process stands.

    Attributes:
        member: whether it belongs to the group.
        has_producer: whether it can run transactions.
        redis_up: whether Redis answered last.
        now_ms: milliseconds since 1970.
    """

    member: bool
    has_producer: bool
    redis_up: bool
    now_ms: int
    partitions: Mapping[int, PartitionStanding]


class Observer:
    """One that makes nothing of it."""

    def turned(self) -> None:
        """The loop has done a turn."""

    def rebalanced(self, kind: Rebalance) -> None:
        """Partitions, or none, were assigned, revoked or lost."""

    def restored(self, source: str, seconds: float, records: int) -> None:
        """A partition was restored; `records` of the changelog were read."""

    def loaded(self, partition: int, states: Iterable[ChannelState]) -> None:
        """What a restored partition knows of its channels so far; the rest is read when asked."""

    def left(self, partition: int) -> None:
        """A partition is not this process's any more, or begins anew."""

    def transaction_ended(self, ending: Ending, seconds: float, records: int) -> None:
        """A transaction of so many records was committed, aborted, or nobody knows."""

    def producer_replaced(self, *, fenced: bool) -> None:
        """The producer was closed; `fenced`: because another one took its place."""

    def committed(self, draft: "Draft") -> None:
        """All of a draft was committed."""

    def changed(self, partition: int, states: Iterable[ChannelState]) -> None:
        """Channels have new committed states."""

    def applied(self, seconds: float) -> None:
        """A write to Redis was carried out."""

    def stands(self, standing: ProcessStanding) -> None:
        """Where it all stands, now and then."""


UNOBSERVED = Observer()
