"""How the rate changes with one thing at a time: partitions, processes, channels, members, sizes.

Each point is Partidor alone on an input of its own; everything but the axis is as in throughput.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from .contestants import Partidor
from .throughput import Row, measure
from .workload import Workload

BASE: Final = Workload(leads=600_000)
SINGLE: Final = 200_000
"""Leads where each costs as much as a hundred do otherwise."""


class Point(NamedTuple):
    """A place on a curve: what was set, and leads a second, round by round."""

    at: int
    leads_per_s: list[float]


AXES: Final[Mapping[str, Sequence[int]]] = {
    "partitions": (1, 4, 16, 64),
    "processes": (1, 2, 4),
    "channels": (1, 20, 1_000, 20_000, 100_000),
    "members": (2, 10, 100, 1_000, 10_000),
    "batch_size": (1, 10, 100, 1_000, 10_000),
    "attributes_bytes": (2, 256, 1_024, 4_096),
}


def workload_at(axis: str, at: int) -> tuple[Workload, int]:
    """The input and the number of processes at a point."""
    if axis == "processes":
        return BASE, at
    workload = replace(BASE, **{axis: at})
    if axis == "batch_size" and at < 100:
        workload = replace(workload, leads=SINGLE)
    if axis == "batch_size" and at > 1_000:
        workload = replace(workload, channels=4)
    if axis == "channels" and at > 1_000:
        # Each channel gets a few batches of a few leads.
        workload = replace(workload, batch_size=10, leads=max(SINGLE, at * 30))
    if axis == "members" and at > 1_000:
        workload = replace(workload, channels=4, leads=SINGLE)
    if axis == "attributes_bytes" and at > 1_000:
        workload = replace(workload, leads=SINGLE)
    return workload, 1


def measured(
    axes: Sequence[str], rounds: int, say: Callable[[str], None]
) -> dict[str, list[Point]]:
    """The curves."""
    curves: dict[str, list[Point]] = {}
    for axis in axes:
        points = []
        for at in AXES[axis]:
            workload, processes = workload_at(axis, at)
            say(f"{axis} {at:,}")
            (row,) = measure(workload, [Partidor(processes)], rounds, say, raw=False)
            points.append(_point(at, row))
        curves[axis] = points
    return curves


def _point(at: int, row: Row) -> Point:
    return Point(at, row.leads_per_s)
