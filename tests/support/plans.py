"""Plans that nobody solved for: written by hand, or greedy."""

from collections.abc import Mapping, Sequence

import numpy as np

from dispatcher.planning.network import Network
from dispatcher.planning.plan import NOBODY, Allocation, Plan, Status
from dispatcher.planning.rates import LINEAR, AnyCurve, revenue_per_value
from streams.planning.document import ConflictPlan, ModelName, PlanDocument
from streams.planning.summary import document_of


def written_plan(
    network: Network,
    model: ModelName,
    target: float,
    works: Mapping[str, tuple[str, Sequence[str]]],
    *,
    rate: float | None = None,
    curve: AnyCurve = LINEAR,
) -> PlanDocument:
    """A plan from a banker's branch and loans, as if it had been proven the best."""
    branches = np.full(len(network.banker_ids), NOBODY)
    bankers = np.full(len(network.loan_ids), NOBODY)
    for banker_id, (branch_id, loan_ids) in works.items():
        banker = network.banker_ids.index(banker_id)
        branches[banker] = network.branch_ids.index(branch_id)
        for loan_id in loan_ids:
            bankers[network.loan_ids.index(loan_id)] = banker
    return _document(network, model, target, Allocation(branches, bankers), rate, curve)


def greedy_plan(
    network: Network, model: ModelName, target: float, *, rate: float | None = None
) -> PlanDocument:
    """A banker for each branch, the cheapest left; half of the owner-occupied loans, in turn."""
    branches = np.full(len(network.banker_ids), NOBODY)
    for branch in range(len(network.branch_ids)):
        free = np.flatnonzero(branches == NOBODY)
        branches[free[network.cost[free, branch].argmin()]] = branch
    at_work = np.flatnonzero(branches != NOBODY)
    bankers = np.full(len(network.loan_ids), NOBODY)
    owner = np.flatnonzero(~network.loan_is_investment)
    share = len(owner) // (2 * len(at_work))
    for number, banker in enumerate(at_work):
        bankers[owner[number * share : (number + 1) * share]] = banker
    return _document(network, model, target, Allocation(branches, bankers), rate, LINEAR)


def _document(
    network: Network,
    model: ModelName,
    target: float,
    allocation: Allocation,
    rate: float | None,
    curve: AnyCurve,
) -> PlanDocument:
    revenue = 0.0 if rate is None else revenue_per_value(curve, rate)
    value = float(allocation.value_of_branch(network).sum())
    objectives = {
        "m1": allocation.cost(network),
        "m2": value * revenue - allocation.cost(network),
        "m3": (value * revenue - allocation.cost(network)) / max(allocation.bankers_assigned, 1),
        "least-unused": allocation.unused_capacity(network),
    }
    objective = objectives[model]
    plan = Plan(
        model=model,
        status=Status.OPTIMAL,
        target=target,
        objective=objective,
        bound=objective,
        rate=rate,
        revenue_per_value=revenue,
        allocation=allocation,
    )
    return document_of(network, plan, model, seconds=0.25)


def infeasible_plan(target: float, money: str = "units") -> PlanDocument:
    """No plan, and why."""
    conflict = ConflictPlan(
        branch_ids=["B"],
        limits=["all bankers together process 3,500 units"],
        largest_target=0.345,
        largest_target_bound=0.346,
    )
    return PlanDocument(
        model="m1", status="infeasible", target=target, seconds=0.1, money=money, conflict=conflict
    )


CHEAP: dict[str, tuple[str, Sequence[str]]] = {
    "1": ("C", ("1", "2", "6")), "3": ("B", ("3", "4")), "4": ("A", ("12",)),
}  # fmt: skip
"""Of the small network: 1,400 units of loans, 100 units of capacity unused."""
THREE: dict[str, tuple[str, Sequence[str]]] = {
    "1": ("C", ("1", "3")), "5": ("A", ("5", "7")), "6": ("B", ("9", "13")),
}  # fmt: skip
"""2,400 units of loans, 100 unused."""


def small_plans(network: Network) -> list[PlanDocument]:
    """All models, several targets, alternative optima, and a target that can't be met."""
    lazy = {**CHEAP, "1": ("C", ("1", "2"))}
    return [
        written_plan(network, "m1", 0.05, CHEAP),
        written_plan(network, "m1", 0.06, CHEAP),
        written_plan(network, "m1", 0.06, lazy),
        written_plan(network, "m1", 0.11, THREE),
        infeasible_plan(0.35),
        written_plan(network, "m2", 0.11, {**THREE, "3": ("A", ("12", "15"))}, rate=12.0),
        written_plan(network, "m3", 0.11, THREE, rate=12.0),
        written_plan(network, "least-unused", 0.11, THREE),
    ]
