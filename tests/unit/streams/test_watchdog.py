"""A process that is stuck ends itself; one that goes on is left alone."""

import subprocess
import sys
import textwrap

STALL_MS = 400
TIMEOUT_S = 60


def run(body: str) -> subprocess.CompletedProcess[str]:
    """A program with a watchdog that allows less than half a second."""
    program = f"""
import time
from streams.watchdog import Watchdog
with Watchdog({STALL_MS}) as watchdog:
{textwrap.indent(textwrap.dedent(body), "    ")}
print("went on")
"""
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def test_one_that_is_stuck_ends_and_says_where() -> None:
    """Status 1, and the stacks of all threads."""
    done = run("time.sleep(30)")
    assert done.returncode == 1
    assert "Timeout" in done.stderr
    assert 'File "<string>"' in done.stderr
    assert not done.stdout


def test_one_that_is_stuck_in_c_with_the_interpreter_locked_ends_too() -> None:
    """A call that never lets other threads run."""
    done = run(
        """
        import ctypes
        ctypes.PyDLL(None).sleep(30)
        """
    )
    assert done.returncode == 1
    assert "Timeout" in done.stderr


def test_one_whose_loop_turns_goes_on() -> None:
    """For longer than a turn may take."""
    done = run(
        """
        for _ in range(12):
            time.sleep(0.1)
            watchdog.turned()
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "went on\n"


def test_after_the_end_nothing_is_watched() -> None:
    """What comes behind the loop may take its time."""
    done = run("pass\nwatchdog.turned()")
    assert done.returncode == 0, done.stderr
