"""The command line of the simulation."""

import argparse
import importlib
import os
import sys
import time
from collections import Counter

SCREEN_LINES = 40


def main() -> None:
    """Run the seeds that were asked for; ends with status 1 at the first violation."""
    options = _options()
    if options.defect:
        importlib.import_module("tests.support.defects").install(options.defect)
    # Only now: a defect is put into the modules as they are imported.
    world = importlib.import_module("tests.simulation.world")
    seeds = [options.seed] if options.seed is not None else None
    began = time.monotonic()
    totals: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    seed = options.first if seeds is None else seeds[0]
    while True:
        report = world.run(seed)
        totals.update(seeds=1, steps=report.steps, leads=report.leads, events=report.events)
        faults.update(report.faults)
        if options.seed is not None or report.problem:
            print(report.trace.last(options.lines))
        if report.problem:
            again = f"python -m tests.simulation --seed {seed}"
            again += f" --defect {options.defect}" if options.defect else ""
            print(f"\nseed {seed}: {report.problem}\nagain: {again}")
            print(_said(totals, faults, began))
            sys.exit(1)
        seed += options.stride
        elapsed_s = time.monotonic() - began
        if options.seed is not None or (
            not options.forever
            and (totals["seeds"] >= options.seeds or elapsed_s > options.seconds)
        ):
            break
        if options.forever and totals["seeds"] % 500 == 0:
            print(_said(totals, faults, began), flush=True)
    print(_said(totals, faults, began))


def _said(totals: Counter[str], faults: Counter[str], began: float) -> str:
    elapsed_s = time.monotonic() - began
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
    return (
        f"{totals['seeds']} seeds, {totals['steps']} steps, {totals['events']} events, "
        f"{totals['leads']} leads, {sum(faults.values())} faults in {elapsed_s:.0f} s\n"
        f"faults: {kinds}"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument("--first", type=int, default=1, help="the first of many seeds")
    parser.add_argument("--stride", type=int, default=1, help="from one seed to the next")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after so long")
    parser.add_argument("--forever", action="store_true", help="go on until something is wrong")
    parser.add_argument("--defect", default="", help="put in a defect of tests/support/defects.py")
    parser.add_argument("--lines", type=int, default=SCREEN_LINES, help="of the trace")
    return parser.parse_args()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONHASHSEED", "0")
    main()
