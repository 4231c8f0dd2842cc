"""Servers end with their starter, whatever ends it, and with nobody else."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streams.local import LocalStackError, ServerProcess
from streams.local.process import is_kept_running, stop_kept

# Says when it is up, and then sleeps for longer than any test.
SLEEPER = [sys.executable, "-c", "print('I am up', flush=True); import time; time.sleep(600)"]
# One that doesn't care about SIGTERM.
IGNORE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
STUBBORN = [
    sys.executable,
    "-c",
    f"{IGNORE}; print('I am up', flush=True); import time; time.sleep(600)",
]


def server_in(directory: Path, command: list[str] = SLEEPER, **options: object) -> ServerProcess:
    """A server that is ready when it has said so."""
    log = directory / "sleeper.log"
    return ServerProcess(
        "sleeper",
        command,
        directory,
        lambda: log.exists() and "I am up" in log.read_text(),
        **options,  # type: ignore[arg-type]
    )


def is_alive(process_id: int) -> bool:
    """Whether the process exists."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def eventually(condition: Callable[[], bool], within_seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + within_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def start_starter(script: str, *arguments: object) -> tuple[subprocess.Popen[str], dict[str, int]]:
    """Another Python that starts servers, prints their process ids as JSON, and waits."""
    starter = subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)], stdout=subprocess.PIPE, text=True
    )
    assert starter.stdout is not None
    with starter.stdout as output:
        return starter, json.loads(output.readline())


STARTER = """
import json, sys, time
from pathlib import Path
from streams.local import ServerProcess
directory, keep = Path(sys.argv[1]), sys.argv[2] == "True"
log = directory / "sleeper.log"
server = ServerProcess(
    "sleeper", sys.argv[3:], directory, lambda: "I am up" in log.read_text(),
    remove_when_orphaned=None if keep else directory, grace_seconds=0.3, keep=keep,
)
server.start()
print(json.dumps({"server": server.pid}), flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("command", [SLEEPER, STUBBORN], ids=["obedient", "stubborn"])
def test_a_server_ends_with_its_starter_even_if_that_is_killed(
    tmp_path: Path, number: signal.Signals, command: list[str]
) -> None:
    """No orphan is left, nor its directory, however the starter and the server behave."""
    directory = tmp_path / "server"
    starter, started = start_starter(STARTER, directory, False, *command)
    assert is_alive(started["server"])
    starter.send_signal(number)
    starter.wait(10)
    assert eventually(lambda: not is_alive(started["server"]))
    assert eventually(lambda: not directory.exists())


def test_a_paused_server_ends_with_its_starter_too(tmp_path: Path) -> None:
    """A server that is held still would hear nothing but SIGKILL: it is let go first."""
    directory = tmp_path / "server"
    starter, started = start_starter(STARTER, directory, False, *SLEEPER)
    os.kill(started["server"], signal.SIGSTOP)
    starter.kill()
    starter.wait(10)
    assert eventually(lambda: not is_alive(started["server"]))


def test_a_kept_server_outlives_its_starter_and_ends_when_it_is_told(tmp_path: Path) -> None:
    """Whoever knows its directory can stop it; a second time there is nothing to stop."""
    directory = tmp_path / "server"
    starter, started = start_starter(STARTER, directory, True, *SLEEPER)
    starter.kill()
    starter.wait(10)
    time.sleep(0.5)
    assert is_alive(started["server"])
    assert is_kept_running(directory)
    stop_kept(directory)
    assert not is_alive(started["server"])
    assert not is_kept_running(directory)
    stop_kept(directory)


def test_a_kept_server_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    """After the time-out SIGKILL follows."""
    directory = tmp_path / "server"
    starter, started = start_starter(STARTER, directory, True, *STUBBORN)
    starter.kill()
    starter.wait(10)
    stop_kept(directory, timeout_seconds=0.3)
    assert not is_alive(started["server"])


def test_a_server_can_be_killed_and_started_again(tmp_path: Path) -> None:
    """Each start is a new process in the same directory."""
    server = server_in(tmp_path)
    server.start()
    first = server.pid
    server.kill()
    assert not is_alive(first)
    assert not server.is_running
    server.start()
    assert server.pid != first
    server.restart()
    assert is_alive(server.pid)
    last = server.pid
    server.stop()
    assert not is_alive(last)
    with pytest.raises(LocalStackError, match="not running"):
        _ = server.pid


def test_a_server_that_does_not_stop_is_killed(tmp_path: Path) -> None:
    """Stopping has a bound."""
    server = server_in(tmp_path, STUBBORN)
    server.start()
    process_id = server.pid
    server.stop(timeout_seconds=0.3)
    assert not is_alive(process_id)


def test_a_paused_server_is_held_still_until_it_is_resumed(tmp_path: Path) -> None:
    """It is there and does nothing; stopping it works all the same."""
    ticking = "import time\nwhile True: print('I am up', flush=True); time.sleep(0.01)"
    server = server_in(tmp_path, [sys.executable, "-c", ticking])
    server.start()

    def ticks() -> bool:
        before = server.log_path.stat().st_size
        time.sleep(0.2)
        return server.log_path.stat().st_size > before

    assert ticks()
    server.pause()
    assert eventually(lambda: not ticks())
    assert server.is_running
    server.resume()
    assert eventually(ticks)
    server.pause()
    server.stop()
    assert not server.is_running


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    """The end of its log is in the message."""
    command = [sys.executable, "-c", "raise SystemExit('the disk is full')"]
    server = server_in(tmp_path, command)
    with pytest.raises(LocalStackError, match="the disk is full"):
        server.start()
    assert not server.is_running


def test_a_program_that_is_not_there_is_an_error_of_the_start(tmp_path: Path) -> None:
    """Not a time-out, and not silence."""
    server = server_in(tmp_path, [str(tmp_path / "no-such-program")])
    with pytest.raises(LocalStackError, match="no-such-program"):
        server.start()


def test_other_children_of_the_starter_do_not_keep_a_server_alive(tmp_path: Path) -> None:
    """They don't inherit what tells the server that its starter lives."""
    script = STARTER.replace(
        "time.sleep(600)",
        "import subprocess; subprocess.run([sys.executable, '-c', 'import time; time.sleep(15)'])",
    )
    starter, started = start_starter(script, tmp_path / "server", False, *SLEEPER)
    time.sleep(0.3)
    starter.kill()
    starter.wait(10)
    assert eventually(lambda: not is_alive(started["server"]), within_seconds=10.0)
