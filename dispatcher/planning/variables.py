"""What the models decide, at two levels of detail, under the same names.

- **Flows**: how much value of either kind of loan goes to a branch. No loan is looked at by itself,
  so whatever is possible with loans is possible with flows: the best with flows is a bound.
- **Loans**: how many loans of each kind and amount each banker processes. Exact, and many more
  variables. Equal loans are counted instead of told apart, and a loan is not paired with a branch:
  its banker's branch is its branch. That takes away the symmetry of the original formulation.

Money is divided by a power of ten, so that HiGHS, whose tolerances are absolute, sees numbers
around 100.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatcher.planning.highs import LinearModel
from dispatcher.planning.network import Bools, Floats, Indices, Network

_NONE: Final = np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Variables:
    """Columns of a model.

    Attributes:
        scale: value of one unit of the model's money in the network's.
        capacity: (B,) of branches, scaled.
        banker_capacity: (P,) scaled.
        crowd: (P,) how many bankers stand in each row; 1, but for types of bankers.
        at_work: (P, B) 1 where a banker works for a branch; of a type, how many do.
        owner, investment: (B, k) parts whose sum is the value of owner-occupied, or investment,
            loans of a branch. With flows k is 1; with loans there is a part for each banker.
        count: (G, P) how many loans of a group a banker processes; empty with flows.
    """

    model: LinearModel
    network: Network
    scale: float
    capacity: Floats
    banker_capacity: Floats
    crowd: Indices
    at_work: Indices
    owner: Indices
    investment: Indices
    count: Indices
    groups: "LoanGroups | None"

    @property
    def value(self) -> Indices:
        """(B, 2k) parts whose sum is the value of all loans of a branch."""
        return np.concatenate([self.owner, self.investment], axis=1)


@dataclass(frozen=True, eq=False)
class LoanGroups:
    """Loans that are alike in kind and amount, G groups.

    Attributes:
        amount: (G,) of one loan.
        is_investment: (G,)
        size: (G,) how many loans.
        members: indices of the loans, group by group.
    """

    amount: Floats
    is_investment: Indices
    size: Indices
    members: tuple[Indices, ...]


def loan_groups(network: Network) -> LoanGroups:
    """The loans of a network, the equal ones together."""
    keys = np.stack([network.loan_amount, network.loan_is_investment.astype(float)], axis=1)
    kinds, group_of = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(group_of.ravel(), kind="stable")
    size = np.bincount(group_of.ravel(), minlength=len(kinds))
    members = tuple(np.split(order, np.cumsum(size)[:-1])) if len(kinds) else ()
    return LoanGroups(kinds[:, 0], kinds[:, 1].astype(np.int64), size, members)


def scale_of(network: Network) -> float:
    """A power of ten that brings the mean branch to some hundreds."""
    return float(10.0 ** math.floor(math.log10(float(network.branch_capacity.mean())) - 2))


def flow_variables(
    network: Network,
    model: LinearModel,
    allowed: Bools | None = None,
    crowd: Indices | None = None,
) -> Variables:
    """Variables at the level of flows, added to a model.

    Args:
        allowed: (P, B) who may work where; None for everybody everywhere.
        crowd: (P,) how many bankers each row stands for; None for one.
    """
    bankers, branches = network.cost.shape
    scale = scale_of(network)
    each = np.ones(bankers, dtype=np.int64) if crowd is None else crowd
    return Variables(
        model=model,
        network=network,
        scale=scale,
        capacity=network.branch_capacity / scale,
        banker_capacity=network.banker_capacity / scale,
        crowd=each,
        at_work=model.integers(
            bankers, branches, upper=each[:, None] * (1 if allowed is None else allowed)
        ),
        owner=model.continuous(branches, 1),
        investment=model.continuous(branches, 1),
        count=_NONE,
        groups=None,
    )


def loan_variables(
    network: Network, groups: LoanGroups, model: LinearModel, *, whole: bool = True
) -> Variables:
    """Variables at the level of loans, added to a model.

    Args:
        whole: false where loans may be divided.
    """
    bankers, branches = network.cost.shape
    scale = scale_of(network)
    counts = model.integers if whole else model.continuous
    return Variables(
        model=model,
        network=network,
        scale=scale,
        capacity=network.branch_capacity / scale,
        banker_capacity=network.banker_capacity / scale,
        crowd=np.ones(bankers, dtype=np.int64),
        at_work=model.binaries(bankers, branches),
        owner=model.continuous(branches, bankers),
        investment=model.continuous(branches, bankers),
        count=counts(len(groups.size), bankers, upper=groups.size[:, None]),
        groups=groups,
    )


def loan_columns(network: Network, groups: LoanGroups) -> int:
    """How many columns the level of loans takes."""
    bankers, branches = len(network.banker_ids), len(network.branch_ids)
    return len(groups.size) * bankers + 3 * bankers * branches
