"""How much of the protocol's code the simulation goes through: `tests/run simulation-coverage`.

Statements and branches of the modules that keep the protocol, over so many seeds of random faults.
"""

import argparse
import importlib
import io
import sys
import time

from coverage import Coverage

SEEDS = 300
ENOUGH_PERCENT = 95.0
MODULES = (
    "streams.processor",
    "streams.reception",
    "streams.restore",
    "streams.task",
    "streams.transactions",
    "streams.redis_sync",
    "dispatcher.store",
)


def main() -> None:
    """Ends with status 1 when it is less than enough in any of the modules."""
    parser = argparse.ArgumentParser(prog="tests/run simulation-coverage", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--first", type=int, default=1)
    options = parser.parse_args()
    # Each simulated process is a greenlet; modules have to be imported under its eyes.
    measured = Coverage(
        branch=True,
        concurrency=["greenlet"],
        source_pkgs=sorted({name.partition(".")[0] for name in MODULES}),
        data_file=None,
    )
    measured.start()
    world = importlib.import_module("tests.simulation.world")
    began = time.monotonic()
    steps = faults = 0
    for seed in range(options.first, options.first + options.seeds):
        report = world.run(seed)
        if report.problem:
            sys.exit(f"seed {seed}: {report.problem}")
        steps += report.steps
        faults += report.faults.total()
    measured.stop()
    seconds = time.monotonic() - began
    print(f"{options.seeds} seeds, {steps:,} steps, {faults:,} faults in {seconds:.0f} s")
    files = {name: importlib.import_module(name).__file__ for name in MODULES}
    measured.report(include=list(files.values()), show_missing=True, skip_covered=False)
    least = min(
        measured.report(include=[path], file=io.StringIO(), skip_covered=False)
        for path in files.values()
    )
    if least < ENOUGH_PERCENT:
        sys.exit(f"{least:.1f} % in one of them; {ENOUGH_PERCENT} % are enough")


if __name__ == "__main__":
    main()
