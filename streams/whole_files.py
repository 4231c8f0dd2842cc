"""Files that are there as a whole or not at all, and a lock against a second writer."""

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streams.failure import Failed

LOCK_WAIT_MAX_S: Final = 10.0
_LOCK_POLL_S: Final = 0.1


def write_whole(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file: after a crash at any moment it is the old or the new.

    Written beside it, synced, renamed, and the directory synced. A link stays a link.
    Raises OSError.
    """
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _mode(target))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _mode(path: Path) -> int:
    """The permissions that the file has, or that a new one would get."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else holds the lock of this file meanwhile, on this machine.

    Waits for at most `LOCK_WAIT_MAX_S` seconds, then raises Failed. The lock is a file of its own
    beside it, which stays: a file that is replaced can't carry a lock, and one that is removed
    could be locked twice.
    """
    target = path.resolve()
    lock = target.with_name(target.name + ".lock")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        deadline = time.monotonic() + LOCK_WAIT_MAX_S
        while not _taken(descriptor):
            if time.monotonic() > deadline:
                raise Failed(f"{path} is in use by another command (its lock is {lock.name})")
            time.sleep(_LOCK_POLL_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
