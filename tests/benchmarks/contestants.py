"""Who takes part, and how each is started: Partidor, Kafka Streams, Quix Streams, Faust.

All read the input topic of an installation, as a group of their own, and write to a topic of their
own. Producers have the same linger, batch size and compression; everything else is each one's own.
"""

import json
import os
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from streams.own_command import PARTIDOR
from tests.support.dispatchers import CODE
from tests.support.installation import Installation
from tests.views_process import ViewsProcess

from .peers import setting_up
from .workload import Workload

LINGER_MS: Final = 5
BATCH_BYTES: Final = 1_000_000
STOP_S: Final = 30.0
LIBRDKAFKA: Final[Mapping[str, Any]] = {
    "linger.ms": LINGER_MS,
    "compression.type": "lz4",
    "batch.size": BATCH_BYTES,
    "batch.num.messages": 100_000,
    "queue.buffering.max.messages": 500_000,
    "queue.buffering.max.kbytes": 1_048_576,
    "retry.backoff.ms": 10,
}


class Contestant(ABC):
    """One way to do the work.

    Attributes:
        name: As tables show it.
        members: How many of its processes or threads share the input.
        warm_share: How much of the leads goes by before the clock starts.
        measured_s_max: After so long it is stopped; the rate is known then.
    """

    name: str
    members = 1
    warm_share = 0.1
    measured_s_max = 20.0

    @abstractmethod
    def start(self, installation: Installation, workload: Workload, directory: Path) -> "Running":
        """Start it on an installation whose input is loaded. Raises LeftOut."""


class Running:
    """A contestant at work.

    Attributes:
        group: Whose committed offsets say how far it is.
        output: The topic that it writes assignments to.
        at_stop: Called before it is stopped.
    """

    def __init__(
        self, processes: list[subprocess.Popen[bytes]], group: str, output: str, log: Path
    ) -> None:
        self._processes = processes
        self.at_stop: list[Callable[[], object]] = []
        self.group = group
        self.output = output
        self._log = log

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [process.pid for process in self._processes]

    def check(self) -> None:
        """Raises AssertionError when it has ended by itself."""
        for process in self._processes:
            assert process.poll() is None, f"it has ended: {self.log_tail()}"

    def log_tail(self) -> str:
        """The end of what it wrote, for messages."""
        return self._log.read_text(errors="replace")[-2_000:]

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to what doesn't end by that."""
        for stop in self.at_stop:
            stop()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Partidor(Contestant):
    """`partidor run`, the full job: rosters, exact shares, decisions, changelog, Redis."""

    def __init__(self, processes: int = 1, **settings: str) -> None:
        self.members = processes
        self._settings = settings
        self.name = "Partidor" if processes == 1 else f"Partidor, {processes} processes"
        self.group = str(processes)

    def start(self, installation: Installation, workload: Workload, directory: Path) -> Running:
        """One process for each slot."""
        application = f"{installation.name}-{self.group}"
        installation.renew_outputs()
        at_stop = self.beside(installation, directory)
        log = directory / f"{application}.log"
        environment = {
            **os.environ,
            "PYTHONPATH": CODE,
            "PARTIDOR_APPLICATION_ID": application,
            "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
            "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
            "PARTIDOR_REDIS_URL": installation.redis_url,
            "PARTIDOR_REPLICATION_FACTOR": "1",
            "PARTIDOR_MIN_INSYNC_REPLICAS": "1",
            **self._settings,
        }
        with log.open("ab") as file:
            processes = [
                subprocess.Popen(
                    [*PARTIDOR, "run"],
                    stdout=file,
                    stderr=file,
                    env={**environment, "PARTIDOR_SLOT": str(slot)},
                )
                for slot in range(self.members)
            ]
        running = Running(processes, application, installation.topics.assignments, log)
        running.at_stop += at_stop
        return running

    def beside(self, installation: Installation, directory: Path) -> list[Callable[[], object]]:
        """Start what runs beside it; returns what ends that."""
        return []


class PartidorWithViews(Partidor):
    """The same, with the views running beside it on the same machine."""

    def __init__(self) -> None:
        super().__init__()
        self.name = "Partidor, views beside it"
        self.group = "with-views"

    def beside(self, installation: Installation, directory: Path) -> list[Callable[[], object]]:
        """The views are not among its processes: what is measured is the dispatcher."""
        data = directory / f"views-{time.time_ns()}"
        data.mkdir()
        views = ViewsProcess(views_environment(installation, data), data / "log")
        views.ready()
        return [views.kill]


