"""Three real brokers (KRaft: each is broker and controller) on the loopback address.

In: a directory, broker properties. Out: brokers that can be killed, stopped and started one by one,
and who of them leads what. Everything that is stored is stored three times, two of them in sync.
"""

import base64
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.local.jars import class_path
from streams.local.java import find_java
from streams.local.kafka_server import FORMAT_TIMEOUT_SECONDS, LOGGING, KafkaServer
from streams.local.ports import HOST, free_ports
from streams.local.redis_server import RedisServer

from .waiting import wait_until

BROKERS = 3
CALL_S = 10.0
OFFSETS_TOPIC = "__consumer_offsets"
TRANSACTIONS_TOPIC = "__transaction_state"
TRANSACTIONS_PARTITIONS = 4

PROPERTIES: Mapping[str, str] = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.num.partitions": str(TRANSACTIONS_PARTITIONS),
}


class ClusterBroker(KafkaServer):
    """One of the brokers. `number` counts from 1; it is the broker's id too."""

    def __init__(
        self,
        directory: Path,
        number: int,
        members: Sequence[str],
        cluster_id: str,
        properties: Mapping[str, str],
    ) -> None:
        """`members`: each `id@host:port:directory-id`, as the format takes them."""
        self.number = number
        self._members = members
        self._cluster_id = cluster_id
        controllers = ",".join(_address(member) for member in members)
        super().__init__(
            directory,
            {
                **PROPERTIES,
                "node.id": str(number),
                "controller.quorum.bootstrap.servers": controllers,
                **properties,
            },
            remove_when_orphaned=directory.parent,
        )

    def start(self) -> None:
        """See `ServerProcess.start`; formatted as one of three, not as one alone."""
        if not (self.directory / "data" / "meta.properties").exists():
            self._format()
        super().start()

    def _format(self) -> None:
        result = subprocess.run(
            [
                os.fspath(find_java().program),
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                f"-Dlog4j2.configurationFile={LOGGING}",
                "kafka.tools.StorageTool",
                "format",
                f"--cluster-id={self._cluster_id}",
                f"--initial-controllers={','.join(self._members)}",
                f"--config={self.directory / 'server.properties'}",
            ],
            env=os.environ | {"CLASSPATH": os.pathsep.join(map(str, class_path()))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=FORMAT_TIMEOUT_SECONDS,
            check=False,
        )
        assert result.returncode == 0, result.stdout[-2_000:]


class Cluster:
    """The brokers, and a Redis beside them; a context manager. All data goes with it.

    Attributes:
        brokers: By number, from 1.
        redis: As in a `LocalStack`.
    """

    def __init__(self, properties: Mapping[str, str] | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="partidor-cluster-")).resolve()
        cluster_id = _uuid()
        ports = free_ports(2 * BROKERS)
        members = [f"{number}@{HOST}:{ports[2 * number - 1]}:{_uuid()}" for number in _numbers()]
        self.brokers: dict[int, ClusterBroker] = {}
        for number in _numbers():
            directory = self._directory / f"broker-{number}"
            directory.mkdir()
            port, controller_port = ports[2 * number - 2 : 2 * number]
            # As the broker would have written it: these are the ports that it takes.
            (directory / "ports").write_text(f"{port} {controller_port}\n")
            self.brokers[number] = ClusterBroker(
                directory, number, members, cluster_id, properties or {}
            )
        self.redis = RedisServer(self._directory / "redis", remove_when_orphaned=self._directory)

    def __enter__(self) -> Self:
        """Start all of them, and wait until they answer."""
        try:
            self.redis.start()
            self.start_all()
        except BaseException:
            self._end()
            raise
        self.admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        wait_until(
            lambda: len(self.admin.list_topics(timeout=CALL_S).brokers) == BROKERS,
            "all brokers are registered",
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Kill all; nothing of them is kept."""
        self._end()

    def start_all(self) -> None:
        """Start the brokers together: one alone has no quorum, and would not become ready."""
        with ThreadPoolExecutor(BROKERS) as pool:
            for started in [pool.submit(broker.start) for broker in self.brokers.values()]:
                started.result()

    def _end(self) -> None:
        for server in [*self.brokers.values(), self.redis]:
            server.kill()
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all brokers."""
        return ",".join(broker.bootstrap_servers for broker in self.brokers.values())

    @property
    def redis_url(self) -> str:
        """Redis's address."""
        return self.redis.url

    # -- who does what

    def leader(self, topic: str, partition: int) -> ClusterBroker:
        """The broker that leads a partition."""
        return self._found(
            lambda: (
                self.admin.list_topics(topic, timeout=CALL_S)
                .topics[topic]
                .partitions[partition]
                .leader
            ),
            f"a leader of {topic} partition {partition}",
        )

    def group_coordinator(self) -> ClusterBroker:
        """The broker that coordinates all consumer groups: their topic has one partition."""
        return self.leader(OFFSETS_TOPIC, 0)

    def transaction_coordinator(self, transactional_id: str) -> ClusterBroker:
        """The broker that coordinates the transactions of a transactional id."""
        return self.leader(TRANSACTIONS_TOPIC, transactions_partition(transactional_id))

    def wait_until_led(self, timeout_s: float = 30.0) -> None:
        """Wait until every partition has a leader that runs."""
        running = {number for number, broker in self.brokers.items() if broker.is_running}

        def led() -> bool:
            try:
                found = self.admin.list_topics(timeout=CALL_S).topics.values()
            except KafkaException:
                return False
            return all(
                partition.leader in running
                for topic in found
                for partition in topic.partitions.values()
            )

        wait_until(led, "every partition has a leader", timeout_s)

    def wait_until_in_sync(self, topics: Iterable[str], timeout_s: float = 60.0) -> None:
        """Wait until every replica of these topics is in sync again."""

        def in_sync() -> bool:
            found = self.admin.list_topics(timeout=CALL_S).topics
            return all(
                len(partition.isrs) == BROKERS
                for topic in topics
                for partition in found[topic].partitions.values()
            )

        wait_until(in_sync, "all replicas are in sync", timeout_s)

    def _found(self, ask: Callable[[], int], what: str) -> ClusterBroker:
        number = -1

        def known() -> bool:
            nonlocal number
            try:
                number = ask()
            except (KafkaException, KeyError, TimeoutError):
                return False
            return number in self.brokers

        wait_until(known, what, timeout_s=30)
        return self.brokers[number]


def transactions_partition(transactional_id: str) -> int:
    """The partition of `__transaction_state` that holds a transactional id.

    As the broker computes it: `Utils.abs(id.hashCode()) % partitions`.
    """
    code = 0
    units = transactional_id.encode("utf-16-be")
    for place in range(0, len(units), 2):
        code = (31 * code + int.from_bytes(units[place : place + 2])) & 0xFFFFFFFF
    signed = code - (1 << 32) if code >= 1 << 31 else code
    # Java's least integer has no positive counterpart; Kafka takes 0 for it.
    return (0 if signed == -(1 << 31) else abs(signed)) % TRANSACTIONS_PARTITIONS


def _numbers() -> range:
    return range(1, BROKERS + 1)


def _address(member: str) -> str:
    """`host:port` of a member."""
    return member.partition("@")[2].rpartition(":")[0]


def _uuid() -> str:
    """As Kafka writes them; one that begins with a dash would be read as an option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
