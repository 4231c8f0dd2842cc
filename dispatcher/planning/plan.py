"""What a model answers: who works where, which loan goes to whom, and how good that is at best."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from dispatcher.planning.network import Floats, Indices, Network

NOBODY = -1
"""In place of an index: a banker without a branch, a loan without a banker."""


class Status(StrEnum):
    """What is known about an answer.

    `optimal`: no plan is better than by the gap asked for. `feasible`: a plan that keeps every
    limit, further from what is proven possible. `infeasible`: proven that there is no plan.
    `time_limit`: the time ended before there was a plan or a proof that there is none.
    """

    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    INFEASIBLE = "infeasible"
    TIME_LIMIT = "time_limit"


@dataclass(frozen=True, eq=False)
class Allocation:
    """Who works where, and who processes what.

    Attributes:
        branch_of_banker: (P,) index of the branch, or NOBODY.
        banker_of_loan: (L,) index of the banker, or NOBODY. The loan's branch is the banker's.
    """

    branch_of_banker: Indices
    banker_of_loan: Indices

    @property
    def bankers_assigned(self) -> int:
        """How many work somewhere."""
        return int((self.branch_of_banker != NOBODY).sum())

    def branch_of_loan(self) -> Indices:
        """(L,) index of the branch, or NOBODY."""
        branches = np.append(self.branch_of_banker, NOBODY)
        return branches[self.banker_of_loan]

    def value_of_banker(self, network: Network) -> Floats:
        """(P,) value of the loans that each processes."""
        return _summed(self.banker_of_loan, network.loan_amount, len(network.banker_ids))

    def value_of_branch(self, network: Network) -> Floats:
        """(B,) value of the loans of each."""
        return _summed(self.branch_of_loan(), network.loan_amount, len(network.branch_ids))

    def investment_of_branch(self, network: Network) -> Floats:
        """(B,) value of the investment loans of each."""
        amounts = np.where(network.loan_is_investment, network.loan_amount, 0.0)
        return _summed(self.branch_of_loan(), amounts, len(network.branch_ids))

    def cost(self, network: Network) -> float:
        """What the bankers cost where they work."""
        bankers = np.flatnonzero(self.branch_of_banker != NOBODY)
        return float(network.cost[bankers, self.branch_of_banker[bankers]].sum())

    def unused_capacity(self, network: Network) -> float:
        """Capacity of the bankers who work somewhere, less what they process."""
        at_work = self.branch_of_banker != NOBODY
        return float(network.banker_capacity[at_work].sum() - self.value_of_banker(network).sum())


@dataclass(frozen=True)
class Conflict:
    """Why there is no plan.

    Attributes:
        branch_ids: branches whose targets can't be met together; without any one of them they can.
        limits: what stands against them, a sentence each; lifting any one of these would do.
        largest_target: the largest share of all capacities that is feasible.
        largest_target_bound: no share above this one is.
    """

    branch_ids: tuple[str, ...]
    limits: tuple[str, ...]
    largest_target: float | None
    largest_target_bound: float


@dataclass(frozen=True, eq=False)
class Plan:
    """A model's answer.

    Attributes:
        target: the share of each branch's capacity that is to be met.
        objective: of the allocation, in the model's own unit; None without one.
        bound: nothing better than this is possible; None where nothing is proven.
        rate: the rate in per cent, for models with revenue.
        revenue_per_value: revenue of one unit of loans at that rate; 0 without.
        allocation: None without one.
    """

    model: str
    status: Status
    target: float
    objective: float | None = None
    bound: float | None = None
    rate: float | None = None
    revenue_per_value: float = 0.0
    allocation: Allocation | None = None
    conflict: Conflict | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def gap(self) -> float | None:
        """Distance of objective and bound, relative to the objective."""
        return gap_between(self.objective, self.bound)


def gap_between(objective: float | None, bound: float | None) -> float | None:
    """Relative distance; None where one of them is missing."""
    if objective is None or bound is None:
        return None
    return abs(objective - bound) / max(abs(objective), 1e-9)


def _summed(positions: Indices, amounts: Floats, length: int) -> Floats:
    there = positions != NOBODY
    summed = np.bincount(positions[there], weights=amounts[there], minlength=length)
    return summed.astype(np.float64)
