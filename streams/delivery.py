"""Sends records to the input topics, each to the partition of its key (murmur2).

In: topic, key, value, headers. Out: acknowledged records, in order per partition, none lost and
none twice. A batch is sent only when the roster changes of its channel that were given before it
are acknowledged, so that the dispatcher applies them before it (R5).
"""

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message

from schemas.partitioning import partition_of
from streams.failure import Failed
from streams.kafka_clients import problem, producer
from streams.settings import Settings

Headers = Sequence[tuple[str, bytes | None]]

UNHEARD = (
    "no broker said where it stored a record; send all of them again, what is there already is "
    "known by its id"
)


class Delivered(NamedTuple):
    """Where an acknowledged record stands."""

    topic: str
    partition: int
    offset: int


class Delivery:
    """One producer for one command."""

    def __init__(self, settings: Settings, partition_counts: Mapping[str, int]) -> None:
        """`partition_counts` of every topic that will be sent to."""
        self._settings = settings
        self._partition_counts = partition_counts
        self._producer = producer(settings)
        self._changes_underway: set[bytes] = set()
        self._failure: KafkaError | None = None
        self.sent = 0
        self.acknowledged = 0
        self.last: Delivered | None = None

    def send(self, topic: str, key: bytes, value: bytes, headers: Headers = ()) -> None:
        """Hand over a record. Raises Failed when it, or one before it, can't be delivered."""
        if topic == self._settings.topics.roster_changes:
            self._changes_underway.add(key)
        elif key in self._changes_underway:
            self.flush()
        deadline = time.monotonic() + self._settings.retry_deadline_ms / 1000
        while not self._produced(topic, key, value, headers):
            # The client's queue is full: wait until some of it is delivered.
            if time.monotonic() > deadline:
                raise self._failed(None)
            self._producer.poll(0.1)
        self.sent += 1
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until everything is acknowledged. Raises Failed, also when it takes too long."""
        # The client gives up by itself at the deadline; the seconds are for it to say so.
        remaining = self._producer.flush(self._settings.retry_deadline_ms / 1000 + 5)
        self._check()
        if remaining:
            raise self._failed(None)
        self._changes_underway.clear()

    def _produced(self, topic: str, key: bytes, value: bytes, headers: Headers) -> bool:
        try:
            self._producer.produce(
                topic,
                value=value,
                key=key,
                partition=partition_of(key, self._partition_counts[topic]),
                headers=list(headers),
                on_delivery=self._on_delivery,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise self._failed(error.args[0]) from None
        return True

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._failure = self._failure or error
            return
        offset = message.offset()
        if offset is None:
            # The client may take it for stored when it isn't: see `streams.transactions`.
            self._failure = self._failure or KafkaError(KafkaError._FAIL, UNHEARD)
            return
        self.acknowledged += 1
        self.last = Delivered(message.topic() or "", message.partition() or 0, offset)

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failed(self._failure)

    def _failed(self, error: KafkaError | None) -> Failed:
        text = f"{self.acknowledged} of {self.sent} records are acknowledged, then delivery failed"
        return problem(self._settings, text, error)
