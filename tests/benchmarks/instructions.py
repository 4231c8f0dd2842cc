"""Machine instructions for each lead, from the bytes of a batch to the bytes of its outputs.

Time differs from run to run; the number of instructions hardly does. Counted by valgrind, for few
and for many batches: the difference is the batches' own, without the start.

    python -m tests.benchmarks.instructions CASE BATCHES    the work that is counted
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

from dispatcher.decisions import Dispatched
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.singles import dispatched_single
from tests.support.dispatchers import CODE
from tests.support.machine import LeftOut

from .deciding import decided, first_state, read
from .workload import Workload

RECORDED: Final = Path(__file__).with_name("instructions.json")
"""{python: {case: instructions for each lead}}; a change says why in its commit."""
TIMEOUT_S: Final = 300
_COUNT = re.compile(r"I\s+refs:\s+([\d,]+)")


class Case(NamedTuple):
    """Batches of one channel of ten members.

    Attributes:
        few, many: how many batches; the first few make what is remembered.
    """

    batch_size: int
    weight_decimals: int
    few: int
    many: int


CASES: Final = {
    "batches of 1": Case(1, 1, 300, 900),
    # By then it has been seen that nothing comes back.
    "batches of 1, weights of six decimals": Case(1, 6, 2_000, 2_600),
    "batches of 100": Case(100, 1, 100, 200),
}


def counted(name: str) -> float:
    """Instructions for each lead of a case. Raises LeftOut."""
    case = CASES[name]
    difference = _instructions(name, case.many) - _instructions(name, case.few)
    return difference / ((case.many - case.few) * case.batch_size)


def recorded(name: str) -> float | None:
    """As recorded for this version of Python; None where there is no record."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    figures = json.loads(RECORDED.read_text()).get(version, {})
    figure = figures.get(name)
    return None if figure is None else float(figure)


def _instructions(name: str, batches: int) -> int:
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise LeftOut("no valgrind", "install it (on Debian and Ubuntu the package valgrind)")
    done = subprocess.run(
        [
            valgrind,
            "--tool=cachegrind",
            "--cache-sim=no",
            f"--cachegrind-out-file={os.devnull}",
            sys.executable,
            "-m",
            "tests.benchmarks.instructions",
            name,
            str(batches),
        ],
        env={**os.environ, "PYTHONPATH": CODE, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    found = _COUNT.search(done.stderr)
    assert done.returncode == 0, done.stderr
    assert found, done.stderr
    return int(found[1].replace(",", ""))


def work(name: str, batches: int) -> None:
    """Decide so many batches of a case."""
    case = CASES[name]
    # All batches there can be: making them must not count.
    workload = Workload(
        leads=case.many * case.batch_size,
        batch_size=case.batch_size,
        channels=1,
        decimals=case.weight_decimals,
    )
    values = [value for _, value in workload.batch_events()][:batches]
    ((channel, roster),) = workload.rosters()
    state = first_state(channel, roster)
    for value in values:
        event = read(value)
        if (written := dispatched_single(state, event)) is not None:
            state = written.after
            continue
        _, decision, state = decided(state, event)
        assert isinstance(decision, Dispatched)
        encode_assignments(decision)
        encode_decision(decision)


if __name__ == "__main__":
    work(sys.argv[1], int(sys.argv[2]))
