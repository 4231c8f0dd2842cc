"""A copy of everything that an installation left behind, on topics of its own, spoiled on the way.

Records are produced by hand, at the same partitions and times, so whatever a dispatcher would
never write can stand there. Redis and the group's offsets are made to fit what the copied changelog
says, unless they are to be spoiled. No dispatcher ever runs on the copy.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from confluent_kafka import Consumer, Producer, TopicPartition

from streams.kafka_clients import described

from . import copies
from .installation import Installation
from .records import Json, Record, ends

Records = list[Record]
Spoil = Callable[[Records], Records]
Everything = Mapping[str, Sequence[Record]]
"""By the topic's name without a prefix."""

FLUSH_S = 30.0
APPLIED = b"/applied-offsets"


def everything(installation: Installation) -> Everything:
    """All committed records."""
    prefix = installation.topics.prefix
    return {
        name.removeprefix(prefix): installation.read(name)
        for name, _ in installation.topics.table()
    }


class SpoiledCopy:
    """The copy of an installation.

    Attributes:
        installation: the new one; Redis and offsets are as `complete` left them.
    """

    def __init__(self, source: Installation, records: Everything, name: str) -> None:
        """`name` of the new installation."""
        self.installation = Installation(
            source.bootstrap_servers,
            source.redis_url,
            source.directory,
            name,
            partitions=source.partitions,
        )
        self._old = source.topics.prefix.encode()
        self._new = self.installation.topics.prefix.encode()
        self._records = records
        names = [name for name, _ in self.installation.topics.table()]
        found = described(self.installation.admin, self.installation.settings, names)
        self.topic_ids = {name: str(each.topic_id) for name, each in found.items()}

    def complete(self, spoils: Mapping[str, Spoil]) -> None:
        """Write everything, spoiled by topic; then Redis and offsets."""
        producer = Producer(
            {"bootstrap.servers": self.installation.bootstrap_servers, "linger.ms": 5}
        )
        for topic, records in self._records.items():
            renamed = [self._renamed(record) for record in records]
            for record in spoils.get(topic, list)(renamed):
                producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    record.partition,
                    timestamp=record.timestamp_ms,
                    headers=list(record.headers),
                )
        assert producer.flush(FLUSH_S) == 0
        self._write_redis()
        self.commit({})

    def _renamed(self, record: Record) -> Record:
        """Of the new topics, wherever the old ones are named."""
        value = record.value and record.value.replace(self._old, self._new)
        if record.key == APPLIED:
            applied = json.loads(value or b"")
            for topic, each in applied["inputs"].items():
                each["topic_id"] = self.topic_ids[topic]
            value = json.dumps(applied).encode()
        headers = tuple((name, text and text.replace(self._old, self._new))
                        for name, text in record.headers)  # fmt: skip
        topic = record.topic.replace(self._old.decode(), self._new.decode())
        return replace(record, topic=topic, value=value, headers=headers)

    def _write_redis(self) -> None:
        topic = self.installation.topics.changelog
        log_ends = ends(self.installation.admin, self.installation.places(topic))
        kept = copies.compacted(self.installation.read(topic))
        for partition, records in kept.items():
            point = {
                "topic_id": self.topic_ids[topic],
                "next_offset": log_ends[topic, partition],
                "written_at_ms": time.time_ns() // 10**6,
            }
            fields: dict[bytes, bytes] = {b"restore-point": json.dumps(point).encode()}
            for key, value in records.items():
                fields[b"applied-offsets" if key == APPLIED else b"channels/" + key] = value
            name = self.installation.redis_key(partition)
            self.installation.redis.hset(name, mapping=fields)  # type: ignore[arg-type]

    def commit(self, moved: Mapping[str, int]) -> None:
        """The group's offsets as the changelog says, moved by so much by topic."""
        kept = copies.compacted(self.installation.read(self.installation.topics.changelog))
        consumer = Consumer(
            {
                "bootstrap.servers": self.installation.bootstrap_servers,
                "group.id": self.installation.name,
            }
        )
        prefix = self.installation.topics.prefix
        offsets = [
            TopicPartition(topic, partition, each["next_offset"] + moved.get(plain, 0))
            for partition, records in kept.items()
            for topic, each in json.loads(records[APPLIED])["inputs"].items()
            if (plain := topic.removeprefix(prefix)) is not None
        ]
        consumer.commit(offsets=offsets, asynchronous=False)
        consumer.close()


def changed(number: int, change: Callable[[Json], object]) -> Spoil:
    """One event is another."""

    def spoil(records: Records) -> Records:
        event = json.loads(records[number].value or b"")
        change(event)
        records[number] = replace(records[number], value=json.dumps(event).encode())
        return records

    return spoil
