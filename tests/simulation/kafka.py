"""Brokers, as far as the protocol depends on them: logs, transactions, what readers may see.

Rules, as Kafka 4 has them for clients without transactions of version 2 (librdkafka):

- A record of a transaction occupies its offset at once. Who reads committed sees nothing from the
  first open transaction's first record on (the last stable offset), and of what lies before it
  what was committed. Each end of a transaction writes a marker, which occupies an offset too.
- `EndTxn` is answered when the outcome is decided; the markers follow, partition by partition, and
  with the last of them the group's offsets. Until then the next transaction has to wait.
- `EndTxn` names a producer id and an epoch, not a transaction: a late copy ends the next one.
- `InitProducerId` raises the epoch and aborts what is open; so does the time-out. Who comes with
  an older epoch is fenced.
- A record of a transaction that the coordinator knows nothing of is refused.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from enum import Enum
from typing import NamedTuple

from .clockwork import Clockwork
from .groups import Group

Place = tuple[str, int]
Headers = tuple[tuple[str, bytes | None], ...]
MARKER_MS = (0.1, 4.0)
SLOW_MARKER_MS = (50.0, 400.0)
SWEEP_MS = 1_000.0


class Refused(Exception):
    """The brokers' answer is an error; `code` as Kafka names it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Fate(Enum):
    """What becomes of a transaction."""

    OPEN = "open"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Span:
    """The records of one transaction in one partition.

    Attributes:
        first: The offset of the first of them.
        decided: What the coordinator decided.
        fate: What readers know: the same, once the marker is written.
    """

    __slots__ = ("decided", "fate", "first", "producer_id")

    def __init__(self, producer_id: int, first: int) -> None:
        self.producer_id = producer_id
        self.first = first
        self.decided = Fate.OPEN
        self.fate = Fate.OPEN


class Entry(NamedTuple):
    """What occupies an offset. `span` None: outside transactions. A marker has no key or value."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    span: Span | None
    marker: bool = False

    @property
    def visible(self) -> bool:
        """Whether it is one of the records that are handed out to who reads committed."""
        return not self.marker and (self.span is None or self.span.fate is Fate.COMMITTED)


class Log:
    """One partition."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.start = 0
        self.end = 0
        self.open: dict[int, Span] = {}
        self.waiting: dict[Callable[[], None], None] = {}
        self.changed = False

    @property
    def stable(self) -> int:
        """The last stable offset; `end` is the high watermark."""
        return min((span.first for span in self.open.values()), default=self.end)

    def append(
        self,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        producer_id: int | None = None,
    ) -> int:
        """Add a record, of a transaction if a producer is named; returns its offset."""
        span = None
        if producer_id is not None:
            span = self.open.setdefault(producer_id, Span(producer_id, self.end))
        self.entries.append(Entry(self.end, timestamp_ms, key, value, headers, span))
        self.end += 1
        self._wake()
        return self.end - 1

    def mark(self, producer_id: int, fate: Fate) -> None:
        """Write the marker that ends a transaction here."""
        span = self.open.pop(producer_id, None)
        if span is not None:
            span.fate = fate
        self.entries.append(Entry(self.end, 0, None, None, (), span, marker=True))
        self.end += 1
        self._wake()

    def _wake(self) -> None:
        self.changed = True
        for wake in self.waiting:
            wake()
        self.waiting.clear()

    def between(self, first: int, limit: int) -> Iterable[Entry]:
        """Everything from one offset up to another, markers and aborted records too."""
        at = bisect_left(self.entries, first, key=lambda entry: entry.offset)
        while at < len(self.entries) and self.entries[at].offset < limit:
            yield self.entries[at]
            at += 1

    def delete_before(self, offset: int) -> None:
        """Retention."""
        self.start = offset
        self.entries = [entry for entry in self.entries if entry.offset >= offset]

    def compact(self, keep: int, tombstones_before_ms: float) -> None:
        """Keep the last record of each key, and everything among the newest `keep` offsets."""
        limit = min(self.stable, self.end - keep)
        last: dict[bytes | None, int] = {}
        for entry in self.entries:
            if entry.visible:
                last[entry.key] = entry.offset
        self.entries = [
            entry
            for entry in self.entries
            if entry.offset >= limit
            or (
                entry.visible
                and last[entry.key] == entry.offset
                and (entry.value is not None or entry.timestamp_ms >= tombstones_before_ms)
            )
        ]


class Transaction:
    """What the coordinator knows of a transactional id."""

    def __init__(self, producer_id: int, timeout_ms: float) -> None:
        self.producer_id = producer_id
        self.epoch = 0
        self.timeout_ms = timeout_ms
        self.state = "empty"
        self.began_ms = 0.0
        self.partitions: set[Place] = set()
        self.has_offsets = False
        self.ended_as = Fate.OPEN


