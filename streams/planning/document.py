"""A plan as it stands in a file: what `partidor plan solve --json` prints and the others read.

In: a network and the answer of a model. Out: one JSON object; bankers and branches with a summary
of each, and every loan that goes somewhere.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from dispatcher.planning.network import Network
from dispatcher.planning.plan import NOBODY, Plan

ModelName = Literal["m1", "m2", "m3", "least-unused"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class BankerPlan(_Part):
    """A banker who works somewhere. `cost` in the objective's unit, the rest in loans' money."""

    banker_id: str
    branch_id: str
    capacity: float
    assigned_value: float
    unused_capacity: float
    cost: float


class BranchPlan(_Part):
    """A branch; `target_value` is the target's share of its capacity. All in the loans' money."""

    branch_id: str
    capacity: float
    target_value: float
    assigned_value: float
    investment_value: float


class LoanPlan(_Part):
    """A loan that a banker processes."""

    loan_id: str
    branch_id: str
    banker_id: str


class ConflictPlan(_Part):
    """Why a target can't be met."""

    branch_ids: list[str]
    limits: list[str]
    largest_target: float | None
    largest_target_bound: float


class PlanDocument(_Part):
    """A plan. `gap` is |objective - bound| / |objective|; `seconds` is the time of solving."""

    model: ModelName
    status: Literal["optimal", "feasible", "infeasible", "time_limit"]
    target: float
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    rate: float | None = None
    seconds: float
    money: str
    cost: float | None = None
    revenue: float | None = None
    profit: float | None = None
    bankers_assigned: int | None = None
    unused_capacity: float | None = None
    bankers: list[BankerPlan] = []
    branches: list[BranchPlan] = []
    loans: list[LoanPlan] = []
    conflict: ConflictPlan | None = None
    notes: list[str] = []


def document_of(network: Network, plan: Plan, model: ModelName, seconds: float) -> PlanDocument:
    """The document of a plan.

    Args:
        seconds: what solving took.
    """
    head = PlanDocument(
        model=model,
        status=plan.status.value,
        target=plan.target,
        objective=plan.objective,
        bound=plan.bound,
        gap=plan.gap,
        rate=plan.rate,
        seconds=seconds,
        money=network.money,
        notes=list(plan.notes),
    )
    if plan.conflict is not None:
        conflict = ConflictPlan.model_validate(plan.conflict, from_attributes=True)
        return head.model_copy(update={"conflict": conflict})
    if plan.allocation is None:
        return head
    cost = plan.allocation.cost(network)
    revenue = plan.revenue_per_value * float(plan.allocation.value_of_branch(network).sum())
    has_revenue = plan.rate is not None
    return head.model_copy(
        update={
            "cost": cost,
            "revenue": revenue if has_revenue else None,
            "profit": revenue - cost if has_revenue else None,
            "bankers_assigned": plan.allocation.bankers_assigned,
            "unused_capacity": plan.allocation.unused_capacity(network),
            "bankers": _bankers(network, plan),
            "branches": _branches(network, plan),
            "loans": _loans(network, plan),
        }
    )


def _bankers(network: Network, plan: Plan) -> list[BankerPlan]:
    assert plan.allocation is not None
    values = plan.allocation.value_of_banker(network)
    return [
        BankerPlan(
            banker_id=network.banker_ids[banker],
            branch_id=network.branch_ids[branch],
            capacity=float(network.banker_capacity[banker]),
            assigned_value=float(values[banker]),
            unused_capacity=float(network.banker_capacity[banker] - values[banker]),
            cost=float(network.cost[banker, branch]),
        )
        for banker, branch in enumerate(plan.allocation.branch_of_banker)
        if branch != NOBODY
    ]


def _branches(network: Network, plan: Plan) -> list[BranchPlan]:
    assert plan.allocation is not None
    values = plan.allocation.value_of_branch(network)
    investments = plan.allocation.investment_of_branch(network)
    return [
        BranchPlan(
            branch_id=branch_id,
            capacity=float(network.branch_capacity[branch]),
            target_value=float(plan.target * network.branch_capacity[branch]),
            assigned_value=float(values[branch]),
            investment_value=float(investments[branch]),
        )
        for branch, branch_id in enumerate(network.branch_ids)
    ]


def _loans(network: Network, plan: Plan) -> list[LoanPlan]:
    assert plan.allocation is not None
    branches = plan.allocation.branch_of_loan()
    return [
        LoanPlan(
            loan_id=network.loan_ids[loan],
            branch_id=network.branch_ids[branches[loan]],
            banker_id=network.banker_ids[plan.allocation.banker_of_loan[loan]],
        )
        for loan in np.flatnonzero(plan.allocation.banker_of_loan != NOBODY)
    ]
