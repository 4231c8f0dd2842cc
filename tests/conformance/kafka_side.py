"""The real side: the session's Kafka, with topics and a group that no other test has."""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Protocol, TypeVar

from confluent_kafka import KafkaException, Message
from confluent_kafka import Producer as PlainProducer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from schemas.topics import TopicNames
from streams.broker import ChangelogReader, Cluster, GroupConsumer, Producer, TopicPartition
from streams.kafka_broker import (
    KafkaChangelogReader,
    KafkaCluster,
    KafkaGroupConsumer,
    KafkaProducer,
)
from streams.settings import Settings
from tests.conformance.sides import CALL_MS, FILLER, SESSION_TIMEOUT_MS, Side
from tests.support.kafka_proxy import Api, KafkaProxy, Rule
from tests.support.kafka_proxy import Side as Part

CALL_S = CALL_MS / 1000
COMPACTED_SOON = {
    # A segment is rolled with the next write after this, and only rolled ones are compacted.
    "segment.ms": "1",
    "min.cleanable.dirty.ratio": "0.0001",
    "max.compaction.lag.ms": "1",
}
CLEANED_SOON = {"log.cleaner.backoff.ms": "200"}
_log = logging.getLogger("tests.librdkafka")


class _Closable(Protocol):
    def close(self) -> None: ...


Client = TypeVar("Client", bound=_Closable)


