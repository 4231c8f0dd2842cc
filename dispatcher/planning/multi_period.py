"""Several periods: who works where in each, when moving, hiring and leaving cost something.

With y(q,p,b) = 1 where banker p works for branch b in period q, w(q,p) their sum over b, and the
limits of `limits` kept in every period by its own loans, capacities and costs:

    maximise   sum over q of (what model 1 or 2 makes of period q)
               - M moved(q,p) - H hired(q,p) - L left(q,p), summed over q and p

    stayed(q,p,b) <= y(q,p,b), y(q-1,p,b)            who is at a branch in both periods stayed
    w(q,p)   = stayed + moved + hired                who works has stayed, moved, or was hired
    w(q-1,p) = stayed + moved + left                 who worked stays, moves, or leaves

    hired <= 1 - w(q-1,p),  left <= 1 - w(q,p)       who works in both was not hired, nor left

A small network is solved as that, in one model. A large one is improved period by period: with the
periods around it as they are, a period is a single one with other costs of bankers
(c + cost of coming from where they were + cost of going where they will be), solved to its optimum;
that goes on, from several beginnings, until nothing gets better. Whatever is done, the periods'
optima by themselves, without any cost of change, bound it: the gap says how much the interplay of
periods could be worth at most.

A rolling horizon plans `horizon` periods, keeps the first, and goes on from there: what somebody
does who can't see further.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np

from dispatcher.planning.effort import GAP, Limits
from dispatcher.planning.highs import INFINITY, LinearModel
from dispatcher.planning.limits import keep_limits
from dispatcher.planning.network import Floats, Indices, Network
from dispatcher.planning.plan import NOBODY, Allocation, Status, gap_between
from dispatcher.planning.search import Found, Question, allocation_of, search, within_limits
from dispatcher.planning.variables import Variables, loan_columns, loan_groups, loan_variables

TOGETHER_COLUMNS_MAX: Final = 6_000
"""Up to so many columns all periods are solved in one model."""
SWEEPS_MAX: Final = 6
"""Passes over all periods from one beginning; two were the most needed."""
_CLOSE: Final = 1e-9


@dataclass(frozen=True)
class ChangeCosts:
    """What changes cost, in the objective's unit, for each banker and each time.

    Attributes:
        moving: from one branch to another.
        hiring: who didn't work in the period before; in the first period too, unless it is known
            where they were.
        leaving: who worked in the period before.
    """

    moving: float = 0.0
    hiring: float = 0.0
    leaving: float = 0.0


@dataclass(frozen=True)
class Changes:
    """How often somebody moved, was hired, or left."""

    moved: int
    hired: int
    left: int

    def cost(self, costs: ChangeCosts) -> float:
        """What that costs."""
        return self.moved * costs.moving + self.hired * costs.hiring + self.left * costs.leaving


@dataclass(frozen=True, eq=False)
class Year:
    """What is to be planned.

    Attributes:
        periods: the network in each: the same bankers and branches, with the capacities, costs and
            loans of that period.
        target: share of each branch's capacity, in each period.
        revenue_per_value: g of model 2, or 0 for model 1: least cost.
        at_start: (P,) where bankers were before the first period, or NOBODY; None if nobody was
            anywhere and the first hiring costs nothing.
    """

    periods: Sequence[Network]
    target: float
    revenue_per_value: float
    costs: ChangeCosts
    at_start: Indices | None = None


@dataclass(frozen=True, eq=False)
class YearPlan:
    """What is planned.

    Attributes:
        infeasible_period: which one can't meet the target, if one can't.
        changes: in each period, against the one before.
    """

    status: Status
    objective: float | None = None
    bound: float | None = None
    allocations: tuple[Allocation, ...] = ()
    changes: tuple[Changes, ...] = ()
    infeasible_period: int | None = None

    @property
    def gap(self) -> float | None:
        """Distance of objective and bound, relative to the objective."""
        return gap_between(self.objective, self.bound)


def plan_year(year: Year, *, time_limit_s: float = INFINITY, gap: float = GAP) -> YearPlan:
    """The best plan over all periods that is found, with a bound.

    Args:
        time_limit_s: seconds in HiGHS.
        gap: relative distance to the bound at which a plan is optimal.
    """
    limits = Limits(time_limit_s, gap)
    apart = _each_by_itself(year, limits)
    if isinstance(apart, YearPlan):
        return apart
    bound = _summed_bound(apart)
    if _columns(year) <= TOGETHER_COLUMNS_MAX:
        together = _together(year, limits)
        if together is not None:
            return together
    best = _best_of(year, [found.allocation for found in apart if found.allocation], bound, limits)
    return _year_plan(year, best, bound, gap)


def plan_rolling(
    year: Year, horizon: int, *, time_limit_s: float = INFINITY, gap: float = GAP
) -> YearPlan:
    """Plan `horizon` periods, keep the first of them, and go on from there.

    Returns:
        A plan of all periods. Its bound is `plan_year`'s: of whoever sees all of them.
    """
    limits = Limits(time_limit_s, gap)
    apart = _each_by_itself(year, limits)
    if isinstance(apart, YearPlan):
        return apart
    at = year.at_start
    kept: list[Allocation] = []
    for first in range(len(year.periods)):
        seen = replace(year, periods=year.periods[first : first + horizon], at_start=at)
        plan = plan_year(seen, time_limit_s=limits.time_limit_s / len(year.periods), gap=gap)
        if not plan.allocations:
            number = first + (plan.infeasible_period or 0)
            return YearPlan(plan.status, infeasible_period=number)
        kept.append(plan.allocations[0])
        at = kept[-1].branch_of_banker
    return _year_plan(year, kept, _summed_bound(apart), gap)


def changes_between(before: Indices | None, after: Indices) -> Changes:
    """Who moved, was hired, and left from one period to the next."""
    if before is None:
        return Changes(0, 0, 0)
    both = (before != NOBODY) & (after != NOBODY)
    return Changes(
        moved=int((both & (before != after)).sum()),
        hired=int(((before == NOBODY) & (after != NOBODY)).sum()),
        left=int(((before != NOBODY) & (after == NOBODY)).sum()),
    )


def score(year: Year, allocations: Sequence[Allocation]) -> float:
    """The objective of a plan: what the periods are worth, less what changes cost."""
    total = 0.0
    before = year.at_start
    for network, allocation in zip(year.periods, allocations, strict=True):
        total += _question(year, network).score(network, allocation)
        changes = changes_between(before, allocation.branch_of_banker)
        total += _sign(year) * changes.cost(year.costs)
        before = allocation.branch_of_banker
    return total


def _sign(year: Year) -> float:
    """Of a cost in the objective."""
    return -1.0 if year.revenue_per_value else 1.0


def _question(year: Year, network: Network) -> Question:
    """Model 1 or 2 in one period."""
    return Question(
        maximise=year.revenue_per_value > 0,
        value_weight=year.revenue_per_value,
        banker_weight=_sign(year) * network.cost,
    )


def _each_by_itself(year: Year, limits: Limits) -> list[Found] | YearPlan:
    """Every period without the others; where one has no plan, that instead."""
    apart: list[Found] = []
    for number, network in enumerate(year.periods):
        found = search(network, year.target, _question(year, network), limits)
        if found.allocation is None:
            return YearPlan(found.status, infeasible_period=number)
        apart.append(found)
    return apart


def _summed_bound(apart: Sequence[Found]) -> float | None:
    bounds = [found.bound for found in apart]
    return None if None in bounds else float(sum(bound for bound in bounds if bound is not None))


def _columns(year: Year) -> int:
    return sum(loan_columns(network, loan_groups(network)) for network in year.periods)


def _year_plan(
    year: Year, allocations: Sequence[Allocation], bound: float | None, gap: float
) -> YearPlan:
    objective = score(year, allocations)
    before = [year.at_start, *(each.branch_of_banker for each in allocations[:-1])]
    changes = tuple(
        changes_between(at, allocation.branch_of_banker)
        for at, allocation in zip(before, allocations, strict=True)
    )
    if bound is not None:
        better = max if year.revenue_per_value else min
        bound = better(bound, objective)  # rounding in the last digits
        bound = bound if abs(bound - objective) > _CLOSE * abs(objective) else objective
    distance = gap_between(objective, bound)
    status = Status.OPTIMAL if distance is not None and distance <= gap else Status.FEASIBLE
    return YearPlan(status, objective, bound, tuple(allocations), changes)


def _best_of(
    year: Year, apart: list[Allocation], bound: float | None, limits: Limits
) -> list[Allocation]:
    """The best of what comes of several beginnings."""
    maximise = year.revenue_per_value > 0
    best: list[Allocation] | None = None
    for begin in (_as_the_one_before, _as_the_fullest, _as_they_are):
        allocations = begin(year, apart, limits)
        if allocations is None:
            continue
        if best is None or (score(year, allocations) > score(year, best)) == maximise:
            best = allocations
        distance = gap_between(score(year, best), bound)
        if limits.time_limit_s <= 0 or (distance is not None and distance <= limits.gap):
            break
    assert best is not None
    return _improved(year, best, bound, limits)


_Begin = Callable[[Year, list[Allocation], Limits], list[Allocation] | None]


def _as_they_are(year: Year, apart: list[Allocation], limits: Limits) -> list[Allocation]:
    """Every period by itself."""
    del year, limits
    return apart


def _as_the_one_before(
    year: Year, apart: list[Allocation], limits: Limits
) -> list[Allocation] | None:
    """Each period at best after the one before it."""
    done: list[Allocation] = []
    for number in range(len(year.periods)):
        before = done[-1].branch_of_banker if done else year.at_start
        found = _period_between(year, number, before, None, limits)
        done.append(apart[number] if found is None else found)
    return done


def _as_the_fullest(year: Year, apart: list[Allocation], limits: Limits) -> list[Allocation] | None:
    """Everywhere as in the period that asks most, where that is possible."""
    most = int(np.argmax([float(network.branch_capacity.max()) for network in year.periods]))
    done: list[Allocation] = []
    for number in range(len(year.periods)):
        at = apart[most].branch_of_banker
        found = _period_between(year, number, at, at, limits)
        done.append(apart[number] if found is None else found)
    return done


def _improved(
    year: Year, allocations: list[Allocation], bound: float | None, limits: Limits
) -> list[Allocation]:
    """Each period again, with those around it as they are, until nothing gets better."""
    maximise = year.revenue_per_value > 0
    for _ in range(SWEEPS_MAX):
        before_sweep = score(year, allocations)
        for number in range(len(allocations)):
            distance = gap_between(score(year, allocations), bound)
            if limits.time_limit_s <= 0 or (distance is not None and distance <= limits.gap):
                return allocations
            before = allocations[number - 1].branch_of_banker if number else year.at_start
            last = number + 1 == len(allocations)
            after = None if last else allocations[number + 1].branch_of_banker
            found = _period_between(year, number, before, after, limits)
            if found is None:
                continue
            changed = [*allocations[:number], found, *allocations[number + 1 :]]
            if (score(year, changed) > score(year, allocations)) == maximise:
                allocations = changed
        if abs(score(year, allocations) - before_sweep) <= _CLOSE * abs(before_sweep):
            break
    return allocations


def _period_between(
    year: Year, number: int, before: Indices | None, after: Indices | None, limits: Limits
) -> Allocation | None:
    """One period at best, with its neighbours as they are."""
    network = year.periods[number]
    question = _question(year, network)
    changes = _change_weights(network, before, year.costs, coming=True)
    changes += _change_weights(network, after, year.costs, coming=False)
    question = replace(question, banker_weight=question.banker_weight + _sign(year) * changes)
    return search(network, year.target, question, limits).allocation


def _change_weights(
    network: Network, neighbour: Indices | None, costs: ChangeCosts, *, coming: bool
) -> Floats:
    """(P, B) what a banker's place costs by change against a neighbour, less that of no place."""
    weights = np.zeros(network.cost.shape)
    if neighbour is None:
        return weights
    there = neighbour != NOBODY
    begins, ends = (costs.hiring, costs.leaving) if coming else (costs.leaving, costs.hiring)
    weights[~there, :] = begins
    weights[there, :] = costs.moving - ends
    bankers = np.flatnonzero(there)
    weights[bankers, neighbour[bankers]] = -ends
    return weights


