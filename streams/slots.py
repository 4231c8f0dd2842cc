"""Several dispatchers on one machine: a process for each slot, started again when it fails.

In: how many, and the environment. Out: the exit status of all of them together.

The rules:

- Slots are stable: process k of slot "a" always runs as "a-k", so that what it left open is fenced
  by its successor.
- Who ends without having been told to is started again, after a wait that doubles while it keeps
  failing. Who fails too often in a row ends them all: whatever it is, an operator has to look.
- SIGTERM and SIGINT go to all of them; each stops in its own good order, within a bound.
- They end with the process that started them, even if that is killed: then their standard input
  ends.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from streams.own_command import PARTIDOR
from streams.settings import Settings
from streams.stopping import stop_signals

LOOK_S: Final = 0.1
STEADY_S: Final = 60.0
"""Who ran for so long is no longer failing."""

Command = Sequence[str]
DISPATCHER: Final[Command] = (*PARTIDOR, "run", "--with-starter")
"""One that ends with its starter."""


class _Slot:
    """One process at a time."""

    def __init__(self, name: str, command: Command, wait_s: float, metrics_port: int) -> None:
        self.name = name
        self._metrics_port = metrics_port
        self.failures = 0
        self._command = command
        self._least_wait_s = wait_s
        self._started_at = 0.0
        self._start_at = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def look(self, now: float, logger: Any) -> None:
        """Start it when it is time; note that it has ended."""
        if self._process is None:
            if now >= self._start_at:
                self._start(now)
            return
        status = self._process.poll()
        if status is None:
            if now - self._started_at > STEADY_S:
                self.failures = 0
            return
        self._close()
        self.failures += 1
        wait_s = self._least_wait_s * 2 ** (self.failures - 1)
        self._start_at = now + wait_s
        logger.error("a dispatcher has ended", of_slot=self.name, status=status, again_in_s=wait_s)

    def _start(self, now: float) -> None:
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            env={
                **os.environ,
                "PARTIDOR_SLOT": self.name,
                "PARTIDOR_METRICS_PORT": str(self._metrics_port),
            },
        )
        self._started_at = now

    def stop(self) -> None:
        """SIGTERM; nothing if it doesn't run."""
        if self._process is not None:
            self._process.terminate()

    def ended(self, timeout_s: float) -> int:
        """Wait, then kill; the exit status, 0 if it didn't run."""
        if self._process is None:
            return 0
        try:
            status = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._close()
        return status

    def _close(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None


def run_slots(
    settings: Settings,
    processes: int,
    command: Command,
    *,
    logger: Any,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Run a dispatcher in each of so many slots until SIGTERM or SIGINT.

    Args:
        settings: `slot` is what the slots' names begin with.
        processes: how many.
        command: what to run in each; it ends when its standard input does.

    Returns: the exit status: 0 if they stopped because they were told to, and in good order.
    """
    stopping = stop_signals()
    wait_s = settings.restart_wait_ms / 1000
    port = settings.metrics_port
    slots = [
        _Slot(f"{settings.slot}-{number}", command, wait_s, port and port + number)
        for number in range(processes)
    ]
    failed = False
    while not stopping and not failed:
        for slot in slots:
            slot.look(monotonic(), logger)
        failed = any(slot.failures >= settings.restarts_max for slot in slots)
        time.sleep(LOOK_S)
    if failed:
        logger.error("a dispatcher fails again and again: stopping all of them")
    for slot in slots:
        slot.stop()
    ends_at = monotonic() + settings.stop_max_ms / 1000
    statuses = [slot.ended(max(0.0, ends_at - monotonic())) for slot in slots]
    return 1 if failed or any(statuses) else 0


def end_with_starter() -> None:
    """End this process in good order when its standard input ends."""

    def listen() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=listen, name="starter", daemon=True).start()
