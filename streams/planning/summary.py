"""The document of a plan: from a network and the answer of a model to what is printed."""

import numpy as np

from dispatcher.planning.network import Network
from dispatcher.planning.plan import NOBODY, Plan
from streams.planning.document import (
    BankerPlan,
    BranchPlan,
    ConflictPlan,
    LoanPlan,
    ModelName,
    PlanDocument,
)


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
