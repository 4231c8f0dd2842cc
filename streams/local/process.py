"""One server process under a babysitter: started, asked to stop, killed, paused, started again.

A server is never without an owner: it ends with the process that started it (see `babysitter`), or,
kept on purpose (`keep`), it is reached through the FIFO `control` in its directory until somebody
stops it.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from streams.local import babysitter
from streams.local.errors import LocalStackError

STOP_TIMEOUT_SECONDS = 30.0
READY_TIMEOUT_SECONDS = 90.0
READY_POLL_SECONDS = 0.02
# How much of a log is shown when a server doesn't start.
LOG_TAIL_CHARACTERS = 2_000

CONTROL = "control"


class ServerProcess:
    """A server with a directory of its own, which can be started and ended any number of times.

    Args:
        name: What messages call it.
        command: The program and its arguments.
        directory: Its working directory, made by the babysitter if absent; `NAME.log` in it takes
            the output.
        is_ready: Asked every few milliseconds after a start until it says yes.
        environment: Variables to add to this process's own.
        remove_when_orphaned: Removed by the babysitter when the starter is gone.
        grace_seconds: How long the server may take to end when the starter is gone.
        keep: Let the server outlive its starter.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | os.PathLike[str]],
        directory: Path,
        is_ready: Callable[[], bool] = lambda: True,
        *,
        environment: Mapping[str, str] | None = None,
        remove_when_orphaned: Path | None = None,
        grace_seconds: float = 5.0,
        keep: bool = False,
    ) -> None:
        self.name = name
        self.directory = directory
        self.log_path = directory / f"{name}.log"
        self._command = [os.fspath(part) for part in command]
        self._is_ready = is_ready
        self._environment = dict(environment or {})
        self._remove_when_orphaned = remove_when_orphaned
        self._grace_seconds = grace_seconds
        self._keep = keep
        self._babysitter: subprocess.Popen[bytes] | None = None
        self._control: int | None = None
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        """The process id of the server itself.

        Raises:
            LocalStackError: it isn't running.
        """
        if self._pid is None or not self.is_running:
            raise LocalStackError(f"{self.name} is not running")
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether the process exists; it may be paused, or not ready yet."""
        return self._babysitter is not None and self._babysitter.poll() is None

    def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            LocalStackError: it ended at once or wasn't ready in time; the message has the end
                of its log.
        """
        if self.is_running:
            raise LocalStackError(f"{self.name} is running already")
        self._close()
        self._spawn()
        self._wait_until_ready()

    def run(self, timeout_seconds: float) -> None:
        """Start something that ends by itself, and wait for that.

        Raises:
            LocalStackError: it failed, or had not ended in time; the message has the end of its
                log.
        """
        self._spawn()
        assert self._babysitter is not None
        running = self._babysitter
        if not self._wait(timeout_seconds):
            self.kill()
        self._close()
        if running.returncode:
            raise LocalStackError(f"{self.name} failed:\n{self.log_tail()}")

    def stop(self, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        """End the server in good order (SIGTERM), or kill it after the time-out."""
        self._signal(signal.SIGCONT, signal.SIGTERM)
        if not self._wait(timeout_seconds):
            self.kill()
        self._close()

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would. Nothing if it isn't running."""
        self._signal(signal.SIGKILL)
        if not self._wait(STOP_TIMEOUT_SECONDS):
            raise LocalStackError(f"{self.name} (process {self._pid}) can't be killed")
        self._close()

    def restart(self) -> None:
        """Stop in good order, then start on the same data, at the same address."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Hold the server still (SIGSTOP): it keeps its connections and answers nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def log_tail(self) -> str:
        """The end of the server's output, for messages."""
        try:
            return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
        except OSError:
            return ""

    def _spawn(self) -> None:
        options = ["--directory", str(self.directory), "--log", str(self.log_path)]
        options += ["--grace-seconds", str(self._grace_seconds)]
        if self._remove_when_orphaned is not None:
            options += ["--remove", str(self._remove_when_orphaned)]
        if self._keep:
            self.directory.mkdir(parents=True, exist_ok=True)
            control = self.directory / CONTROL
            control.unlink(missing_ok=True)
            os.mkfifo(control, 0o600)
            options += ["--control", str(control)]
            # Open for both, the FIFO needs no second party; the babysitter's copy keeps it from
            # ending.
            read_end = self._control = os.open(control, os.O_RDWR)
        else:
            # Not inheritable (PEP 446): no other child of this process can keep the server alive.
            read_end, self._control = os.pipe()
        self._babysitter = subprocess.Popen(
            [sys.executable, "-I", "-S", babysitter.__file__, *options, "--", *self._command],
            stdin=read_end,
            stdout=subprocess.PIPE,
            env=os.environ | self._environment,
            start_new_session=True,
        )
        if read_end != self._control:
            os.close(read_end)
        assert self._babysitter.stdout is not None
        with self._babysitter.stdout as first_line:
            pid = first_line.readline()
        self._pid = int(pid) if pid else None

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            # Asked first: another server may answer in the place of one that is not there.
            if self._pid is None or not self.is_running:
                self._wait(STOP_TIMEOUT_SECONDS)
                self._close()
                problem = "ended while it started"
                break
            if self._is_ready():
                return
            if time.monotonic() > deadline:
                self.kill()
                problem = f"was not ready after {READY_TIMEOUT_SECONDS:.0f} s"
                break
            time.sleep(READY_POLL_SECONDS)
        raise LocalStackError(f"{self.name} {problem}; its last words:\n{self.log_tail()}")

    def _signal(self, *numbers: signal.Signals) -> None:
        if self.is_running and self._control is not None:
            try:
                os.write(self._control, bytes(numbers))
            except BrokenPipeError:
                pass  # it ended between the two lines

    def _wait(self, timeout_seconds: float) -> bool:
        if self._babysitter is None:
            return True
        try:
            self._babysitter.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _close(self) -> None:
        if self._control is not None:
            os.close(self._control)
        self._control = self._babysitter = self._pid = None

    def release(self) -> None:
        """Forget a kept server without ending it."""
        assert self._keep, "a server that isn't kept ends with its starter"
        if self._babysitter is not None:
            # It goes on without us; Popen would warn that it was never waited for.
            self._babysitter.returncode = 0
        self._close()


def is_kept_running(directory: Path) -> bool:
    """Whether a kept server whose directory this is runs now."""
    try:
        os.close(_open_control(directory))
    except OSError:
        return False
    return True


def _open_control(directory: Path) -> int:
    # Without a reader, that is without a babysitter, this fails at once instead of waiting for one.
    return os.open(directory / CONTROL, os.O_WRONLY | os.O_NONBLOCK)


def stop_kept(directory: Path, timeout_seconds: float = STOP_TIMEOUT_SECONDS) -> None:
    """End the kept server whose directory this is, whoever started it. Nothing if it doesn't run.

    Raises:
        LocalStackError: it didn't end in time, not even when killed.
    """
    for number, wait_seconds in ((signal.SIGTERM, timeout_seconds), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + wait_seconds
        try:
            descriptor = _open_control(directory)
        except OSError:
            return
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            file.write(bytes([signal.SIGCONT, number]))
        while is_kept_running(directory):
            if time.monotonic() > deadline:
                break
            time.sleep(READY_POLL_SECONDS)
        else:
            return
    raise LocalStackError(f"the server of {directory} doesn't end")
