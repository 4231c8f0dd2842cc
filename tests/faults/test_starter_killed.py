"""F13: whoever started a local Kafka and a local Redis is killed: nothing of them stays.

At any moment: while they start, while dispatchers work with them, while a server stands still.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from tests.support.dispatchers import CODE
from tests.support.waiting import wait_until

ORPHANS_GO_S = 40.0
STARTER = """
import os, signal, sys, time
from pathlib import Path
from streams.local import LocalStack
from tests.support.installation import Installation
from tests.support.traffic import day, rosters
what = sys.argv[1]
with LocalStack() as stack:
    if what == "paused":
        stack.kafka.pause()
        stack.redis.pause()
    if what == "working":
        work = Installation(stack.bootstrap_servers, stack.redis_url, Path(stack.directory))
        work.publish(rosters(8))
        work.started("0")
        work.publish(day(20_000, 8))
    print("ready", flush=True)
    time.sleep(600)
"""


def left_over(directory: Path) -> list[psutil.Process]:
    """Every process that has this directory for its temporary files, or works in it."""
    name = os.fspath(directory)
    found = []
    for process in psutil.process_iter():
        try:
            # Redis writes its title where its environment was.
            if process.cwd().startswith(name) or process.environ().get("TMPDIR") == name:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.mark.parametrize("moment", ["0.3 s", "0.6 s", "1 s", "2 s", "ready", "paused", "working"])
def test_nothing_stays_of_a_stack_whose_starter_is_killed(moment: str, tmp_path: Path) -> None:
    """No broker, no Redis, no babysitter, no dispatcher; and of their data nothing either."""
    directory = Path(tempfile.mkdtemp(dir=tmp_path))
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, moment],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": os.fspath(directory), "PYTHONPATH": CODE},
    )
    assert starter.stdout is not None
    with starter.stdout:
        try:
            if moment.endswith(" s"):
                time.sleep(float(moment.removesuffix(" s")))
            else:
                assert starter.stdout.readline() == b"ready\n"
                assert len(left_over(directory)) >= 5, "starter, two babysitters, two servers"
        finally:
            starter.send_signal(signal.SIGKILL)
            starter.wait(10)
    wait_until(
        lambda: not left_over(directory),
        lambda: f"no orphans: {[process.cmdline() for process in left_over(directory)]}",
        ORPHANS_GO_S,
    )
    wait_until(
        lambda: not list(directory.iterdir()),
        lambda: f"nothing is left: {list(directory.iterdir())}",
    )
