"""A process whose wall clock jumps, as that of a host does whose date is set.

A small library between the process and its C library (`clock_shim.c`, compiled where there is a
compiler) shows another time. libfaketime, which does this for many programs, doesn't do for this
one: librdkafka waits by C11's `cnd_timedwait`, which it lets pass with a faked deadline, and
CPython's `sleep` fails under it once the counting clock is to stay true.
"""

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("clock_shim.c")
COMPILERS = ("cc", "gcc", "clang")
COMPILE_S = 60.0
MINUTE_S = 60
HOUR_S = 60 * MINUTE_S
DAY_S = 24 * HOUR_S


def find_compiler() -> str | None:
    """A C compiler, if this is a Linux machine that has one."""
    if not sys.platform.startswith("linux"):
        return None
    return next(filter(None, map(shutil.which, COMPILERS)), None)


class Clock:
    """The wall clock of the processes that are started `in_use`; it begins right.

    Args:
        directory: For its files.

    Raises:
        AssertionError: there is no compiler; ask `find_compiler` first.
    """

    def __init__(self, directory: Path) -> None:
        compiler = find_compiler()
        assert compiler is not None, "no C compiler"
        self._library = directory / "clock_shim.so"
        self._offset = directory / "clock_offset_ns"
        self._offset.write_bytes(bytes(8))
        subprocess.run(
            [compiler, "-O1", "-shared", "-fPIC", "-o", self._library, SOURCE, "-ldl", "-pthread"],
            check=True,
            timeout=COMPILE_S,
        )

    def jump(self, offset_s: float) -> None:
        """Be off the true time by this from now on; 0 is right again."""
        # In place: the processes have the file mapped.
        with self._offset.open("r+b") as file:
            file.write(struct.pack("=q", int(offset_s * 1e9)))

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for a process that is to have this clock."""
        return {
            "LD_PRELOAD": os.fspath(self._library),
            "PARTIDOR_TEST_CLOCK": os.fspath(self._offset),
        }

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Whatever process is started within has this clock."""
        before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
