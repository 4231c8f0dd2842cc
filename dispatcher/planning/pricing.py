"""Who might work where, when there are too many pairs to look at all of them at once.

With 2,000 bankers and 825 branches there are 1.65 million pairs, of which a best plan uses 825. In:
a way to state the model for any set of pairs. Out: its answer, with a bound that holds for all.

1. Begin with pairs that look good: each branch's bankers with least against what they cost
   elsewhere, each banker's branches likewise.
2. Solve it without integrality. Pairs outside whose reduced cost says that they would improve are
   taken in; again, until what they could improve is nothing: at most, for each banker, the most
   that one of their pairs says, as a banker works once. That much below the optimum is a bound for
   all pairs.
3. Solve it with integrality on the pairs of least reduced cost. A plan that uses a pair of reduced
   cost d is worse than the bound by at least d. So pairs outside whose d is less than the distance
   between plan and bound are taken in, and it is solved again; the others can't be in a better
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
KEPT_OF_EACH: Final = 12
"""Pairs for each banker and branch with which integers are searched for at first."""
KEPT_MAX: Final = 400_000
"""And at most."""
NOTHING: Final = 1e-8
"""What pairs outside could improve, relatively, that is not worth another round."""

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
    least, reduced = _relaxed(stated, allowed, sign, limits)
    if least is None:
        answer = v.model.solve(time_limit_s=limits.time_limit_s, relative_gap=EXACT)
        limits.spent(answer)
        return v, answer
    allowed = reduced <= _kth_of_all(reduced, KEPT_OF_EACH * sum(v.at_work.shape))
    near = _kth_of_all(reduced, KEPT_MAX)
    while True:
        v = stated(allowed)
        answer = v.model.solve(
            time_limit_s=limits.time_limit_s, relative_gap=EXACT, progress=limits.progress
        )
        limits.spent(answer)
        if answer.objective is None:
            return v, replace(answer, infeasible=False, bound=sign * least)
        wanted = reduced <= min(sign * answer.objective - least, near)
        outside = float(reduced[~allowed].min(initial=np.inf))
        bound = min(sign * answer.bound, least + max(0.0, outside))
        if limits.time_limit_s <= 0 or not (wanted & ~allowed).any():
            return v, replace(answer, bound=sign * max(least, bound))
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
) -> tuple[float | None, Floats]:
    """A bound for all pairs, as something to be made small, and the reduced costs of all."""
    for _ in range(ROUNDS_MAX):
        v = stated(allowed)
        answer = v.model.solve(time_limit_s=limits.time_limit_s, relaxed=True)
        limits.spent(answer)
        if not answer.optimal or answer.objective is None:
            break
        reduced = sign * answer.reduced_costs[v.at_work]
        outside = np.where(allowed, np.inf, reduced)
        improved = float(np.maximum(0.0, -outside.min(axis=1)).sum())
        if improved <= NOTHING * max(1.0, abs(answer.objective)):
            return sign * answer.objective - improved, np.maximum(reduced, 0.0)
        least = _kth(outside, TAKEN_IN_MAX, axis=0)
        allowed = allowed | ((outside < 0) & (outside <= least))
    return None, np.zeros(allowed.shape)


def _kth(values: Floats, count: int, axis: int) -> Floats:
    """The count-th smallest value along an axis, kept as an axis of length 1."""
    place = min(count, values.shape[axis]) - 1
    return np.take(np.partition(values, place, axis=axis), [place], axis=axis)


def _kth_of_all(values: Floats, count: int) -> float:
    """The count-th smallest of all."""
    if values.size <= count:
        return float("inf")
    return float(np.partition(values.ravel(), count)[count])
