"""What the demo runs on: Kafka, Redis, a dispatcher and the views, each a process of its own.

In: whether they are to run on afterwards. Out: the settings to reach them, and the views' address.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from streams.failure import Failed
from streams.kafka_clients import admin_client
from streams.local import LocalStack, LocalStackError, ServerProcess, kept_endpoints
from streams.local.ports import HOST, free_ports
from streams.own_command import PARTIDOR
from streams.settings import ENVIRONMENT_PREFIX, Settings
from streams.topic_admin import ensure_topics

PARTITIONS: Final = 6
CACHE_VARIABLE: Final = "PARTIDOR_CACHE_DIR"


@dataclass(frozen=True)
class Running:
    """Everything at work. `servers` are the dispatcher and the views."""

    settings: Settings
    views_url: str
    servers: tuple[ServerProcess, ...]

    def check(self) -> None:
        """Raises Failed when a process has ended."""
        for server in self.servers:
            if not server.is_running:
                raise Failed(f"{server.name} has ended; its last words:\n{server.log_tail()}")


def forget_settings() -> None:
    """Drop the user's own settings: they are for another Kafka, and our processes inherit ours."""
    for name in list(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX) and name != CACHE_VARIABLE:
            del os.environ[name]


def environment(bootstrap_servers: str, redis_url: str) -> dict[str, str]:
    """What a command has to be told to find the demo's servers; all else is as by default."""
    return {
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
        "PARTIDOR_REDIS_URL": redis_url,
    }


@contextmanager
def running(*, keep: bool, on_progress: Callable[[str], None]) -> Iterator[Running]:
    """All servers up and the topics created; ended in good order afterwards, or kept.

    What is left by an error is not kept. Raises Failed when something doesn't start.
    """
    if keep and kept_endpoints() is not None:
        raise Failed("a demo that was kept runs already; `partidor demo --stop` ends it")
    with ExitStack() as ending:
        try:
            stack = ending.enter_context(LocalStack(on_progress=on_progress, keep=keep))
            settings = _settings(stack)
            on_progress("creating the topics, starting the dispatcher and the views")
            ensure_topics(admin_client(settings), settings)
            (views_port,) = free_ports(1)
            servers = []
            for name, command, own in (
                ("dispatcher", "run", {}),
                ("views", "views", {"PARTIDOR_VIEWS__PORT": str(views_port)}),
            ):
                server = _server(name, command, stack, own, keep=keep)
                ending.push(_ender(server, keep=keep))
                server.start()
                servers.append(server)
        except LocalStackError as error:
            raise Failed(str(error)) from None
        yield Running(settings, f"http://{HOST}:{views_port}", tuple(servers))
        on_progress("leaving everything running" if keep else "stopping everything")


def _settings(stack: LocalStack) -> Settings:
    return Settings(
        kafka={"bootstrap.servers": stack.bootstrap_servers},
        redis_url=SecretStr(stack.redis_url),
        partitions=PARTITIONS,
        replication_factor=1,
        min_insync_replicas=1,
    )


def _server(
    name: str, command: str, stack: LocalStack, own: dict[str, str], *, keep: bool
) -> ServerProcess:
    directory = stack.directory / name
    return ServerProcess(
        name,
        [*PARTIDOR, command],
        directory,
        environment={
            **environment(stack.bootstrap_servers, stack.redis_url),
            "PARTIDOR_VIEWS__DATA_DIR": str(directory),
            **own,
        },
        keep=keep,
    )


def _ender(server: ServerProcess, *, keep: bool) -> Callable[..., None]:
    def end(kind: type[BaseException] | None, *_: object) -> None:
        if keep and kind is None:
            server.release()
        else:
            server.stop()

    return end
