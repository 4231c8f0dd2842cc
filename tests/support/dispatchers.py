"""Dispatchers as processes of their own: `partidor run`, to be stopped, held still and killed."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

import streams

from .waiting import wait_until

# It ends with the tests even if these are killed: then its standard input ends.
_RUN = """
import faulthandler, os, sys, threading
faulthandler.enable()
def end_with_the_tests():
    os.read(0, 1)
    os._exit(1)
threading.Thread(target=end_with_the_tests, daemon=True).start()
if defect := os.environ.get("PARTIDOR_TEST_DEFECT"):
    from tests.support import defects
    defects.install(defect)
if os.environ.get("PARTIDOR_TEST_NEXT"):
    from tests.support import versions
    versions.be_the_next()
if failpoint := os.environ.pop("PARTIDOR_TEST_FAILPOINT", ""):
    from tests.support import failpoints
    failpoints.install(failpoint)
from streams.cli import main
sys.exit(main(sys.argv[1:]))
"""
CODE = os.pathsep.join(
    map(os.fspath, (Path(streams.__file__).parents[1], Path(__file__).parents[2]))
)
"""PYTHONPATH of processes: the same code as the tests use, whichever way that was found, and the
tests themselves, for what they break in it."""
STOP_S = 60.0
LOG_TAIL_CHARACTERS = 3_000


class DispatcherProcess:
    """One `partidor run`, or another command that goes on; its log lines are kept as JSON."""

    def __init__(
        self,
        slot: str,
        environment: Mapping[str, str],
        log_path: Path,
        command: Sequence[str] = ("run",),
    ) -> None:
        """Starts at once. `environment` is added to this process's own."""
        self.slot = slot
        self.log_path = log_path
        with log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _RUN, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=log_path.parent,
                env={**os.environ, "PYTHONPATH": CODE, **environment},
            )

    @property
    def is_running(self) -> bool:
        """Whether the process exists."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def is_held(self) -> bool:
        """Whether it stands still (SIGSTOP), perhaps by its own doing."""
        try:
            return psutil.Process(self.pid).status() == psutil.STATUS_STOPPED
        except psutil.NoSuchProcess:
            return False

    def kill(self) -> None:
        """`kill -9`."""
        self._process.kill()
        self._end()

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self._process.terminate()
        return self._end()

    def wait(self, timeout_s: float = STOP_S) -> int:
        """Wait until it ends by itself; returns the exit status."""
        wait_until(
            lambda: not self.is_running, lambda: f"dispatcher ends: {self.log_tail()}", timeout_s
        )
        return self._end()

    def hold(self) -> None:
        """SIGSTOP: it keeps all it has and does nothing."""
        self._process.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.is_held or not self.is_running, "it stands still")

    def go_on(self) -> None:
        """SIGCONT; nothing if it has ended."""
        self._process.send_signal(signal.SIGCONT)

    def _end(self) -> int:
        status = self._process.wait(STOP_S)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return status

    def log(self, event: str | None = None) -> list[dict[str, Any]]:
        """The log lines so far, or those that tell of `event`."""
        lines = []
        for line in self.log_path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if event is None or entry.get("event") == event:
                lines.append(entry)
        return lines

    def log_tail(self) -> str:
        """The end of the log, for messages."""
        return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]

    def says(self, text: str) -> bool:
        """Whether the text stands anywhere in the log."""
        return text in self.log_path.read_text(errors="replace")

    def restored(self) -> set[int]:
        """The partitions that it has restored so far."""
        return {line["partition"] for line in self.log("restored")}

    def wait_for(self, event: str, timeout_s: float = 90.0) -> dict[str, Any]:
        """Wait for a log line; returns the newest one of its kind."""
        wait_until(
            lambda: bool(self.log(event)), lambda: f"log of {event!r}: {self.log_tail()}", timeout_s
        )
        return self.log(event)[-1]
