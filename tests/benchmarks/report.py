"""Tables and plots of what was measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from rich.table import Table

from .latency import Latency
from .scaling import Point
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


def throughput_plot(name: str, rows: Sequence[Row], directory: Path) -> None:
    """Bars of medians, with the least and the most."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

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
