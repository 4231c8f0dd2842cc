"""A partition in this process: its channels' states, its inputs that wait, and where it stands.

While a process owns a partition, that partition's state is here, in memory; Redis and the
changelog hold copies of it. Everything decided since the last commit stands in an overlay: a
commit makes it the state, an abort drops it and puts the inputs back (`taken` remembers them).
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from dispatcher.limits import Limits, Room
from dispatcher.state import ChannelState
from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedInput,
    AppliedOffsets,
    Record,
    all_records,
    applied_offsets_value,
    changed_records,
    channel_of,
    read_state,
)
from dispatcher.store import RestorePoint
from streams.broker import InputRecord
from streams.lifecycle import Life, checked


class WaitingBatch(NamedTuple):
    """A batch record, and the end of the roster topic as asked after it was received (R5)."""

    record: InputRecord
    roster_end: int


class Task:
    """One partition number of all co-partitioned topics.

    Attributes:
        states: committed states in memory; `cold`: records of channels not asked for yet.
        applied: per input topic, the next offset to apply (committed).
        changelog_next: the offset behind this task's last committed changelog record.
        has_records: whether the changelog holds anything of this partition.
        changes, batches: inputs that wait to be decided.
        roster_seen: every roster change below this offset has been received.
        releasing: channels with a release under way, in the order in which it began (R13).
        redis: what is known of the copy in Redis.
    """

    def __init__(self, partition: int) -> None:
        """A task that knows nothing yet."""
        self.partition = partition
        self.life = Life.CREATED
        self.states: dict[str, ChannelState] = {}
        self.cold: dict[str, dict[bytes, bytes]] = {}
        self.applied: dict[str, int] = {}
        self.topic_ids: dict[str, str] = {}
        self.partition_count = 0
        self.changelog_next = 0
        self.has_records = False
        self.changes: deque[InputRecord] = deque()
        self.batches: deque[WaitingBatch] = deque()
        self.waiting_bytes = 0
        self.received: dict[str, int] = {}
        self.roster_seen = 0
        self.releasing: dict[str, None] = {}
        self.parked_bytes = 0
        self.paused = False
        self.redis = RedisCopy()
        self._begin_overlay()

    def enter(self, life: Life) -> None:
        """Go on to the next state of life. Raises AssertionError when the table forbids it."""
        self.life = checked(self.life, life)

    # -- what is decided and not committed

    def _begin_overlay(self) -> None:
        self.overlay: dict[str, ChannelState] = {}
        self.overlay_applied: dict[str, int] = {}
        self.overlay_parked_bytes = self.parked_bytes
        self.overlay_releasing = dict(self.releasing)
        self.overlay_new_channels = 0
        self.taken_changes: list[InputRecord] = []
        self.taken_batches: list[WaitingBatch] = []

    def state(self, channel: str) -> ChannelState:
        """The newest state of a channel; one without any decision where there is none."""
        state = self.overlay.get(channel) or self.states.get(channel)
        if state is None:
            records = self.cold.pop(channel, None)
            if records is None:
                return ChannelState(channel)
            state = read_state(records)
            self.states[channel] = state
        return state

    def room(self, limits: Limits) -> Room:
        """What the partition can still take in."""
        channels = len(self.states) + len(self.cold) + self.overlay_new_channels
        return Room(
            channels=limits.channels_per_partition_max - channels,
            parked_bytes=limits.parked_bytes_per_partition_max - self.overlay_parked_bytes,
        )

    def put(self, before: ChannelState, after: ChannelState) -> None:
        """A decision's outcome, to be committed."""
        channel = after.channel
        if not before.exists:
            self.overlay_new_channels += 1
        self.overlay[channel] = after
        self.overlay_parked_bytes += after.parked_bytes - before.parked_bytes
        if after.release is not None:
            self.overlay_releasing.setdefault(channel)
        elif before.release is not None:
            self.overlay_releasing.pop(channel, None)

    def take_change(self) -> InputRecord:
        """The next roster change to decide."""
        record = self.changes.popleft()
        self.taken_changes.append(record)
        self.overlay_applied[record.topic] = record.offset + 1
        return record

    def take_batch(self) -> InputRecord:
        """The next batch to decide."""
        waiting = self.batches.popleft()
        self.taken_batches.append(waiting)
        self.overlay_applied[waiting.record.topic] = waiting.record.offset + 1
        return waiting.record

    def offsets_after(self) -> dict[str, int]:
        """Per input topic, the next offset to apply once the overlay is committed."""
        return {**self.applied, **self.overlay_applied}

    def records_to_commit(self) -> list[Record]:
        """What the changelog gets with the overlay: one main record per changed channel."""
        records: list[Record] = []
        for channel, after in self.overlay.items():
            before = self.states.get(channel) or ChannelState(channel)
            records.extend(changed_records(before, after))
        records.append((APPLIED_OFFSETS_KEY, self._applied_value(self.offsets_after())))
        return records

    def commit(self, records: list[Record], changelog_next: int) -> None:
        """The overlay is committed; `records` are still to be applied to Redis."""
        self.states.update(self.overlay)
        self.applied = self.offsets_after()
        self.parked_bytes = self.overlay_parked_bytes
        self.releasing = self.overlay_releasing
        self.changelog_next = changelog_next
        self.has_records = True
        self.waiting_bytes -= sum(len(r.value or b"") for r in self.taken_changes)
        self.waiting_bytes -= sum(len(w.record.value or b"") for w in self.taken_batches)
        self.redis.unflushed.update(records)
        self._begin_overlay()

    def rollback(self) -> None:
        """The overlay was aborted: decide the same inputs again."""
        self.changes.extendleft(reversed(self.taken_changes))
        self.batches.extendleft(reversed(self.taken_batches))
        self._begin_overlay()

    def _applied_value(self, applied: dict[str, int]) -> bytes:
        inputs = {
            topic: AppliedInput(self.topic_ids[topic], offset) for topic, offset in applied.items()
        }
        return applied_offsets_value(AppliedOffsets(self.partition_count, inputs))

    # -- inputs that wait

    def receive(self, record: InputRecord, roster_topic: str) -> bool:
        """Take in a record; False for one that was received before (R2)."""
        if record.offset < self.received.get(record.topic, 0):
            return False
        self.received[record.topic] = record.offset + 1
        self.waiting_bytes += len(record.value or b"")
        if record.topic == roster_topic:
            self.changes.append(record)
            self.roster_seen = max(self.roster_seen, record.offset + 1)
        return True

    def batch_ready(self) -> bool:
        """Whether a batch waits whose rosters are all there (R5)."""
        return bool(self.batches) and self.batches[0].roster_end <= self.roster_seen

    def ready(self) -> bool:
        """Whether anything can be decided."""
        return bool(self.overlay_releasing or self.changes) or self.batch_ready()

    # -- restoring

    def load(self, records: dict[str, dict[bytes, bytes]]) -> None:
        """Take over restored records: {channel: {key: value}}.

        Channels are read when they are first asked for; only those where something is parked or
        being released are read now, since both count for the partition.
        """
        self.states = {}
        self.cold = records
        self.releasing = {}
        self.parked_bytes = 0
        busy = [channel for channel, parts in records.items() if _is_busy(parts)]
        for channel in busy:
            state = self.state(channel)
            self.parked_bytes += state.parked_bytes
            if state.release is not None:
                self.releasing[channel] = None
        self._begin_overlay()

    def every_record(self) -> Iterator[Record]:
        """All records of the committed state, as a whole new copy of it is made of (R8)."""
        for parts in self.cold.values():
            yield from parts.items()
        for state in self.states.values():
            if state.exists:
                yield from all_records(state)
        yield APPLIED_OFFSETS_KEY, self._applied_value(self.applied)


class RedisCopy:
    """What a task knows of its partition's copy in Redis.

    Attributes:
        point: the restore point that this owner read or wrote last.
        attempted: one that it tried to write without getting an answer.
        unflushed: records committed and not applied; the newest of each key.
        unflushed_since: when the oldest of them was committed, monotonic seconds.
        whole: a whole copy has to be written, on top of `point`.
    """

    def __init__(self) -> None:
        """Nothing known, nothing to write."""
        self.point: RestorePoint | None = None
        self.attempted: RestorePoint | None = None
        self.unflushed: dict[bytes, bytes | None] = {}
        self.unflushed_since: float | None = None
        self.whole = False


def group_by_channel(records: dict[bytes, bytes]) -> dict[str, dict[bytes, bytes]]:
    """{channel: {key: value}} of a partition's records, without the partition's own."""
    grouped: dict[str, dict[bytes, bytes]] = {}
    for key, value in records.items():
        if key != APPLIED_OFFSETS_KEY:
            grouped.setdefault(channel_of(key), {})[key] = value
    return grouped


def _is_busy(parts: dict[bytes, bytes]) -> bool:
    return any(
        b"/parked/" in key or (b"/" not in key and b'"release":null' not in value)
        for key, value in parts.items()
    )
