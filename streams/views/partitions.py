"""What this process has counted: the standings of each partition that it reads, and how far.

In: who reads what (`hold`), where reading starts (`begin`), decision records (`receive`), how far
Kafka has been read (`reached`). Out: standings, next offsets, whether a partition is caught up.

A partition's standings and its next offset belong together and change together: wherever the
consumer is put, counting goes on from the offset that the standings stand at, and what comes twice
is known by its `state_version`. So no offset is committed to Kafka, and there is nothing that
could run ahead of the other. Standings are served once a partition is caught up with the end that
it had when its reading began; before that they would be numbers of the past.
"""

from collections.abc import Iterable, Iterator, Mapping

import structlog

from streams.views.decisions import read_decision
from streams.views.standings import ChannelStanding, fold, misses_decisions

log = structlog.get_logger("views")


class PartitionStandings:
    """One partition.

    Attributes:
        channels: standings by channel.
        next_offset: where reading goes on; None: from the beginning.
        end_at_begin: the end when reading began; None until that is known.
        end_offset: the end as last heard.
        caught_up: whether all up to `end_at_begin` is counted.
        unreadable: records that were no decision and were skipped.
        gaps: how often decisions of a channel were missing, and it was counted anew.
    """

    __slots__ = (
        "caught_up",
        "channels",
        "end_at_begin",
        "end_offset",
        "gaps",
        "next_offset",
        "number",
        "unreadable",
    )

    def __init__(self, number: int) -> None:
        """Nothing is counted yet."""
        self.number = number
        self.channels: dict[str, ChannelStanding] = {}
        self.next_offset: int | None = None
        self.end_at_begin: int | None = None
        self.end_offset = 0
        self.caught_up = False
        self.unreadable = 0
        self.gaps = 0

    def receive(self, offset: int, value: bytes | None) -> None:
        """Count one record; what is no decision is logged by its place and skipped."""
        self.next_offset = max(offset + 1, self.next_offset or 0)
        try:
            decision = read_decision(value)
            known = self.channels.get(decision.channel)
            standing = fold(known, decision)
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
        self.channels[decision.channel] = standing


class Views:
    """All partitions that this process reads. Used from one event loop only."""

    def __init__(self, partition_count: int) -> None:
        """`partition_count` of the topic of decisions."""
        self.partition_count = partition_count
        self.partitions: dict[int, PartitionStandings] = {}
        self._generation: int | None = None

    def hold(self, numbers: Iterable[int], generation: int) -> list[PartitionStandings]:
        """From now on these partitions are read, and no others. Returns the new ones.

        `generation` is the consumer group's: records of an earlier one are late (see `receive`).
        """
        self._generation = generation
        wanted = set(numbers)
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

    def receive(self, number: int, offset: int, value: bytes | None, generation: int) -> None:
        """Count a record, unless its partition isn't held, or was given up in between.

        A partition that comes back starts from its beginning or its snapshot; a late record from
        before would make a beginning of its own.
        """
        held = self.partitions.get(number)
        if held is not None and generation == self._generation:
            held.receive(offset, value)

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
        all_counted = last_fetched is None or (held.next_offset or 0) > last_fetched
        if not all_counted:
            return False
        # Nothing but markers and aborted records lies between the two.
        held.next_offset = max(held.next_offset or 0, position)
        if held.caught_up or position < held.end_at_begin:
            return False
        held.caught_up = True
        return True

    @property
    def caught_up(self) -> bool:
        """Whether all partitions that this process reads are caught up; false while it has none."""
        return bool(self.partitions) and all(p.caught_up for p in self.partitions.values())

    def standings(self) -> Iterator[ChannelStanding]:
        """Of all channels, in no order."""
        for held in self.partitions.values():
            yield from held.channels.values()
