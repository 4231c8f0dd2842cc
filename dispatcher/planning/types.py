"""Bankers in types: fewer variables, and a bound on what that loses.

A type is of bankers with the same capacity and costs close to each other. In: a network and what
each banker at each branch weighs in the objective. Out: as many types as wanted, of which each
counts as the best of its bankers everywhere. So whatever is planned with types is at least as good
as any plan with bankers: its optimum bounds them. Then the bankers of a type are given its places,
at best (a transport problem); what that plan falls short of the bound is what types lose, at most.

Types are drawn as clusters: the next centre is always the banker furthest from all centres, by the
largest difference of weights at any branch (Gonzalez 1985; within twice the least possible radius).

Loans need no such types: with flows all loans of a kind are one (`variables`).
"""

from dataclasses import dataclass

import numpy as np

from dispatcher.planning.highs import LinearModel
from dispatcher.planning.network import Floats, Indices, Network
from dispatcher.planning.plan import NOBODY


@dataclass(frozen=True, eq=False)
class BankerTypes:
    """T types.

    Attributes:
        network: with types in place of bankers.
        members: indices of the bankers of each.
        size: (T,) how many.
        weight: (T, B) of the best of its bankers.
    """

    network: Network
    members: tuple[Indices, ...]
    size: Indices
    weight: Floats


def banker_types(network: Network, weight: Floats, count: int, *, maximise: bool) -> BankerTypes:
    """Put bankers into types.

    Args:
        weight: (P, B) of a banker at a branch in the objective.
        count: of types; at least one for each capacity, at most one for each banker.
        maximise: whether more weight is better.
    """
    members = _clusters(network.banker_capacity, weight, count)
    best = np.max if maximise else np.min
    weights: Floats = np.stack([best(weight[each], axis=0) for each in members])
    cost = -weights if maximise else weights
    typed = Network(
        banker_ids=tuple(f"type {number + 1}" for number in range(len(members))),
        banker_capacity=np.array([network.banker_capacity[each[0]] for each in members]),
        banker_pay=np.zeros(len(members)),
        travel=cost,
        branch_ids=network.branch_ids,
        branch_capacity=network.branch_capacity,
        loan_ids=network.loan_ids,
        loan_amount=network.loan_amount,
        loan_is_investment=network.loan_is_investment,
        money=network.money,
    )
    size = np.array([len(each) for each in members], dtype=np.int64)
    return BankerTypes(typed, members, size, weights)


def place(types: BankerTypes, counts: Indices, weight: Floats, *, maximise: bool) -> Indices:
    """(P,) a branch for each banker of a type's places, or NOBODY.

    Args:
        counts: (T, B) how many of a type a branch has.
        weight: (P, B) of a banker at a branch.
    """
    branch_of_banker = np.full(len(weight), NOBODY, dtype=np.int64)
    for members, wanted in zip(types.members, counts, strict=True):
        branches = np.flatnonzero(wanted)
        if not len(branches):
            continue
        model = LinearModel(maximise=maximise)
        there = model.continuous(len(members), len(branches), upper=1.0)
        model.constrain("a banker works for at most one branch", (1, there), at_most=1)
        model.constrain("every place is taken", (1, there.T), equals=wanted[branches])
        model.objective((weight[np.ix_(members, branches)], there))
        answer = model.solve(relaxed=True)  # its vertices are whole: a transport problem
        assert answer.values is not None
        taken = answer.values[there] > 0.5
        at = taken.any(axis=1)
        branch_of_banker[members[at]] = branches[taken[at].argmax(axis=1)]
    return branch_of_banker


def _clusters(capacity: Floats, weight: Floats, count: int) -> tuple[Indices, ...]:
    """Bankers of equal capacity, close by weight."""
    classes = np.unique(capacity, return_inverse=True)[1]
    centre = np.full(len(capacity), NOBODY, dtype=np.int64)
    distance = np.full(len(capacity), np.inf)
    firsts = [int(np.flatnonzero(classes == each)[0]) for each in np.unique(classes)]
    for number in range(min(max(count, len(firsts)), len(capacity))):
        new = firsts[number] if number < len(firsts) else int(np.argmax(distance))
        peers = np.flatnonzero(classes == classes[new])
        apart = np.abs(weight[peers] - weight[new]).max(axis=1)
        closer = apart < distance[peers]
        centre[peers[closer]] = new
        distance[peers[closer]] = apart[closer]
        distance[new] = -1.0  # a centre of its own
        centre[new] = new
    return tuple(np.flatnonzero(centre == each) for each in np.unique(centre))
