"""Where branches and bankers are, and who goes where.

In: a network with places, and a plan. Out: a map in degrees with a scale in km, without coasts or
roads. Where many branches stand close together, a second panel shows the densest part.
"""

from typing import TYPE_CHECKING, Final

import numpy as np

from dispatcher.planning.network import Floats
from streams.planning.document import PlanDocument
from streams.planning.figures.style import (
    BLACK,
    BLUE,
    DARK_GREY,
    GREY,
    LIGHT_GREY,
    ORANGE,
    SKY,
    VERMILION,
    WHITE,
    Picture,
    light_grid,
    money_of,
    new_figure,
    styled,
)
from streams.planning.generating import KM_PER_DEGREE
from streams.planning.loading import NetworkData
from streams.planning.plan_files import name_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ZOOM_BRANCHES_MIN: Final = 40
"""From so many on there is a second panel."""
ZOOM_HALF_KM: Final = 35.0
NAMES_MAX: Final = 15
"""Branches that are named on the map."""
_LARGEST_MARK_POINTS2: Final = 90.0
_SCALES_KM: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)


def has_places(data: NetworkData) -> bool:
    """Whether there is a map to be drawn."""
    return data.banker_places is not None and data.branch_places is not None


@styled
def map_picture(plan: PlanDocument, data: NetworkData) -> Picture:
    """Branches, sized by what they are assigned; bankers; a line from each to their branch."""
    assert data.branch_places is not None
    zoomed = len(data.network.branch_ids) >= ZOOM_BRANCHES_MIN
    figure = new_figure(12 if zoomed else 8, 6.8)
    panels = figure.subplots(1, 1 + zoomed, squeeze=False)[0]
    for axes in panels:
        _draw(axes, plan, data)
    _frame(panels[0], *_bounds(data))
    panels[0].set_title("The whole network")
    if zoomed:
        centre = _densest(data.branch_places)
        _frame(panels[1], *_around(centre))
        panels[1].set_title("Where branches are closest together")
        _outline(panels[0], centre)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, frameon=False
    )
    apart = _distances(plan, data)
    alt = (
        f"Map of the plan {name_of(plan)}: {len(data.network.branch_ids):,} branches and"
        f" {len(data.network.banker_ids):,} bankers, {len(plan.bankers):,} of them with a"
        " line to the branch they work in;"
        f" {float(np.median(apart)) if apart.size else 0:.3g} {data.distance_unit} in the median,"
        f" {float(apart.max(initial=0)):.3g} at most."
    )
    name = f"map-{plan.model}-{round(plan.target * 100, 3):g}"
    if plan.rate is not None:
        name += f"-rate-{plan.rate:g}"
    name = name.replace(".", "-")
    return Picture(name, f"Who works where, {name_of(plan)}", alt, figure)


def _distances(plan: PlanDocument, data: NetworkData) -> Floats:
    bankers, branches = _pairs(plan, data)
    apart: Floats = data.distance[bankers, branches]
    return apart


def _pairs(plan: PlanDocument, data: NetworkData) -> tuple[list[int], list[int]]:
    """Positions of the bankers at work and of their branches."""
    banker_at = {banker_id: at for at, banker_id in enumerate(data.network.banker_ids)}
    branch_at = {branch_id: at for at, branch_id in enumerate(data.network.branch_ids)}
    return (
        [banker_at[each.banker_id] for each in plan.bankers],
        [branch_at[each.branch_id] for each in plan.bankers],
    )


def _draw(axes: "Axes", plan: PlanDocument, data: NetworkData) -> None:
    from matplotlib.collections import LineCollection

    assert data.banker_places is not None
    assert data.branch_places is not None
    homes, branches = data.banker_places[:, ::-1], data.branch_places[:, ::-1]
    at_work, works_in = _pairs(plan, data)
    ways = [(homes[one], branches[other]) for one, other in zip(at_work, works_in, strict=True)]
    axes.add_collection(
        LineCollection(ways, colors=GREY, linewidths=0.8, label="way to work", zorder=1)
    )
    idle = np.setdiff1d(np.arange(len(homes)), at_work)
    axes.plot(
        *homes[idle].T, "x", color=DARK_GREY, markersize=4, markeredgewidth=0.8,
        label="banker without a branch", zorder=2,
    )  # fmt: skip
    axes.plot(
        *homes[at_work].T, "o", color=ORANGE, markeredgecolor=BLACK, markeredgewidth=0.5,
        markersize=5, label="banker at work", zorder=3,
    )  # fmt: skip
    _branches(axes, plan, data, branches)


