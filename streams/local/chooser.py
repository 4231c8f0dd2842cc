"""Where Kafka and Redis come from: settings, else containers, else processes of this machine.

The same choice serves `partidor demo` and the tests; benchmarks prefer processes, as what lies
between a client and a container would be measured too.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from streams.local.containers import ContainerStack, why_no_containers
from streams.local.errors import LocalStackError
from streams.local.stack import Endpoints, LocalStack


class Stack(Protocol):
    """What every choice has: where Kafka and Redis answer."""

    @property
    def bootstrap_servers(self) -> str:
        """Kafka's address, `host:port`."""
        ...

    @property
    def redis_url(self) -> str:
        """Redis's address."""
        ...


@contextmanager
def open_stack(
    settings_bootstrap: str | None,
    settings_redis_url: str | None,
    prefer_processes: bool = False,
    *,
    on_progress: Callable[[str], None] | None = None,
) -> Iterator[Stack]:
    """A Kafka and a Redis for a `with` statement: what was started for it ends with it.

    Args:
        settings_bootstrap: Kafka's address, if the user gave one.
        settings_redis_url: Redis's address, if the user gave one.
        prefer_processes: Take processes of this machine even where containers are to be had.
        on_progress: Told what takes time.

    Raises:
        LocalStackError: only one address is given, or the stack doesn't start.
    """
    if bool(settings_bootstrap) != bool(settings_redis_url):
        raise LocalStackError("give the addresses of both Kafka and Redis, or of neither")
    if settings_bootstrap and settings_redis_url:
        yield Endpoints(settings_bootstrap, settings_redis_url)
    elif not prefer_processes and why_no_containers() is None:
        with ContainerStack() as containers:
            yield containers
    else:
        with LocalStack(on_progress=on_progress) as processes:
            yield processes
