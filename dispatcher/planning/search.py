"""From a question to a plan and a proof of how good it is.

In: a network, a target, a question (what is to be made large or small). Out: an allocation and a
bound.

1. With flows instead of loans (`variables`) HiGHS finds who works where at best. Its optimum bounds
   every plan; where even that is impossible, so is any plan.
2. Loans are given to those bankers (`filling`). Mostly that meets the bound, and all is proven.
   A network with too many pairs of bankers and branches begins with types of bankers (`types`),
   which give a plan and a bound soon, and then looks at pairs a few at a time (`pricing`).
3. Where it doesn't, and the network is not too large for it, every loan is decided by HiGHS, from
   that allocation on.

A question per banker is a ratio; it is answered by a row of
plain ones (Dinkelbach 1967): with `a` the best ratio so far, maximise numerator - a x bankers; its
optimum is 0 just when `a` is best.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from dispatcher.planning.effort import EXACT, Limits
from dispatcher.planning.filling import fill
from dispatcher.planning.highs import INFINITY, Answer, LinearModel
from dispatcher.planning.limits import keep_limits
from dispatcher.planning.network import Bools, Floats, Indices, Network
from dispatcher.planning.plan import NOBODY, Allocation, Status, gap_between
from dispatcher.planning.pricing import PRICED_FROM, solve_priced
from dispatcher.planning.types import banker_types, place
from dispatcher.planning.variables import (
    LoanGroups,
    Variables,
    flow_variables,
    loan_columns,
    loan_groups,
    loan_variables,
)

LOAN_COLUMNS_SMALL: Final = 3_000
"""Up to so many columns every loan is decided by HiGHS if the bound isn't met exactly."""
LOAN_COLUMNS_MAX: Final = 400_000
"""Beyond so many it is not tried."""
TYPES_AT_FIRST: Final = 150
"""Types of bankers with which a network begins that is too large to look at all pairs at once."""
RATIO_STEPS_MAX: Final = 30
"""Steps to the best ratio. They converge faster than quadratically: seven were the most seen."""


@dataclass(frozen=True, eq=False)
class Question:
    """What is to be made large, or small.

    Attributes:
        value_weight: of each unit of value that is assigned.
        banker_weight: (P, B) of each banker at a branch.
        per_banker: divided by the number of bankers at work, of whom there is at least one.
        at_most: (weights (P, B), limit): their sum over who works where is at most that.
        close_enough: distance to the bound that counts as none, for what may be near 0.
    """

    maximise: bool
    value_weight: float
    banker_weight: Floats
    per_banker: bool = False
    at_most: tuple[Floats, float] | None = None
    close_enough: float = EXACT

    def score(self, network: Network, allocation: Allocation) -> float:
        """The objective of an allocation."""
        at = np.flatnonzero(allocation.branch_of_banker != NOBODY)
        weights = self.banker_weight[at, allocation.branch_of_banker[at]]
        value = float(network.loan_amount[allocation.banker_of_loan != NOBODY].sum())
        total = self.value_weight * value + float(weights.sum())
        return total / len(at) if self.per_banker else total

    def better(self, one: float, other: float) -> bool:
        """Whether one objective is better than another."""
        return one > other if self.maximise else one < other


@dataclass(frozen=True, eq=False)
class Found:
    """What came of a search.

    Attributes:
        bound: no allocation is better; None where nothing is proven.
    """

    status: Status
    allocation: Allocation | None = None
    objective: float | None = None
    bound: float | None = None


_Level = Callable[[bool, Bools | None], Variables]


def search(network: Network, target: float, question: Question, limits: Limits) -> Found:
    """The best allocation that keeps all limits, as far as the time allows."""
    if limits.banker_types is not None:
        return _with_types(network, target, question, limits, limits.banker_types)
    groups = loan_groups(network)
    columns = loan_columns(network, groups)
    found = Found(Status.TIME_LIMIT)
    if network.cost.size > PRICED_FROM:
        found = _with_types(network, target, question, limits, TYPES_AT_FIRST)
    if found.status not in (Status.INFEASIBLE, Status.OPTIMAL):
        found = _better_of(question, limits, found, _with_flows(network, target, question, limits))
    known = found.status is Status.INFEASIBLE or (
        found.status is Status.OPTIMAL
        and (columns > LOAN_COLUMNS_SMALL or found.objective == found.bound)
    )
    if known or columns > LOAN_COLUMNS_MAX:
        return found
    return _with_loans(network, target, question, limits, groups, found)