def _together(year: Year, limits: Limits) -> YearPlan | None:
    """All periods in one model, every loan by itself."""
    maximise = year.revenue_per_value > 0
    model = LinearModel(maximise=maximise)
    groups = [loan_groups(network) for network in year.periods]
    periods = [
        loan_variables(network, each, model)
        for network, each in zip(year.periods, groups, strict=True)
    ]
    for v in periods:
        keep_limits(v, year.target)
        question = _question(year, v.network)
        model.objective(
            (question.value_weight * v.scale, v.value), (question.banker_weight, v.at_work)
        )
    if year.at_start is not None:
        _connect(model, year, _fixed(model, year.at_start, periods[0]), periods[0].at_work)
    for v, w in pairwise(periods):
        _connect(model, year, v.at_work, w.at_work)
    answer = model.solve(time_limit_s=limits.time_limit_s)
    limits.spent(answer)
    if answer.values is None:
        return None
    allocations = [allocation_of(v, answer, each) for v, each in zip(periods, groups, strict=True)]
    if not all(
        within_limits(network, allocation, year.target)
        for network, allocation in zip(year.periods, allocations, strict=True)
    ):
        return None
    return _year_plan(year, allocations, answer.bound, limits.gap)


def _fixed(model: LinearModel, at_start: Indices, v: Variables) -> Indices:
    """Columns that say where bankers were before the first period."""
    were = np.zeros(v.at_work.shape)
    bankers = np.flatnonzero(at_start != NOBODY)
    were[bankers, at_start[bankers]] = 1.0
    return model.continuous(*v.at_work.shape, lower=were, upper=were)


def _connect(model: LinearModel, year: Year, before: Indices, after: Indices) -> None:
    """What changes from one period to the next, and what it costs."""
    bankers = before.shape[0]
    stayed = model.continuous(*before.shape, upper=1.0)
    moved, hired, left = (model.continuous(bankers, 1, upper=1.0) for _ in range(3))
    for place in (before, after):
        pair = np.stack([stayed, place], axis=-1)
        model.constrain("who stayed was there", (np.array([1.0, -1.0]), pair), at_most=0)
    model.constrain("who works has stayed, moved, or was hired",
                    (1, after), (-1, stayed), (-1, moved), (-1, hired), equals=0)  # fmt: skip
    model.constrain("who worked stays, moves, or leaves",
                    (1, before), (-1, stayed), (-1, moved), (-1, left), equals=0)  # fmt: skip
    model.constrain("who was there is not hired", (1, hired), (1, before), at_most=1)
    model.constrain("who is there has not left", (1, left), (1, after), at_most=1)
    sign = _sign(year)
    model.objective((sign * year.costs.moving, moved), (sign * year.costs.hiring, hired),
                    (sign * year.costs.leaving, left))  # fmt: skip