class Kafka:
    """Topics, the coordinator of transactions, the group."""

    def __init__(self, clockwork: Clockwork, partitions: dict[str, int], group: Group) -> None:
        self.clockwork = clockwork
        self.group = group
        self.up = True
        self.topics = dict(partitions)
        self.topic_ids = {name: f"id-of-{name}" for name in partitions}
        self.logs: dict[Place, Log] = {
            (name, number): Log() for name, count in partitions.items() for number in range(count)
        }
        self.transactions: dict[str, Transaction] = {}
        self.produced_ms: dict[tuple[str, int, int], float] = {}
        """When a record of a transaction arrived, by where it stands."""
        clockwork.after(SWEEP_MS, self._sweep)

    # -- transactions

    def init_producer(self, transactional_id: str, timeout_ms: float) -> tuple[int, int]:
        """A producer id and an epoch; what was open under the name is aborted first."""
        known = self.transactions.get(transactional_id)
        if known is None:
            known = Transaction(len(self.transactions) + 1, timeout_ms)
            self.transactions[transactional_id] = known
        elif known.state == "ongoing":
            known.epoch += 1
            self._decide(known, Fate.ABORTED)
        if known.state not in ("empty", "complete"):
            raise Refused("CONCURRENT_TRANSACTIONS")
        known.epoch += 1
        known.state = "empty"
        known.timeout_ms = timeout_ms
        return known.producer_id, known.epoch

    def _checked(self, transactional_id: str, epoch: int) -> Transaction:
        known = self.transactions[transactional_id]
        if epoch != known.epoch:
            raise Refused("INVALID_PRODUCER_EPOCH")
        return known

    def add_to_transaction(self, transactional_id: str, epoch: int, place: Place | None) -> None:
        """A partition that will be written, or (None) the group's offsets."""
        known = self._checked(transactional_id, epoch)
        if known.state in ("committing", "aborting"):
            raise Refused("CONCURRENT_TRANSACTIONS")
        if known.state != "ongoing":
            known.state = "ongoing"
            known.began_ms = self.clockwork.now_ms
            known.partitions = set()
            known.has_offsets = False
        if place is None:
            known.has_offsets = True
        else:
            known.partitions.add(place)

    def produce(
        self,
        transactional_id: str,
        epoch: int,
        place: Place,
        timestamp_ms: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
    ) -> int:
        """Add a record of a transaction; returns its offset."""
        known = self._checked(transactional_id, epoch)
        if known.state != "ongoing" or place not in known.partitions:
            raise Refused("INVALID_TXN_STATE")
        offset = self.logs[place].append(timestamp_ms, key, value, headers, known.producer_id)
        self.produced_ms[*place, offset] = self.clockwork.now_ms
        return offset

    def commit_offsets(
        self,
        transactional_id: str,
        epoch: int,
        offsets: dict[Place, int],
        member: str,
        generation: int,
    ) -> None:
        """The group's offsets, as part of a transaction."""
        known = self._checked(transactional_id, epoch)
        if known.state != "ongoing" or not known.has_offsets:
            raise Refused("INVALID_TXN_STATE")
        if offsets:  # an empty list is answered without a look
            self.group.check(member, generation)
        self.group.pending.setdefault(known.producer_id, {}).update(offsets)

    def end_transaction(self, transactional_id: str, epoch: int, fate: Fate) -> None:
        """Commit or abort whatever transaction is open."""
        known = self._checked(transactional_id, epoch)
        if known.state == "ongoing":
            self._decide(known, fate)
            return
        if known.state in ("committing", "aborting"):
            raise Refused("CONCURRENT_TRANSACTIONS")
        if known.state == "empty" or known.ended_as is not fate:
            raise Refused("INVALID_TXN_STATE")

    def _decide(self, known: Transaction, fate: Fate) -> None:
        known.state = "committing" if fate is Fate.COMMITTED else "aborting"
        known.ended_as = fate
        rng = self.clockwork.rng
        left = len(known.partitions) + known.has_offsets
        if not left:
            known.state = "complete"
            return

        def written() -> None:
            nonlocal left
            left -= 1
            if not left:
                known.state = "complete"

        for place in sorted(known.partitions):
            span = self.logs[place].open.get(known.producer_id)
            if span is not None:
                span.decided = fate
            low, high = SLOW_MARKER_MS if rng.random() < 0.02 else MARKER_MS
            self._when_up(rng.uniform(low, high), self._marker(known, place, fate, written))
        if known.has_offsets:
            self._when_up(rng.uniform(*MARKER_MS), self._offsets_marker(known, fate, written))

    def _marker(
        self, known: Transaction, place: Place, fate: Fate, then: Callable[[], None]
    ) -> Callable[[], None]:
        def write() -> None:
            self.logs[place].mark(known.producer_id, fate)
            then()

        return write

    def _offsets_marker(
        self, known: Transaction, fate: Fate, then: Callable[[], None]
    ) -> Callable[[], None]:
        def write() -> None:
            self.group.end_pending(known.producer_id, commit=fate is Fate.COMMITTED)
            then()

        return write

    def _when_up(self, delay_ms: float, action: Callable[[], None]) -> None:
        def act() -> None:
            if self.up:
                action()
            else:
                self.clockwork.after(100.0, act)

        self.clockwork.after(delay_ms, act)

    def _sweep(self) -> None:
        """Abort what has been open for too long."""
        for known in self.transactions.values():
            age_ms = self.clockwork.now_ms - known.began_ms
            if self.up and known.state == "ongoing" and age_ms > known.timeout_ms:
                known.epoch += 1
                self._decide(known, Fate.ABORTED)
        self.clockwork.after(SWEEP_MS, self._sweep)

    @property
    def settled(self) -> bool:
        """Whether no transaction is open anywhere."""
        return not any(log.open for log in self.logs.values()) and not self.group.pending
