"""A real Kafka and a real Redis on this machine, for the demo, the tests and the benchmarks."""

import json
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.local.cache import cache_dir
from streams.local.errors import LocalStackError
from streams.local.kafka_server import KafkaServer
from streams.local.process import CONTROL, is_kept_running
from streams.local.process import stop_kept as stop_kept_server
from streams.local.redis_server import RedisServer

ENDPOINTS = "endpoints.json"


@dataclass(frozen=True)
class Endpoints:
    """Where clients find Kafka and Redis."""

    bootstrap_servers: str
    redis_url: str


class LocalStack:
    """One Kafka and one Redis as processes, which end with this one, even if it is killed.

    Args:
        directory: Where they keep their data; it stays. Without one: a temporary directory, removed
            at the end.
        kafka_properties: Broker properties to add or to replace.
        performance: For measuring rather than for a quick start.
        on_progress: Told what takes time: fetching and preparing Kafka, the first time on a
            machine.
        keep: Let the stack run on after this process, until `stop_kept` (there is one such stack
            for each user, and `directory` is not asked). Data and directory go when it is stopped.

    Raises:
        LocalStackError: on entering: a part is missing or doesn't start, or a kept stack runs
            already.
    """

    def __init__(
        self,
        directory: Path | None = None,
        kafka_properties: Mapping[str, str] | None = None,
        *,
        performance: bool = False,
        on_progress: Callable[[str], None] | None = None,
        keep: bool = False,
    ) -> None:
        self._given_directory = directory
        self._kafka_properties = dict(kafka_properties or {})
        self._performance = performance
        self._on_progress = on_progress or (lambda _: None)
        self._keep = keep
        self._kafka: KafkaServer | None = None
        self._redis: RedisServer | None = None

    def __enter__(self) -> Self:
        """Start both and wait until they answer."""
        self.directory = self._directory()
        orphaned = None if self._keep or self._given_directory else self.directory
        try:
            # First, because from its start on somebody will remove the directory: a Kafka has files
            # in it long before it runs.
            self._redis = RedisServer(
                self.directory / "redis", remove_when_orphaned=orphaned, keep=self._keep
            )
            self._redis.start()
            self._kafka = KafkaServer(
                self.directory / "kafka",
                self._kafka_properties,
                performance=self._performance,
                on_progress=self._on_progress,
                remove_when_orphaned=orphaned,
                keep=self._keep,
            )
            self._on_progress("starting Kafka and Redis")
            self._kafka.start()
        except BaseException:
            self._end()
            raise
        if self._keep:
            (self.directory / ENDPOINTS).write_text(json.dumps(asdict(self.endpoints)))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop both, or let go of a kept stack; one that is left by an error is not kept."""
        if self._keep and error is None:
            self.kafka.release()
            self.redis.release()
        else:
            self._end()

    @property
    def kafka(self) -> KafkaServer:
        """The broker: `pid`, `kill()`, `stop()`, `start()`, `restart()`, `pause()`, `resume()`."""
        if self._kafka is None:
            raise LocalStackError("the stack is not started: use it in a `with` statement")
        return self._kafka

    @property
    def redis(self) -> RedisServer:
        """The Redis, with the same methods."""
        if self._redis is None:
            raise LocalStackError("the stack is not started: use it in a `with` statement")
        return self._redis

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address, `host:port`; it stays the same over restarts."""
        return self.kafka.bootstrap_servers

    @property
    def redis_url(self) -> str:
        """Redis's address, `redis://host:port/0`; it stays the same over restarts."""
        return self.redis.url

    @property
    def endpoints(self) -> Endpoints:
        """Both addresses."""
        return Endpoints(self.bootstrap_servers, self.redis_url)

    def _directory(self) -> Path:
        if self._keep:
            directory = kept_directory()
            if kept_endpoints() is not None:
                raise LocalStackError("a kept stack runs already; stop it first")
            shutil.rmtree(directory, ignore_errors=True)
        elif self._given_directory:
            directory = self._given_directory
        else:
            # Made by who removes it.
            name = f"partidor-{secrets.token_hex(8)}"
            return Path(tempfile.gettempdir(), name).resolve()
        directory.mkdir(parents=True, exist_ok=True)
        return directory.resolve()

    def _end(self) -> None:
        # Kafka first: its clients may still be writing what Redis mirrors. Killing is enough for
        # data that goes.
        for server in (self._kafka, self._redis):
            if server is not None and self._given_directory:
                server.stop()
            elif server is not None:
                server.kill()
        if not self._given_directory:
            shutil.rmtree(self.directory, ignore_errors=True)


def kept_directory() -> Path:
    """Where the kept stack of this user lives; each server below it, in a directory of its own."""
    return cache_dir() / "kept-stack"


def kept_endpoints() -> Endpoints | None:
    """The addresses of the kept stack, if there is one and it runs."""
    directory = kept_directory()
    if not is_kept_running(directory / "kafka"):
        return None
    try:
        return Endpoints(**json.loads((directory / ENDPOINTS).read_text()))
    except FileNotFoundError:
        return None  # it is just starting


def stop_kept() -> bool:
    """Stop the kept stack, and what was kept below its directory, and remove its data.

    Returns:
        Whether there was one.
    """
    directory = kept_directory()
    servers = [
        path.parent for path in directory.glob(f"*/{CONTROL}") if is_kept_running(path.parent)
    ]
    # Clients of Kafka and Redis, if any were kept with them, end before their servers do.
    for server in sorted(servers, key=lambda path: path.name in ("kafka", "redis")):
        stop_kept_server(server)
    shutil.rmtree(directory, ignore_errors=True)
    return bool(servers)