class KafkaSide(Side):
    """A real broker through librdkafka, as dispatchers use it."""

    def __init__(self, bootstrap_servers: str, name: str) -> None:
        super().__init__(TopicNames(f"{name}."))
        self._name = name
        self._servers = bootstrap_servers
        self._open = ExitStack()
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
        self._plain: PlainProducer | None = None
        self._asks: Cluster | None = None
        self._proxies: dict[GroupConsumer | Producer, KafkaProxy] = {}
        self._silent: dict[GroupConsumer, Rule] = {}
        self._cleans_soon = False
        self._create_topics()

    def _create_topics(self) -> None:
        deletes, compacts = {"cleanup.policy": "delete"}, {"cleanup.policy": "compact"}
        wanted = [
            *[NewTopic(name, self.partitions, 1, config=deletes) for name in self.topics.inputs],
            NewTopic(self.topics.changelog, self.partitions, 1, config=compacts),
        ]
        for created in self._admin.create_topics(wanted, operation_timeout=CALL_S).values():
            created.result(CALL_S)

    def _settings(self, slot: str, *, proxy: KafkaProxy | None = None, **others: str) -> Settings:
        """A dispatcher's; `others` are librdkafka's properties with underscores."""
        servers = self._servers if proxy is None else proxy.address
        return Settings(
            application_id=self._name,
            slot=slot,
            topic_prefix=self.topics.prefix,
            kafka={"bootstrap.servers": servers, **others},
            partitions=self.partitions,
            replication_factor=1,
            min_insync_replicas=1,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            call_timeout_ms=5_000,
            question_timeout_ms=5_000,
        )

    def _opened(self, client: Client) -> Client:
        def close() -> None:
            # Closed by the test already, or fenced: it has ended.
            with suppress(AttributeError, KafkaException, RuntimeError):
                client.close()

        self._open.callback(close)
        return client

    def _proxy(self) -> KafkaProxy:
        host, _, port = self._servers.partition(":")
        return self._open.enter_context(KafkaProxy((host, int(port))))

    def producer(
        self,
        slot: str = "0",
        *,
        transaction_timeout_ms: int = 60_000,
        queue_records_max: int | None = None,
        can_be_copied: bool = False,
    ) -> Producer:
        """See `Side`."""
        queue = {}
        if queue_records_max is not None:
            queue["queue_buffering_max_messages"] = str(queue_records_max)
        proxy = self._proxy() if can_be_copied else None
        settings = self._settings(slot, proxy=proxy, **queue).model_copy(
            update={"transaction_timeout_ms": transaction_timeout_ms}
        )
        producer = self._opened(KafkaProducer(settings, logger=_log))
        if proxy is not None:
            self._proxies[producer] = proxy
        return producer

    def consumer(
        self, slot: str = "0", *, max_poll_interval_ms: int = 120_000, can_be_silenced: bool = False
    ) -> GroupConsumer:
        """See `Side`."""
        proxy = self._proxy() if can_be_silenced else None
        settings = self._settings(slot, proxy=proxy, heartbeat_interval_ms="100").model_copy(
            update={"max_poll_interval_ms": max_poll_interval_ms}
        )
        consumer = self._opened(KafkaGroupConsumer(settings, logger=_log))
        if proxy is not None:
            self._proxies[consumer] = proxy
        return consumer

    def reader(self) -> ChangelogReader:
        """See `Side`."""
        return self._opened(
            KafkaChangelogReader(self._settings("reader"), self.topics.changelog, logger=_log)
        )

    def cluster(self) -> Cluster:
        """See `Side`; one for all questions of a test."""
        if self._asks is None:
            self._asks = self._opened(KafkaCluster(self._settings("cluster"), logger=_log))
        return self._asks

    def publish(
        self,
        place: TopicPartition,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> int:
        """See `Side`."""
        if self._plain is None:
            self._plain = PlainProducer(
                {"bootstrap.servers": self._servers, "linger.ms": 0, "log_level": 0}
            )
        offsets: list[int] = []

        def stored(error: object, message: Message) -> None:
            assert error is None, error
            offsets.append(message.offset() or 0)

        topic, partition = place
        self._plain.produce(
            topic,
            value,
            key,
            partition,
            on_delivery=stored,
            timestamp=int(time.time() * 1000) if timestamp_ms is None else timestamp_ms,
            headers=list(headers),
        )
        assert self._plain.flush(CALL_S) == 0
        return offsets[0]

    def delete_before(self, place: TopicPartition, offset: int) -> None:
        """See `Side`."""
        for deleted in self._admin.delete_records([Partition(*place, offset)]).values():
            deleted.result(CALL_S)

    def compact(self, partition: int, *, tombstones_too: bool = False) -> None:
        """See `Side`."""
        if not self._cleans_soon:
            self._cleans_soon = True
            retention = {"delete.retention.ms": "0"} if tombstones_too else {}
            self._alter(ResourceType.TOPIC, self.topics.changelog, {**COMPACTED_SOON, **retention})
            for broker in self._admin.list_topics(timeout=CALL_S).brokers:
                self._let_clean_soon(str(broker))
        self.wait(50)
        self.publish((self.topics.changelog, partition), FILLER, b"")

    def _let_clean_soon(self, broker: str) -> None:
        """How soon the cleaner looks. When it is in force, so is what was asked for before."""
        self._alter(ResourceType.BROKER, broker, CLEANED_SOON)
        self._open.callback(self._forget, ResourceType.BROKER, broker, CLEANED_SOON)
        asked = ConfigResource(ResourceType.BROKER, broker)

        def is_in_force() -> bool:
            found = self._admin.describe_configs([asked])[asked].result(CALL_S)
            return all(found[name].value == value for name, value in CLEANED_SOON.items())

        self.until(is_in_force, "the cleaner's settings")

    def _alter(self, kind: ResourceType, name: str, properties: Mapping[str, str]) -> None:
        self._configure(kind, name, properties, AlterConfigOpType.SET)

    def _forget(self, kind: ResourceType, name: str, properties: Mapping[str, str]) -> None:
        self._configure(kind, name, properties, AlterConfigOpType.DELETE)

    def _configure(
        self,
        kind: ResourceType,
        name: str,
        properties: Mapping[str, str],
        how: AlterConfigOpType,
    ) -> None:
        entries = [
            ConfigEntry(key, value, incremental_operation=how) for key, value in properties.items()
        ]
        resource = ConfigResource(kind, name, incremental_configs=entries)
        for altered in self._admin.incremental_alter_configs([resource]).values():
            altered.result(CALL_S)

    def silence(self, consumer: GroupConsumer) -> None:
        """See `Side`."""
        lost = self._proxies[consumer].lose_frames(Api.HEARTBEAT, Part.REQUEST)
        self._silent[consumer] = lost

    def unsilence(self, consumer: GroupConsumer) -> None:
        """See `Side`."""
        self._silent.pop(consumer).stop()

    def commit_with_copy(self, producer: Producer) -> Callable[[], None]:
        """See `Side`."""
        proxy = self._proxies[producer]
        held = proxy.hold(Api.END_TXN, Part.REQUEST, times=1)
        let_go = threading.Timer(0.0, lambda: proxy.release(held.wait()))
        let_go.start()
        producer.commit(CALL_MS)
        let_go.join()
        (frame,) = held.frames

        def deliver() -> None:
            proxy.deliver_late(frame)

        return deliver

    def name_leaders_early(self, producer: Producer) -> Callable[[], None]:
        """See `Side`."""
        proxy = self._proxies[producer]
        proxy.name_leaders_early()
        answers = proxy.hold(Api.PRODUCE, Part.ANSWER, times=None)
        return partial(proxy.release, answers)

    def wait(self, ms: float) -> None:
        """See `Side`."""
        time.sleep(ms / 1000)

    def now_ms(self) -> float:
        """See `Side`."""
        return time.monotonic() * 1000

    def close(self) -> None:
        """See `Side`; the topics go with the broker."""
        self._open.close()
        del self._admin, self._plain
