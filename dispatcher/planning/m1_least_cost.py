"""Model 1: meet a target at least cost.

    minimise   sum over p, b of c(p,b) y(p,b)        pay and travel of who works where
    subject to the limits in `limits`, with target t

Of the plans of least cost, the one is taken that leaves least of its bankers' capacity unused: that
is what the source document's first question compares targets by, and the cost leaves it open.
"""

from dataclasses import replace
from typing import Final

from dispatcher.planning.effort import GAP, Limits
from dispatcher.planning.highs import INFINITY, Progress
from dispatcher.planning.least_unused import unused_question
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Allocation, Plan, Status
from dispatcher.planning.search import LOAN_COLUMNS_SMALL, Question, search
from dispatcher.planning.variables import loan_columns, loan_groups

FULL_ENOUGH: Final = 1e-4
"""Unused capacity, as a part of all bankers', that the cheapest plans are not searched on for."""


def least_cost(
    network: Network,
    target: float,
    *,
    time_limit_s: float = INFINITY,
    gap: float = GAP,
    progress: Progress | None = None,
    banker_types: int | None = None,
) -> Plan:
    """Solve model 1.

    Args:
        target: share of each branch's capacity that its loans have to reach, 0 to 1.
        time_limit_s: seconds in HiGHS at most.
        gap: relative distance to the bound at which a plan is optimal.
        progress: told of objective and bound.
        banker_types: bankers in so many types, faster and with a larger gap; None: by themselves.
    """
    limits = Limits(time_limit_s, gap, progress, banker_types)
    question = Question(maximise=False, value_weight=0.0, banker_weight=network.cost)
    found = search(network, target, question, limits)
    if found.status is Status.OPTIMAL and banker_types is None and decided_by_loan(network):
        best = replace(
            unused_question(network),
            at_most=(network.cost, _just_above(found.objective)),
            close_enough=FULL_ENOUGH * float(network.banker_capacity.sum()),
        )
        fuller = search(network, target, best, replace(limits, progress=None))
        if fuller.allocation is not None:
            found = replace(found, allocation=fuller.allocation)
    return Plan("m1", found.status, target, found.objective, found.bound,
                allocation=found.allocation)  # fmt: skip


def unused_among_best(network: Network, target: float, cost: float) -> tuple[float, float] | None:
    """The least and the greatest unused capacity of bankers among all plans of a cost.

    Returns:
        None for networks that are too large to decide loan by loan.
    """
    least = _among_best(network, target, cost, Limits(), maximise=False)
    most = _among_best(network, target, cost, Limits(), maximise=True)
    if least is None or most is None:
        return None
    return least.unused_capacity(network), most.unused_capacity(network)


def emptiest(network: Network, plan: Plan, *, time_limit_s: float = INFINITY) -> Plan | None:
    """Of the plans of the same cost, the one that leaves most capacity unused.

    Returns:
        None for networks that are too large to decide loan by loan, and out of time.
    """
    if plan.objective is None:
        return None
    limits = Limits(time_limit_s)
    allocation = _among_best(network, plan.target, plan.objective, limits, maximise=True)
    return None if allocation is None else replace(plan, allocation=allocation)


def _among_best(
    network: Network, target: float, cost: float, limits: Limits, *, maximise: bool
) -> Allocation | None:
    """The allocation at one end of what plans of a cost leave unused."""
    if not decided_by_loan(network):
        return None
    question = replace(
        unused_question(network), maximise=maximise, at_most=(network.cost, _just_above(cost))
    )
    return search(network, target, question, limits).allocation


def decided_by_loan(network: Network) -> bool:
    """Whether every loan is decided by HiGHS from the start."""
    return loan_columns(network, loan_groups(network)) <= LOAN_COLUMNS_SMALL


def _just_above(cost: float | None) -> float:
    assert cost is not None
    return cost + 1e-9 * max(1.0, abs(cost))