def views_environment(installation: Installation, directory: Path) -> dict[str, str]:
    """What views of this installation need to know."""
    return {
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_APPLICATION_ID": f"{installation.name}-1",
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
        "PARTIDOR_VIEWS__DATA_DIR": str(directory / "views"),
    }


class Peer(Contestant):
    """Another stream processor."""

    suffix: str

    def start(self, installation: Installation, workload: Workload, directory: Path) -> Running:
        """With a topic of its own; the job stands in a file."""
        command = self.command()
        name = f"{installation.name}.{self.suffix}"
        installation.create_topic(name)
        directory = directory / self.suffix
        directory.mkdir()
        rosters = {
            workload.channel(number): {
                f"agent-{member:05d}": float(workload.weight(number, member))
                for member in range(workload.members)
            }
            for number in range(workload.channels)
        }
        job = {
            "bootstrap_servers": installation.bootstrap_servers,
            "group": name,
            "input": installation.topics.lead_batches,
            "output": name,
            "partitions": workload.partitions,
            "directory": str(directory),
            "rosters": rosters,
            **self.job(installation, name, directory),
        }
        path = directory / "job.json"
        path.write_text(json.dumps(job))
        log = directory / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, str(path)],
                stdout=file,
                stderr=file,
                cwd=directory,
                # Of ours it sees `work` alone: its packages have to be its own.
                env={**os.environ, "PYTHONPATH": str(setting_up.HERE)},
            )
        return Running([process], name, name, log)

    @abstractmethod
    def command(self) -> list[str]:
        """What to run, but for the job's path. Raises LeftOut."""

    @abstractmethod
    def job(self, installation: Installation, group: str, directory: Path) -> dict[str, Any]:
        """What it alone is told."""


class KafkaStreams(Peer):
    """Kafka Streams, `exactly_once_v2`, its store in memory with a changelog."""

    warm_share = 0.35  # until its code is compiled

    def __init__(self, threads: int = 1, commit_interval_ms: int = 100) -> None:
        self.members = threads
        self.commit_interval_ms = commit_interval_ms
        self.name = f"Kafka Streams, {threads} thread{'s' if threads > 1 else ''}"
        self.suffix = f"streams-{threads}"

    def command(self) -> list[str]:
        """Java and its class path."""
        return setting_up.kafka_streams()

    def job(self, installation: Installation, group: str, directory: Path) -> dict[str, Any]:
        """Its properties."""
        return {
            "properties": {
                "application.id": group,
                "bootstrap.servers": installation.bootstrap_servers,
                "num.stream.threads": str(self.members),
                "commit.interval.ms": str(self.commit_interval_ms),
                "replication.factor": "1",
                "state.dir": str(directory),
                "auto.offset.reset": "earliest",
                "producer.compression.type": "lz4",
                "producer.linger.ms": str(LINGER_MS),
                "producer.batch.size": "262144",
                "producer.buffer.memory": "134217728",
            }
        }


class Quix(Peer):
    """Quix Streams, exactly once, a checkpoint every 100 batches."""

    name = "Quix Streams"
    suffix = "quix"

    def command(self) -> list[str]:
        """Its own Python."""
        return [str(setting_up.quix()), str(setting_up.HERE / "quix_app.py")]

    def job(self, installation: Installation, group: str, directory: Path) -> dict[str, Any]:
        """Its checkpoints and clients."""
        return {
            "commit_every": 100,
            "commit_interval_s": 5.0,
            "producer": dict(LIBRDKAFKA),
            "consumer": {"fetch.wait.max.ms": 20, "fetch.queue.backoff.ms": 2},
        }


class Faust(Peer):
    """Faust with its `exactly_once`."""

    name = "Faust"
    suffix = "faust"
    warm_share = 0.002
    measured_s_max = 15.0

    def command(self) -> list[str]:
        """Our Python has it: the views use it."""
        return [sys.executable, str(setting_up.HERE / "faust_app.py")]

    def job(self, installation: Installation, group: str, directory: Path) -> dict[str, Any]:
        """Its guarantee."""
        return {"guarantee": "exactly_once"}
