"""Negative controls: does the mixture of faults find each defect?

`python -m tests.simulation.controls` answers.

For each defect of `tests/support/defects.py` seeds are run until one fails: the table says which
rule was taken away, where it stands, the seed, the steps until then, and what noticed it.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from tests.support.defects import DEFECTS
from tests.support.dispatchers import CODE

SEEDS_MOST = 2_000
ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": CODE}
"""Of processes that run seeds."""
WIDTH = 150

SEEDS = {
    "high-watermark-first": 249,
    "restore-to-last-stable-offset": 5,
    "cut-off-means-empty": 6,
    "unstable-means-no-offset": 25,
    "offsets-once": 19,
    "suspended-means-current": 278,
    "torn-reads-of-redis": 96,
    "old-redis-believed": 46,
    "changelog-read-uncommitted": 5,
    "inputs-read-uncommitted": 1,
    "rosters-when-they-come": 1,
    "rosters-up-to-the-stable-offset": 5,
    "buffers-without-bound": 4,
    "stale-group-metadata": 1,
    "no-generation-shown": 32,
    "revoked-partitions-decided": 1,
    "lost-partitions-decided": 12,
    "poll-inside-a-transaction": 363,
    "decided-ahead-of-a-rebalance": 15,
    "decided-ahead-of-an-abort": 71,
    "no-offsets-in-the-transaction": 1,
    "same-producer-after-an-unknown-commit": 78,
    "no-doubt-after-a-broken-connection": 174,
    "no-doubt-after-a-slow-commit": 783,
    "committed-unheard": 19,
    "doubt-only-while-it-ends": 1208,
    "memory-after-an-unknown-commit": 1,
    "nothing-put-back-after-an-abort": 5,
    "window-changed-in-place": 2,
    "no-compare-and-set": 10,
    "restore-point-moved-without-rewriting": 10,
    "zombies-write": 102,
    "redis-before-the-commit": 1,
    "restore-point-one-too-low": 1,
    "parts-of-two-copies": 10,
    "a-copy-of-nothing": 1,
    "unflushed-without-bound": 52,
    "release-without-cursor": 44,
    "release-after-newer-events": 1,
    "what-was-taken-together-overtakes-a-release": 25,
    "timers-not-restored": 2,
    "timers-lost-in-an-abort": 197,
    "owners-believed-from-anybody": 840,
    "owners-of-this-moment-forgotten": 42,
    "owners-committed-since-forgotten": 22,
    "owners-not-in-redis-yet-forgotten": 394,
    "register-point-before-its-owners": 21,
    "owners-put-into-any-register": 840,
    "another-redis-left-as-it-is": 405,
}
"""Where to begin for a quick find; seeds that were found by a search from 1."""


class Caught(NamedTuple):
    """How a defect was found; `seed` 0: it was not."""

    name: str
    seed: int
    seeds: int
    check: str
    seconds: float
    output: str


def search(name: str, first: int = 1, seeds: int = SEEDS_MOST) -> Caught:
    """Run seeds with the defect until one fails, and that one without it: it has to pass.

    Raises RuntimeError if it doesn't: what fails either way says nothing of the defect.
    """
    began = time.monotonic()
    done = _run("--defect", name, "--first", str(first), "--seeds", str(seeds))
    found = re.search(r"^seed (\d+): (.*)$", done.stdout, re.MULTILINE)
    count = re.search(r"^(\d+) seeds,", done.stdout, re.MULTILINE)
    if found:
        sound = _run("--seed", found[1])
        if sound.returncode:
            raise RuntimeError(f"seed {found[1]} fails without {name}, too:\n{sound.stdout}")
    return Caught(
        name,
        int(found[1]) if found else 0,
        int(count[1]) if count else 0,
        found[2].removeprefix("Violation: ") if found else "",
        time.monotonic() - began,
        done.stdout[-4_000:] + done.stderr[-2_000:],
    )


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.simulation", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )


def main() -> None:
    """Search for all or some, and print the table; status 1 if one is not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.controls")
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="begin at the seeds that are known")
    options = parser.parse_args()
    names = options.names or list(DEFECTS)
    with ThreadPoolExecutor(options.processes) as pool:
        first = [SEEDS.get(name, 1) if options.quick else 1 for name in names]
        caught = []
        for one in pool.map(search, names, first):
            caught.append(one)
            print(f"{one.name}: seed {one.seed}, {one.seconds:.0f} s", file=sys.stderr, flush=True)
    Console(width=WIDTH).print(table(caught))
    sys.exit(any(not one.seed for one in caught))


def table(caught: list[Caught]) -> Table:
    """A row for each defect."""
    shown = Table(title="Each rule taken away, and what noticed it")
    for heading in ("rule", "where", "defect", "found at seed", "by"):
        shown.add_column(heading, overflow="fold")
    for row in _rows(caught):
        shown.add_row(*row)
    return shown


def _rows(caught: list[Caught]) -> Iterator[tuple[str, ...]]:
    for one in caught:
        defect = DEFECTS[one.name]
        yield defect.rule, defect.line, defect.says, str(one.seed or "not found"), one.check[:90]


if __name__ == "__main__":
    main()
