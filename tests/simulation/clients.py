"""The ports of `streams.broker` onto the model, with the habits of librdkafka.

A request that gets no answer is sent again until the call's time-out; a producer sends in the
background what it was given, and re-sends `EndTxn` by itself, so that a first copy can arrive after
the second. Membership is kept in the background; rebalances are served by `poll` alone.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from streams.broker import (
    UNKNOWN_OFFSET,
    CallFailed,
    ChangelogRecord,
    Headers,
    KeyValue,
    OnOffset,
    Remedy,
    T,
    TopicFacts,
    TopicPartition,
)

from .clockwork import Thread
from .groups import NotAMember
from .kafka import Fate, Kafka, Refused
from .network import SILENCE_MS, Network

Answer = TypeVar("Answer")
AGAIN_MS = (2.0, 60.0)
QUEUE_MOST = 60
FENCED = ("INVALID_PRODUCER_EPOCH",)
READ_COMMITTED = True
"""`isolation.level` of the changelog's reader."""


class Calls:
    """Requests of one process to the brokers."""

    def __init__(self, thread: Thread, kafka: Kafka, network: Network) -> None:
        self.thread = thread
        self.kafka = kafka
        self.network = network
        self.errors = 0

    def ask(self, kind: str, serve: Callable[[], Answer], timeout_ms: float) -> Answer:
        """A request and its answer; sent again when either is lost.

        Raises Refused or NotAMember as answered, CallFailed(RETRY) when no answer came in time.
        """
        clockwork = self.thread.clockwork
        deadline_ms = clockwork.now_ms + timeout_ms
        while True:
            fate = self.network.fate(kind)
            self.thread.at(f"before {kind}")
            self.thread.pause(fate.request_ms)
            if self.kafka.up:
                if fate.loses == "request":
                    if fate.late_ms is not None:
                        clockwork.after(fate.late_ms, self._late(serve))
                else:
                    refusal: Exception | None = None
                    try:
                        answer = serve()
                    except (Refused, NotAMember) as refused:
                        refusal = refused
                    self.thread.at(f"after {kind}")
                    self.thread.pause(fate.answer_ms)
                    if fate.loses != "answer":
                        if refusal is not None:
                            raise refusal
                        return answer
            if fate.silent and self.kafka.up:
                self.thread.pause(SILENCE_MS)
            else:
                self.errors += 1
            if clockwork.now_ms >= deadline_ms:
                raise CallFailed(Remedy.RETRY, f"{kind}: no answer within {timeout_ms:.0f} ms")
            self.thread.pause(clockwork.rng.uniform(*AGAIN_MS))

    def _late(self, serve: Callable[[], object]) -> Callable[[], None]:
        def arrive() -> None:
            if self.kafka.up:
                try:
                    serve()
                except (Refused, NotAMember):
                    pass  # nobody waits for the answer

        return arrive


