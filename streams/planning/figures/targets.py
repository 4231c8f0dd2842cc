"""One model over a range of targets: the source document's Figures 4 and 5.

In: plans of one model. Out: who works where at each target, and the capacity that is left unused.
Nothing is solved: where plans at the same target and objective are given, they are alternative
optima, and Figure 5 shows a band from the least to the most that they leave unused.
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dispatcher.planning.network import Floats
from streams.planning.document import PlanDocument
from streams.planning.figures.style import (
    BLACK,
    BLUE,
    DARK_GREY,
    GREY,
    LIGHT_GREY,
    PALETTE,
    SKY,
    VERMILION,
    WHITE,
    Picture,
    letters_on,
    light_grid,
    money_of,
    new_figure,
    styled,
    thousands_apart,
)
from streams.planning.loading import NetworkData
from streams.planning.plan_files import with_answer
from streams.planning.solving import least_unused_targets, per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTERS_BANKERS_MAX: Final = 40
LETTERS_BRANCHES_MAX: Final = len(PALETTE)
MARKED_MAX: Final = 6
"""Targets that are written beside their points."""

Where = dict[str, str] | None
"""The branch of each banker at work; None where there is no plan."""


def _where(plan: PlanDocument) -> Where:
    if plan.bankers_assigned is None:
        return None
    return {each.banker_id: each.branch_id for each in plan.bankers}


def rows_of(plans: Sequence[PlanDocument]) -> list[tuple[str, str, Where]]:
    """Neighbouring targets with the same allocation as one row: targets, status, who works where.

    Of several plans at a target the first.
    """
    by_target: dict[float, PlanDocument] = {}
    for plan in sorted(plans, key=lambda plan: plan.target):
        by_target.setdefault(plan.target, plan)
    rows = []
    for (status, where), same in groupby(
        by_target.values(), lambda plan: (_status(plan), _where(plan))
    ):
        targets = [plan.target for plan in same]
        first, last = per_cent(targets[0]), per_cent(targets[-1])
        name = first if len(targets) == 1 else f"{first[:-2]} to {last}"
        rows.append((name, status, where))
    return rows


def _status(plan: PlanDocument) -> str:
    """What a row says where nobody works."""
    return "" if plan.bankers_assigned is not None else plan.status.replace("_", " ")


@styled
def allocations_picture(plans: Sequence[PlanDocument], data: NetworkData) -> Picture:
    """Targets down, bankers across; a cell is the banker's branch."""
    model = plans[0].model
    rows = rows_of(plans)
    network = data.network
    small = (
        len(network.banker_ids) <= LETTERS_BANKERS_MAX
        and len(network.branch_ids) <= LETTERS_BRANCHES_MAX
    )
    if small:
        figure = new_figure(2.2 + 0.75 * len(network.banker_ids), max(3.6, 1.5 + 0.36 * len(rows)))
        _cells(figure.subplots(), rows, data)
    else:
        figure = new_figure(12, max(3.6, 1.8 + 0.26 * len(rows)))
        _texture(figure, figure.subplots(), rows, data)
    alt = (
        f"Grid of {len(rows)} ranges of targets by {len(network.banker_ids)} bankers, model"
        f" {model}: the branch of each banker. " + _told(rows if small else [])
    )
    return Picture(
        f"figure-4-allocations-{model}", f"Who works where, {model}", alt.strip(), figure
    )


def _told(rows: Sequence[tuple[str, str, Where]]) -> str:
    """The grid in words."""
    told = []
    for name, status, where in rows:
        at_work = ", ".join(f"{banker} in {branch}" for banker, branch in (where or {}).items())
        told.append(f"{name}: {at_work or status or 'nobody'}.")
    return " ".join(told)


def _cells(axes: "Axes", rows: Sequence[tuple[str, str, Where]], data: NetworkData) -> None:
    from matplotlib.patches import Rectangle

    network = data.network
    colours = dict(zip(network.branch_ids, PALETTE, strict=False))
    for row, (_, status, where) in enumerate(rows):
        for column, banker in enumerate(network.banker_ids):
            branch = (where or {}).get(banker)
            colour = WHITE if branch is None else colours[branch]
            look: dict[str, Any] = {"hatch": "////"} if where is None else {}
            axes.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1,
                    facecolor=colour, edgecolor=LIGHT_GREY, linewidth=1, **look,
                )
            )  # fmt: skip
            if branch is not None:
                axes.text(column, row, branch, ha="center", va="center", color=letters_on(colour))
        if where is None:
            _say(axes, (len(network.banker_ids) - 1) / 2, row, status)
    axes.set_xlim(-0.5, len(network.banker_ids) - 0.5)
    axes.set_xticks(range(len(network.banker_ids)), list(network.banker_ids))
    axes.set_xlabel("banker (id); in a cell: branch (id), empty: nowhere")
    _target_axis(axes, rows)


def _say(axes: "Axes", x: float, y: float, status: str) -> None:
    box = {"facecolor": WHITE, "edgecolor": WHITE, "pad": 1.5}
    axes.text(x, y, status, ha="center", va="center", bbox=box, fontsize=9)


def _target_axis(axes: "Axes", rows: Sequence[tuple[str, str, Where]]) -> None:
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in rows])
    axes.set_ylabel("target, % of each branch's capacity")
    axes.tick_params(length=0)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)


