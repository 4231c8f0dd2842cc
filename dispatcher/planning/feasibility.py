"""Why a target can't be met, and which one could.

In: a network and a target that is infeasible. Out: branches whose targets conflict, the limits they
conflict with, and the largest share of their capacities that all branches can reach.

The conflict is irreducible: without any one of its limits, or of its branches' targets, what is
left of it is possible. There may be others. Limits are taken away one by one, and then branches by
halves (QuickXplain, Junker 2004), while it stays impossible.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from dispatcher.planning.effort import Limits
from dispatcher.planning.highs import INFINITY, LinearModel
from dispatcher.planning.limits import Limit, keep_limits
from dispatcher.planning.network import Network
from dispatcher.planning.plan import Conflict, Status
from dispatcher.planning.search import LOAN_COLUMNS_SMALL, Question, search
from dispatcher.planning.variables import (
    LoanGroups,
    Variables,
    flow_variables,
    loan_columns,
    loan_groups,
    loan_variables,
)

TIME_LIMIT_S: Final = 60.0
"""Seconds in HiGHS that an explanation may take, unless another limit is given."""
SHARE_STEP: Final = 1e-4
"""How exactly the largest target of a large network is found."""


def largest_target(
    network: Network, *, time_limit_s: float = TIME_LIMIT_S
) -> tuple[float | None, float]:
    """The largest share of their capacities that all branches reach together.

    Returns:
        The largest one that a plan is known for, None without any, and a bound: none above it is.
    """
    if decided_by_loan(network):
        v, share = _largest_share(network, by_loan=True)
        answer = v.model.solve(time_limit_s=time_limit_s)
        bound = _rounded(min(1.0, max(0.0, answer.bound)))
        return (None if answer.values is None else _rounded(float(answer.values[share]))), bound
    return _between(network, time_limit_s)


def _largest_share(network: Network, *, by_loan: bool) -> tuple[Variables, int]:
    """The model that makes the share as large as it can be, and the share's column."""
    v = _variables(network, by_loan=by_loan, maximise=True)
    keep_limits(v, 0.0)
    share = v.model.continuous(1, upper=1.0)
    every = np.broadcast_to(share, (len(network.branch_ids), 1))
    v.model.constrain("the share that all reach", (1, v.value), (-v.capacity[:, None], every),
                      at_least=0)  # fmt: skip
    v.model.objective((1, share))
    return v, int(share[0])


def _between(network: Network, time_limit_s: float) -> tuple[float | None, float]:
    """By halves: at a fixed share the relaxation is far stronger than where the share is open."""
    v, _ = _largest_share(network, by_loan=False)
    answer = v.model.solve(relaxed=True, time_limit_s=time_limit_s)
    bound = _rounded(min(1.0, max(0.0, answer.bound)))
    left_s = time_limit_s - answer.seconds
    reached: float | None = None
    tried = high = bound
    while left_s > 0 and high - (reached or 0.0) > SHARE_STEP:
        limits = Limits(min(left_s, time_limit_s / 8))
        before_s = limits.time_limit_s
        question = Question(maximise=False, value_weight=0.0, banker_weight=network.cost)
        found = search(network, tried, question, limits)
        left_s -= max(before_s - limits.time_limit_s, 0.1)
        if found.allocation is not None:
            value = found.allocation.value_of_branch(network)
            reached = max(reached or 0.0, float((value / network.branch_capacity).min()))
        else:
            high = tried
            bound = tried if found.status is Status.INFEASIBLE else bound
        tried = ((reached or 0.0) + high) / 2
    assert reached is None or bound >= reached - SHARE_STEP, (reached, bound)
    return reached, max(bound, reached or 0.0)


