"""Tables and plots of what was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from .board import Behind
from .features import Cost
from .latency import Latency
from .pages import PageCost
from .planning import HEADER, Solved, cells
from .scaling import Point
from .sizes import Size
from .steps import STEPS, Step
from .throughput import RAW, Row
from .workload import Workload

TRANSACTIONAL = tuple(RAW)[-1]


def throughput_table(name: str, workload: Workload, rows: Sequence[Row]) -> Table:
    """A row for each contestant, with ratios to the raw transactional producer, round by round."""
    table = Table(
        title=f"{name}: {workload.leads:,} leads, {workload.batch_size} a batch, "
        f"{workload.channels:,} channels, {workload.members} members"
    )
    for column in (
        "",
        "leads/s (median)",
        "least",
        "most",
        "of raw transactional",
        "client cores",
        "broker cores",
        "bytes",
    ):
        table.add_column(column, justify="left" if not column else "right")
    limit = next((row for row in rows if row.name == TRANSACTIONAL), None)
    for row in sorted(rows, key=lambda each: -each.median):
        if row.left_out:
            table.add_row(row.name, f"left out: {row.left_out}")
            continue
        ratio = ""
        if limit is not None:
            each = [a / b for a, b in zip(row.leads_per_s, limit.leads_per_s, strict=False)]
            ratio = f"{median(each):.2f}"
        table.add_row(
            row.name,
            f"{row.median:,.0f}",
            f"{min(row.leads_per_s):,.0f}",
            f"{max(row.leads_per_s):,.0f}",
            ratio,
            f"{median(row.client_cores):.2f}" if any(row.client_cores) else "",
            f"{median(row.broker_cores):.2f}" if any(row.broker_cores) else "",
            f"{row.record_bytes:.0f}" if row.record_bytes else "",
        )
    return table


def latency_table(found: Sequence[Latency]) -> Table:
    """A row for each contestant and pace; medians over the rounds."""
    table = Table(title="From an event produced to its committed assignment, ms")
    for column in ("leads/s", "", "p50", "p99", "p99.9"):
        table.add_column(column, justify="left" if not column else "right")
    for key in dict.fromkeys((each.pace, each.name) for each in found):
        rounds = [each for each in found if (each.pace, each.name) == key]
        table.add_row(
            f"{key[0].leads_per_s:,}",
            key[1],
            *(
                f"{median(getattr(each, name) for each in rounds):.1f}"
                for name in ("p50", "p99", "p999")
            ),
        )
    return table


def board_table(found: Sequence[Behind]) -> Table:
    """A row for each pace; medians over the rounds."""
    table = Table(title="From a decision's record to whoever listens to the views, ms")
    for column in ("leads/s", "decided/s", "p50", "p99", "leads kept", "memory, MiB"):
        table.add_column(column, justify="right")
    for pace in dict.fromkeys(each.pace for each in found):
        rounds = [each for each in found if each.pace == pace]
        table.add_row(
            f"{pace.leads_per_s:,}",
            f"{median(each.leads_per_s for each in rounds):,.0f}",
            f"{median(each.p50_ms for each in rounds):.0f}",
            f"{median(each.p99_ms for each in rounds):.0f}",
            f"{median(each.leads for each in rounds):,.0f}",
            f"{median(each.memory_mib for each in rounds):.0f}",
        )
    return table


def pages_table(found: Sequence[PageCost]) -> Table:
    """A row for each page."""
    table = Table(title="The board with 1,000 channels of 100 members")
    for column in ("", "kB", "compressed, kB", "median, ms", "p95, ms"):
        table.add_column(column, justify="right" if column else "left")
    for page in found:
        table.add_row(
            page.path,
            f"{page.kilobytes:.1f}",
            f"{page.compressed_kilobytes:.1f}",
            f"{page.median_ms:.1f}",
            f"{page.p95_ms:.1f}",
        )
    return table


def planning_table(found: Sequence[Solved]) -> Table:
    """A row for each solve."""
    table = Table(title="Plans by our formulation and by the source document's, one HiGHS for both")
    for column in HEADER:
        right = column in ("objective", "gap", "s", "MiB")
        table.add_column(column, justify="right" if right else "left")
    for solved in found:
        table.add_row(*cells(solved))
    return table


def scaling_table(curves: Mapping[str, Sequence[Point]]) -> Table:
    """A row for each point of each curve."""
    table = Table(title="One thing at a time")
    for column in ("", "at", "leads/s (median)", "least", "most"):
        table.add_column(column, justify="left" if not column else "right")
    for axis, points in curves.items():
        for point in points:
            rates = point.leads_per_s
            figures = (median(rates), min(rates), max(rates))
            table.add_row(axis, f"{point.at:,}", *(f"{figure:,.0f}" for figure in figures))
    return table


def steps_table(found: Mapping[str, Sequence[Step]]) -> Table:
    """A row for each step, a column for each kind of input."""
    table = Table(title="What each step costs for a lead, microseconds")
    table.add_column("")
    for name in found:
        table.add_column(name, justify="right")
    took = [{step.name: step.us_per_lead for step in of} for of in found.values()]
    for step in STEPS:
        table.add_row(step, *(f"{of[step]:.2f}" if step in of else "" for of in took))
    totals = [sum(of.values()) for of in took]
    table.add_row("together", *(f"{total:.2f}" for total in totals))
    return table


def features_table(found: Sequence[Cost]) -> Table:
    """A row for each feature and size of batches."""
    table = Table(title="What a feature costs while it is on (offline, one process; medians)")
    for column in ("", "batches of", "us a lead", "times a plain channel"):
        table.add_column(column, justify="left" if not column else "right")
    for cost in found:
        table.add_row(
            cost.feature, str(cost.batch_size), f"{cost.us_per_lead:.1f}", f"{cost.ratio:.2f}"
        )
    return table


def sizes_table(found: Sequence[Size]) -> Table:
    """A row for each kind of channel."""
    table = Table(title="What a channel of ten members takes, bytes")
    for column in ("", "memory", "Redis", "changelog, uncompressed"):
        table.add_column(column, justify="left" if not column else "right")
    for size in found:
        table.add_row(size.kind, *(f"{each:,.0f}" for each in size[1:]))
    return table


def start_table(found: Mapping[str, float]) -> Table:
    """A row for each."""
    table = Table(title="How long it takes to start, ms (median)")
    table.add_column("")
    table.add_column("ms", justify="right")
    for name, took_ms in found.items():
        table.add_row(name, f"{took_ms:,.0f}")
    return table


def _pyplot() -> Any:
    """Imported only for a plot, and for files alone."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def scaling_plot(curves: Mapping[str, Sequence[Point]], directory: Path) -> None:
    """A curve for each axis; medians."""
    plt = _pyplot()
    figure, places = plt.subplots(2, 3, figsize=(13, 7))
    for axes, (axis, points) in zip(places.flat, curves.items(), strict=False):
        values = [point.at for point in points]
        axes.plot(values, [median(point.leads_per_s) for point in points], marker="o")
        axes.set_xscale("log")
        axes.set_ylim(bottom=0)
        axes.set_xlabel(axis.replace("_", " "))
        axes.set_ylabel("leads a second")
    figure.tight_layout()
    figure.savefig(directory / "scaling.png", dpi=120)
    plt.close(figure)