def _branches(axes: "Axes", plan: PlanDocument, data: NetworkData, places: Floats) -> None:
    """The area of a mark is the value of the branch's loans."""
    assigned = {each.branch_id: each.assigned_value for each in plan.branches}
    values = np.array([assigned.get(branch, 0.0) for branch in data.network.branch_ids])
    largest = max(float(values.max(initial=0)), 1e-9)
    money = money_of(data.network.money, largest)
    axes.scatter(
        places[:, 0], places[:, 1], 8 + _LARGEST_MARK_POINTS2 * values / largest, marker="s",
        facecolor=SKY, edgecolor=BLUE, linewidth=0.8, alpha=0.9, zorder=4,
        label=f"branch (largest: {money.text(largest)} {money.unit} of loans)",
    )  # fmt: skip
    if len(places) <= NAMES_MAX:
        for branch, place in zip(data.network.branch_ids, places, strict=True):
            axes.annotate(
                branch,
                tuple(place),
                textcoords="offset points",
                xytext=(6, 4),
                fontsize=9,
                zorder=6,
            )


def _bounds(data: NetworkData) -> tuple[Floats, Floats]:
    """South-west and north-east corners with a margin; latitude, longitude."""
    assert data.banker_places is not None
    assert data.branch_places is not None
    places = np.concatenate([data.banker_places, data.branch_places])
    low, high = places.min(axis=0), places.max(axis=0)
    margin = np.maximum((high - low) * 0.05, 0.02)
    return low - margin, high + margin


def _densest(places: Floats) -> Floats:
    """The middle of the branches around the one with most others within reach."""
    apart_km = np.abs(places[:, None, :] - places[None, :, :]) * KM_PER_DEGREE
    east_km = apart_km[..., 1] * np.cos(np.radians(places[:, 0]))[:, None]
    within = np.maximum(apart_km[..., 0], east_km) <= ZOOM_HALF_KM
    most = int(within.sum(axis=1).argmax())
    centre: Floats = places[within[most]].mean(axis=0)
    return centre


def _around(centre: Floats) -> tuple[Floats, Floats]:
    half = np.array([1.0, 1.0 / np.cos(np.radians(centre[0]))]) * ZOOM_HALF_KM / KM_PER_DEGREE
    return centre - half, centre + half


def _outline(axes: "Axes", centre: Floats) -> None:
    """Where the second panel is, on the first."""
    from matplotlib.patches import Rectangle

    low, high = _around(centre)
    south, west = low
    height, width = high - low
    axes.add_patch(
        Rectangle(
            (west, south), width, height,
            facecolor="none", edgecolor=VERMILION, linewidth=1.6, linestyle="--", zorder=5,
            label="shown larger",
        )
    )  # fmt: skip


def _frame(axes: "Axes", low: Floats, high: Floats) -> None:
    """Degrees in which a km is as long either way, and a scale."""
    axes.set_xlim(low[1], high[1])
    axes.set_ylim(low[0], high[0])
    middle = (low[0] + high[0]) / 2
    axes.set_aspect(1 / np.cos(np.radians(middle)))
    axes.set_xlabel("longitude, degrees east")
    axes.set_ylabel("latitude, degrees north")
    axes.ticklabel_format(useOffset=False)
    light_grid(axes, "both")
    _scale_bar(axes, low, high)


def _scale_bar(axes: "Axes", low: Floats, high: Floats) -> None:
    """About a quarter as long as the map is wide."""
    km_per_degree = KM_PER_DEGREE * np.cos(np.radians(low[0]))
    width_km = (high[1] - low[1]) * km_per_degree
    length_km = max([km for km in _SCALES_KM if km <= width_km / 4], default=_SCALES_KM[0])
    west = low[1] + 0.03 * (high[1] - low[1])
    south = low[0] + 0.03 * (high[0] - low[0])
    east = west + length_km / km_per_degree
    axes.plot([west, east], [south, south], "-", color=BLACK, linewidth=3, zorder=7)
    box = {"facecolor": WHITE, "edgecolor": LIGHT_GREY, "pad": 1.5}
    axes.annotate(
        f"{length_km} km", ((west + east) / 2, south), textcoords="offset points", xytext=(0, 6),
        ha="center", fontsize=9, bbox=box, zorder=7,
    )  # fmt: skip