def _texture(
    figure: Any, axes: "Axes", rows: Sequence[tuple[str, str, Where]], data: NetworkData
) -> None:
    """A colour between two ends for each branch, where there are too many for letters."""
    place, order = _west_to_east(data)
    shown = np.full((len(rows), len(data.network.banker_ids)), np.nan)
    for row, (_, status, where) in enumerate(rows):
        for column, banker in enumerate(order):
            if where is not None and banker in where:
                shown[row, column] = place[where[banker]]
        if where is None:
            _say(axes, len(order) / 2, row, status)
    drawn = axes.imshow(shown, cmap="cividis", aspect="auto", vmin=1, vmax=len(place))
    axes.set_xlabel("bankers, count from the west; white: nowhere")
    bar = figure.colorbar(drawn, ax=axes, pad=0.01)
    bar.set_label("branches, count from the west")
    _target_axis(axes, rows)


def _west_to_east(data: NetworkData) -> tuple[dict[str, int], list[str]]:
    """The number of each branch, and the bankers in order; without places as they come."""
    network = data.network
    branches: list[str] = list(network.branch_ids)
    bankers: list[str] = list(network.banker_ids)
    if data.branch_places is not None and data.banker_places is not None:
        branches = [branches[at] for at in np.argsort(data.branch_places[:, 1], kind="stable")]
        bankers = [bankers[at] for at in np.argsort(data.banker_places[:, 1], kind="stable")]
    return {branch: number for number, branch in enumerate(branches, start=1)}, bankers


@styled
def unused_picture(plans: Sequence[PlanDocument]) -> Picture:
    """The capacity that bankers at work leave unused, by target."""
    model = plans[0].model
    targets, least, most = unused_by_target(plans)
    money = money_of(plans[0].money, float(most.max(initial=0)))
    figure = new_figure(8.5, 4.4)
    axes = figure.subplots()
    axes.fill_between(
        targets, least / money.scale, most / money.scale, color=SKY, linewidth=0, zorder=1
    )
    if (most > least).any():
        axes.plot(
            targets, most / money.scale, "--", color=DARK_GREY, linewidth=1,
            label="most, of alternative optima",
        )  # fmt: skip
    axes.plot(
        targets, least / money.scale, "o-", color=BLUE, markersize=4, linewidth=1.3,
        label="least" if (most > least).any() else "unused",
    )  # fmt: skip
    best = _mark_best(axes, plans, money.scale)
    _shade_infeasible(axes, plans)
    axes.set_xlabel("target, % of each branch's capacity")
    axes.set_ylabel(f"unused capacity of bankers at work, {money.unit}")
    thousands_apart(axes)
    axes.set_ylim(bottom=0, top=1.25 * max(float(most.max(initial=0)) / money.scale, 1e-9))
    axes.legend(loc="upper left", frameon=False, ncols=2)
    light_grid(axes)
    alt = (
        f"Unused capacity of the bankers at work against the target, model {model}: from"
        f" {money.text(float(least.min()))} to {money.text(float(most.max()))}"
        f" {money.unit}; least at {', '.join(best)}."
    )
    name = f"figure-5-unused-{model}"
    return Picture(name, f"Unused capacity of bankers, {model}", alt, figure)


def unused_by_target(plans: Sequence[PlanDocument]) -> tuple[Floats, Floats, Floats]:
    """Targets in per cent, and the least and the most that is unused by the best plans at each."""
    by_target: dict[float, list[PlanDocument]] = {}
    for plan in with_answer(plans):
        by_target.setdefault(plan.target, []).append(plan)
    targets, least, most = [], [], []
    for target in sorted(by_target):
        unused = [plan.unused_capacity or 0.0 for plan in _best(by_target[target])]
        targets.append(target * 100)
        least.append(min(unused))
        most.append(max(unused))
    return np.array(targets), np.array(least), np.array(most)


def _best(plans: Sequence[PlanDocument]) -> list[PlanDocument]:
    """Those with the best objective; model 1 and least unused minimise theirs."""
    minimised = plans[0].model in ("m1", "least-unused")
    objectives = [plan.objective or 0.0 for plan in plans]
    best = min(objectives) if minimised else max(objectives)
    return [
        plan
        for plan, objective in zip(plans, objectives, strict=True)
        if math.isclose(objective, best, rel_tol=1e-9, abs_tol=1e-9)
    ]


def _mark_best(axes: "Axes", plans: Sequence[PlanDocument], scale: float) -> list[str]:
    """The targets that leave least unused."""
    best = sorted({plan.target: plan for plan in least_unused_targets(plans)}.items())
    axes.plot(
        [target * 100 for target, _ in best],
        [(plan.unused_capacity or 0.0) / scale for _, plan in best],
        "D", color=VERMILION, markersize=7, markerfacecolor="none", markeredgewidth=1.6,
        label="least of all targets", linestyle="none",
    )  # fmt: skip
    names = [per_cent(target) for target, _ in best]
    if len(names) > MARKED_MAX:
        return [f"{len(names)} targets from {names[0]} to {names[-1]}"]
    for (target, plan), name in zip(best, names, strict=True):
        axes.annotate(
            name, (target * 100, (plan.unused_capacity or 0.0) / scale),
            textcoords="offset points", xytext=(0, 9), ha="center", fontsize=9, color=BLACK,
        )  # fmt: skip
    return names


def _shade_infeasible(axes: "Axes", plans: Sequence[PlanDocument]) -> None:
    """From the first target that can't be met on."""
    infeasible = sorted(plan.target * 100 for plan in plans if plan.status == "infeasible")
    if not infeasible:
        return
    axes.axvspan(
        infeasible[0] - 0.5, infeasible[-1] + 0.5,
        facecolor=WHITE, edgecolor=GREY, hatch="///", linewidth=0, label="infeasible",
    )  # fmt: skip