def explain(network: Network, target: float, *, time_limit_s: float = TIME_LIMIT_S) -> Conflict:
    """Why there is no plan at a target.

    Args:
        time_limit_s: seconds in HiGHS. When they are over, what is left untried stays in the
            conflict, which is then perhaps not irreducible.
    """
    reached, bound = largest_target(network, time_limit_s=time_limit_s / 3)
    question = _Question(network, target, time_limit_s * 2 / 3)
    question.by_loan = question.possible(frozenset(), range(len(network.branch_ids)))
    every = list(range(len(network.branch_ids)))
    lifted: frozenset[Limit] = frozenset()
    for limit in Limit:
        if limit is Limit.WHOLE_LOANS and not question.by_loan:
            lifted |= {limit}  # it is impossible with divided loans already
        elif not question.possible(lifted | {limit}, every):
            lifted |= {limit}
    branches = _irreducible(lambda some: not question.possible(lifted, some), every)
    return Conflict(
        branch_ids=tuple(network.branch_ids[branch] for branch in branches),
        limits=tuple(_sentence(network, each) for each in Limit if each not in lifted),
        largest_target=reached,
        largest_target_bound=bound,
    )


def decided_by_loan(network: Network) -> bool:
    """Whether the network is small enough to decide every loan."""
    return loan_columns(network, loan_groups(network)) <= LOAN_COLUMNS_SMALL


@dataclass
class _Question:
    """Whether some targets are possible, with some limits lifted; within the time, else: yes."""

    network: Network
    target: float
    time_limit_s: float
    by_loan: bool = False
    _groups: LoanGroups | None = None

    def possible(self, lifted: frozenset[Limit], branches: Sequence[int]) -> bool:
        if self.time_limit_s <= 0:
            return True
        by_loan = self.by_loan and Limit.SUPPLY not in lifted
        v = _variables(self.network, by_loan=by_loan, maximise=False,
                       whole=Limit.WHOLE_LOANS not in lifted)  # fmt: skip
        targets = np.zeros(len(self.network.branch_ids))
        targets[list(branches)] = self.target
        keep_limits(v, targets, lifted)
        answer = v.model.solve(time_limit_s=self.time_limit_s)
        self.time_limit_s -= answer.seconds
        return not answer.infeasible


def _variables(network: Network, *, by_loan: bool, maximise: bool, whole: bool = True) -> Variables:
    model = LinearModel(maximise=maximise)
    if by_loan:
        return loan_variables(network, loan_groups(network), model, whole=whole)
    return flow_variables(network, model)


def _irreducible(impossible: Callable[[list[int]], bool], every: list[int]) -> list[int]:
    """A smallest set, in the sense that nothing can be left out, that is impossible."""

    def within(kept: list[int], added: bool, some: list[int]) -> list[int]:
        if added and impossible(kept):
            return []
        if len(some) == 1:
            return some
        half = len(some) // 2
        second = within(kept + some[:half], True, some[half:])
        first = within(kept + second, bool(second), some[:half])
        return first + second

    if not every or impossible([]):
        return []
    return sorted(within([], False, every))


def _rounded(share: float) -> float:
    """Without the last digits, which are the solver's."""
    return float(np.round(share, 9))


def _sentence(network: Network, limit: Limit) -> str:
    money = network.money
    bankers, branches = len(network.banker_ids), len(network.branch_ids)
    details = {
        Limit.ONE_BRANCH: f"{bankers:,} bankers for {branches:,} branches",
        Limit.BANKER_CAPACITY: f"together {network.banker_capacity.sum():,.0f} {money}",
        Limit.HALF_INVESTMENT: f"{network.owner_total:,.0f} {money} of owner-occupied loans, "
        f"{network.investment_total:,.0f} of investment loans",
        Limit.SUPPLY: f"{network.loan_amount.sum():,.0f} {money} in "
        f"{len(network.loan_ids):,} loans",
        Limit.WHOLE_LOANS: "from "
        f"{network.loan_amount.min(initial=INFINITY):,.0f} to "
        f"{network.loan_amount.max(initial=0):,.0f} {money}",
    }
    return f"{limit.value} ({details[limit]})"
