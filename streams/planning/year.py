"""A year of several periods: from the data of a network to `multi_period`, and to a document.

A branch's capacity in a period is its year's times its share of demand (`periods` table), or an
equal part of it without one. Bankers can process, and cost, an equal part of their year in each.
Loans come in the order of their table, dealt out to periods in proportion to the demand of all
branches together: each loan to the period that is furthest behind.
"""

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from dispatcher.planning.multi_period import (
    ChangeCosts,
    Year,
    YearPlan,
    plan_rolling,
    plan_year,
)
from dispatcher.planning.network import Floats, Indices, Network
from dispatcher.planning.plan import Plan, Status
from dispatcher.planning.rates import LINEAR, AnyCurve, chosen_rate
from streams.failure import WrongUsage
from streams.planning.document import PlanDocument
from streams.planning.loading import NetworkData
from streams.planning.solving import TIME_LIMIT_S
from streams.planning.summary import document_of

PERIODS_MAX = 60
"""Periods that are planned together."""
YearModel = Literal["m1", "m2"]


@dataclass(frozen=True)
class YearAsked:
    """What to plan.

    Attributes:
        periods: how many, where no table says it.
        horizon: periods that are seen at a time; None for all.
        rate: in per cent; None for the best one.
        time_limit_s: in HiGHS, over all periods.
    """

    model: YearModel
    target: float
    costs: ChangeCosts
    periods: int = 4
    horizon: int | None = None
    curve: AnyCurve = LINEAR
    rate: float | None = None
    time_limit_s: float = 4 * TIME_LIMIT_S


class PeriodDocument(BaseModel):
    """One period: its plan, and what changed against the period before."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    period: str
    moved: int
    hired: int
    left: int
    plan: PlanDocument


class YearDocument(BaseModel):
    """A plan of several periods. The objective is that of all of them, less the costs of change."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    model: YearModel
    status: Literal["optimal", "feasible", "infeasible", "time_limit"]
    target: float
    objective: float | None
    bound: float | None
    gap: float | None
    seconds: float
    money: str
    moving_cost: float
    hiring_cost: float
    leaving_cost: float
    change_cost: float | None
    infeasible_period: str | None
    periods: list[PeriodDocument]


def plan(data: NetworkData, asked: YearAsked) -> YearDocument:
    """Plan a year."""
    begun = time.monotonic()
    shares, names = _demand(data, asked.periods)
    rate, earned = chosen_rate(asked.curve, asked.rate) if asked.model == "m2" else (None, 0.0)
    year = Year(_periods(data.network, shares), asked.target, earned, asked.costs)
    if asked.horizon is None:
        planned = plan_year(year, time_limit_s=asked.time_limit_s)
    else:
        planned = plan_rolling(year, asked.horizon, time_limit_s=asked.time_limit_s)
    return _document(year, planned, asked, rate, names, time.monotonic() - begun)


def _demand(data: NetworkData, periods: int) -> tuple[Floats, tuple[str, ...]]:
    """(Q, B) shares of a branch's year, and the periods' names."""
    if data.demand_share is not None:
        if len(data.period_names) > PERIODS_MAX:
            raise WrongUsage(f"{len(data.period_names)} periods; at most {PERIODS_MAX}")
        return data.demand_share, data.period_names
    shares = np.full((periods, len(data.network.branch_ids)), 1 / periods)
    return shares, tuple(str(number + 1) for number in range(periods))


def _periods(network: Network, shares: Floats) -> list[Network]:
    count = len(shares)
    demand = shares @ network.branch_capacity
    period_of_loan = _dealt(network.loan_amount, demand)
    return [
        Network(
            banker_ids=network.banker_ids,
            banker_capacity=network.banker_capacity / count,
            banker_pay=network.banker_pay / count,
            travel=network.travel / count,
            branch_ids=network.branch_ids,
            branch_capacity=network.branch_capacity * shares[number],
            loan_ids=tuple(network.loan_ids[loan] for loan in loans),
            loan_amount=network.loan_amount[loans],
            loan_is_investment=network.loan_is_investment[loans],
            money=network.money,
        )
        for number in range(count)
        for loans in [np.flatnonzero(period_of_loan == number)]
    ]


def _dealt(amounts: Floats, demand: Floats) -> Indices:
    """(L,) a period for each loan: the one that is furthest behind its share of what came."""
    share = demand / demand.sum()
    got = np.zeros(len(demand))
    period_of_loan = np.zeros(len(amounts), dtype=np.int64)
    total = 0.0
    for loan, amount in enumerate(amounts):
        total += float(amount)
        period = int(np.argmax(share * total - got))
        got[period] += amount
        period_of_loan[loan] = period
    return period_of_loan


def _document(
    year: Year,
    planned: YearPlan,
    asked: YearAsked,
    rate: float | None,
    names: tuple[str, ...],
    seconds: float,
) -> YearDocument:
    stuck = planned.infeasible_period
    costs = asked.costs
    return YearDocument(
        model=asked.model,
        status=planned.status.value,
        target=asked.target,
        objective=planned.objective,
        bound=planned.bound,
        gap=planned.gap,
        seconds=seconds,
        money=year.periods[0].money,
        moving_cost=costs.moving,
        hiring_cost=costs.hiring,
        leaving_cost=costs.leaving,
        change_cost=sum(each.cost(costs) for each in planned.changes)
        if planned.allocations
        else None,
        infeasible_period=None if stuck is None else names[stuck],
        periods=[
            PeriodDocument(
                period=names[number],
                moved=changes.moved,
                hired=changes.hired,
                left=changes.left,
                plan=_period_document(year, planned, asked, rate, number),
            )
            for number, changes in enumerate(planned.changes)
        ],
    )


def _period_document(
    year: Year, planned: YearPlan, asked: YearAsked, rate: float | None, number: int
) -> PlanDocument:
    """The period's part: without a proof of its own, as the proof is for the year."""
    allocation = planned.allocations[number]
    network = year.periods[number]
    value = float(allocation.value_of_branch(network).sum())
    worth = year.revenue_per_value * value - allocation.cost(network)
    objective = worth if asked.model == "m2" else -worth
    part = Plan(asked.model, Status.FEASIBLE, asked.target, objective, None, rate,
                year.revenue_per_value, allocation)  # fmt: skip
    return document_of(network, part, asked.model, 0.0)
