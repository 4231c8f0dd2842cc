"""The model's side: calm weather, and latencies as a seed draws them."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from schemas.topics import TopicNames
from streams.broker import ChangelogReader, Cluster, GroupConsumer, Producer, TopicPartition
from tests.conformance.sides import CALL_MS, FILLER, SESSION_TIMEOUT_MS, Side
from tests.simulation.clients import Calls, SimCluster, SimProducer, SimReader
from tests.simulation.clockwork import Clockwork, Thread
from tests.simulation.consumer import SimConsumer
from tests.simulation.groups import Group
from tests.simulation.kafka import Fate, Kafka, Refused
from tests.simulation.network import Network

EPOCH_MS = 1_795_251_600_000


class DrivingThread(Thread):
    """A thread whose waits let everything else go on, so that a test needs no greenlet."""

    def __init__(self, clockwork: Clockwork) -> None:
        super().__init__(clockwork, lambda: None)
        self._wake: Callable[[], None] | None = None

    def pause(self, ms: float, *, wakeable: bool = False) -> None:
        """See `Thread`."""
        assert not self.held, "who is silenced makes no calls"
        over = False

        def end() -> None:
            nonlocal over
            over = True

        self._wake = end if wakeable else None
        self.clockwork.after(ms, end)
        while not over:
            self.clockwork.step()
        self._wake = None

    def wake(self) -> None:
        """See `Thread`."""
        if self._wake is not None:
            self.after(0.0, self._wake)


class ModelSide(Side):
    """Kafka as `tests.simulation` has it."""

    def __init__(self, seed: int) -> None:
        super().__init__(TopicNames())
        self._clockwork = clockwork = Clockwork(seed)
        group = Group(
            clockwork,
            self.partitions,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=120_000,
        )
        names = (*self.topics.inputs, self.topics.changelog)
        self._kafka = Kafka(clockwork, dict.fromkeys(names, self.partitions), group)
        group.up = lambda: self._kafka.up
        self._network = Network(clockwork.rng)
        self._test = DrivingThread(clockwork)
        self._threads: dict[GroupConsumer, DrivingThread] = {}
        self._ids: dict[Producer, tuple[str, int]] = {}

    def _calls(self) -> Calls:
        return Calls(DrivingThread(self._clockwork), self._kafka, self._network)

    def _wall_ms(self) -> int:
        return EPOCH_MS + int(self._clockwork.now_ms)

    def producer(
        self,
        slot: str = "0",
        *,
        transaction_timeout_ms: int = 60_000,
        queue_records_max: int | None = None,
        can_be_copied: bool = False,
    ) -> Producer:
        """See `Side`; the model's queue is small anyway."""
        return SimProducer(self._calls(), f"id-{slot}", transaction_timeout_ms, self._wall_ms)

    def consumer(
        self, slot: str = "0", *, max_poll_interval_ms: int = 120_000, can_be_silenced: bool = False
    ) -> GroupConsumer:
        """See `Side`."""
        calls = self._calls()
        topics = list(self.topics.inputs)
        consumer = SimConsumer(calls, topics, CALL_MS, max_poll_interval_ms)
        assert isinstance(calls.thread, DrivingThread)
        self._threads[consumer] = calls.thread
        return consumer

    def reader(self) -> ChangelogReader:
        """See `Side`."""
        return SimReader(self._calls(), self.topics.changelog)

    def cluster(self) -> Cluster:
        """See `Side`."""
        return SimCluster(self._calls(), CALL_MS, {"delete.retention.ms": "604800000"})

    def publish(
        self,
        place: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> int:
        """See `Side`."""
        self.wait(1)
        written_ms = self._wall_ms() if timestamp_ms is None else timestamp_ms
        return self._kafka.logs[place].append(written_ms, key, value, tuple(headers))

    def delete_before(self, place: TopicPartition, offset: int) -> None:
        """See `Side`."""
        self._kafka.logs[place].delete_before(offset)

    def compact(self, partition: int, *, tombstones_too: bool = False) -> None:
        """See `Side`."""
        place = (self.topics.changelog, partition)
        self.publish(place, FILLER, b"")
        before_ms = float("inf") if tombstones_too else float("-inf")
        self._kafka.logs[place].compact(1, before_ms)

    def silence(self, consumer: GroupConsumer) -> None:
        """See `Side`."""
        self._threads[consumer].hold()

    def unsilence(self, consumer: GroupConsumer) -> None:
        """See `Side`."""
        self._threads[consumer].let_go()

    def commit_with_copy(self, producer: Producer) -> Callable[[], None]:
        """See `Side`."""
        sent: list[Callable[[], None]] = []
        end_transaction = self._kafka.end_transaction

        def keep_a_copy(transactional_id: str, epoch: int, fate: Fate) -> None:
            sent.append(lambda: end_transaction(transactional_id, epoch, fate))
            end_transaction(transactional_id, epoch, fate)

        self._kafka.end_transaction = keep_a_copy  # type: ignore[method-assign]
        try:
            producer.commit(CALL_MS)
        finally:
            self._kafka.end_transaction = end_transaction  # type: ignore[method-assign]
        return lambda: self._deliver(sent[-1])

    def _deliver(self, request: Callable[[], None]) -> None:
        """Nobody is told of what it comes to."""
        with suppress(Refused):
            request()

    def name_leaders_early(self, producer: Producer) -> Callable[[], None]:
        """See `Side`; for all producers, and for records that are sent together."""
        self._network.early, self._network.linger_ms = 1.0, 10_000.0
        return lambda: None

    def wait(self, ms: float) -> None:
        """See `Side`."""
        self._test.pause(ms)

    def now_ms(self) -> float:
        """See `Side`."""
        return self._clockwork.now_ms

    def close(self) -> None:
        """See `Side`; nothing of it outlives the test."""
