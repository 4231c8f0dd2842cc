"""Every plan of a tiny branch network, one by one, in whole numbers.

In: a `TinyNetwork`. Out: for every way to send bankers to branches what the loans can do there.

Every loan goes to every banker or to nobody, every banker to every branch or to none; what breaks
a limit of the source document is left out. Of the loans of a banker only their value and the part
of it in investment loans matter, so that equal ones are looked at once. Nothing is shared with the
models: no solver, no bound, no floating point.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import lcm

import numpy as np
from numpy.typing import NDArray

from tests.support.tiny_networks import COST_UNITS, TARGET_UNITS, TinyNetwork

Loads = NDArray[np.int64]


@dataclass(frozen=True)
class Sent:
    """A way to send bankers to branches that some loans keep all limits with.

    Attributes:
        branches: of each banker; -1 for none.
        least_value, most_value: of all loans that are assigned.
    """

    branches: tuple[int, ...]
    cost: Fraction
    bankers: int
    capacity: int
    least_value: int
    most_value: int


@dataclass(frozen=True)
class Everything:
    """All there is to know of a network.

    Attributes:
        sent: all ways that meet the target.
        largest_target: what all branches can reach together.
    """

    sent: tuple[Sent, ...]
    largest_target: Fraction

    def least_cost(self) -> Fraction | None:
        """The optimum of model 1, or None where the target can't be met."""
        return min((each.cost for each in self.sent), default=None)

    def greatest_profit(self, earned: Fraction) -> Fraction | None:
        """Of model 2, where a loan of value 1 earns so much."""
        return max((earned * each.most_value - each.cost for each in self.sent), default=None)

    def greatest_profit_per_banker(self, earned: Fraction) -> Fraction | None:
        """Of model 3; somebody works."""
        profits = (
            (earned * each.most_value - each.cost) / each.bankers
            for each in self.sent
            if each.bankers
        )
        return max(profits, default=None)

    def least_unused(self) -> int | None:
        """The least capacity that bankers at work can leave unused."""
        return min((each.capacity - each.most_value for each in self.sent), default=None)

    def unused_at_least_cost(self) -> tuple[int, int] | None:
        """The least and the greatest unused capacity among all plans of least cost."""
        least = self.least_cost()
        best = [each for each in self.sent if each.cost == least]
        if not best:
            return None
        return (
            min(each.capacity - each.most_value for each in best),
            max(each.capacity - each.least_value for each in best),
        )


def everything(tiny: TinyNetwork) -> Everything:
    """Try all."""
    owner, investment = _loads(tiny)
    sent: list[Sent] = []
    largest = Fraction(0)
    choices = range(-1, len(tiny.branch_capacity))
    for branches in product(choices, repeat=len(tiny.pay)):
        value = _kept(tiny, branches, owner, investment)
        largest = max(largest, _share(tiny, value))
        totals = value[:, _reached(tiny, value)].sum(axis=0)
        if totals.size:
            sent.append(_sent(tiny, branches, totals))
    return Everything(tuple(sent), largest)


def possible(tiny: TinyNetwork, asked: Collection[int]) -> bool:
    """Whether these branches can reach the target together, whatever the others get."""
    owner, investment = _loads(tiny)
    choices = range(-1, len(tiny.branch_capacity))
    return any(
        _reached(tiny, _kept(tiny, branches, owner, investment), asked).any()
        for branches in product(choices, repeat=len(tiny.pay))
    )


def _loads(tiny: TinyNetwork) -> tuple[Loads, Loads]:
    """(P, n) what bankers have of owner-occupied and of investment loans, every way there is."""
    bankers = len(tiny.pay)
    loads = np.zeros((2, bankers, 1), np.int64)
    for amount, is_investment in zip(tiny.amount, tiny.investment, strict=True):
        ways = [loads]
        for banker in range(bankers):
            taken = loads.copy()
            taken[int(is_investment), banker] += amount
            ways.append(taken)
        loads = np.concatenate(ways, axis=2)
        fits = (loads.sum(axis=0) <= np.array(tiny.banker_capacity)[:, None]).all(axis=0)
        loads = _different(loads[:, :, fits])
    return loads[0], loads[1]


def _different(loads: Loads) -> Loads:
    """Each way once."""
    flat = loads.reshape(-1, loads.shape[2])
    order = np.lexsort(flat)
    sorted_ = flat[:, order]
    new = np.ones(flat.shape[1], bool)
    new[1:] = (sorted_[:, 1:] != sorted_[:, :-1]).any(axis=0)
    return sorted_[:, new].reshape(2, -1, int(new.sum()))


def _kept(tiny: TinyNetwork, branches: tuple[int, ...], owner: Loads, investment: Loads) -> Loads:
    """(B, n) values of branches in all ways that keep every limit but the target."""
    idle = [banker for banker, branch in enumerate(branches) if branch == -1]
    none = ((owner[idle] + investment[idle]) == 0).all(axis=0)
    owner, investment = owner[:, none], investment[:, none]
    at = np.array([[branch == each for branch in branches] for each in range(_branches(tiny))])
    of_owner, of_investment = at.astype(np.int64) @ owner, at.astype(np.int64) @ investment
    value: Loads = of_owner + of_investment
    within = (value <= np.array(tiny.branch_capacity)[:, None]) & (2 * of_investment <= value)
    return value[:, within.all(axis=0)]


def _branches(tiny: TinyNetwork) -> int:
    return len(tiny.branch_capacity)


def _reached(
    tiny: TinyNetwork, value: Loads, asked: Collection[int] | None = None
) -> NDArray[np.bool_]:
    """(n,) whether all branches are at their target, or some of them."""
    needed = np.array(tiny.branch_capacity)[:, None] * tiny.target
    if asked is not None:
        needed = np.where(np.isin(np.arange(len(needed)), list(asked))[:, None], needed, 0)
    reached: NDArray[np.bool_] = (value * TARGET_UNITS >= needed).all(axis=0)
    return reached


def _share(tiny: TinyNetwork, value: Loads) -> Fraction:
    """The largest share that all branches reach."""
    whole = lcm(*tiny.branch_capacity)
    parts = [whole // capacity for capacity in tiny.branch_capacity]
    # As Python's integers where 64 bits might not do.
    kind = np.int64 if max(parts) * max(tiny.branch_capacity) < 2**62 else object
    shares = (value.astype(kind) * np.array(parts, kind)[:, None]).min(axis=0)
    return Fraction(int(shares.max()), whole)


def _sent(tiny: TinyNetwork, branches: tuple[int, ...], totals: Loads) -> Sent:
    at_work = list(_at_work(branches))
    return Sent(
        branches=branches,
        cost=Fraction(sum(tiny.cost(*each) for each in at_work), COST_UNITS),
        bankers=len(at_work),
        capacity=sum(tiny.banker_capacity[banker] for banker, _ in at_work),
        least_value=int(totals.min()),
        most_value=int(totals.max()),
    )


def _at_work(branches: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    return ((banker, branch) for banker, branch in enumerate(branches) if branch != -1)
