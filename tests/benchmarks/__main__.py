"""`tests/run benchmarks`: everything that is measured, as tables, JSON and plots.

    tests/run benchmarks [PART...] [--quick] [--rounds N] [--directory DIR]

PART is throughput, single, latency, scaling, steps, features, sizes, start, recovery, board,
pages, views or planning; all of them if none is named.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from rich.console import Console

from . import board, features, latency, pages, planning, scaling, sizes, start, steps
from .contestants import Contestant, Faust, KafkaStreams, Partidor, PartidorWithViews, Quix
from .report import (
    board_table,
    features_table,
    latency_plot,
    latency_table,
    pages_table,
    planning_table,
    scaling_plot,
    scaling_table,
    sizes_table,
    start_table,
    steps_table,
    throughput_plot,
    throughput_table,
)
from .throughput import Row, measure
from .workload import Workload

WIDTH = 120


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests/run benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all if none is named")
    parser.add_argument("--quick", action="store_true", help="one small round of each")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--leads", type=int, default=2_000_000, help="of a round of throughput")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a round of latency")
    parser.add_argument(
        "--planning-limit", type=float, default=60.0, help="seconds that a plan may be searched for"
    )
    parser.add_argument("--only", default="", help="contestants whose name holds this")
    parser.add_argument(
        "--directory", type=Path, default=Path("benchmarks"), help="for tables, JSON and plots"
    )
    return parser.parse_args(arguments)


def _throughput(options: argparse.Namespace, console: Console) -> None:
    contestants: list[Contestant] = [
        Partidor(),
        Partidor(2),
        KafkaStreams(1),
        KafkaStreams(2),
        Quix(),
        Faust(),
    ]
    workload = Workload(leads=200_000 if options.quick else options.leads)
    _measured("throughput", workload, contestants, options, console)


def _single(options: argparse.Namespace, console: Console) -> None:
    for name, channels, decimals in (
        ("single-1000-channels", 1_000, 1),
        ("single-one-channel", 1, 1),
        ("single-one-channel-odd-weights", 1, 6),
    ):
        # So many that a second process has joined long before the end.
        leads = 50_000 if options.quick else 1_500_000 if channels > 1 else 600_000
        workload = Workload(leads=leads, batch_size=1, channels=channels, decimals=decimals)
        # One channel is one partition: a second process has nothing to do.
        contestants: list[Contestant] = [Partidor()] + ([Partidor(2)] if channels > 1 else [])
        _measured(name, workload, contestants, options, console, raw=False)


def _measured(
    name: str,
    workload: Workload,
    contestants: list[Contestant],
    options: argparse.Namespace,
    console: Console,
    *,
    raw: bool = True,
) -> list[Row]:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    chosen = [each for each in contestants if options.only in each.name]
    rows = measure(workload, chosen, 1 if options.quick else options.rounds, say, raw=raw)
    console.print(throughput_table(name, workload, rows))
    content = {"workload": asdict(workload), "rows": [row._asdict() for row in rows]}
    (options.directory / f"{name}.json").write_text(json.dumps(content, indent=2))
    throughput_plot(name, rows, options.directory)
    return rows


def _latency(options: argparse.Namespace, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    seconds = 5.0 if options.quick else options.seconds
    chosen = [each for each in (Partidor(), KafkaStreams(1)) if options.only in each.name]
    found = latency.measure(chosen, 1 if options.quick else options.rounds, seconds, say)
    console.print(latency_table(found))
    content = [each._asdict() for each in found]
    (options.directory / "latency.json").write_text(json.dumps(content, indent=2))
    latency_plot(found, options.directory)


def _scaling(options: argparse.Namespace, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    axes = [axis for axis in scaling.AXES if options.only in axis]
    curves = scaling.measured(axes, 1 if options.quick else min(options.rounds, 3), say)
    console.print(scaling_table(curves))
    content = {axis: [point._asdict() for point in points] for axis, points in curves.items()}
    (options.directory / "scaling.json").write_text(json.dumps(content, indent=2))
    scaling_plot(curves, options.directory)


def _steps(options: argparse.Namespace, console: Console) -> None:
    found = {name: steps.measured(workload) for name, workload in steps.WORKLOADS.items()}
    console.print(steps_table(found))
    content = {name: {each.name: each.us_per_lead for each in of} for name, of in found.items()}
    (options.directory / "steps.json").write_text(json.dumps(content, indent=2))


def _features(options: argparse.Namespace, console: Console) -> None:
    found = features.measured()
    console.print(features_table(found))
    content = [each._asdict() for each in found]
    (options.directory / "features.json").write_text(json.dumps(content, indent=2))


def _sizes(options: argparse.Namespace, console: Console) -> None:
    found, owner = sizes.measured(), sizes.owners_in_redis()
    console.print(sizes_table(found))
    console.print(f"a person's owner: {owner:,.0f} bytes in Redis, {owner:,.0f} MB a million")
    content = {"channels": [each._asdict() for each in found], "owner": owner}
    (options.directory / "sizes.json").write_text(json.dumps(content, indent=2))


def _start(options: argparse.Namespace, console: Console) -> None:
    found = start.measured()
    console.print(start_table(found))
    (options.directory / "start.json").write_text(json.dumps(found, indent=2))


def _board(options: argparse.Namespace, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    found = board.measure(1 if options.quick else options.rounds, options.seconds, say)
    console.print(board_table(found))
    content = [each._asdict() for each in found]
    (options.directory / "board.json").write_text(json.dumps(content, indent=2))
    workload = Workload(leads=200_000 if options.quick else options.leads)
    contestants: list[Contestant] = [Partidor(), PartidorWithViews()]
    _measured("with-views", workload, contestants, options, console, raw=False)


def _pages(options: argparse.Namespace, console: Console) -> None:
    found, memory_mib = pages.measure(10 if options.quick else pages.ASKED)
    console.print(pages_table(found))
    console.print(f"memory of the views: {memory_mib:.0f} MiB", highlight=False)
    content = {"pages": [each._asdict() for each in found], "memory_mib": memory_mib}
    (options.directory / "pages.json").write_text(json.dumps(content, indent=2))


def _planning(options: argparse.Namespace, console: Console) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    sizes_asked = planning.SIZES[:2] if options.quick else planning.SIZES
    found: list[planning.Solved] = []
    for solved in planning.measured(sizes_asked, options.only, options.planning_limit, say):
        found.append(solved)
        # After each: all of them take half an hour.
        content = {"limit_s": options.planning_limit, "solves": planning.as_objects(found)}
        (options.directory / "planning.json").write_text(json.dumps(content, indent=2))
        (options.directory / "planning.md").write_text(planning.markdown(found))
    console.print(planning_table(found))


def _by_pytest(name: str) -> "Part":
    def run(options: argparse.Namespace, console: Console) -> None:
        del options, console
        path = Path(__file__).with_name(name)
        subprocess.run([sys.executable, "-m", "pytest", "-q", str(path)], check=True)

    return run


Part = Callable[[argparse.Namespace, Console], None]
PARTS: dict[str, Part] = {
    "throughput": _throughput,
    "single": _single,
    "latency": _latency,
    "scaling": _scaling,
    "steps": _steps,
    "features": _features,
    "sizes": _sizes,
    "start": _start,
    "recovery": _by_pytest("test_recovery.py"),
    "board": _board,
    "pages": _pages,
    "views": _by_pytest("test_views.py"),
    "planning": _planning,
}


def main(arguments: list[str]) -> int:
    """Measure what is asked for."""
    options = _options(arguments)
    options.directory.mkdir(parents=True, exist_ok=True)
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for name in options.parts or PARTS:
        PARTS[name](options, console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