def _better_of(question: Question, limits: Limits, one: Found, other: Found) -> Found:
    """The better plan of two searches, with the better bound; what either proved impossible is."""
    if Status.INFEASIBLE in (one.status, other.status):
        return Found(Status.INFEASIBLE)
    bounds = [each.bound for each in (one, other) if each.bound is not None]
    bound = (min if question.maximise else max)(bounds) if bounds else None
    best = other
    if one.objective is not None and (
        other.objective is None or question.better(one.objective, other.objective)
    ):
        best = one
    gap = gap_between(best.objective, bound)
    optimal = gap is not None and gap <= limits.gap
    status = Status.OPTIMAL if optimal else best.status
    return Found(status, best.allocation, best.objective, bound)


def within_limits(network: Network, allocation: Allocation, target: float) -> bool:
    """Whether an allocation keeps all limits, but for rounding in the last digits."""
    slack = 1e-9 * float(network.branch_capacity.max())
    value = allocation.value_of_branch(network)
    investment = allocation.investment_of_branch(network)
    return bool(
        (value >= target * network.branch_capacity - slack).all()
        and (value <= network.branch_capacity + slack).all()
        and (2 * investment <= value + slack).all()
        and (allocation.value_of_banker(network) <= network.banker_capacity + slack).all()
        and (allocation.branch_of_loan()[allocation.banker_of_loan != NOBODY] != NOBODY).all()
    )


def _with_flows(network: Network, target: float, question: Question, limits: Limits) -> Found:
    def level(maximise: bool, allowed: Bools | None) -> Variables:
        return flow_variables(network, LinearModel(maximise=maximise), allowed)

    v, answer = _solve(level, network, target, question, limits, None)
    if answer.infeasible:
        return Found(Status.INFEASIBLE)
    bound = answer.bound if abs(answer.bound) < INFINITY else None
    if answer.values is None:
        return Found(Status.TIME_LIMIT, bound=bound)
    allocation = fill(network, branch_of_banker(v, answer), target)
    if not within_limits(network, allocation, target):
        return Found(Status.TIME_LIMIT, bound=bound)
    return _found(network, question, limits, allocation, bound)


def _with_types(
    network: Network, target: float, question: Question, limits: Limits, count: int
) -> Found:
    """With flows, and types of bankers instead of each; then everybody of a type gets a place."""
    types = banker_types(network, question.banker_weight, count, maximise=question.maximise)
    typed = replace(question, banker_weight=types.weight)

    def level(maximise: bool, allowed: Bools | None) -> Variables:
        return flow_variables(types.network, LinearModel(maximise=maximise), allowed, types.size)

    v, answer = _solve(level, types.network, target, typed, limits, None)
    if answer.infeasible:
        return Found(Status.INFEASIBLE)
    bound = answer.bound if abs(answer.bound) < INFINITY else None
    if answer.values is None:
        return Found(Status.TIME_LIMIT, bound=bound)
    counts = np.round(answer.values[v.at_work]).astype(np.int64)
    places = place(types, counts, question.banker_weight, maximise=question.maximise)
    allocation = fill(network, places, target)
    if not within_limits(network, allocation, target):
        return Found(Status.TIME_LIMIT, bound=bound)
    return _found(network, question, limits, allocation, bound)


def _with_loans(
    network: Network,
    target: float,
    question: Question,
    limits: Limits,
    groups: LoanGroups,
    before: Found,
) -> Found:
    def level(maximise: bool, allowed: Bools | None) -> Variables:
        assert allowed is None
        return loan_variables(network, groups, LinearModel(maximise=maximise))

    v, answer = _solve(level, network, target, question, limits, before.allocation)
    if answer.infeasible and before.allocation is None:
        return Found(Status.INFEASIBLE)
    bounds = [each for each in (before.bound, answer.bound) if each is not None]
    bounds = [each for each in bounds if abs(each) < INFINITY]
    bound = (min if question.maximise else max)(bounds) if bounds else None
    allocation = before.allocation
    if answer.values is not None:
        exact = allocation_of(v, answer, groups)
        if within_limits(network, exact, target) and (
            allocation is None
            or question.better(question.score(network, exact), question.score(network, allocation))
        ):
            allocation = exact
    if allocation is None:
        return Found(Status.TIME_LIMIT, bound=bound)
    return _found(network, question, limits, allocation, bound)


def _found(
    network: Network,
    question: Question,
    limits: Limits,
    allocation: Allocation,
    bound: float | None,
) -> Found:
    objective = question.score(network, allocation)
    if bound is not None and (
        question.better(objective, bound)
        or abs(objective - bound) <= max(EXACT * max(1.0, abs(objective)), question.close_enough)
    ):
        bound = objective  # they differ in the last digits, by rounding
    gap = gap_between(objective, bound)
    status = Status.OPTIMAL if gap is not None and gap <= limits.gap else Status.FEASIBLE
    return Found(status, allocation, objective, bound)


