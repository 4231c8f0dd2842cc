"""Who might work where, when there are too many pairs to look at all of them at once.

With 2,000 bankers and 825 branches there are 1.65 million pairs, of which a best plan uses 825. In:
a way to state the model for any set of pairs. Out: its answer, with a bound that holds for all.

1. Begin with pairs that look good: each branch's bankers with least against what they cost
   elsewhere, each banker's branches likewise.
2. Solve it without integrality. A pair outside whose reduced cost says that it would improve is
   taken in; again, until there is none. The optimum is then that of all pairs.
3. Solve it with integrality on these pairs. A plan that uses a pair of reduced cost d is worse than
   the relaxed optimum by at least d. So pairs outside whose d is less than the distance between
   plan and relaxed optimum are taken in, and it is solved again; the others can't be in a better
   plan.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from dispatcher.planning.effort import EXACT, Limits
from dispatcher.planning.highs import Answer
from dispatcher.planning.network import Bools, Floats, Network
from dispatcher.planning.variables import Variables

PRICED_FROM: Final = 200_000
"""Pairs; with fewer, HiGHS gets all of them."""
BEGIN_WITH: Final = 12
"""Pairs of each banker, and of each branch for each capacity of bankers, to begin with."""
TAKEN_IN_MAX: Final = 30
"""Pairs of each branch that are taken in at a time."""
ROUNDS_MAX: Final = 60
"""Of taking in; ten were the most seen."""
KEPT_MAX: Final = 400_000
"""Pairs with which integers are searched for."""

Stated = Callable[[Bools], Variables]


def solve_priced(
    v: Variables, stated: Stated, maximise: bool, limits: Limits
) -> tuple[Variables, Answer]:
    """Solve a model over all pairs of bankers and branches, a few at a time.

    Args:
        v: the model with all pairs.
        stated: the same with some.
    """
    sign = -1.0 if maximise else 1.0
    allowed = _promising(v.network)
    relaxed, allowed, reduced = _relaxed(stated, allowed, sign, limits)
    if relaxed.objective is None:
        answer = v.model.solve(time_limit_s=limits.time_limit_s, relative_gap=EXACT)
        limits.spent(answer)
        return v, answer
    near = _least(reduced, KEPT_MAX)
    allowed = allowed & (reduced <= near)
    while True:
        v = stated(allowed)
        answer = v.model.solve(
            time_limit_s=limits.time_limit_s, relative_gap=EXACT, progress=limits.progress
        )
        limits.spent(answer)
        if answer.objective is None:
            return v, replace(answer, infeasible=False, bound=relaxed.objective)
        apart = sign * (answer.objective - relaxed.objective)
        wanted = reduced <= min(apart, near)
        if limits.time_limit_s <= 0 or not (wanted & ~allowed).any():
            outside = float(reduced[~allowed].min(initial=np.inf))
            bound = sign * min(sign * answer.bound, sign * relaxed.objective + outside)
            return v, replace(answer, bound=bound)
        allowed = allowed | wanted


def _promising(network: Network) -> Bools:
    """(P, B) pairs to begin with."""
    against_others = network.cost - network.cost.mean(axis=1, keepdims=True)
    against_others -= against_others.mean(axis=0, keepdims=True)
    allowed: Bools = against_others <= _kth(against_others, BEGIN_WITH, axis=1)
    for capacity in np.unique(network.banker_capacity):
        rows = np.flatnonzero(network.banker_capacity == capacity)
        advantage = network.cost[rows] - network.cost[rows].mean(axis=1, keepdims=True)
        for values in (advantage, network.cost[rows]):
            allowed[rows] |= values <= _kth(values, BEGIN_WITH, axis=0)
    return allowed


def _relaxed(
    stated: Stated, allowed: Bools, sign: float, limits: Limits
) -> tuple[Answer, Bools, Floats]:
    """The optimum without integrality; the pairs it took, and the reduced costs of all."""
    for _ in range(ROUNDS_MAX):
        v = stated(allowed)
        answer = v.model.solve(time_limit_s=limits.time_limit_s, relaxed=True)
        limits.spent(answer)
        if not answer.optimal or answer.objective is None:
            return replace(answer, objective=None), allowed, np.zeros(v.at_work.shape)
        reduced = sign * answer.reduced_costs[v.at_work]
        tolerance = EXACT * max(1.0, float(np.abs(v.network.cost).max()))
        better = (reduced < -tolerance) & ~allowed
        if not better.any():
            return answer, allowed, np.where(allowed, np.maximum(reduced, 0), reduced)
        outside = np.where(better, reduced, np.inf)
        allowed = allowed | (better & (outside <= _kth(outside, TAKEN_IN_MAX, axis=0)))
    return replace(answer, objective=None), allowed, reduced


def _kth(values: Floats, count: int, axis: int) -> Floats:
    """The count-th smallest value along an axis, kept as an axis of length 1."""
    place = min(count, values.shape[axis]) - 1
    return np.take(np.partition(values, place, axis=axis), [place], axis=axis)


def _least(values: Floats, count: int) -> float:
    """The count-th smallest of all."""
    if values.size <= count:
        return float("inf")
    return float(np.partition(values.ravel(), count)[count])
