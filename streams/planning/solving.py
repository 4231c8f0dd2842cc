"""From the data of a network and a question to the document of a plan."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, TypedDict, get_args

from dispatcher.planning.effort import GAP
from dispatcher.planning.feasibility import explain
from dispatcher.planning.highs import Progress
from dispatcher.planning.least_unused import least_unused
from dispatcher.planning.m1_least_cost import emptiest, least_cost
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.m3_profit_per_banker import profit_per_banker
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Plan, Status
from dispatcher.planning.rates import EXPONENTIAL, LINEAR, AnyCurve, Curve
from streams.failure import Failed, WrongUsage
from streams.planning.document import ModelName, PlanDocument
from streams.planning.summary import document_of
from streams.planning.tables import ENDINGS, Column, Problems, number, open_table, read_columns

MODELS: Final[tuple[ModelName, ...]] = get_args(ModelName)
TARGETS_MAX: Final = 1_000
"""Targets in one range."""
CURVE_POINTS_MAX: Final = 100_000
TIME_LIMIT_S: Final = 60.0


@dataclass(frozen=True)
class Asked:
    """What to solve.

    Attributes:
        rate: in per cent; None for the best one.
        time_limit_s: of each solve, in HiGHS.
        banker_types: bankers in so many types; None: each by themselves.
    """

    model: ModelName
    curve: AnyCurve = LINEAR
    rate: float | None = None
    time_limit_s: float = TIME_LIMIT_S
    gap: float = GAP
    banker_types: int | None = None


def solve(
    network: Network, asked: Asked, target: float, progress: Progress | None = None
) -> PlanDocument:
    """Solve one model at one target; an infeasible one is explained.

    Raises:
        WrongUsage: a rate that the curve doesn't cover.
    """
    begun = time.monotonic()
    try:
        plan = _solved(network, asked, target, progress)
    except ValueError as error:
        raise WrongUsage(str(error)) from error
    seconds = time.monotonic() - begun
    if plan.status is Status.INFEASIBLE:
        conflict = explain(network, target, time_limit_s=asked.time_limit_s)
        plan = Plan(plan.model, plan.status, target, conflict=conflict)
    return document_of(network, plan, asked.model, seconds)


def emptiest_as_good(network: Network, asked: Asked, target: float) -> PlanDocument | None:
    """Of the cheapest plans at a target, the one that leaves most capacity unused."""
    begun = time.monotonic()
    plan = least_cost(network, target, time_limit_s=asked.time_limit_s, gap=asked.gap)
    other = emptiest(network, plan, time_limit_s=asked.time_limit_s)
    if other is None:
        return None
    note = "of the plans of least cost, the one that leaves most capacity unused"
    return document_of(network, replace(other, notes=(note,)), "m1", time.monotonic() - begun)


class _Earning(TypedDict):
    curve: AnyCurve
    rate: float | None


class _Within(TypedDict):
    time_limit_s: float
    gap: float
    progress: Progress | None
    banker_types: int | None


def _solved(network: Network, asked: Asked, target: float, progress: Progress | None) -> Plan:
    within = _Within(
        time_limit_s=asked.time_limit_s, gap=asked.gap, progress=progress,
        banker_types=asked.banker_types,
    )  # fmt: skip
    earning = _Earning(curve=asked.curve, rate=asked.rate)
    match asked.model:
        case "m1":
            return least_cost(network, target, **within)
        case "least-unused":
            return least_unused(network, target, **within)
        case "m2":
            return greatest_profit(network, target, **earning, **within)
        case "m3":
            return profit_per_banker(network, target, **earning, **within)


def targets_of(text: str) -> list[float]:
    """One target, several, or a range: "0.1", "0.05,0.1", "0.01:0.35:0.01".

    Raises:
        WrongUsage: it is none of these.
    """
    try:
        if ":" in text:
            first, last, step = (Decimal(part) for part in text.split(":"))
            targets = list(_range(first, last, step))
        else:
            targets = [Decimal(part) for part in text.split(",")]
    except (InvalidOperation, ValueError) as error:
        raise WrongUsage(
            f"--target {text}: give a share like 0.1, several with commas, or FIRST:LAST:STEP"
        ) from error
    if not all(target.is_finite() and 0 <= target <= 1 for target in targets):
        raise WrongUsage(f"--target {text}: a target is a share of the capacity, from 0 to 1")
    return [float(target) for target in targets]


def _range(first: Decimal, last: Decimal, step: Decimal) -> Iterator[Decimal]:
    if not all(each.is_finite() for each in (first, last, step)) or step <= 0 or last < first:
        raise ValueError("a range goes up")
    count = int((last - first) / step) + 1
    if count > TARGETS_MAX:
        raise WrongUsage(f"a range of {count:,} targets; at most {TARGETS_MAX:,}")
    return (first + step * position for position in range(count))


def curve_of(text: str) -> AnyCurve:
    """R by its name, or from a table with the columns `rate` and `value`.

    Raises:
        Failed: the table doesn't make a curve; it says why.
    """
    for curve in (LINEAR, EXPONENTIAL):
        if text == curve.name:
            return curve
    path = Path(text)
    if not path.is_file() or path.suffix not in ENDINGS:
        raise WrongUsage(
            f"--curve {text}: give linear, exponential, or a table ({', '.join(ENDINGS)}) "
            "with the columns rate, value"
        )
    problems = Problems()
    columns = [Column("rate", number), Column("value", number)]
    read = read_columns(open_table(path), columns, CURVE_POINTS_MAX, problems)
    problems.check()
    try:
        return Curve(path.name, tuple(zip(read["rate"], read["value"], strict=True)))
    except ValueError as error:
        raise Failed(f"{text}: {error}") from error


def least_unused_targets(plans: Sequence[PlanDocument]) -> list[PlanDocument]:
    """Of plans at several targets, those that leave least capacity of their bankers unused."""
    there = [plan for plan in plans if plan.unused_capacity is not None]
    least = min((plan.unused_capacity or 0.0 for plan in there), default=0.0)
    return [
        plan
        for plan in sorted(there, key=lambda plan: plan.target)
        if math.isclose(plan.unused_capacity or 0.0, least, rel_tol=1e-9, abs_tol=1e-6)
    ]


def per_cent(share: float) -> str:
    """A share as people write it: 0.105 as "10.5 %"."""
    digits = 0 if math.isclose(share * 100, round(share * 100), abs_tol=1e-9) else 2
    return f"{share * 100:.{digits}f} %"
