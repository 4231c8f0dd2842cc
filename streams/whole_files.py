"""Files that are there as a whole or not at all, and a lock against a second writer."""

import fcntl
import os
import shutil
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
    _sync(target.parent)


def _mode(path: Path) -> int:
    """The permissions that the file has, or that a new one would get."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync(path: Path) -> None:
    """Of a file or a directory: what was written of it is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
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


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """A directory that is there with all its files, synced, or not at all; only its owner reads it.

    What is yielded stands beside it until then. Raises Failed where something is there already.
    """
    target = path.resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Failed(f"{path} is there already, and not empty; name another directory")
    if not target.parent.is_dir():
        raise Failed(f"there is no directory {target.parent} to write {target.name} to")
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent))
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        # An empty directory is replaced by it; a file or a full one never is.
        temporary.replace(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    _sync(target.parent)
