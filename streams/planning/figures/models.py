"""Models side by side, and what a rate earns: the source document's Figures 6 and 7.

In: plans of several models at one target. Out: a table of their bankers, and profit by rate.

Profit by rate is that of the plans given, at rates they were not solved for as well: a plan worth V
at cost c earns V g(r) - c, g being the model's revenue of a unit. The line is the best of them at
each rate; at low rates another plan, which was not given, may be better.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from dispatcher.planning.network import Floats
from dispatcher.planning.rates import EXPONENTIAL, LINEAR, RATE_MAX, AnyCurve, revenue_per_value
from streams.planning.document import PlanDocument
from streams.planning.figures.style import (
    BLACK,
    BLUE,
    DARK_GREY,
    GREEN,
    LIGHT_GREY,
    PALE_GREY,
    VERMILION,
    WHITE,
    Money,
    Picture,
    light_grid,
    money_of,
    new_figure,
    styled,
    thousands_apart,
)
from streams.planning.plan_files import with_answer
from streams.planning.solving import per_cent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COMPARED: Final = ("m2", "m3", "least-unused", "m1")
"""Models in the order in which they stand beside each other."""
TITLES: Final = {
    "m1": "M1: least cost",
    "m2": "M2: greatest profit",
    "m3": "M3: greatest profit per banker",
    "least-unused": "least unused capacity",
}
BANKERS_SHOWN_MAX: Final = 30
CURVES: Final = (LINEAR, EXPONENTIAL)
_LOOKS: Final = {LINEAR.name: (BLUE, "-"), EXPONENTIAL.name: (GREEN, "--")}


def comparable(plans: Sequence[PlanDocument]) -> list[PlanDocument]:
    """One plan of each model at the target that most models have; fewer than two are none.

    Those with revenue have the same R.
    """
    groups: list[dict[str, PlanDocument]] = []
    answered = with_answer(plans)
    for target in dict.fromkeys(plan.target for plan in answered):
        for curve in (*CURVES, None):
            group: dict[str, PlanDocument] = {}
            for plan in answered:
                if plan.target == target and (plan.rate is None or curve_of(plan) is curve):
                    group.setdefault(plan.model, plan)
            groups.append(group)
    most = max(groups, key=len, default={})
    chosen = [most[model] for model in COMPARED if model in most]
    return chosen if len(chosen) > 1 else []


def figures_of(plan: PlanDocument) -> list[tuple[str, str]]:
    """What people compare plans by, each with its unit."""
    money = money_of(plan.money, plan.unused_capacity or 0.0)
    objective = money_of(plan.money, abs(plan.profit or plan.cost or 0.0))
    rows = [
        ("bankers at work", f"{plan.bankers_assigned:,}"),
        (f"unused capacity, {money.unit}", money.text(plan.unused_capacity or 0.0)),
        (f"cost, {plan.money}", f"{plan.cost or 0.0:,.2f}"),
    ]
    if plan.profit is not None and plan.bankers_assigned:
        each = money_of(plan.money, abs(plan.profit / plan.bankers_assigned))
        rows += [
            ("rate, %", f"{plan.rate:g}"),
            (f"profit, {objective.unit}", f"{plan.profit / objective.scale:,.2f}"),
            (
                f"profit per banker, {each.unit}",
                f"{plan.profit / plan.bankers_assigned / each.scale:,.2f}",
            ),
        ]
    return rows


@styled
def models_picture(plans: Sequence[PlanDocument]) -> Picture:
    """A table for each plan: bankers with what they use, where they are few; and its figures."""
    detailed = max(plan.bankers_assigned or 0 for plan in plans) <= BANKERS_SHOWN_MAX
    rows = [_table_rows(plan, detailed=detailed) for plan in plans]
    # Two tables side by side are as high as the longer one.
    lines = [
        max(len(each) for each in rows[at : at + 2]) + detailed for at in range(0, len(rows), 2)
    ]
    figure = new_figure(9.6, sum(0.8 + 0.27 * each for each in lines))
    ratios = {"height_ratios": lines}
    panels = figure.subplots(len(lines), 2, squeeze=False, gridspec_kw=ratios).ravel()
    for axes in panels:
        axes.set_axis_off()
    for at, (axes, plan, cells) in enumerate(zip(panels, plans, rows, strict=False)):
        axes.set_title(TITLES[plan.model], fontweight="bold")
        axes.set_xlim(0, 5)
        axes.set_ylim(lines[at // 2], 0)
        _draw_table(axes, cells, len(plan.bankers) if detailed else 0)
    target = per_cent(plans[0].target)
    alt = f"Tables of plans at a target of {target}. " + " ".join(
        f"{TITLES[plan.model]}: "
        + "; ".join(f"{name} {value}" for name, value in figures_of(plan))
        + "."
        for plan in plans
    )
    return Picture("figure-6-models", f"Models side by side at {target}", alt, figure)


def _table_rows(plan: PlanDocument, *, detailed: bool) -> list[tuple[str, ...]]:
    """Five columns; the figures below have a name over four of them."""
    summary: list[tuple[str, ...]] = [(name, "", "", "", value) for name, value in figures_of(plan)]
    if not detailed:
        return summary
    largest = max((each.capacity for each in plan.bankers), default=0.0)
    money = money_of(plan.money, largest)
    header = ("banker", "branch", f"capacity,\n{money.unit}", "used", "unused")
    return [header, *(_banker_row(each, money) for each in plan.bankers), *summary]


def _banker_row(each: Any, money: Money) -> tuple[str, ...]:
    values = (each.capacity, each.assigned_value, each.unused_capacity)
    return (each.banker_id, each.branch_id, *(money.text(value) for value in values))


def _draw_table(axes: "Axes", rows: Sequence[tuple[str, ...]], bankers: int) -> None:
    """Lines between rows; numbers on the right."""
    has_header = bool(bankers)
    line = 0.0
    for number, cells in enumerate(rows):
        height = 2.0 if has_header and number == 0 else 1.0
        is_summary = number > bankers or not has_header
        if has_header and number == 0:
            axes.axhspan(line, line + height, facecolor=PALE_GREY, edgecolor=WHITE)
        for column, cell in enumerate(cells):
            left = column < 2 or (is_summary and column == 0)
            axes.text(
                column + (0.08 if left else 0.95), line + height / 2, cell,
                ha="left" if left else "right", va="center", fontsize=9,
                fontweight="bold" if number == 0 and has_header else "normal",
            )  # fmt: skip
        line += height
        colour, width = (BLACK, 1.0) if number == bankers and has_header else (LIGHT_GREY, 0.6)
        axes.axhline(line, color=colour, linewidth=width)


def curve_of(plan: PlanDocument) -> AnyCurve | None:
    """The R that a plan's revenue fits; None without revenue, or for one of the user's own."""
    value = sum(each.assigned_value for each in plan.branches)
    if plan.rate is None or plan.revenue is None or value <= 0:
        return None
    for curve in CURVES:
        earned = revenue_per_value(curve, plan.rate)
        if math.isclose(earned, plan.revenue / value, rel_tol=1e-6, abs_tol=1e-12):
            return curve
    return None


def earning(plans: Sequence[PlanDocument]) -> list[PlanDocument]:
    """Plans with a rate and a profit."""
    return [plan for plan in with_answer(plans) if plan.profit is not None]


@styled
def profit_picture(plans: Sequence[PlanDocument]) -> Picture:
    """Profit by rate of the plans given, the best rate marked."""
    shown = earning(plans)
    figure = new_figure(8.5, 4.6)
    axes = figure.subplots()
    money = money_of(shown[0].money, max(abs(plan.profit or 0.0) for plan in shown))
    told = []
    for curve in CURVES:
        of_curve = [plan for plan in shown if curve_of(plan) == curve]
        if of_curve:
            told.append(_draw_curve(axes, curve, of_curve, money))
    _draw_points(axes, shown, money)
    axes.axhline(0, color=DARK_GREY, linewidth=0.8)
    axes.set_xlim(0, RATE_MAX)
    axes.set_xticks(range(0, int(RATE_MAX) + 1, 2))
    axes.set_xlabel("rate, %")
    axes.set_ylabel(f"profit, {money.unit}")
    thousands_apart(axes)
    axes.margins(y=0.18)
    axes.legend(loc="lower center", frameon=False)
    light_grid(axes, "both")
    alt = f"Profit in {money.unit} against the rate in per cent. " + " ".join(told)
    return Picture("figure-7-profit", "Profit by rate", alt.strip(), figure)


def profits(curve: AnyCurve, plans: Sequence[PlanDocument], rates: Floats) -> Floats:
    """The best profit that one of the plans has at each rate."""
    values = np.array([sum(each.assigned_value for each in plan.branches) for plan in plans])
    costs = np.array([plan.cost or 0.0 for plan in plans])
    earned = np.array([revenue_per_value(curve, float(rate)) for rate in rates])
    best: Floats = (values[:, None] * earned[None, :] - costs[:, None]).max(axis=0)
    return best


def _draw_curve(axes: "Axes", curve: AnyCurve, plans: Sequence[PlanDocument], money: Money) -> str:
    rates = np.linspace(0, RATE_MAX, 241)
    colour, style = _LOOKS[curve.name]
    line = profits(curve, plans, rates) / money.scale
    axes.plot(
        rates,
        line,
        style,
        color=colour,
        linewidth=1.6,
        label=f"best of the plans given, R(r) {curve.name}",
    )
    best = curve.best_rate()
    top = float(profits(curve, plans, np.array([best]))[0]) / money.scale
    axes.plot([best], [top], "*", color=VERMILION, markersize=11, markeredgecolor=BLACK, zorder=5)
    text = f"{top:,.2f} {money.unit} at {best:g} %"
    axes.annotate(text, (best, top), textcoords="offset points", xytext=(0, 11), ha="center")
    return f"R {curve.name}: at most {text}."


def _draw_points(axes: "Axes", plans: Sequence[PlanDocument], money: Money) -> None:
    """The plans themselves, at the rates that they were solved for."""
    marks = {"m2": "s", "m3": "o", "least-unused": "^", "m1": "v"}
    for model in COMPARED:
        own = [plan for plan in plans if plan.model == model]
        if own:
            axes.plot(
                [plan.rate or 0.0 for plan in own],
                [(plan.profit or 0.0) / money.scale for plan in own],
                marks[model], color=BLACK, markerfacecolor="none", markersize=16,
                label=TITLES[model],
            )  # fmt: skip
