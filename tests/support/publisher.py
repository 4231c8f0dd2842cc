"""Events in, as a lead source or a supervisor sends them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from confluent_kafka import KafkaError, Message, Producer

from schemas.inputs import OUTCOME_TYPES
from schemas.partitioning import partition_of
from schemas.topics import TopicNames

from .records import Json

FLUSH_S = 30.0
REPEATS_MOST = 1_000
"""Of a publisher, together."""
RECORD_BYTES_MAX = 32 * 1024 * 1024


class Publisher:
    """An idempotent producer that puts each key on its murmur2 partition, unless told otherwise."""

    def __init__(self, bootstrap_servers: str, topics: TopicNames, partitions: int) -> None:
        """`partitions` is the count of the input topics."""
        self.topics = topics
        self.partitions = partitions
        self._bootstrap_servers = bootstrap_servers
        self._failures: list[str] = []
        self._repeats_left = REPEATS_MOST
        self._last: tuple[str, int, int] = ("", -1, -1)
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "metadata.recovery.strategy": "none",
                "enable.idempotence": True,
                "linger.ms": 1,
                "log_level": 0,  # brokers come and go here
                "compression.type": "lz4",
                "message.max.bytes": RECORD_BYTES_MAX,
                "queue.buffering.max.messages": 1_000_000,
            }
        )

    def use_partitions(self, partitions: int) -> None:
        """From now on the topics have so many, as a source hears when it looks again."""
        for topic in self.topics.inputs:
            self._producer.list_topics(topic, timeout=FLUSH_S)
        self.partitions = partitions

    def publish(self, events: Iterable[Json], key: str | None = None) -> None:
        """Each event to its topic, under its channel (or `key`); returns before they are there."""
        for event in events:
            self.send(self.topic_of(event), encoded(event), (key or event["channel"]).encode())

    def topic_of(self, event: Json) -> str:
        """The input topic that an event of this type belongs to."""
        return topic_of(event, self.topics)

    def send(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        *,
        partition: int | None = None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int = 0,
        on_stored: Callable[[int], None] | None = None,
    ) -> None:
        """One record. `partition` None: the right one; `timestamp_ms` 0: now.

        `on_stored` is told its offset once it is acknowledged, from within `serve` or `flush`.
        What a broker refuses as its disk fills up is sent again, as a lead source would.
        """
        again = partial(
            self.send,
            topic,
            value,
            key,
            partition=partition,
            headers=headers,
            timestamp_ms=timestamp_ms,
            on_stored=on_stored,
        )
        if partition is None:
            partition = partition_of(key or b"", self.partitions)
        while True:
            try:
                self._producer.produce(
                    topic,
                    value,
                    key,
                    partition,
                    headers=list(headers),
                    timestamp=timestamp_ms,
                    on_delivery=partial(self._on_delivery, on_stored, again),
                )
                return
            except BufferError:
                self._producer.poll(0.1)

    def serve(self) -> None:
        """Take in the acknowledgements that have come."""
        self._producer.poll(0)

    def flush(self) -> tuple[str, int, int]:
        """Wait until all is acknowledged. Returns where the last acknowledged record stands."""
        waiting = self._producer.flush(FLUSH_S)
        assert not waiting, f"{waiting} records are not acknowledged"
        assert not self._failures, f"not delivered: {self._failures[:3]}"
        return self._last

    def publish_in_a_transaction(self, events: Iterable[Json], *, commit: bool = True) -> None:
        """All of the events or, if it is aborted, none."""
        producer = Producer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "transactional.id": f"{self.topics.prefix}source",
                "log_level": 0,
            }
        )
        producer.init_transactions(FLUSH_S)
        producer.begin_transaction()
        for event in events:
            key = event["channel"].encode()
            partition = partition_of(key, self.partitions)
            producer.produce(self.topic_of(event), encoded(event), key, partition)
        producer.flush(FLUSH_S)
        if commit:
            producer.commit_transaction(FLUSH_S)
        else:
            producer.abort_transaction(FLUSH_S)

    def _on_delivery(
        self,
        on_stored: Callable[[int], None] | None,
        again: Callable[[], None],
        error: KafkaError | None,
        message: Message,
    ) -> None:
        if error is not None and error.code() == KafkaError.UNKNOWN and self._repeats_left:
            self._repeats_left -= 1
            again()
            return
        if error is not None:
            self._failures.append(error.str())
            return
        self._last = (message.topic() or "", message.partition() or 0, message.offset() or 0)
        if on_stored is not None:
            on_stored(self._last[2])


def encoded(event: Mapping[str, object]) -> bytes:
    """As most sources write JSON."""
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode()


def topic_of(event: Json, topics: TopicNames) -> str:
    """The input topic that an event of this type belongs to."""
    if event.get("type") == "lead_batch":
        return topics.lead_batches
    return topics.lead_outcomes if event.get("type") in OUTCOME_TYPES else topics.roster_changes
