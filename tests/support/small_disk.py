"""A file system of a few megabytes that can be filled: for a broker whose disk is full."""

import errno
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

MOUNT_S = 30.0
BALLAST = "ballast"
CHUNK_BYTES = 256 * 1024


class SmallDisk:
    """A tmpfs of its own size, mounted at a directory; a context manager.

    Args:
        path: Where; made if absent.
        megabytes: How much it takes.
    """

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._megabytes = megabytes

    def __enter__(self) -> Self:
        """Mount it."""
        self.path.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", str(self.path))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Unmount it, as soon as nobody uses it any more; what it held is gone."""
        _run("umount", "--lazy", str(self.path))

    def fill(self) -> int:
        """Leave no byte free; returns how many it took."""
        taken = 0
        with (self.path / BALLAST).open("wb", buffering=0) as ballast:
            size = CHUNK_BYTES
            while size:
                try:
                    taken += ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2
        return taken

    def free(self) -> None:
        """Give back what was filled."""
        (self.path / BALLAST).unlink(missing_ok=True)


def can_mount(directory: Path) -> bool:
    """Whether this machine lets us mount a file system."""
    try:
        with SmallDisk(directory, 1):
            return True
    except (OSError, subprocess.SubprocessError):
        return False


def _run(*command: str) -> None:
    subprocess.run(
        command,
        check=True,
        timeout=MOUNT_S,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C"},
    )
