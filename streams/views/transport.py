"""Faust's consumer, made to read what is committed, from where the standings stand.

Four things differ from Faust 0.15.3 with aiokafka, all of them in this file:

- *Read committed.* Faust passes that to its consumer only under
  `processing_guarantee="exactly_once"`, which would also bring its transactional producer and
  its reckoning of offsets in transactions. Here the consumer is told directly, and checked after
  it started: a process that would read uncommitted decisions does not run.
- *Positions.* Faust seeks to the group's committed offsets after each rebalance, and whenever it
  dropped records on the way. Here the standings say where to go on; nothing is committed.
  Its commits also stall at the offsets that transactions leave out, which then can't bite.
- *How far.* Faust only sees records. Behind the last one stand a transaction's marker and maybe
  aborted records; only the consumer's position tells that nothing else is there.
- *Livelocks.* Faust's detector looks at commits and would call every quiet hour an error.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, Protocol, cast

from aiokafka import TopicPartition
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer, Transport
from faust.types import TP

READ_COMMITTED: Final = "read_committed"
_READ_COMMITTED_ON_THE_WIRE: Final = 1


class Reached(NamedTuple):
    """How far a partition has been read.

    Attributes:
        position: the next offset to fetch.
        last_fetched: the offset of the last record that came since the last seek, if any did.
        end_offset: the partition's end as last heard; 0 if it never was.
    """

    position: int
    last_fetched: int | None
    end_offset: int


class Reader(Protocol):
    """Who knows where reading starts."""

    def hold(self, numbers: Iterable[int], generation: int) -> None:
        """These partitions are read from now on, and no others."""

    def begin(self, bounds: Mapping[int, tuple[int, int]]) -> Mapping[int, int]:
        """Where each starts."""


class CommittedReaderThread(AIOKafkaConsumerThread):
    """Runs aiokafka's consumer in its thread."""

    def __post_init__(self) -> None:
        """No record came yet."""
        super().__post_init__()
        self._last_fetched: dict[int, int] = {}
        self._seek_steps = 0

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no setting for it, aiokafka no other name.
        consumer._isolation_level = READ_COMMITTED
        return consumer

    async def on_start(self) -> None:
        """Start, and make sure of the isolation level that requests are sent with."""
        await super().on_start()
        # The fetcher is what puts it into requests.
        fetcher = self._ensure_consumer()._fetcher
        if fetcher._isolation_level != _READ_COMMITTED_ON_THE_WIRE:
            raise RuntimeError("this consumer would read decisions that are not committed")

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek to where the standings stand; the name is Faust's."""
        self._seek_steps += 1
        try:
            return await self._seek_to_standings()
        finally:
            self._seek_steps += 1

    async def _seek_to_standings(self) -> dict[TP, int]:
        reader = cast(Reader, self.app.reader)  # type: ignore[attr-defined] # ours, see app.py
        assigned = {tp.partition: tp for tp in self.assignment()}
        reader.hold(assigned, self.app.consumer_generation_id)
        if not assigned:
            return {}
        bounds = await self.call_thread(self._bounds, list(assigned.values()))
        starts = reader.begin(bounds)
        found = {assigned[number]: offset for number, offset in starts.items()}
        await self.call_thread(self._seek_all, found)
        return found

    async def _bounds(self, tps: list[TP]) -> dict[int, tuple[int, int]]:
        consumer = self._ensure_consumer()
        asked = [TopicPartition(tp.topic, tp.partition) for tp in tps]
        firsts, ends = await asyncio.gather(
            consumer.beginning_offsets(asked), consumer.end_offsets(asked)
        )
        return {tp.partition: (firsts[tp], ends[tp]) for tp in asked}

    async def _seek_all(self, starts: Mapping[TP, int]) -> None:
        for tp, offset in starts.items():
            self._last_fetched.pop(tp.partition, None)
            self._ensure_consumer().seek(TopicPartition(tp.topic, tp.partition), offset)

    async def _fetch_records(self, *args: Any, **kwargs: Any) -> Any:
        records = await super()._fetch_records(*args, **kwargs)
        for tp, fetched in records.items():
            self._last_fetched[tp.partition] = fetched[-1].offset
        return records

    async def first_offsets(self) -> dict[int, int]:
        """Where Kafka's log of each partition that is read begins."""
        assigned = list(self.assignment())
        bounds = await self.call_thread(self._bounds, assigned) if assigned else {}
        return {number: first_offset for number, (first_offset, _) in bounds.items()}

    async def reached(self) -> dict[int, Reached]:
        """How far each partition has been read; nothing while that is being changed."""
        steps = self._seek_steps
        if steps % 2:
            return {}
        found = cast(dict[int, Reached], await self.call_thread(self._reached))
        return found if self._seek_steps == steps else {}

    async def _reached(self) -> dict[int, Reached]:
        consumer = self._ensure_consumer()
        assignment = consumer._subscription.subscription.assignment
        found = {}
        for tp in consumer.assignment():
            # `consumer.position()` would wait for one that isn't valid yet.
            state = assignment.state_value(tp) if assignment else None
            if state is not None and state.has_valid_position:
                last = self._last_fetched.get(tp.partition)
                found[tp.partition] = Reached(state.position, last, state.lso or 0)
        return found

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing is committed, so nothing is late in being committed."""


class CommittedReader(Consumer):
    """Faust's consumer, with the thread above."""

    def _new_consumer_thread(self) -> CommittedReaderThread:
        return CommittedReaderThread(self, loop=self.loop, beacon=self.beacon)

    async def reached(self) -> dict[int, Reached]:
        """How far each partition has been read."""
        return await cast(CommittedReaderThread, self._thread).reached()

    async def first_offsets(self) -> dict[int, int]:
        """Where Kafka's log of each partition that is read begins."""
        return await cast(CommittedReaderThread, self._thread).first_offsets()


class CommittedTransport(Transport):
    """Faust's transport, with the consumer above."""

    Consumer = CommittedReader
