"""What tests of the running views share: their process, and decisions in transactions.

`ViewsProcess` is `partidor views` as a process of its own, asked over HTTP; `DecisionTopic` is a
topic of decisions of its own, written by a transactional producer as the dispatcher writes it.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from schemas.partitioning import partition_of

# It ends with the tests even if these are killed: then its standard input ends.
_RUN = """
import os, sys, threading
def end_with_the_tests():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=end_with_the_tests, daemon=True).start()
{before}
from streams.cli import main
sys.exit(main(["views"]))
"""
READY_S = 60.0
STOP_S = 60.0
LOG_TAIL_CHARACTERS = 5_000


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Answer(NamedTuple):
    """What came back for a request."""

    status: int
    body: Any
    headers: Mapping[str, str]


class ViewsProcess:
    """One `partidor views` on a port of its own."""

    def __init__(self, environment: Mapping[str, str], log_path: Path, *, before: str = "") -> None:
        """Starts at once. `environment` is added to this process's own; `before` runs first."""
        self.port = free_port()
        self._program = _RUN.replace("{before}", before)
        self.log_path = log_path
        self._environment = dict(environment)
        self.start()

    def start(self) -> None:
        """Start, or start again at the same port."""
        own = {"PARTIDOR_VIEWS__PORT": str(self.port), **self._environment}
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                env={**os.environ, **own},
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it wrote to stderr, the last of it."""
        return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    def get(self, path: str, method: str = "GET") -> Answer:
        """Ask; the path is sent as it is."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            content = response.read()
            body = json.loads(content) if content else None
            return Answer(response.status, body, dict(response.getheaders()))
        finally:
            connection.close()

    def standings(self, channel: str) -> Answer:
        """A channel and everybody's standing, as of one decision; the name percent-encoded."""
        path = f"/api/channels/{quote(channel, safe='')}"
        while True:
            answer = self.get(path)
            if answer.status != 200:
                return answer
            members = self.get(f"{path}/standings?limit=1000")
            if members.body.get("state_version") == answer.body["state_version"]:
                return answer._replace(body={**answer.body, "standings": members.body["standings"]})

    def until(
        self, path: str, holds: Callable[[Answer], bool], within_s: float = READY_S
    ) -> Answer:
        """Ask until the answer is as wanted."""
        deadline = time.monotonic() + within_s
        answer: Answer | None = None
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise AssertionError(f"the views ended: {self._process.returncode}\n{self.log}")
            try:
                answer = self.get(path)
            except OSError:
                pass
            else:
                if holds(answer):
                    return answer
            time.sleep(0.02)
        raise AssertionError(f"{path} answered {answer} after {within_s} s\n{self.log}")

    def ready(self, within_s: float = READY_S) -> Answer:
        """Wait until all partitions are caught up."""
        return self.until("/healthz", lambda answer: answer.status == 200, within_s)

    def ended(self) -> int:
        """Wait until it has ended by itself. Returns its exit code."""
        return self._process.wait(READY_S)

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._process.wait(STOP_S)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop. Returns its exit code."""
        self._process.send_signal(number)
        return self._process.wait(STOP_S)

    def __enter__(self) -> Self:
        """As it is."""
        return self

    def __exit__(self, *_: object) -> None:
        """Gone, whatever became of it."""
        if self._process.poll() is None:
            self.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()


class DecisionTopic:
    """A topic of decisions that nobody else uses."""

    def __init__(self, bootstrap_servers: str, prefix: str, partitions: int = 3) -> None:
        """Creates it."""
        self.bootstrap_servers = bootstrap_servers
        self.prefix = prefix
        self.name = f"{prefix}dispatch.decisions"
        self.assignments = f"{prefix}leads.assignments"
        self.partitions = partitions
        admin = AdminClient({"bootstrap.servers": bootstrap_servers})
        counts = {
            self.name: partitions,
            self.assignments: partitions,
            f"{prefix}dispatch.dead-letters": 1,
        }
        topics = [NewTopic(name, count, 1) for name, count in counts.items()]
        for created in admin.create_topics(topics).values():
            created.result(30)

    def environment(self, application_id: str, data_dir: Path) -> dict[str, str]:
        """What a views process needs to read it."""
        return {
            "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "PARTIDOR_TOPIC_PREFIX": self.prefix,
            "PARTIDOR_APPLICATION_ID": application_id,
            "PARTIDOR_VIEWS__DATA_DIR": str(data_dir),
            "PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS": "300",
        }

    def writer(self, name: str = "writer") -> DecisionWriter:
        """A transactional producer for it."""
        return DecisionWriter(self, name)


class DecisionWriter:
    """Writes decisions in transactions, committed or aborted."""

    def __init__(self, topic: DecisionTopic, name: str) -> None:
        """Ready for a transaction."""
        self._topic = topic
        self._producer = Producer(
            {
                "bootstrap.servers": topic.bootstrap_servers,
                "transactional.id": f"{topic.prefix}{name}",
                "linger.ms": 5,
            }
        )
        self._producer.init_transactions(30)

    def begin(self) -> None:
        """Open a transaction."""
        self._producer.begin_transaction()

    def produce(self, decisions: Iterable[bytes]) -> None:
        """Write into the open transaction, each to its channel's partition."""
        for value in decisions:
            channel = json.loads(value)["channel"].encode()
            self.produce_raw(value, channel)
        self._producer.flush(30)

    def produce_raw(self, value: bytes | None, key: bytes) -> None:
        """Write any bytes into the open transaction."""
        partition = partition_of(key, self._topic.partitions)
        while True:
            try:
                self._producer.produce(self._topic.name, value, key, partition=partition)
                return
            except BufferError:
                self._producer.poll(0.1)

    def commit(self) -> None:
        """Commit the open transaction."""
        self._producer.commit_transaction(30)

    def abort(self) -> None:
        """Abort it, with what was written."""
        self._producer.flush(30)
        self._producer.abort_transaction(30)

    def committed(self, decisions: Iterable[bytes], per_transaction: int = 20) -> None:
        """Write all in as many transactions as it takes."""
        rest = list(decisions)
        while rest:
            self.begin()
            self.produce(rest[:per_transaction])
            self.commit()
            del rest[:per_transaction]

    def aborted(self, decisions: Iterable[bytes]) -> None:
        """Write all in one transaction that is aborted."""
        self.begin()
        self.produce(decisions)
        self.abort()
