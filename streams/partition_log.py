"""One topic read partition by partition, from an offset to an offset, committed, in little memory.

In: the settings, a topic. Out: its records. Unlike `kafka_clients.records_between` it reads up to
an end that lies behind open transactions: it waits until they are over, so that what was there
when the end was asked for is read if it was committed.
"""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

from confluent_kafka import OFFSET_END, KafkaError, Message, TopicPartition

from streams.kafka_clients import problem, reader
from streams.settings import Settings

_FETCH_WAIT_MS: Final = 50
_POLL_S: Final = 0.5
_AT_ONCE: Final = 1_000
FETCHED_KIB_MAX: Final = 16 * 1024
"""What one topic's client fetches ahead."""


class LogRecord(NamedTuple):
    """A record; headers are left out, since few are asked for."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    message: Message


class PartitionLog:
    """A topic's records; a context manager."""

    def __init__(
        self, settings: Settings, topic: str, advance: Callable[[int], None] = lambda _: None
    ) -> None:
        """`advance` is told of offsets that were passed."""
        self._settings = settings
        self.topic = topic
        self._advance = advance
        self._consumer = reader(settings, fetch_wait_ms=_FETCH_WAIT_MS, ahead_kib=FETCHED_KIB_MAX)
        # It may take the client a second to connect to a partition's leader: several logs that are
        # opened together wait for that together.
        self._consumer.assign([TopicPartition(topic, 0, OFFSET_END)])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Ask no more."""
        self._consumer.close()

    def read(self, partition: int, start: int, end: int) -> Iterator[LogRecord]:
        """The committed records from `start` up to `end`; one partition at a time.

        Raises Failed when nothing comes for as long as `call_timeout_ms`.
        """
        if start >= end:
            return
        self._consumer.assign([TopicPartition(self.topic, partition, start)])
        silent_since, position = time.monotonic(), start
        while position < end:
            # Asked for many, it waits until they are all there.
            messages = self._consumer.consume(1, _POLL_S)
            if messages:
                messages += self._consumer.consume(_AT_ONCE, 0)
                silent_since = time.monotonic()
            elif (time.monotonic() - silent_since) * 1000 > self._settings.call_timeout_ms:
                raise problem(self._settings, f"nothing can be read of {self.topic}", None)
            before = position
            for message in messages:
                offset = message.offset() or 0
                if (error := message.error()) is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise problem(self._settings, f"can't read {self.topic}", error)
                    position = max(position, offset)
                elif offset < end:
                    position = offset + 1
                    yield LogRecord(
                        offset, message.timestamp()[1], message.key(), message.value(), message
                    )
                else:
                    position = end
                    break
            self._advance(min(position, end) - before)
        self._consumer.unassign()
