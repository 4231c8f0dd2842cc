"""Where the local stack keeps what it fetched or made once: one directory for each user.

All checkouts share it.
`PARTIDOR_CACHE_DIR` names another one. Everything in it can be deleted at any time; it is made
again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """The directory, made if absent: `PARTIDOR_CACHE_DIR`, else in the user's cache (XDG)."""
    named = os.environ.get("PARTIDOR_CACHE_DIR")
    if named:
        directory = Path(named).expanduser()
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        directory = (Path(base) if base else Path.home() / ".cache") / "partidor"
    directory.mkdir(parents=True, exist_ok=True)
    return directory.resolve()


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the lock `name` of the cache; the system frees it when its holder dies."""
    with (cache_dir() / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