class SimProducer:
    """See `broker.Producer`."""

    def __init__(
        self, calls: Calls, transactional_id: str, timeout_ms: int, wall_ms: Callable[[], int]
    ) -> None:
        self._calls = calls
        self._kafka = calls.kafka
        self._thread = calls.thread
        self._id = transactional_id
        self._timeout_ms = timeout_ms
        self._wall_ms = wall_ms
        self._epoch = -1
        self._closed = False
        self._failed: CallFailed | None = None
        self._queue: list[
            tuple[str, int, bytes | None, bytes | None, Headers, OnOffset | None, int | None]
        ] = []
        self._sending = False
        self._registered: set[TopicPartition] = set()
        self._known_in: set[TopicPartition] = set()
        self._touched = False
        self._reports: list[Callable[[], None]] = []
        self._since_ms = 0.0

    def init_transactions(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        _, self._epoch = self._until_free(
            "InitProducerId",
            lambda: self._kafka.init_producer(self._id, self._timeout_ms),
            timeout_ms,
        )

    def begin(self) -> None:
        """See `broker.Producer`."""
        self._raise_failure()
        self._registered = set()
        self._touched = False

    def produce(
        self,
        topic: str,
        partition: int,
        records: Sequence[KeyValue],
        headers: Headers | None = None,
        on_offset: OnOffset | None = None,
        timestamp_ms: int | None = None,
    ) -> int:
        """See `broker.Producer`."""
        self._raise_failure()
        room = QUEUE_MOST - len(self._queue)
        if not self._queue:
            self._since_ms = self._thread.clockwork.now_ms
        for key, value in records[:room]:
            content = value.encode() if isinstance(value, str) else value
            whole = (topic, partition, key, content, tuple(headers or ()), on_offset, timestamp_ms)
            self._queue.append(whole)
            on_offset = None
        self._send_soon()
        return min(room, len(records))

    def serve(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        if timeout_ms:
            self._thread.pause(self._thread.clockwork.rng.uniform(0, timeout_ms))
        self._report()
        if self._failed is not None and self._failed.remedy is not Remedy.ABORT:
            raise self._failed  # what is fatal is told by this call as well

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """See `broker.Producer`."""
        self._raise_failure()
        member, _, generation = metadata.decode().partition("@")
        kafka = self._kafka
        self._until_free(
            "AddOffsetsToTxn",
            lambda: kafka.add_to_transaction(self._id, self._epoch, None),
            timeout_ms,
        )
        self._touched = True
        self._raise_failure()
        self._until_free(
            "TxnOffsetCommit",
            lambda: kafka.commit_offsets(
                self._id, self._epoch, dict(offsets), member, int(generation)
            ),
            timeout_ms,
        )

    def flush(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        clockwork = self._thread.clockwork
        deadline_ms = clockwork.now_ms + timeout_ms
        while self._queue and self._failed is None:
            if clockwork.now_ms > deadline_ms:
                raise CallFailed(Remedy.RETRY, "flush: time-out")
            self._thread.pause(4.0)
        self._report()

    def commit(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        clockwork = self._thread.clockwork
        deadline_ms = clockwork.now_ms + timeout_ms
        self.flush(timeout_ms)
        self._raise_failure()
        self._end(Fate.COMMITTED, deadline_ms - clockwork.now_ms)

    def alongside(self, calls: Callable[[], T]) -> Callable[[], T]:
        """See `broker.Producer`: they are made before the caller goes on, or when it waits."""
        if self._thread.clockwork.rng.random() < 0.5:
            return calls
        answer: T | None = None
        error: CallFailed | None = None
        try:
            answer = calls()
        except Exception as failed:  # noqa: BLE001  # handed to whoever waits
            error = failed

        def wait() -> T:
            if error is not None:
                raise error
            return answer

        return wait

    def abort(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._queue.clear()
        self._reports.clear()
        if self._failed is not None and self._failed.remedy is not Remedy.ABORT:
            raise self._failed
        self._failed = None
        self._end(Fate.ABORTED, timeout_ms)

    def connection_errors(self) -> int:
        """See `broker.Producer`."""
        return self._calls.errors

    def close(self) -> None:
        """See `broker.Producer`."""
        self._closed = True
        self._queue.clear()

    def _end(self, fate: Fate, timeout_ms: float) -> None:
        if self._touched:
            self._until_free(
                "EndTxn",
                lambda: self._kafka.end_transaction(self._id, self._epoch, fate),
                timeout_ms,
            )

    def _until_free(self, kind: str, serve: Callable[[], Answer], timeout_ms: float) -> Answer:
        """A request that has to wait while the markers of the last transaction are written."""
        clockwork = self._thread.clockwork
        deadline_ms = clockwork.now_ms + timeout_ms
        while True:
            try:
                return self._calls.ask(kind, serve, deadline_ms - clockwork.now_ms)
            except (Refused, NotAMember) as refused:
                if refused.code != "CONCURRENT_TRANSACTIONS":
                    raise self._failure(refused) from refused
                if clockwork.now_ms > deadline_ms:
                    raise CallFailed(Remedy.RETRY, refused.code) from refused
                self._thread.pause(10.0)

    def _failure(self, refused: Refused | NotAMember) -> CallFailed:
        if refused.code in FENCED:
            self._failed = CallFailed(Remedy.FENCED, refused.code)
        elif isinstance(refused, NotAMember) or refused.code == "INVALID_TXN_STATE":
            self._failed = CallFailed(Remedy.ABORT, refused.code)
        else:
            self._failed = CallFailed(Remedy.REPLACE, refused.code)
        return self._failed

    def _raise_failure(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _report(self) -> None:
        reports, self._reports = self._reports, []
        for report in reports:
            report()

    # -- in the background

    def _send_soon(self) -> None:
        if not self._sending:
            self._sending = True
            self._thread.after(
                self._thread.clockwork.rng.uniform(0.5, self._calls.network.linger_ms), self._send
            )

    def _send(self) -> None:
        self._sending = False
        if self._closed or self._failed is not None or not self._queue:
            return
        clockwork = self._thread.clockwork
        network = self._calls.network
        loss = network.fate("Produce").loses
        if network.refusing and clockwork.rng.random() < network.refusing:
            self._failed = CallFailed(Remedy.ABORT, "NOT_ENOUGH_REPLICAS")
            return
        if not self._kafka.up or loss:
            self._calls.errors += 1
            if clockwork.now_ms - self._since_ms > self._timeout_ms:
                self._failed = CallFailed(Remedy.ABORT, "message timed out")
            else:
                self._send_soon()
            return
        # What goes to several partitions arrives bit by bit.
        count = clockwork.rng.randint(1, len(self._queue))
        for _ in range(count):
            topic, partition, key, value, headers, on_offset, timestamp_ms = self._queue[0]
            place = (topic, partition)
            try:
                if place not in self._registered:
                    self._kafka.add_to_transaction(self._id, self._epoch, place)
                    self._touched = True
                    self._registered.add(place)
                if self._comes_too_early(place):
                    offset = UNKNOWN_OFFSET
                else:
                    at_ms = self._wall_ms() if timestamp_ms is None else timestamp_ms
                    offset = self._kafka.produce(
                        self._id, self._epoch, place, at_ms, key, value, headers
                    )
                    self._known_in.add(place)
            except Refused as refused:
                if refused.code != "CONCURRENT_TRANSACTIONS":
                    self._failure(refused)
                    return
                break
            self._queue.pop(0)
            if on_offset is not None:
                self._reports.append(_report_of(on_offset, offset))
        if self._queue:
            self._send_soon()

    def _comes_too_early(self, place: TopicPartition) -> bool:
        """Whether a leader refuses the first record that waits, and takes a later one instead.

        It does where it knows nothing of this producer yet; the client takes both for stored.
        """
        rng, early = self._thread.clockwork.rng, self._calls.network.early
        if not early or place in self._known_in:
            return False
        return any((entry[0], entry[1]) == place for entry in self._queue[1:]) and (
            rng.random() < early
        )


def _report_of(on_offset: OnOffset, offset: int) -> Callable[[], None]:
    return lambda: on_offset(offset)


class SimReader:
    """See `broker.ChangelogReader`."""

    def __init__(self, calls: Calls, topic: str) -> None:
        self._calls = calls
        self._topic = topic
        self._next: dict[int, int] = {}
        self._known: dict[int, int] = {}

    def start(self, partition: int, offset: int) -> None:
        """See `broker.ChangelogReader`."""
        self._next[partition] = offset
        self._known.pop(partition, None)

    def stop(self, partition: int) -> None:
        """See `broker.ChangelogReader`."""
        del self._next[partition]

    def read(self, records_max: int, timeout_ms: int) -> list[ChangelogRecord]:
        """See `broker.ChangelogReader`."""
        kafka, rng = self._calls.kafka, self._calls.thread.clockwork.rng
        self._calls.thread.pause(rng.uniform(0.1, timeout_ms))
        records: list[ChangelogRecord] = []
        if not kafka.up:
            return records
        for partition, first in self._next.items():
            log = kafka.logs[self._topic, partition]
            limit = log.stable if READ_COMMITTED else log.end
            room = rng.randint(1, max(1, min(records_max, 40)))
            for entry in log.between(first, limit):
                if room == 0:
                    break
                if entry.visible or not (READ_COMMITTED or entry.marker):
                    assert entry.key is not None
                    records.append(ChangelogRecord(partition, entry.offset, entry.key, entry.value))
                    room -= 1
                self._next[partition] = entry.offset + 1
                if not entry.marker:
                    self._known[partition] = entry.offset + 1
            else:
                self._next[partition] = self._known[partition] = limit
        return records

    def position(self, partition: int) -> int | None:
        """See `broker.ChangelogReader`."""
        return self._known.get(partition)

    def close(self) -> None:
        """See `broker.ChangelogReader`."""


class SimCluster:
    """See `broker.Cluster`."""

    def __init__(self, calls: Calls, timeout_ms: int, config: Mapping[str, str]) -> None:
        self._calls = calls
        self._timeout_ms = timeout_ms
        self._config = config

    def end_offsets(
        self, partitions: Sequence[TopicPartition], *, read_committed: bool
    ) -> dict[TopicPartition, int]:
        """See `broker.Cluster`."""
        logs = self._calls.kafka.logs
        return self._calls.ask(
            "ListOffsets",
            lambda: {
                place: logs[place].stable if read_committed else logs[place].end
                for place in partitions
            },
            self._timeout_ms,
        )

    def start_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `broker.Cluster`."""
        logs = self._calls.kafka.logs
        return self._calls.ask(
            "ListOffsets",
            lambda: {place: logs[place].start for place in partitions},
            self._timeout_ms,
        )

    def topic_facts(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """See `broker.Cluster`."""
        kafka = self._calls.kafka
        return self._calls.ask(
            "Metadata",
            lambda: {
                name: TopicFacts(kafka.topic_ids[name], kafka.topics[name], self._config)
                for name in names
                if name in kafka.topics
            },
            self._timeout_ms,
        )

    def close(self) -> None:
        """See `broker.Cluster`."""
