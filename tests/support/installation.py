"""An installation of Partidor that nobody else sees: own topics, group, slots and Redis keys.

Made for one test or one file of tests, on a Kafka and a Redis that others use at the same time.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import redis
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.failure import Failed
from streams.kafka_clients import records_between
from streams.settings import Settings
from streams.topic_admin import ensure_topics

from .dispatchers import DispatcherProcess
from .publisher import Publisher
from .records import Json, Place, Record, asker, committed, ends, read_topic
from .waiting import wait_until

PARTITIONS = 4
TOPIC_S = 30.0
# Six seconds are the least that brokers allow; a killed process is missed after that.
QUICK = {
    "PARTIDOR_SESSION_TIMEOUT_MS": "6000",
    "PARTIDOR_KAFKA__HEARTBEAT_INTERVAL_MS": "500",
    "PARTIDOR_STATUS_INTERVAL_MS": "500",
    "PARTIDOR_REDIS_RETRY_MS": "100",
    "PARTIDOR_LOG_FORMAT": "json",
}
AT_ONCE = {"kafka__group_instance_id": "one-process"}
"""Settings for a single process that, killed and started again, has its partitions back at once:
Kafka takes a static member for the one that it was."""


class Installation:
    """Topics, dispatchers, and what can be seen of them from outside; a context manager.

    Args:
        bootstrap_servers, redis_url: The servers.
        directory: For the dispatchers' logs.
        name: Application id, and the prefix of the topics; made up if not given.
        topics: Whether the topics are created.
        replicas: Of each partition; all but one have to be in sync.
        partitions: Of each topic that is co-partitioned.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        redis_url: str,
        directory: Path,
        name: str | None = None,
        *,
        topics: bool = True,
        replicas: int = 1,
        partitions: int = PARTITIONS,
    ) -> None:
        self.replicas = replicas
        self.partitions = partitions
        self.former_partitions: list[int] = []
        self.expanded_at_ms: list[int] = []
        self.name = name or f"tests-{uuid.uuid4().hex[:12]}"
        self.directory = directory
        self.redis_url = redis_url
        self.bootstrap_servers = bootstrap_servers
        self.settings = self.settings_with()
        self.topics = self.settings.topics
        self.admin = AdminClient({**self.settings.kafka, "log_level": 0})
        self._asker = asker(bootstrap_servers, self.name)
        self.publisher = Publisher(bootstrap_servers, self.topics, self.partitions)
        self.dispatchers: list[DispatcherProcess] = []
        self.redis = redis.Redis.from_url(redis_url)
        if topics:
            ensure_topics(self.admin, self.settings)

    def settings_with(self, **others: object) -> Settings:
        """The settings of this installation's dispatchers, with some others."""
        values: dict[str, object] = {
            "application_id": self.name,
            "topic_prefix": f"{self.name}.",
            "kafka": {"bootstrap.servers": self.bootstrap_servers},
            "redis_url": self.redis_url,
            "partitions": self.partitions,
            "replication_factor": self.replicas,
            "min_insync_replicas": max(1, self.replicas - 1),
            **others,
        }
        return Settings(**values)  # type: ignore[arg-type]  # pydantic checks them

    def expanded_to(self, partitions: int, at_ms: int) -> None:
        """From now on it has so many partitions; nothing was decided around this time.

        What publishes hears of it by `Publisher.partitions`, now or later, as sources do.
        """
        self.former_partitions.append(self.partitions)
        self.expanded_at_ms.append(at_ms)
        self.partitions = partitions

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every dispatcher."""
        for dispatcher in self.dispatchers:
            if dispatcher.is_running:
                dispatcher.kill()
        self.redis.close()
        self._asker.close()

    # -- dispatchers

    def start(
        self, slot: str = "0", /, code: Path | None = None, **settings: object
    ) -> DispatcherProcess:
        """Start a dispatcher; settings by their names, `kafka__linger_ms` for `linger.ms`.

        `code` is the directory of another version's packages.
        """
        environment = self.environment(slot, **settings)
        if code is not None:
            environment["PYTHONPATH"] = str(code)
        log_path = self.directory / f"{self.name}-{len(self.dispatchers)}-slot-{slot}.log"
        dispatcher = DispatcherProcess(slot, environment, log_path)
        self.dispatchers.append(dispatcher)
        return dispatcher

    def environment(self, slot: str = "0", /, **settings: object) -> dict[str, str]:
        """What a process of this installation is told; settings as `start` takes them."""
        return {
            **QUICK,
            "PARTIDOR_APPLICATION_ID": self.name,
            "PARTIDOR_TOPIC_PREFIX": f"{self.name}.",
            "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "PARTIDOR_REDIS_URL": self.redis_url,
            "PARTIDOR_REPLICATION_FACTOR": str(self.settings.replication_factor),
            "PARTIDOR_MIN_INSYNC_REPLICAS": str(self.settings.min_insync_replicas),
            "PARTIDOR_SLOT": slot,
            **{f"PARTIDOR_{name.upper()}": str(value) for name, value in settings.items()},
        }

    @contextmanager
    def lag_server(self, port: int) -> Iterator[DispatcherProcess]:
        """`partidor lag --serve` at a port, looking often."""
        environment = self.environment(metrics_port=port)
        log_path = self.directory / f"{self.name}-lag.log"
        command = ("lag", "--serve", "--every", "0.5")
        process = DispatcherProcess("lag", environment, log_path, command)
        try:
            yield process
        finally:
            if process.is_running:
                process.stop()

    @contextmanager
    def hanging_transaction(self, topic: str, partition: int) -> Iterator[None]:
        """A transaction of somebody's that holds the partition's readers back until the end."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "transactional.id": f"{self.name}-hanging",
                "transaction.timeout.ms": 300_000,
                "log_level": 0,
            }
        )
        producer.init_transactions(TOPIC_S)
        producer.begin_transaction()
        producer.produce(topic, b"{}", b"hanging", partition)
        producer.flush(TOPIC_S)
        try:
            yield
        finally:
            producer.abort_transaction(TOPIC_S)

    def started(self, slot: str = "0", /, **settings: object) -> DispatcherProcess:
        """Start a dispatcher that has all partitions to itself, and wait until it has them."""
        dispatcher = self.start(slot, **settings)
        self.wait_until_restored(dispatcher, self.partitions)
        return dispatcher

    def wait_until_restored(
        self, dispatcher: DispatcherProcess, partitions: int, timeout_s: float = 90.0
    ) -> None:
        """Wait until a dispatcher has restored so many partitions."""
        wait_until(
            lambda: len(dispatcher.restored()) >= partitions,
            lambda: f"{partitions} partitions restored: {dispatcher.log_tail()}",
            timeout_s,
        )

    def create_topic(self, name: str) -> None:
        """One more topic, with as many partitions as the others."""
        new = NewTopic(name, self.partitions, self.replicas)
        self.admin.create_topics([new])[name].result(TOPIC_S)

    def renew_outputs(self) -> None:
        """Empty output topics, for another application on the same inputs."""
        names = [name for name, topic in self.topics.table() if topic.holds_outputs]
        for deleted in self.admin.delete_topics(names).values():
            deleted.result(TOPIC_S)
        wait_until(
            lambda: not set(names) & set(self.admin.list_topics(timeout=TOPIC_S).topics),
            "the topics are gone",
        )
        ensure_topics(self.admin, self.settings)

    # -- offsets

    def input_places(self) -> list[Place]:
        """The partitions of the input topics."""
        return self.places(*self.topics.inputs)

    def places(self, *topics: str) -> list[Place]:
        """The partitions of the topics."""
        return [(topic, number) for topic in topics for number in range(self._count(topic))]

    def _count(self, topic: str) -> int:
        """Expanded are those that are co-partitioned: all but the dead letters."""
        if topic == self.topics.dead_letters and self.former_partitions:
            return self.former_partitions[0]
        return self.partitions

    def committed(self) -> Mapping[Place, int] | None:
        """The next input offsets to process; None while a transaction could change them."""
        return committed(self._asker, self.input_places())

    def wait_until_processed(self, timeout_s: float = 90.0) -> None:
        """Wait until everything that was published is committed by the group, for readers too.

        The group's offsets may be committed a moment before the markers of outputs are written.
        What a dispatcher sends on meanwhile is not waited for: see `quiet.wait_until_quiet`.
        """
        self.publisher.flush()
        wanted = ends(self.admin, self.input_places())
        seen: Mapping[Place, int] | None = None

        def done() -> bool:
            nonlocal seen
            before, seen = seen, self.committed()
            if seen is None:
                return False
            behind = {place: at for place, at in seen.items() if at < wanted[place]}
            return not behind or (seen == before and self._nothing_between(behind, wanted))

        wait_until(done, lambda: f"committed {seen} of {wanted}; {self._logs()}", timeout_s)
        self.wait_until_settled(timeout_s)

    def _nothing_between(self, starts: Mapping[Place, int], ends: Mapping[Place, int]) -> bool:
        """Whether all that stands there is markers of transactions, or was aborted."""
        try:
            return next(records_between(self.settings, starts, ends), None) is None
        except Failed:
            return False

    def wait_until_committed(self, records: int, timeout_s: float = 90.0) -> None:
        """Wait until so many input records are processed, and others perhaps not yet."""

        def done() -> bool:
            seen = self.committed()
            return seen is not None and sum(seen.values()) >= records

        wait_until(done, lambda: f"{records} records; {self._logs()}", timeout_s)

    def wait_until_assigned(self, leads: int, timeout_s: float = 90.0) -> None:
        """Wait until so many leads are assigned."""
        wait_until(
            lambda: len(self.assignments()) >= leads,
            lambda: f"{leads} leads assigned; {self._logs()}",
            timeout_s,
        )

    def wait_until_assignments_end(self, offsets: int, timeout_s: float = 90.0) -> None:
        """Wait until the assignments' partitions end at so many offsets together.

        Quicker to ask than how many there are; markers of transactions count too.
        """
        places = self.places(self.topics.assignments)
        wait_until(
            lambda: sum(ends(self.admin, places).values()) >= offsets,
            lambda: f"{offsets} offsets of assignments; {self._logs()}",
            timeout_s,
        )

    def wait_until_settled(self, timeout_s: float = 90.0) -> None:
        """Wait until no transaction is open in any output topic."""
        topics = [name for name, topic in self.topics.table() if topic.holds_outputs]
        self.wait_until_stable(self.places(*topics), timeout_s)

    def wait_until_stable(self, places: Iterable[Place], timeout_s: float = 90.0) -> None:
        """Wait until no transaction is open there."""
        wanted = list(places)
        wait_until(
            lambda: ends(self.admin, wanted) == ends(self.admin, wanted, stable=False),
            f"no transaction is open in {wanted}",
            timeout_s,
        )

    def _logs(self) -> str:
        return "\n".join(dispatcher.log_tail() for dispatcher in self.dispatchers[-2:])

    # -- what is there

    def publish(self, events: Iterable[Json]) -> None:
        """Publish events and wait until they are acknowledged."""
        self.publisher.publish(events)
        self.publisher.flush()

    def process(self, events: Iterable[Json]) -> None:
        """Publish events and wait until they are processed."""
        self.publisher.publish(events)
        self.wait_until_processed()

    def read(self, topic: str) -> list[Record]:
        """All committed records of a topic."""
        return read_topic(self.bootstrap_servers, topic)

    def read_outputs(self, topic: str) -> list[Record]:
        """The same, with what was written before an expansion before what was written after it."""
        return sorted(
            self.read(topic),
            key=lambda record: sum(at <= record.timestamp_ms for at in self.expanded_at_ms),
        )

    def decisions(self, channel: str | None = None, kind: str | None = None) -> list[Json]:
        """The decisions so far, in order within a channel; of a channel, of a type."""
        return [
            event
            for event in (record.event for record in self.read(self.topics.decisions))
            if channel in (None, event["channel"]) and kind in (None, event["type"])
        ]

    def assignments(self, channel: str | None = None) -> list[Json]:
        """The assignments so far, in order within a channel."""
        return [
            event
            for event in (record.event for record in self.read(self.topics.assignments))
            if channel in (None, event["channel"])
        ]

    def dead_letters(self) -> list[Record]:
        """The dead letters so far."""
        return self.read(self.topics.dead_letters)

    def redis_key(self, partition: int) -> str:
        """The name of a partition's hash, as the documentation says it."""
        return f"partidor:{self.name}:{{{self.topics.lead_batches}-{partition}}}"

    def redis_hash(self, partition: int) -> dict[bytes, bytes]:
        """A partition's hash in Redis; empty if it isn't there."""
        return cast("dict[bytes, bytes]", self.redis.hgetall(self.redis_key(partition)))

    def status(self, slot: str) -> Json:
        """What a dispatcher says of itself in Redis; empty if it says nothing."""
        found = cast("bytes | None", self.redis.get(f"partidor:{self.name}:dispatcher:{slot}"))
        return cast("Json", json.loads(found)) if found else {}

    def use_redis(self, url: str) -> None:
        """Look at another Redis from now on; dispatchers that are started are told of it, too."""
        self.redis.close()
        self.redis_url = url
        self.redis = redis.Redis.from_url(url)

    def flush_redis(self) -> None:
        """Remove every key of this installation, as FLUSHALL would."""
        keys = list(self.redis.scan_iter(match=f"partidor:{self.name}:*", count=1_000))
        if keys:
            self.redis.delete(*keys)
