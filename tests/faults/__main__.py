"""Every variant many times with different seeds, and the table: `tests/run faults-table`."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import count
from multiprocessing import get_context
from pathlib import Path

from rich.console import Console

from .catalogue import chosen
from .result import Result
from .table import by_fault, by_variant, printed, written
from .worker import Task, perform_task

MANY = ("F1", "F2", "F3", "F4", "F5", "F6", "F7")
"""Faults of every day."""
WIDTH = 120
"""Of the table where there is no terminal."""


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run faults-table", description=__doc__)
    parser.add_argument("--fault", action="append", default=[], help="F1, F2, ...; repeatable; all")
    parser.add_argument("--variant", default="", help="only variants whose name contains this")
    parser.add_argument(
        "--runs", type=int, default=20, help=f"of each of {', '.join(MANY)} at least"
    )
    parser.add_argument("--least", type=int, default=3, help="runs of each variant at least")
    parser.add_argument("--processes", type=int, default=2, help="side by side")
    parser.add_argument("--seed", type=int, help="the first seed; alone it repeats one run")
    parser.add_argument("--variants", action="store_true", help="a row for each variant")
    parser.add_argument("--json", type=Path, help="where to write everything that was found")
    parser.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    return parser.parse_args(arguments)


def _tasks(options: argparse.Namespace) -> Iterator[Task]:
    """Round after round over the variants, until each fault has its runs."""
    found = chosen(options.fault, options.variant)
    variants_of = Counter(variant.fault for variant in found)
    first = options.seed if options.seed is not None else 1
    for number in count():
        again = [
            variant
            for variant in found
            if number < options.least
            or (variant.fault in MANY and number * variants_of[variant.fault] < options.runs)
        ]
        if not again:
            return
        for variant in again:
            yield Task(variant.fault, variant.name, first + number)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 if nothing was lost, doubled, stale or otherwise wrong."""
    options = _options(arguments)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    tasks = list(_tasks(options))
    if options.list:
        for variant in chosen(options.fault, options.variant):
            console.print(variant.title, highlight=False)
        return 0
    results: list[Result] = []
    # Forked processes would share the clients' threads.
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(perform_task, task) for task in tasks]
        for done, future in enumerate(as_completed(futures), start=1):
            result = future.result()
            if result.left_out:
                console.print(f"left out: {result.fault} {result.variant}: {result.left_out}")
                continue
            results.append(result)
            _told(console, f"{done}/{len(tasks)}", result)
            if options.json is not None:
                written(results, options.json)
    rows = by_variant(results) if options.variants else by_fault(results)
    console.print(printed(rows, with_variants=options.variants))
    return 0 if all(result.passes for result in results) else 1


def _told(console: Console, place: str, result: Result) -> None:
    figures = f"{result.lost} lost, {result.duplicated} duplicated, {result.stale} stale"
    console.print(
        f"{place} {result.fault} {result.variant}, seed {result.seed}: {result.leads} leads, "
        f"{figures}, longest wait {result.longest_wait_s:.1f} s",
        "" if result.passes else "[red]FAILED[/red]",
        highlight=False,
    )
    for problem in result.problems:
        console.print(f"    {problem}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
