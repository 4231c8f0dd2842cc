"""`partidor topics expand` as a process of its own, to be killed at a named step of its work.

In: an installation, a number of partitions, and a step `STEP[:COUNT]`. Out: its exit status and
what it said. The product knows nothing of steps: methods of `streams.expansion.Expansion` are
wrapped, and right after the COUNTth return of one (1) the process ends itself with SIGKILL.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping

from .dispatchers import CODE
from .installation import Installation

STEPS = {
    "closed-half": "raise_partitions",  # the changelog has its partitions, the register hasn't
    "closed": "_close",
    "copied-part": "_copy_partition",
    "copied": "_copy",
    "flipped": "_flip",
    "removed-part": "_remove_partition",
    "removed": "_remove",
    "opened-part": "_open_topic",
}
"""By name: after what."""

_RUN = """
import os, signal, sys
from streams import expansion
def kill_after(owner, name, count):
    original = getattr(owner, name)
    left = [count]
    def wrapped(*arguments, **named):
        found = original(*arguments, **named)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(owner, name, wrapped)
step, _, count = os.environ.pop("TEST_STEP", "").partition(":")
if step:
    owner = expansion.Expansion if step.startswith("_") else expansion
    kill_after(owner, step, int(count or 1))
if size := os.environ.pop("TEST_RECORDS", ""):
    expansion.RECORDS_PER_TRANSACTION_MAX = int(size)
from streams.cli import main
status = main(sys.argv[1:])
if os.environ.get("TEST_MEMORY"):
    (line,) = (line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("most memory:", int(line.split()[1]) >> 10, "MiB")
sys.exit(status)
"""
TIMEOUT_S = 120.0
KILLED = -signal.SIGKILL


def expand(
    installation: Installation,
    partitions: int,
    *arguments: str,
    step: str = "",
    records: int = 0,
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, or until it kills itself; `records` make a transaction of its own."""
    environment = {}
    if step:
        name, _, count = step.partition(":")
        environment["TEST_STEP"] = f"{STEPS[name]}:{count or 1}"
    if records:
        environment["TEST_RECORDS"] = str(records)
    command = ["topics", "expand", "--partitions", str(partitions), *arguments]
    return partidor(installation, *command, environment=environment)


def partidor(
    installation: Installation, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """A command of this installation."""
    own = {
        **os.environ,
        "PYTHONPATH": CODE,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_SESSION_TIMEOUT_MS": "6000",
        "PARTIDOR_KAFKA__HEARTBEAT_INTERVAL_MS": "500",
        **(environment or {}),
    }
    return subprocess.run(
        [sys.executable, "-c", _RUN, *arguments],
        env=own,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
