"""A partition in this process: its channels' states, its inputs that wait, and where it stands.

While a process owns a partition, that partition's state is here, in memory; Redis and the
changelog hold copies of it. Everything decided since the last commit stands in an overlay: `begin`
leaves it to a transaction and goes on with another on top, `commit` makes it the state,
`rollback` drops all that is not committed and puts the inputs back.

- R14 A timer is part of its channel's state, and what is known here of when timers are due follows
  from the states: it is made anew by a restore, and whatever an abort takes back is due again.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice, takewhile
from typing import Final

import msgspec

from dispatcher.decisions import Dispatched, OutcomeRecorded
from dispatcher.limits import Limits, Room
from dispatcher.register import Owner, Owners, entries, record_key, record_value
from dispatcher.state import ChannelState
from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedInput,
    AppliedOffsets,
    Record,
    all_records,
    applied_offsets_value,
    changed_records,
    read_state,
)
from streams.broker import InputRecord
from streams.known_owners import InputPlace, KnownOwners
from streams.lifecycle import Life, checked
from streams.overlay import Overlay, WaitingInput
from streams.partition_copy import RedisCopy, is_busy

LOOKED_UP_MAX: Final = 512
"""Inputs that the lead register is asked for at once, of those that wait."""


class Task:
    """One partition number of all co-partitioned topics.

    Attributes:
        states: committed states in memory; `cold`: records of channels not asked for yet.
        applied: per input topic, the next offset to apply (committed).
        partition_count: of the topics; `former_counts` before they were expanded.
        changelog_next: the offset behind this task's last committed changelog record.
        has_records: whether the changelog holds anything of this partition.
        changes: roster changes that wait to be decided.
        waiting: batches and outcomes that wait to be decided, in the order in which they came.
        roster_seen: every roster change below this offset has been received.
        releasing: channels with a release under way, in the order in which it began (R13).
        timers: a heap of (milliseconds since 1970, channel); some may be of the past of a channel.
        overlay: what is decided and in no transaction yet.
        in_flight: the overlay below it, whose transaction is under way.
        redis: what is known of the copy in Redis.
        sticky: channels that need the lead register, by key: what they know persons by.
        known_owners: what is known of it.
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
        self.former_counts: tuple[int, ...] = ()
        self.changelog_next = 0
        self.has_records = False
        self.changes: deque[InputRecord] = deque()
        self.waiting: deque[WaitingInput] = deque()
        self.waiting_bytes = 0
        self.received: dict[str, int] = {}
        self.roster_seen = 0
        self.releasing: dict[str, None] = {}
        self.parked_bytes = 0
        self.timers: list[tuple[int, str]] = []
        self.paused = False
        self.redis = RedisCopy()
        self.sticky: dict[bytes, tuple[str, ...]] = {}
        self.known_owners = KnownOwners()
        self._clear_overlays()

    def enter(self, life: Life) -> None:
        """Go on to the next state of life. Raises AssertionError when the table forbids it."""
        self.life = checked(self.life, life)

    # -- what is decided and not committed

    def _clear_overlays(self) -> None:
        self.in_flight: Overlay | None = None
        self.overlay = Overlay(self.releasing, self.parked_bytes)

    def state(self, channel: str) -> ChannelState:
        """The newest state of a channel; one without any decision where there is none."""
        state = self.overlay.states.get(channel)
        if state is None and self.in_flight is not None:
            state = self.in_flight.states.get(channel)
        return state or self._committed_state(channel) or ChannelState(channel)

    def _committed_state(self, channel: str) -> ChannelState | None:
        state = self.states.get(channel)
        if state is None and (records := self.cold.pop(channel, None)) is not None:
            state = self.states[channel] = read_state(records)
        return state

    def room(self, limits: Limits) -> Room:
        """What the partition can still take in."""
        if self.overlay.room is not None:
            return self.overlay.room
        channels = len(self.states) + len(self.cold) + self.overlay.new_channels
        if self.in_flight is not None:
            channels += self.in_flight.new_channels
        self.overlay.room = Room(
            channels=limits.channels_per_partition_max - channels,
            parked_bytes=limits.parked_bytes_per_partition_max - self.overlay.parked_bytes,
        )
        return self.overlay.room

    def put(self, before: ChannelState, after: ChannelState) -> None:
        """A decision's outcome, to be committed."""
        self.overlay.put(before, after)
        if (
            after.eligibility is not before.eligibility
            and after.next_timer_ms != before.next_timer_ms
        ):
            self._expect(after)
        if after.eligibility is not before.eligibility:
            self._note(after)

    def _note(self, state: ChannelState) -> None:
        rule = state.eligibility.rules.sticky if state.eligibility else None
        if rule is not None:
            self.sticky[state.channel.encode()] = rule.attributes
        elif self.sticky:
            self.sticky.pop(state.channel.encode(), None)

    def _expect(self, state: ChannelState) -> None:
        if (at_ms := state.next_timer_ms) is not None:
            heappush(self.timers, (at_ms, state.channel))

    def timer_due(self, now_ms: int) -> str | None:
        """The channel whose timer is due and was set for the earliest time."""
        while self.timers and self.timers[0][0] <= now_ms:
            at_ms, channel = self.timers[0]
            if self.state(channel).next_timer_ms == at_ms:
                return channel
            heappop(self.timers)  # taken back, or decided
        return None

    def take_change(self) -> InputRecord:
        """The next roster change to decide."""
        return self.overlay.take_change(self.changes)

    def take_waiting(self, count_max: int, bytes_max: int) -> list[InputRecord]:
        """The next batches and outcomes, those whose rosters are all there (R5); one at least."""
        if self.sticky:
            free = takewhile(lambda each: not self._needs_owners(each.record), self.waiting)
            count_max = sum(1 for _ in islice(free, count_max))
        return self.overlay.take_waiting(self.waiting, self.roster_seen, count_max, bytes_max)

    def put_back(self, count: int) -> None:
        """Leave the last of what `take_waiting` gave for later."""
        self.overlay.put_back(count, self.waiting)

    # -- the lead register

    def _needs_owners(self, record: InputRecord) -> bool:
        """Whether it has to be asked for an input, and wasn't yet."""
        attributes = self.sticky.get(record.key or b"")
        if attributes is None:
            return False
        found = self.known_owners.found.get((record.topic, record.offset))
        return found is None or found.attributes != attributes

    @property
    def blocked(self) -> bool:
        """Whether an input waits for the lead register."""
        return bool(self.sticky) and any(
            self._needs_owners(each.record) for each in islice(self.waiting, LOOKED_UP_MAX)
        )

    def blocked_inputs(self) -> list[tuple[InputPlace, InputRecord]]:
        """Among the first that wait those that the register has to be asked for."""
        return [
            ((each.record.topic, each.record.offset), each.record)
            for each in islice(self.waiting, LOOKED_UP_MAX)
            if self._needs_owners(each.record)
        ]

    def owners_for(self, record: InputRecord) -> Owners | None:
        """What the register holds now, for an input that was looked up; None: do without."""
        place = (record.topic, record.offset)
        found = self.known_owners.found.get(place)
        if found is None or found.owners is None:
            return None
        return _OwnersNow(self, place)

    def remember(self, decision: Dispatched | OutcomeRecorded) -> None:
        """What the register gets with a decision."""
        for key, owner in entries(decision):
            self.overlay.owners[key] = (record_key(decision.channel, key), owner)

    def begin(self) -> tuple[list[Record], dict[str, int], list[Record]]:
        """Leave what is decided to a transaction, and go on deciding on top of it.

        Returns: what the changelog gets with it, one main record per changed channel; per input
        topic the next offset to apply once it is committed; and what the lead register gets.
        """
        if self.in_flight is not None:
            raise AssertionError("one transaction at a time")
        overlay = self.overlay
        applied = {**self.applied, **overlay.applied}
        records: list[Record] = []
        for channel, after in overlay.states.items():
            before = self.states.get(channel) or ChannelState(channel)
            records.extend(changed_records(before, after))
        records.append((APPLIED_OFFSETS_KEY, self._applied_value(applied)))
        self.in_flight = overlay
        self.overlay = Overlay(overlay.releasing, overlay.parked_bytes)
        owners = [(key, record_value(owner)) for key, owner in self.in_flight.owners.values()]
        return records, applied, list(owners)

    def commit(
        self, records: list[Record], changelog_next: int, register_next: int | None = None
    ) -> None:
        """What `begin` left is committed; its `records` are still to be applied to Redis.

        The offsets are those behind the last record of the changelog, and of the register if it
        got any.
        """
        overlay = self.in_flight
        if overlay is None:
            raise AssertionError("no transaction was begun")
        self.in_flight = None
        self.states.update(overlay.states)
        self.applied.update(overlay.applied)
        self.parked_bytes = overlay.parked_bytes
        self.releasing = overlay.releasing
        self.changelog_next = changelog_next
        self.has_records = True
        self.waiting_bytes -= overlay.input_bytes
        self.redis.unflushed.update(records)
        if self.sticky or overlay.owners:
            if register_next is not None:
                self.known_owners.next_offset = register_next
            decided = [(each.record.topic, each.record.offset) for each in overlay.waiting]
            self.known_owners.committed(overlay.owners, decided)

    def rollback(self) -> None:
        """Nothing of what isn't committed ever will be: decide the same inputs again."""
        for overlay in (self.overlay, self.in_flight):
            if overlay is not None:
                overlay.give_back(self.changes, self.waiting)
        undecided = {
            channel
            for overlay in (self.overlay, self.in_flight)
            if overlay is not None
            for channel, state in overlay.states.items()
            if state.eligibility is not None
        }
        self._clear_overlays()
        for channel in undecided:
            self._expect(self.state(channel))
            self._note(self.state(channel))

    def _applied_value(self, applied: dict[str, int]) -> bytes:
        inputs = {
            topic: AppliedInput(self.topic_ids[topic], offset) for topic, offset in applied.items()
        }
        former_counts = self.former_counts or msgspec.UNSET
        return applied_offsets_value(
            AppliedOffsets(self.partition_count, inputs, former_counts=former_counts)
        )

    # -- inputs that wait

    def receive(self, records: list[InputRecord], roster_topic: str) -> list[InputRecord]:
        """Take in records of one topic, by offset; those that were not received before (R2)."""
        topic = records[0].topic
        known = self.received.get(topic, 0)
        if records[0].offset < known:
            records = [record for record in records if record.offset >= known]
        if records:
            self.received[topic] = end = records[-1].offset + 1
            self.waiting_bytes += sum(len(record.value or b"") for record in records)
            if topic == roster_topic:
                self.changes.extend(records)
                self.roster_seen = max(self.roster_seen, end)
        return records

    def waiting_ready(self) -> bool:
        """Whether a batch or outcome waits whose rosters are all there (R5), and its owners."""
        if not self.waiting or self.waiting[0].roster_end > self.roster_seen:
            return False
        return not (self.sticky and self._needs_owners(self.waiting[0].record))

    @property
    def oldest_ms(self) -> int | None:
        """The time of the oldest record that isn't committed, milliseconds since 1970.

        Within a topic records count as old as they stand.
        """
        firsts = [record.timestamp_ms for record in islice(self.changes, 1)]
        firsts += [each.record.timestamp_ms for each in islice(self.waiting, 1)]
        for overlay in (self.overlay, self.in_flight):
            if overlay is not None:
                firsts += [record.timestamp_ms for record in overlay.changes[:1]]
                firsts += [each.record.timestamp_ms for each in overlay.waiting[:1]]
        return min(firsts, default=None)

    def ready(self, now_ms: int) -> bool:
        """Whether anything can be decided, at this time."""
        return (
            bool(self.overlay.releasing or self.changes)
            or self.waiting_ready()
            or bool(self.timers and self.timer_due(now_ms) is not None)
        )

    # -- restoring

    def load(self, records: dict[str, dict[bytes, bytes]]) -> None:
        """Take over restored records: {channel: {key: value}}.

        Channels are read when they are first asked for; only those where something is parked or
        being released are read now, since both count for the partition, and those with rules,
        which may have timers.
        """
        self.states = {}
        self.cold = records
        self.releasing = {}
        self.parked_bytes = 0
        self.timers = []
        self.sticky = {}
        self.known_owners = KnownOwners()
        busy = [channel for channel, parts in records.items() if is_busy(parts)]
        for channel in busy:
            state = self.state(channel)
            self.parked_bytes += state.parking.size_bytes
            if state.release is not None:
                self.releasing[channel] = None
            self._expect(state)
            self._note(state)
        self._clear_overlays()

    def every_record(self) -> Iterator[Record]:
        """All records of the committed state, as a whole new copy of it is made of (R8)."""
        for parts in self.cold.values():
            yield from parts.items()
        for state in self.states.values():
            if state.exists:
                yield from all_records(state)
        yield APPLIED_OFFSETS_KEY, self._applied_value(self.applied)


class _OwnersNow:
    """The register as it is with everything decided so far, for one input."""

    def __init__(self, task: Task, place: InputPlace) -> None:
        self._task = task
        self._place = place

    def get(self, key: str, /) -> Owner | None:
        """See `dispatcher.register.Owners`."""
        for overlay in (self._task.overlay, self._task.in_flight):
            if overlay is not None and (entry := overlay.owners.get(key)) is not None:
                return entry[1]
        return self._task.known_owners.get(self._place, key)
