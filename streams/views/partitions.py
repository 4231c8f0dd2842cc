"""What this process has counted: the standings of each partition that it reads, and how far.

In: who reads what (`hold`), where reading starts (`begin`), decision records (`receive`), how far
Kafka has been read (`reached`). Out: standings, next offsets, whether a partition is caught up.

A partition's standings and its next offset belong together and change together: wherever the
consumer is put, counting goes on from the offset that the standings stand at, and what comes twice
is known by its `state_version`. So no offset is committed to Kafka, and there is nothing that
could run ahead of the other. Standings are served once a partition is caught up with the end that
it had when its reading began; before that they would be numbers of the past.

A channel that moved when the topics were expanded goes on where it is now with the standing that it
had where it was: its first decision there is counted on top of that, once the partition of before
is caught up. Until there is such a decision it is shown as it stands there.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec
import structlog

from dispatcher.times import milliseconds
from schemas.scalars import nearest_units
from streams.former_partitions import partitions_in_time
from streams.views.activity import Activity, Happened
from streams.views.decision_archive import Counted, Indexed
from streams.views.decisions import (
    AnyDecisionRead,
    BatchDispatched,
    OutcomeRecorded,
    RosterChanged,
    read_decision,
)
from streams.views.delays import Delays
from streams.views.folding import fold, misses_decisions
from streams.views.standings import ChannelStanding

UNKEPT_MAX: Final = 200_000
"""Decisions that wait to be written into the index while the disk takes nothing."""

PUT_OFF_MAX: Final = 20_000
"""Decisions of a partition that wait for another one to be read; then they are counted alone."""

log = structlog.get_logger("views")


class _Head(msgspec.Struct, frozen=True):
    channel: str
    state_version: int


_decode_head = msgspec.json.Decoder(_Head).decode


class PartitionStandings:
    """One partition.

    Attributes:
        channels: standings by channel.
        activities: what happened when, by channel.
        delays: from events to their decisions.
        changes: rises with each decision that is counted.
        is_kept: whether what is on disk is an earlier state of this, so that what is new is enough.
        next_offset: where reading goes on; None: from the beginning.
        end_at_begin: the end when reading began; None until that is known.
        end_offset: the end as last heard.
        caught_up: whether all up to `end_at_begin` is counted.
        unreadable: records that were no decision and were skipped.
        gaps: how often decisions of a channel were missing, and it was counted anew.
    """

    __slots__ = (
        "_being_indexed",
        "_unindexed",
        "_unkept",
        "activities",
        "caught_up",
        "changes",
        "channels",
        "delays",
        "end_at_begin",
        "end_offset",
        "gaps",
        "is_kept",
        "next_offset",
        "number",
        "unreadable",
    )

    def __init__(self, number: int) -> None:
        """Nothing is counted yet."""
        self.number = number
        self.channels: dict[str, ChannelStanding] = {}
        self.activities: dict[str, Activity] = {}
        self.delays = Delays()
        self.changes = 0
        self.is_kept = False
        self._unkept: set[str] = set()
        self._unindexed: list[Indexed] = []
        self._being_indexed: Sequence[Indexed] = ()
        self.next_offset: int | None = None
        self.end_at_begin: int | None = None
        self.end_offset = 0
        self.caught_up = False
        self.unreadable = 0
        self.gaps = 0

    def go_on_with(self, channel: str, before: "PartitionStandings") -> None:
        """A channel that isn't known here goes on from where another partition has come to."""
        self.channels[channel] = before.channels[channel]
        if channel in before.activities:
            self.activities[channel] = before.activities[channel]

    def receive(self, offset: int, value: bytes | None, timestamp_ms: int) -> None:
        """Count one record; what is no decision is logged by its place and skipped.

        `timestamp_ms` is the record's, from when it was written; 0 or less if there is none.
        """
        self.next_offset = max(offset + 1, self.next_offset or 0)
        try:
            decision = read_decision(value)
            known = self.channels.get(decision.channel)
            decided_ms = milliseconds(decision.decided_at)
            # An input's time is its source's; a clock that is ahead must not bring tomorrow.
            at_ms = min(decided_ms, timestamp_ms) if timestamp_ms > 0 else decided_ms
            standing = fold(known, decision, at_ms)
            delay_ms = max(0, timestamp_ms - decided_ms) if timestamp_ms > 0 else None
            activity = self.activities.get(decision.channel) or Activity()
            if standing is not known:
                activity = activity.after(_happened(standing, decision, at_ms, delay_ms))
        except (ValueError, ArithmeticError, LookupError) as error:
            self.unreadable += 1
            log.error("unreadable decision", partition=self.number, offset=offset, why=str(error))
            return
        if misses_decisions(known, decision):
            self.gaps += 1
            log.error(
                "decisions are missing; the channel is counted anew",
                channel=decision.channel,
                partition=self.number,
                offset=offset,
                state_version=decision.state_version,
            )
        if standing is known:
            return
        self.channels[decision.channel] = standing
        self.activities[decision.channel] = activity
        if delay_ms is not None:
            self.delays.add(timestamp_ms, delay_ms)
        self.changes += 1
        self._unkept.add(decision.channel)
        indexed = Indexed(
            offset, decision.channel, _lists_everyone(standing, decision), standing.last[0]
        )
        self._unindexed.append(indexed)
        if len(self._unindexed) > UNKEPT_MAX:
            log.error("decisions are left out of the index", partition=self.number)
            del self._unindexed[: UNKEPT_MAX // 2]

    def begin_with(self, counted: Counted) -> None:
        """Go on from what was kept."""
        self.is_kept = counted.next_offset is not None
        self.channels = counted.standings
        self.activities = counted.activities
        self.delays = counted.delays
        self.next_offset = counted.next_offset

    def unkept(self) -> Counted:
        """What is new since the last time, to be kept; say `kept` or `not_kept` of it."""
        names, self._unkept = self._unkept, set()
        return self._counted(names)

    def everything(self) -> Counted:
        """All that was counted, to be kept; say `kept` or `not_kept` of it."""
        self._unkept = set()
        return self._counted(self.channels)

    def kept(self) -> None:
        """What was to be kept stands in the index now."""
        self._being_indexed = ()
        self.is_kept = True

    def not_kept(self, counted: Counted) -> None:
        """It could not be kept after all: it is among the new again."""
        self._being_indexed = ()
        self._unkept |= counted.standings.keys()
        self._unindexed = [*counted.indexed, *self._unindexed]

    def newest(self, channel: str) -> list[Indexed]:
        """The channel's decisions that aren't in the index yet, oldest first."""
        return [each for each in self._not_indexed() if each.channel == channel]

    def newest_about(self, lead_id: str) -> list[Indexed]:
        """Outcomes of a lead that aren't in the index yet, oldest first."""
        return [each for each in self._not_indexed() if each.in_short.lead_id == lead_id]

    def _not_indexed(self) -> Iterator[Indexed]:
        """What is being written may be there already; nothing is in neither place."""
        yield from self._being_indexed
        yield from self._unindexed

    def _counted(self, names: Iterable[str]) -> Counted:
        indexed, self._unindexed = self._unindexed, []
        self._being_indexed = indexed
        return Counted(
            self.next_offset,
            {name: self.channels[name] for name in names},
            {name: self.activities[name] for name in names},
            self.delays.copy(),
            indexed,
        )


def _happened(
    standing: ChannelStanding, decision: AnyDecisionRead, at_ms: int, delay_ms: int | None
) -> Happened:
    is_batch = isinstance(decision, BatchDispatched)
    return Happened(
        at_ms,
        standing.day,
        1 if is_batch else 0,
        (decision.batch_size or 0) if is_batch else 0,
        nearest_units(standing.most_ahead_numerator, standing.denominator),
        nearest_units(standing.most_owed_numerator, standing.denominator),
        delay_ms,
    )


def _lists_everyone(standing: ChannelStanding, decision: AnyDecisionRead) -> bool:
    """Whether the channel can be followed from here on, with its rules if it has some."""
    match decision:
        case RosterChanged():
            return True
        case BatchDispatched() | OutcomeRecorded():
            return decision.shares_complete and standing.rules is None
    return False


class Views:
    """All partitions that this process reads. Used from one event loop only."""

    def __init__(self, partition_count: int, former_counts: Sequence[int] = ()) -> None:
        """`partition_count` of the topic of decisions; `former_counts` before expansions."""
        self.partition_count = partition_count
        self._former_counts = tuple(former_counts)
        self._put_off: dict[int, list[tuple[int, bytes | None, int]]] = {}
        self.partitions: dict[int, PartitionStandings] = {}
        self._generation: int | None = None

    def hold(self, numbers: Iterable[int], generation: int) -> list[PartitionStandings]:
        """From now on these partitions are read, and no others. Returns the new ones.

        `generation` is the consumer group's: records of an earlier one are late (see `receive`).
        """
        self._generation = generation
        self._put_off.clear()  # read again from where the standings stand
        wanted = set(numbers)
        if max(wanted, default=0) >= self.partition_count:
            raise RuntimeError(
                f"there are more than {self.partition_count} partitions since this process began:"
                " start it again"
            )
        self.partitions = {n: held for n, held in self.partitions.items() if n in wanted}
        added = [PartitionStandings(number) for number in sorted(wanted - self.partitions.keys())]
        self.partitions.update((each.number, each) for each in added)
        return added

    def begin(self, bounds: Mapping[int, tuple[int, int]]) -> dict[int, int]:
        """Where reading starts, by partition, given each one's first and end offset."""
        starts = {}
        for number, (first_offset, end_offset) in bounds.items():
            held = self.partitions.get(number)
            if held is None:
                continue
            if held.next_offset is not None and held.next_offset > end_offset:
                log.error("decisions are gone that were counted", partition=number)
                held = self.partitions[number] = PartitionStandings(number)
            if held.end_at_begin is None:
                held.end_at_begin = end_offset
            held.end_offset = max(held.end_offset, end_offset)
            starts[number] = max(first_offset, held.next_offset or 0)
        return starts

    def receive(
        self, number: int, offset: int, value: bytes | None, generation: int, timestamp_ms: int = 0
    ) -> None:
        """Count a record, unless its partition isn't held, or was given up in between.

        A partition that comes back starts from its beginning or its snapshot; a late record from
        before would make a beginning of its own.
        """
        held = self.partitions.get(number)
        if held is None or generation != self._generation:
            return
        if self._former_counts:
            self._receive_expanded(held, offset, value, timestamp_ms)
        else:
            held.receive(offset, value, timestamp_ms)

    def _receive_expanded(
        self, held: PartitionStandings, offset: int, value: bytes | None, timestamp_ms: int
    ) -> None:
        """As `receive`; what goes on from another partition waits until that one is read."""
        waiting = self._put_off.get(held.number)
        if waiting is not None or not self._may_count(held, value):
            waiting = self._put_off.setdefault(held.number, [])
            waiting.append((offset, value, timestamp_ms))
            if len(waiting) > PUT_OFF_MAX:
                log.error("too much waits for another partition", partition=held.number)
                self._take_up(held)
            return
        held.receive(offset, value, timestamp_ms)

    def _may_count(self, held: PartitionStandings, value: bytes | None) -> bool:
        """Whether the standing that the decision goes on from is there; it is here then."""
        try:
            decision = _decode_head(value or b"")
        except msgspec.DecodeError:
            return True  # told by whoever receives it
        if decision.state_version == 1 or decision.channel in held.channels:
            return True
        here_before = [
            former
            for number in self.where(decision.channel)[1:]
            if (former := self.partitions.get(number)) is not None
        ]
        if any(
            not former.caught_up and former.number not in self._put_off for former in here_before
        ):
            return False
        for former in here_before:
            if decision.channel in former.channels:
                held.go_on_with(decision.channel, former)
                break
        return True

    def _take_up(self, held: PartitionStandings) -> None:
        """Count what was put off, with what is there now."""
        for offset, value, timestamp_ms in self._put_off.pop(held.number, ()):
            self._may_count(held, value)
            held.receive(offset, value, timestamp_ms)

    def where(self, channel: str) -> list[int]:
        """The partitions of a channel: the present one, then those of before expansions."""
        counts = (*self._former_counts, self.partition_count)
        return partitions_in_time(channel, counts)[::-1]

    def holders(self, channel: str) -> list[PartitionStandings]:
        """The partitions that are read here and know the channel, as `where` has them."""
        found = (self.partitions.get(number) for number in self.where(channel))
        return [held for held in found if held is not None and channel in held.channels]

    def served(self, held: PartitionStandings) -> Mapping[str, ChannelStanding]:
        """The standings of a partition, without those that have gone on elsewhere."""
        if not self._former_counts:
            return held.channels
        return {
            channel: standing
            for channel, standing in held.channels.items()
            if self.holders(channel)[:1] == [held]
        }

    def reached(self, number: int, position: int, last_fetched: int | None, end: int) -> bool:
        """Note how far a partition has been read. Returns whether it has just caught up.

        Args:
            number: of the partition.
            position: Kafka's next offset to fetch, behind markers and aborted records too.
            last_fetched: the offset of the last record that came, on its way here maybe.
            end: the partition's end as last heard.
        """
        held = self.partitions.get(number)
        if held is None or held.end_at_begin is None:
            return False
        held.end_offset = max(held.end_offset, end)
        if number in self._put_off and self._is_time(held):
            self._take_up(held)
        all_counted = last_fetched is None or (held.next_offset or 0) > last_fetched
        if not all_counted:
            return False
        # Nothing but markers and aborted records lies between the two.
        held.next_offset = max(held.next_offset or 0, position)
        if held.caught_up or position < held.end_at_begin:
            return False
        held.caught_up = True
        return True

    def _is_time(self, held: PartitionStandings) -> bool:
        """Whether every other partition is caught up, or waits as well."""
        return all(
            other.caught_up or other.number in self._put_off
            for other in self.partitions.values()
            if other is not held
        )

    @property
    def caught_up(self) -> bool:
        """Whether all partitions that this process reads are caught up; false while it has none."""
        return bool(self.partitions) and all(p.caught_up for p in self.partitions.values())

    def standings(self) -> Iterator[ChannelStanding]:
        """Of all channels, in no order."""
        for held in self.partitions.values():
            yield from self.served(held).values()