def latency_plot(found: Sequence[Latency], directory: Path) -> None:
    """For each pace, the quantiles of each contestant; medians over the rounds."""
    plt = _pyplot()
    paces = list(dict.fromkeys(each.pace for each in found))
    names = list(dict.fromkeys(each.name for each in found))
    figure, places = plt.subplots(1, len(paces), figsize=(4 * len(paces), 3.5), squeeze=False)
    for axes, pace in zip(places.flat, paces, strict=True):
        for place, name in enumerate(names):
            rounds = [each for each in found if (each.pace, each.name) == (pace, name)]
            heights = [
                median(getattr(each, quantile) for each in rounds)
                for quantile in ("p50", "p99", "p999")
            ]
            at = [group + place / (len(names) + 1) for group in range(3)]
            axes.bar(at, heights, width=1 / (len(names) + 1), label=name)
        axes.set_xticks([group + 0.2 for group in range(3)], ["p50", "p99", "p99.9"])
        axes.set_title(f"{pace.leads_per_s:,} leads a second")
        axes.set_ylabel("ms")
        axes.legend()
    figure.tight_layout()
    figure.savefig(directory / "latency.png", dpi=120)
    plt.close(figure)


def throughput_plot(name: str, rows: Sequence[Row], directory: Path) -> None:
    """Bars of medians, with the least and the most."""
    plt = _pyplot()
    shown = sorted((row for row in rows if row.leads_per_s), key=lambda row: row.median)
    figure, axes = plt.subplots(figsize=(9, 0.5 * len(shown) + 1.5))
    medians = [row.median for row in shown]
    spread = [
        [row.median - min(row.leads_per_s) for row in shown],
        [max(row.leads_per_s) - row.median for row in shown],
    ]
    axes.barh([row.name for row in shown], medians, xerr=spread, color="tab:blue", ecolor="black")
    axes.set_xlabel("leads a second, median; lines from the least to the most")
    axes.set_title(name)
    figure.tight_layout()
    figure.savefig(directory / f"{name}.png", dpi=120)
    plt.close(figure)
