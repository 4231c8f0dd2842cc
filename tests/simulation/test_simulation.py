"""Random histories under random faults, on the model of Kafka and Redis: nothing ever breaks."""

import os
import re
import subprocess
import sys
from collections.abc import Callable

from .controls import ENVIRONMENT, ROOT
from .world import World

SECONDS = float(os.environ.get("PARTIDOR_SIMULATION_SECONDS", "120"))
PROCESSES = 2


def test_seeds_in_a_row_keep_every_promise(say: Callable[[str], None]) -> None:
    """As many seeds as fit the time, in two processes; the end of the run says how many."""
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "1000000"]
    command += ["--seconds", str(SECONDS), "--stride", str(PROCESSES)]
    running = [
        subprocess.Popen(
            [*command, "--first", str(first)],
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for first in range(1, PROCESSES + 1)
    ]
    outputs = [process.communicate()[0] for process in running]
    for process, output in zip(running, outputs, strict=True):
        assert process.returncode == 0, output[-6_000:]
    totals = [re.search(r"^\d+ seeds, .*$", output, re.MULTILINE) for output in outputs]
    say("simulation: " + "; ".join(total[0] for total in totals if total))


def test_a_seed_gives_the_same_run_every_time() -> None:
    """To the last line of its trace."""
    first, second = (World(7).run() for _ in range(2))
    assert list(first.trace.lines) == list(second.trace.lines)
    assert first.steps == second.steps >= 200
