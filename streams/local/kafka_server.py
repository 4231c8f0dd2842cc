"""One real Apache Kafka (KRaft: broker and controller in one process) on the loopback address.

In: a directory, and broker properties beyond the ones below. Out: `bootstrap_servers`.

Quick start: Java 25 can keep what it learned while a program started (loaded and linked classes,
JEP 514). The first start on a machine makes that archive, by starting a broker once for nothing;
later starts take 1 s instead of 3 s. An archive that doesn't fit (another Java, other jars) is
ignored by Java: it is a matter of speed alone.
"""

import base64
import os
import tempfile
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from streams.local.cache import cache_dir, locked
from streams.local.jars import KAFKA_VERSION, class_path
from streams.local.java import Java, find_java
from streams.local.ports import HOST, accepts_connections, free_ports
from streams.local.process import ServerProcess

METADATA_TIMEOUT_SECONDS = 5.0
FORMAT_TIMEOUT_SECONDS = 60.0
# Making the archive happens while the broker of the rehearsal stops.
REHEARSAL_STOP_TIMEOUT_SECONDS = 120.0
OLDEST_JAVA_WITH_ARCHIVE = 25

# One broker has to do, and internal topics need no width.
PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "inter.broker.listener.name": "PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # A consumer that joins first does not wait for others.
    "group.initial.rebalance.delay.ms": "0",
    # How long a killed broker's registration stands in the way of its next start.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    # A transaction left open by a killed process ends soon after its time-out.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    # A misspelt topic name is an error, not a new topic.
    "auto.create.topics.enable": "false",
    # Much on one machine: no gigabyte is set aside for a cache that cleans compacted topics.
    "log.cleaner.dedupe.buffer.size": "16777216",
}

# Installed as a file beside this one: Java reads it itself.
LOGGING = Path(__file__).with_name("log4j2.properties")

# Serial collector: two cores are shared with everybody else here. Performance data files would
# litter /tmp.
JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:-UsePerfData")
# The quick compiler alone: a broker that lives for seconds never earns back the other's work.
SHORT_LIFE_OPTIONS = ("-Xmx512m", "-XX:TieredStopAtLevel=1")
PERFORMANCE_OPTIONS = ("-Xms1g", "-Xmx1g")