def _solve(
    level: _Level,
    network: Network,
    target: float,
    question: Question,
    limits: Limits,
    start: Allocation | None,
) -> tuple[Variables, Answer]:
    if question.per_banker:
        return _solve_ratio(level, network, target, question, limits, start)
    return _solve_plain(level, target, question, limits, start)


def _solve_plain(
    level: _Level,
    target: float,
    question: Question,
    limits: Limits,
    start: Allocation | None,
) -> tuple[Variables, Answer]:
    def stated(allowed: Bools | None) -> Variables:
        return _stated(level(question.maximise, allowed), target, question)

    v = stated(None)
    if v.groups is None and v.at_work.size > PRICED_FROM:
        return solve_priced(v, stated, question.maximise, limits)
    answer = v.model.solve(
        time_limit_s=limits.time_limit_s,
        relative_gap=EXACT,
        absolute_gap=question.close_enough,
        start=None if start is None else _start(v, start),
        progress=limits.progress,
    )
    limits.spent(answer)
    return v, answer


def _stated(v: Variables, target: float, question: Question) -> Variables:
    """The limits and the question, added to a model."""
    keep_limits(v, target)
    if question.per_banker:
        v.model.constrain("somebody works", (1, v.at_work.ravel()), at_least=1)
    if question.at_most is not None:
        weights, limit = question.at_most
        v.model.constrain("as good as the best", (weights.ravel(), v.at_work.ravel()),
                          at_most=limit)  # fmt: skip
    v.model.objective(
        (question.value_weight * v.scale, v.value), (question.banker_weight, v.at_work)
    )
    return v


def _solve_ratio(
    level: _Level,
    network: Network,
    target: float,
    question: Question,
    limits: Limits,
    start: Allocation | None,
) -> tuple[Variables, Answer]:
    """Dinkelbach's steps; the answer's objective and bound are ratios."""
    ratio = 0.0 if start is None else question.score(network, start)
    best: tuple[Variables, Answer] | None = None
    bound = INFINITY
    for _ in range(RATIO_STEPS_MAX):
        step = replace(
            question,
            banker_weight=question.banker_weight - ratio,
            close_enough=EXACT * max(1.0, abs(ratio)),
        )
        v, answer = _solve_plain(level, target, step, _without_report(limits), start)
        limits.time_limit_s = max(0.0, limits.time_limit_s - answer.seconds)
        if answer.values is None:
            return best or (v, replace(answer, bound=bound))
        bankers = max(1.0, float(np.round(answer.values[v.at_work]).sum()))
        assert answer.objective is not None
        bound = min(bound, ratio + max(0.0, answer.bound))  # as at least one banker works
        gained = answer.objective / bankers
        ratio += gained
        best = v, replace(answer, objective=ratio, bound=max(bound, ratio))
        if limits.progress is not None:
            limits.progress(ratio, bound)
        if answer.optimal and abs(gained) <= step.close_enough:
            break
    assert best is not None
    return best


def _without_report(limits: Limits) -> Limits:
    """The same limits, without a report of objectives that are no ratios."""
    return replace(limits, progress=None)


def branch_of_banker(v: Variables, answer: Answer) -> Indices:
    """(P,) the branch that an answer gives each banker, or NOBODY."""
    assert answer.values is not None
    at_work = answer.values[v.at_work] > 0.5
    return np.where(at_work.any(axis=1), at_work.argmax(axis=1), NOBODY)


def allocation_of(v: Variables, answer: Answer, groups: LoanGroups) -> Allocation:
    """Counts of loans become loans: of a group, the first ones to the first banker, and so on."""
    assert answer.values is not None
    banker_of_loan = np.full(len(v.network.loan_ids), NOBODY, dtype=np.int64)
    for group, members in enumerate(groups.members):
        counts = np.round(answer.values[v.count[group]]).astype(np.int64)
        takers = np.repeat(np.arange(len(counts)), counts)
        banker_of_loan[members[: len(takers)]] = takers
    return Allocation(branch_of_banker(v, answer), banker_of_loan)


def _start(v: Variables, allocation: Allocation) -> Floats:
    """The columns of an allocation."""
    values = np.zeros(v.model.columns)
    at = np.flatnonzero(allocation.branch_of_banker != NOBODY)
    values[v.at_work[at, allocation.branch_of_banker[at]]] = 1.0
    groups = v.groups
    assert groups is not None
    for group, members in enumerate(groups.members):
        takers = allocation.banker_of_loan[members]
        takers = takers[takers != NOBODY]
        counts = np.bincount(takers, minlength=v.count.shape[1])
        values[v.count[group]] = counts
        flows = v.investment if groups.is_investment[group] else v.owner
        for banker in np.flatnonzero(counts):
            branch = allocation.branch_of_banker[banker]
            values[flows[branch, banker]] += counts[banker] * groups.amount[group] / v.scale
    return values
