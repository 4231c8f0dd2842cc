"""The table: what every fault did to the leads, over many runs."""

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from rich.table import Table

from .result import Result


class Row(NamedTuple):
    """Runs of one variant, or of all variants of a fault, together; waits in seconds."""

    fault: str
    variant: str
    variants: int
    runs: int
    leads: int
    lost: int
    duplicated: int
    stale: int
    problems: int
    median_s: float
    p99_s: float
    worst_s: float


def row(fault: str, variant: str, results: list[Result]) -> Row:
    """Together. The time to recover of a run is its longest wait; the p99 is of the same."""
    longest = sorted(result.longest_wait_s for result in results)
    return Row(
        fault,
        variant,
        len({result.variant for result in results}),
        len(results),
        sum(result.leads for result in results),
        sum(result.lost for result in results),
        sum(result.duplicated for result in results),
        sum(result.stale for result in results),
        sum(bool(result.problems) for result in results),
        median(longest),
        quantiles(longest, n=100, method="inclusive")[98] if len(longest) > 1 else longest[0],
        longest[-1],
    )


def by_fault(results: Iterable[Result]) -> list[Row]:
    """A row for each fault, in the order in which they come."""
    grouped: dict[str, list[Result]] = {}
    for result in results:
        grouped.setdefault(result.fault, []).append(result)
    return [row(fault, "", grouped[fault]) for fault in sorted(grouped, key=_order)]


def by_variant(results: Iterable[Result]) -> list[Row]:
    """A row for each variant."""
    grouped: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        grouped.setdefault((result.fault, result.variant), []).append(result)
    return [row(*key, grouped[key]) for key in sorted(grouped, key=lambda key: _order(key[0]))]


def _order(fault: str) -> tuple[int, str]:
    return (int(fault[1:]), "") if fault[1:].isdigit() else (1_000, fault)


def printed(rows: Iterable[Row], *, with_variants: bool) -> Table:
    """For the terminal."""
    table = Table(title="Faults on real Kafka and Redis; time to recover in seconds")
    table.add_column("fault")
    table.add_column("variant" if with_variants else "variants")
    for name in ("runs", "leads", "lost", "duplicated", "stale", "other", "median", "worst"):
        table.add_column(name, justify="right", no_wrap=True)
    for found in rows:
        table.add_row(
            found.fault,
            found.variant if with_variants else str(found.variants),
            *(f"{number:,}" for number in found[3:9]),
            f"{found.median_s:.1f}",
            f"{found.worst_s:.1f}",
        )
    return table


def written(results: list[Result], path: Path) -> None:
    """Everything, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "faults": [found._asdict() for found in by_fault(results)],
        "variants": [found._asdict() for found in by_variant(results)],
        "runs": [
            {key: value for key, value in result._asdict().items() if key != "waits_s"}
            for result in results
        ],
    }
    path.write_text(json.dumps(content, indent=1) + "\n")
