"""The constraints that every model keeps; numbers in brackets are the source document's.

With y(p,b) = 1 where banker p works for branch b, o(b) and i(b) the value of owner-occupied and
investment loans of a branch, v = o + i, K capacities of branches, C of bankers, t the target:

    sum over b of y(p,b) <= 1                      (4)  a banker works for at most one branch
    t K(b) <= v(b) <= K(b)                       (6, 7)  a branch meets its target, within capacity
    i(b) <= o(b)                                  (10)  at most half of it are investment loans
    v(b) <= sum over p of C(p) y(p,b)            (5, 9)  who works there can process it
    sum over b of o(b) <= all owner-occupied loans, likewise investment loans      (2)

and, with every loan by itself, n(g,p) of the loans of group g with banker p:

    sum over p of n(g,p) <= N(g)                (2, 3)  a loan goes to at most one banker
    o(p,b) + i(p,b) <= C(p) y(p,b)            (5, 8, 9)  who works there processes it, alone
    sum over b of o(p,b) = sum over g of a(g) n(g,p)   for owner-occupied g; likewise i

Formula (10) as printed compares investment loans with all loans of the branch and so forbids
nothing; its explanation says half, and so does the regulator. Half of all is what is left after the
other half: i <= o.

Where the target asks something of a branch, somebody has to work there. That follows from the
above for whole y; said on its own, with capacities cut down to what is needed, it keeps the
relaxation from serving a branch by a hundredth of a banker:

    sum over p of min(C(p), t K(b)) y(p,b) >= t K(b)
"""

from enum import Enum
from typing import Final

import numpy as np

from dispatcher.planning.network import Floats
from dispatcher.planning.variables import Variables


class Limit(Enum):
    """Limits that may be lifted, to see whether a target fails by them (`feasibility`)."""

    ONE_BRANCH = "a banker works for at most one branch"
    BANKER_CAPACITY = "a banker processes loans within their capacity"
    HALF_INVESTMENT = "at most half of a branch's value are investment loans"
    SUPPLY = "there are no more loans than there are"
    WHOLE_LOANS = "a loan is not divided"


NEARLY_ONE: Final = 1 - 1e-6
"""Who can process so much of what a target needs counts as one who can process it all, in the row
that strengthens the relaxation; the limits themselves stay exact. HiGHS' presolve takes a
coefficient within its tolerance of 1 for less than 1, and calls two of them impossible where 1 is
asked for."""
NOTHING_LIFTED: Final[frozenset[Limit]] = frozenset()


def keep_limits(
    v: Variables, target: float | Floats, lifted: frozenset[Limit] = NOTHING_LIFTED
) -> None:
    """Add all of them to a model, at its level of detail.

    Args:
        target: a share of capacity for all branches, or (B,) one for each.
        lifted: those that don't count. Whole loans are a matter of the variables.
    """
    if Limit.ONE_BRANCH not in lifted:
        v.model.constrain(Limit.ONE_BRANCH.value, (1, v.at_work), at_most=v.crowd)
    capacity = v.banker_capacity
    if Limit.BANKER_CAPACITY in lifted:
        capacity = np.full_like(capacity, v.capacity.max())
    within_targets(v, target, capacity)
    if Limit.HALF_INVESTMENT not in lifted:
        v.model.constrain(Limit.HALF_INVESTMENT.value, (1, v.investment), (-1, v.owner), at_most=0)
    served(v, capacity)
    if Limit.SUPPLY in lifted:
        return
    if v.groups is None:
        _flows_within_supply(v)
    else:
        _flows_are_loans(v)


def within_targets(v: Variables, target: float | Floats, banker_capacity: Floats) -> None:
    """A branch meets its target, is within its capacity, and has who that takes."""
    needed = target * v.capacity
    v.model.constrain("the target and the capacity of a branch", (1, v.value), at_least=needed,
                      at_most=v.capacity)  # fmt: skip
    some = needed > 0
    share = banker_capacity[None, :] / np.maximum(needed, 1e-300)[:, None]
    share = np.where(share > NEARLY_ONE, 1, share)
    v.model.constrain("a target needs bankers", (share[some], v.at_work.T[some]), at_least=1)


def served(v: Variables, banker_capacity: Floats) -> None:
    """What a branch gets, its bankers can process."""
    capacity = np.minimum(banker_capacity[None, :], v.capacity[:, None])
    if v.groups is None:
        v.model.constrain("the bankers of a branch can process its loans", (1, v.value),
                          (-capacity, v.at_work.T), at_most=0)  # fmt: skip
        return
    parts = np.stack([v.owner, v.investment, v.at_work.T], axis=-1)
    one = np.ones_like(capacity)
    v.model.constrain("a banker processes loans within capacity, of one branch",
                      (np.stack([one, one, -capacity], axis=-1), parts), at_most=0)  # fmt: skip


def _flows_within_supply(v: Variables) -> None:
    supply = v.network.owner_total / v.scale, v.network.investment_total / v.scale
    v.model.constrain("no more than all owner-occupied loans", (1, v.owner.T), at_most=supply[0])
    v.model.constrain("no more than all investment loans", (1, v.investment.T), at_most=supply[1])


def _flows_are_loans(v: Variables) -> None:
    groups = v.groups
    assert groups is not None
    if not len(groups.size):
        v.model.constrain("there are no loans", (1, v.value), at_most=0)
        return
    v.model.constrain("a loan goes to at most one banker", (1, v.count), at_most=groups.size)
    for is_investment, flows in ((0, v.owner), (1, v.investment)):
        these = groups.is_investment == is_investment
        amounts = groups.amount[these] / v.scale
        v.model.constrain("what a banker processes is loans", (1, flows.T),
                          (-amounts[None, :], v.count[these].T), equals=0)  # fmt: skip
