"""Load and random faults for as long as wanted: `tests/run soak --minutes N`.

In: minutes, a seed. Out: a table and a plot, `soak.json` and `soak.png` in a directory.

Each minute ends with a quiet point: no fault, no load, everything processed; then the oracle looks
at all that there has been since the start. One dispatcher is never killed or held: its memory and
its open files are watched for growth. The others come and go, and Kafka, Redis and the network
break for all.
"""

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from .catalogue.mixtures import MIXED, mix
from .catalogue.registry import Variant
from .load import BatchName
from .run import Run
from .servers import own_kafka
from .soak_growth import Growth, growth_problems, plotted

MINUTE_S = 60.0
EVENTS_PER_S = 12.0
"""With six leads each. The oracle decides everything again each minute, on the same two cores."""
DISPATCHERS = 2
WIDTH = 120
SOAK = Variant("FX", "soak", lambda _: None, 0, MIXED, True, False, 1, {}, False)


class Minute(NamedTuple):
    """What a minute came to, and what all of them did so far.

    Attributes:
        number: From 1.
        at_s: When its quiet point was over, since the start.
        leads, lost, duplicated, stale: Since the start.
        faults: How many were inflicted in this minute.
        longest_wait_s: Of the batches that were sent in this minute.
        findings: What is wrong at its end.
    """

    number: int
    at_s: float
    leads: int
    lost: int
    duplicated: int
    stale: int
    faults: int
    longest_wait_s: float
    findings: list[str]

    @property
    def passes(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicated or self.stale or self.findings)


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--events-per-s", type=float, default=EVENTS_PER_S, help="of the load")
    parser.add_argument(
        "--directory", type=Path, default=Path("soak"), help="for soak.json and soak.png"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Returns the exit status: 0 if there was nothing to find."""
    options = _options(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    with (
        tempfile.TemporaryDirectory(prefix="partidor-soak-") as directory,
        own_kafka({}) as servers,
        Run(SOAK, options.seed, servers, Path(directory)) as run,
    ):
        run.put_proxy()
        run.spared.add(run.start_dispatchers(DISPATCHERS)[0])
        (steady,) = run.spared
        load = run.load(events_per_s=options.events_per_s, leads_max=sys.maxsize)
        watched = {"dispatcher": steady, "kafka": servers.kafka, "redis": servers.redis}
        with Growth(watched) as growth:
            minutes = _soak(run, options.minutes, console)
            load.go_on()
        result = run.finish()
        inflicted = run.inflicted
    problems = growth_problems(growth.samples, "dispatcher") + result.problems
    console.print(_table(minutes))
    console.print(f"faults: {_counted(inflicted)}", highlight=False)
    console.print(
        f"{result.leads:,} leads, {inflicted.total()} faults, {result.lost} lost, "
        f"{result.duplicated} duplicated, {result.stale} stale; {growth.said('dispatcher')}",
        highlight=False,
    )
    for problem in problems:
        console.print(problem, markup=False, highlight=False)
    marks = [minute.at_s for minute in minutes]
    plotted(growth.samples, marks, [minute.leads for minute in minutes], options.directory)
    _write(options.directory, minutes, inflicted, growth, problems)
    passes = result.passes and not problems and all(minute.passes for minute in minutes)
    return 0 if passes else 1


def _soak(run: Run, minutes: float, console: Console) -> list[Minute]:
    """Minute after minute; ends early when something is wrong."""
    began = time.monotonic()
    done: list[Minute] = []
    known: set[BatchName] = set()
    while time.monotonic() - began < minutes * MINUTE_S:
        before = run.inflicted.total()
        run.sending.go_on()
        try:
            _stir(run, until=began + (len(done) + 1) * MINUTE_S)
            run.sending.rest()
        except AssertionError as error:
            run.note(f"minute {len(done) + 1}: {error}")
        figures, findings = run.verdict()
        waits = [wait for batch, wait in figures.waits_s.items() if batch not in known]
        known.update(figures.waits_s)
        minute = Minute(
            len(done) + 1,
            time.monotonic() - began,
            figures.leads,
            figures.lost,
            figures.duplicated,
            figures.stale,
            run.inflicted.total() - before,
            max(waits, default=0.0),
            findings,
        )
        done.append(minute)
        console.print(
            f"minute {minute.number}: {minute.leads:,} leads, {minute.faults} faults, "
            f"{minute.lost} lost, {minute.duplicated} duplicated, {minute.stale} stale, "
            f"longest wait {minute.longest_wait_s:.1f} s{'' if minute.passes else ', FAILED'}",
            highlight=False,
        )
        if not minute.passes:
            break
    return done


def _stir(run: Run, until: float) -> None:
    """Rounds of faults up to a time, monotonic; at least one."""
    while True:
        mix(run, 1)
        if time.monotonic() >= until:
            return


def _counted(inflicted: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(inflicted.items()))


def _table(minutes: list[Minute]) -> Table:
    table = Table(title="Soak: each row is a quiet point; leads since the start")
    columns = (
        "minute",
        "leads",
        "faults",
        "lost",
        "duplicated",
        "stale",
        "findings",
        "longest wait s",
    )
    for name in columns:
        table.add_column(name, justify="right")
    for minute in minutes:
        table.add_row(
            f"{minute.number}",
            f"{minute.leads:,}",
            f"{minute.faults}",
            f"{minute.lost}",
            f"{minute.duplicated}",
            f"{minute.stale}",
            f"{len(minute.findings)}",
            f"{minute.longest_wait_s:.1f}",
        )
    return table


def _write(
    directory: Path,
    minutes: list[Minute],
    inflicted: Counter[str],
    growth: Growth,
    problems: list[str],
) -> None:
    content = {
        "minutes": [minute._asdict() for minute in minutes],
        "faults": inflicted,
        "samples": [sample._asdict() for sample in growth.samples],
        "problems": problems,
    }
    (directory / "soak.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