class KafkaServer(ServerProcess):
    """A broker with its data in `directory`; after a kill it has the same data and address.

    Args:
        directory: Its data, log and configuration; a directory with data is used as it is.
        properties: Broker properties to add or to put in the place of `PROPERTIES`.
        performance: For measuring: the optimising compiler, more memory.
        on_progress: Told what takes time, the first time.
        remove_when_orphaned: See `ServerProcess`.
        keep: See `ServerProcess`.
    """

    def __init__(
        self,
        directory: Path,
        properties: Mapping[str, str] | None = None,
        *,
        performance: bool = False,
        on_progress: Callable[[str], None] = lambda _: None,
        remove_when_orphaned: Path | None = None,
        keep: bool = False,
    ) -> None:
        java, jars = find_java(), class_path(on_progress)
        archive = _archive(java, jars, on_progress)
        options = [*JAVA_OPTIONS, *(PERFORMANCE_OPTIONS if performance else SHORT_LIFE_OPTIONS)]
        if archive is not None:
            # What of it does not fit this processor is not worth a warning.
            options += [f"-XX:AOTCache={archive}", "-Xlog:aot*=off"]
        self._broker = _Broker(directory, java, jars, options, properties or {})
        self.port = self._broker.port
        super().__init__(
            "kafka",
            self._broker.command,
            directory,
            lambda: answers_metadata(self.port),
            environment=self._broker.environment,
            remove_when_orphaned=remove_when_orphaned,
            keep=keep,
        )

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients, `host:port`."""
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        """Format the directory if it is new, start the broker, wait until it answers."""
        self._broker.format(self._remove_when_orphaned)
        super().start()


def answers_metadata(port: int) -> bool:
    """Whether a broker that knows itself answers on the port, and leads its partitions.

    After a restart metadata answers before the partitions have their new leader epochs; a client
    that asks in between may be told to wait for longer than a test does.
    """
    if not accepts_connections(port):
        return False
    from confluent_kafka import KafkaException, TopicPartition
    from confluent_kafka.admin import AdminClient, OffsetSpec

    # Refused connections are expected while a broker starts: nothing is logged.
    client = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
    try:
        found = client.list_topics(timeout=METADATA_TIMEOUT_SECONDS)
        asked = {
            TopicPartition(name, number): OffsetSpec.latest()
            for name, topic in found.topics.items()
            for number in topic.partitions
        }
        if asked:
            offsets = client.list_offsets(asked, request_timeout=METADATA_TIMEOUT_SECONDS)
            if any(
                future.result(METADATA_TIMEOUT_SECONDS).offset < 0 for future in offsets.values()
            ):
                return False
        return bool(found.brokers)
    except (KafkaException, TimeoutError):
        return False


class _Broker:
    """The files and the command line of one broker."""

    def __init__(
        self,
        directory: Path,
        java: Java,
        jars: tuple[Path, ...],
        options: list[str],
        properties: Mapping[str, str],
    ) -> None:
        self._data = directory / "data"
        self._properties_path = directory / "server.properties"
        directory.mkdir(parents=True, exist_ok=True)
        self.port, controller_port = self._ports()
        self._properties_path.write_text(self._properties(controller_port, properties))
        self._java = [
            os.fspath(java.program),
            *options,
            # Libraries that it unpacks would stay in /tmp whenever it is killed.
            f"-Djava.io.tmpdir={directory}",
            f"-Dlog4j2.configurationFile={LOGGING}",
        ]
        # In the environment rather than in `ps`: it is long.
        self.environment = {"CLASSPATH": os.pathsep.join(map(str, jars))}
        self.command = [*self._java, "kafka.Kafka", os.fspath(self._properties_path)]

    def _ports(self) -> tuple[int, int]:
        """The ports that this directory's broker had before: its data remembers them. Else free."""
        path = self._properties_path.with_name("ports")
        if path.exists():
            port, controller_port = map(int, path.read_text().split())
        else:
            port, controller_port = free_ports(2)
            path.write_text(f"{port} {controller_port}\n")
        return port, controller_port

    def _properties(self, controller_port: int, properties: Mapping[str, str]) -> str:
        listeners = f"PLAINTEXT://{HOST}:{self.port},CONTROLLER://{HOST}:{controller_port}"
        addresses = {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "controller.quorum.bootstrap.servers": f"{HOST}:{controller_port}",
            "log.dirs": os.fspath(self._data),
        }
        lines = {**PROPERTIES, **addresses, **properties}
        return "".join(f"{name}={value}\n" for name, value in lines.items())

    def format(self, remove_when_orphaned: Path | None) -> None:
        """Format the data directory, unless it is."""
        if (self._data / "meta.properties").exists():
            return
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # A cluster id that begins with a dash would be read as an option.
        arguments = [
            "format",
            "--standalone",
            f"--cluster-id={cluster_id}",
            "--config",
            str(self._properties_path),
        ]
        # Under a babysitter, too: it would go on writing when its starter is gone.
        ServerProcess(
            "kafka-format",
            [*self._java, "kafka.tools.StorageTool", *arguments],
            self._data.parent,
            environment=self.environment,
            remove_when_orphaned=remove_when_orphaned,
        ).run(FORMAT_TIMEOUT_SECONDS)


def _archive(java: Java, jars: tuple[Path, ...], on_progress: Callable[[str], None]) -> Path | None:
    """The archive for quick starts, made if this Java can; None if it can't."""
    if java.major < OLDEST_JAVA_WITH_ARCHIVE:
        return None
    archive = cache_dir() / f"kafka-{KAFKA_VERSION}" / f"java-{java.version}.aot"
    with locked("kafka-archive"):
        if not _fits(archive, jars):
            on_progress("preparing Kafka for quick starts (once)")
            _rehearse(java, jars, archive)
    return archive if archive.exists() else None


def _fits(archive: Path, jars: tuple[Path, ...]) -> bool:
    """Whether the archive is newer than each jar; Java compares their times too."""
    if not archive.exists():
        return False
    made_at = archive.stat().st_mtime_ns
    return all(jar.stat().st_mtime_ns < made_at for jar in jars)


def _rehearse(java: Java, jars: tuple[Path, ...], archive: Path) -> None:
    """Start and stop a broker so that Java writes down how that goes."""
    with tempfile.TemporaryDirectory(dir=cache_dir(), prefix="rehearsal-") as scratch:
        directory = Path(scratch)
        recording = directory / "recording.aot"
        options = [*JAVA_OPTIONS, *SHORT_LIFE_OPTIONS]
        broker = _Broker(directory, java, jars, options, {})
        broker.format(directory)
        command = [broker.command[0], f"-XX:AOTCacheOutput={recording}", *broker.command[1:]]
        server = ServerProcess(
            "kafka",
            command,
            directory,
            lambda: answers_metadata(broker.port),
            environment=broker.environment,
            remove_when_orphaned=directory,
        )
        server.start()
        server.stop(REHEARSAL_STOP_TIMEOUT_SECONDS)
        # Java leaves none if it could not write it (a full disk): starts are slower then, no more.
        if recording.exists():
            recording.replace(archive)
