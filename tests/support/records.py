"""Whole topics and offsets, read the way any other program would: nothing of the dispatcher's."""

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

Json = dict[str, Any]
Place = tuple[str, int]
"""A topic and the number of one of its partitions."""

TRY_AGAIN = (
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._WAIT_COORD,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
    KafkaError.UNSTABLE_OFFSET_COMMIT,
)
"""What a question about a group's offsets may be answered while coordinators move."""

SILENCE_S = 10.0
CALL_S = 30.0
# One attempt of several: a question to a leader that is gone is never answered.
ATTEMPT_S = 5.0


@dataclass(frozen=True)
class Record:
    """A record as it stands in a topic. ``timestamp_ms`` counts from the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]

    @property
    def at(self) -> tuple[str, int, int]:
        """Topic, partition, offset."""
        return self.topic, self.partition, self.offset

    @cached_property
    def event(self) -> Json:
        """The value as a JSON object; not to be changed."""
        return cast("Json", json.loads(self.value or b""))

    @property
    def errors(self) -> dict[str, str]:
        """The headers that a dead letter carries, without their prefix."""
        prefix = "partidor.error."
        return {
            name.removeprefix(prefix): (value or b"").decode()
            for name, value in self.headers
            if name.startswith(prefix)
        }

    @property
    def own_headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """The headers that it had before it became a dead letter."""
        return tuple(header for header in self.headers if not header[0].startswith("partidor."))


def read_topic(bootstrap_servers: str, topic: str, *, read_committed: bool = True) -> list[Record]:
    """Every record up to the end as it is now, in order of offset within each partition."""
    level = "read_committed" if read_committed else "read_uncommitted"
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "metadata.recovery.strategy": "none",
            "group.id": "tests-that-read",  # asked for, never joined
            "isolation.level": level,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 16 * 1024 * 1024,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=CALL_S).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions])
        found: dict[int, list[Record]] = {number: [] for number in sorted(partitions)}
        unfinished = set(partitions)
        while unfinished:
            messages = consumer.consume(1, SILENCE_S)
            if not messages:
                raise AssertionError(f"{topic}: nothing came within {SILENCE_S} s")
            messages += consumer.consume(10_000, 0)
            for message in messages:
                error = message.error()
                if error is None:
                    found[cast("int", message.partition())].append(_record(message))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unfinished.discard(cast("int", message.partition()))
                else:
                    raise KafkaException(error)
    finally:
        consumer.close()
    return [record for records in found.values() for record in records]


def _record(message: Message) -> Record:
    return Record(
        cast("str", message.topic()),
        cast("int", message.partition()),
        cast("int", message.offset()),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(cast("Any", message.headers() or ())),
    )


def ends(admin: AdminClient, places: Iterable[Place], *, stable: bool = True) -> dict[Place, int]:
    """Where partitions end: behind what is committed, or (not stable) behind everything."""
    level = IsolationLevel.READ_COMMITTED if stable else IsolationLevel.READ_UNCOMMITTED
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in places}
    deadline = time.monotonic() + CALL_S
    while True:
        futures = admin.list_offsets(asked, isolation_level=level, request_timeout=ATTEMPT_S)
        try:
            found = {
                (place.topic, place.partition): future.result(ATTEMPT_S).offset
                for place, future in futures.items()
            }
            if all(offset >= 0 for offset in found.values()):
                return found
            raise TimeoutError("librdkafka gave no error, and offsets below zero")
        except (KafkaException, TimeoutError):
            if time.monotonic() > deadline:
                raise
            # The client goes on asking the leaders of before, with their epochs of before, until
            # it looks again.
            admin.list_topics(timeout=CALL_S)


def asker(bootstrap_servers: str, group: str) -> Consumer:
    """A client for `committed`. Not an admin client: librdkafka aborts the process when a question
    of such a one to a coordinator has timed out.
    """
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "metadata.recovery.strategy": "none",
            "group.id": group,  # asked for, never joined
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "log_level": 0,
        }
    )


def committed(asking: Consumer, places: Iterable[Place]) -> Mapping[Place, int] | None:
    """The offsets that the group has committed, 0 where there are none.

    None while a transaction is open that could still change them, or nobody answers.
    """
    asked = [TopicPartition(*place) for place in places]
    try:
        found = asking.committed(asked, ATTEMPT_S)
    except KafkaException as error:
        if error.args[0].code() in TRY_AGAIN:
            return None
        raise
    for place in found:
        if place.error is not None:
            raise KafkaException(place.error)
    return {(place.topic, place.partition): max(place.offset, 0) for place in found}
