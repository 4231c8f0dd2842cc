"""A topic followed in a thread of its own: what is committed, as fast as it comes.

In: a topic, the partitions that are wanted, a sink that knows where each begins. Out: records for
the sink, in order within a partition.

Why not Faust: it hands over record by record, on the event loop that also answers the web. Here
librdkafka fetches and unpacks outside of Python, and thousands of records are handed over at once;
the event loop isn't asked. Nobody joins a group: which partitions are wanted follows from those of
the decisions (see `transport`).
"""

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from streams.kafka_clients import reader
from streams.settings import Settings

RECORDS_AT_ONCE_MAX: Final = 5_000
POLL_S: Final = 0.1
RETRY_S: Final = 1.0
"""After an error of Kafka or of the sink everything is begun again where the sink stands."""
LOOK_AT_BEGINNINGS_S: Final = 600.0
"""How often it is asked what Kafka no longer has."""
STOP_MAX_S: Final = 10.0

log = structlog.get_logger("views")


class Followed(NamedTuple):
    """How far a partition has been read.

    Attributes:
        next_offset: of the next record that is wanted.
        caught_up: whether its end was reached at least once since it is wanted.
    """

    next_offset: int
    caught_up: bool


class Sink(Protocol):
    """What becomes of the records. Called by the follower's thread only."""

    def begin(self, partition: int, first_offset: int, end_offset: int, /) -> int:
        """A partition is wanted, and Kafka has it from the first offset to the end.

        Returns the offset of the first record that is to come. Also called now and then while it
        is read: what is before the first offset is gone.
        """

    def take(self, partition: int, records: Sequence[Message], next_offset: int, /) -> None:
        """The next records, in order; `next_offset` lies behind the last of them."""

    def end(self, partition: int, /) -> None:
        """The partition is no longer wanted."""


class TopicFollower:
    """Follows a topic from `start` to `stop`."""

    def __init__(
        self, settings: Settings, topic: str, sink: Sink, failures: tuple[type[Exception], ...]
    ) -> None:
        """`failures` are what the sink may raise; reading goes on where it stands."""
        self._settings = settings
        self._topic = topic
        self._sink = sink
        self._failures: tuple[type[Exception], ...] = (KafkaException, *failures)
        self._wanted: frozenset[int] = frozenset()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"follows-{topic}", daemon=True)
        self.followed: dict[int, Followed] = {}
        self.error: str | None = None

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def want(self, partitions: Iterable[int]) -> None:
        """From now on these are read, and no others. From any thread."""
        self._wanted = frozenset(partitions)

    def stop(self) -> None:
        """End. What was taken is with the sink; waits for a while until that is so."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_MAX_S)

    @property
    def caught_up(self) -> bool:
        """Whether the ends of all wanted partitions were reached; false while none is wanted."""
        followed, wanted = self.followed, self._wanted
        return (
            bool(wanted)
            and followed.keys() == wanted
            and all(each.caught_up for each in followed.values())
        )

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                consumer = reader(self._settings)
                try:
                    self._follow(consumer)
                finally:
                    consumer.close()
                    self._let_go()
            except self._failures as error:
                self._failed(str(error))
                self._stopping.wait(RETRY_S)
            except Exception as error:  # a page that stays behind says why
                log.exception("reading a topic failed", topic=self._topic)
                self._failed(f"{type(error).__name__}: {error}")
                self._stopping.wait(RETRY_S)

    def _failed(self, why: str) -> None:
        if self.error != why:
            log.warning("reading a topic goes on after a while", topic=self._topic, why=why)
        self.error = why

    def _follow(self, consumer: Consumer) -> None:
        look_again_s = 0.0
        while not self._stopping.is_set():
            wanted = self._wanted
            if wanted != self.followed.keys():
                self._turn_to(consumer, wanted)
            elif time.monotonic() > look_again_s:
                look_again_s = time.monotonic() + LOOK_AT_BEGINNINGS_S
                for partition in wanted:
                    self._sink.begin(partition, *self._bounds(consumer, partition))
            if not wanted:
                self._stopping.wait(POLL_S)
                continue
            self._hand_over(consumer.consume(RECORDS_AT_ONCE_MAX, POLL_S))

    def _turn_to(self, consumer: Consumer, wanted: frozenset[int]) -> None:
        for partition in self.followed.keys() - wanted:
            self._sink.end(partition)
        found = {}
        for partition in sorted(wanted):
            known = self.followed.get(partition)
            if known is None:
                start = self._sink.begin(partition, *self._bounds(consumer, partition))
                known = Followed(start, caught_up=False)
            found[partition] = known
        consumer.assign(
            [TopicPartition(self._topic, each, at.next_offset) for each, at in found.items()]
        )
        self.followed = found

    def _bounds(self, consumer: Consumer, partition: int) -> tuple[int, int]:
        place = TopicPartition(self._topic, partition)
        timeout_s = self._settings.call_timeout_ms / 1000
        first_offset, end_offset = consumer.get_watermark_offsets(place, timeout_s)
        return first_offset, end_offset

    def _hand_over(self, messages: Iterable[Message]) -> None:
        records: dict[int, list[Message]] = {}
        ends: dict[int, int] = {}
        for message in messages:
            error, partition = message.error(), message.partition() or 0
            if error is None:
                records.setdefault(partition, []).append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ends[partition] = message.offset() or 0
            elif not error.retriable():
                raise KafkaException(error)
        for partition, found in records.items():
            next_offset = (found[-1].offset() or 0) + 1
            self._sink.take(partition, found, next_offset)
            self._note(partition, next_offset, caught_up=False)
        for partition, end_offset in ends.items():
            self._note(partition, end_offset, caught_up=True)
        if records or ends:
            self.error = None

    def _note(self, partition: int, next_offset: int, *, caught_up: bool) -> None:
        known = self.followed[partition]
        changed = Followed(
            max(next_offset, known.next_offset), caught_up=caught_up or known.caught_up
        )
        # Replaced as a whole: others read it from their threads.
        self.followed = {**self.followed, partition: changed}

    def _let_go(self) -> None:
        followed, self.followed = self.followed, {}
        for partition in followed:
            try:
                self._sink.end(partition)
            except self._failures as error:
                log.warning("a file isn't closed", partition=partition, why=str(error))
