"""Periods are planned together: what changes cost is weighed against what they are worth."""

from dataclasses import replace

import numpy as np
import pytest

from dispatcher.planning import multi_period
from dispatcher.planning.multi_period import (
    ChangeCosts,
    Changes,
    Year,
    changes_between,
    plan_rolling,
    plan_year,
    score,
)
from dispatcher.planning.network import Network
from dispatcher.planning.plan import NOBODY, Status
from dispatcher.planning.search import within_limits
from tests.support.networks import drawn


def test_dear_moves_are_not_made_and_free_ones_are() -> None:
    """The same year: with what moves cost, fewer of them, and never a better result."""
    plans = [plan_year(year(ChangeCosts(moving=cost))) for cost in (0.0, 0.5, 100.0)]
    assert [plan.status for plan in plans] == [Status.OPTIMAL] * 3
    worth = [plan.objective for plan in plans]
    moves = [sum(change.moved for change in plan.changes) for plan in plans]
    assert worth == sorted(worth)
    assert moves == sorted(moves, reverse=True)
    assert moves[0] > 0
    assert moves[-1] == 0


@pytest.mark.parametrize(("seed", "revenue"), [(0, 0.0), (2, 0.0), (5, 0.0), (5, 0.05)])
def test_period_by_period_comes_close_to_all_in_one_model(
    seed: int, revenue: float, monkeypatch
) -> None:
    """Never better than the optimum, never beyond its own bound."""
    asked = year(ChangeCosts(1.0, 2.0, 0.5), seed=seed, revenue=revenue)
    together = plan_year(asked)
    monkeypatch.setattr(multi_period, "TOGETHER_COLUMNS_MAX", 0)
    apart = plan_year(asked)
    sign = 1 if revenue else -1
    assert sign * apart.objective <= sign * together.objective + 1e-6
    assert sign * apart.objective <= sign * apart.bound + 1e-6
    assert sign * together.objective <= sign * apart.bound + 1e-6
    if not revenue:
        assert apart.objective == pytest.approx(together.objective, rel=0.05)


def test_the_objective_is_what_the_periods_are_worth_less_what_changes_cost() -> None:
    """Recomputed from the allocations, which keep the limits in every period."""
    asked = year(ChangeCosts(1.0, 2.0, 0.5))
    plan = plan_year(asked)
    assert plan.objective == pytest.approx(score(asked, plan.allocations))
    for network, allocation in zip(asked.periods, plan.allocations, strict=True):
        assert within_limits(network, allocation, asked.target)


def test_who_sees_further_does_no_worse() -> None:
    """A rolling plan that sees one period, against one that sees all."""
    asked = year(ChangeCosts(1.0, 2.0, 0.5))
    near, far = plan_rolling(asked, 1), plan_rolling(asked, len(asked.periods))
    best = plan_year(asked)
    assert best.objective <= near.objective + 1e-9
    assert best.objective <= far.objective + 1e-9


def test_where_bankers_were_before_counts() -> None:
    """Who was somewhere has to be worth moving."""
    asked = year(ChangeCosts(moving=100.0, hiring=100.0, leaving=100.0))
    first = plan_year(asked).allocations[0].branch_of_banker
    again = plan_year(replace(asked, at_start=first))
    assert sum(change.moved for change in again.changes) == 0


def test_a_period_that_cannot_meet_the_target_is_named() -> None:
    """By its number."""
    asked = year(ChangeCosts())
    poor = replace(asked.periods[1], loan_amount=asked.periods[1].loan_amount / 1000)
    plan = plan_year(replace(asked, periods=[asked.periods[0], poor]))
    assert (plan.status, plan.infeasible_period) == (Status.INFEASIBLE, 1)
    rolling = plan_rolling(replace(asked, periods=[asked.periods[0], poor]), 1)
    assert (rolling.status, rolling.infeasible_period) == (Status.INFEASIBLE, 1)


def test_changes_are_told_apart() -> None:
    """Moved, hired, left, stayed, still nowhere."""
    before = np.array([0, NOBODY, 2, 1, NOBODY])
    after = np.array([1, 0, NOBODY, 1, NOBODY])
    assert changes_between(before, after) == Changes(moved=1, hired=1, left=1)
    assert changes_between(None, after) == Changes(0, 0, 0)


def year(costs: ChangeCosts, seed: int = 5, revenue: float = 0.0) -> Year:
    """Three periods in which different branches are busy, and few bankers for the busy ones."""
    network = drawn(seed, bankers=5, branches=3, loans=14, enough=2.0)
    network = replace(network, banker_capacity=np.array([150.0, 300.0, 300.0, 600.0, 600.0]))
    busy = np.array([[1.0, 0.4, 0.2], [0.3, 1.0, 0.3], [0.4, 0.2, 1.0]])
    periods: list[Network] = [
        replace(network, branch_capacity=network.branch_capacity * part) for part in busy
    ]
    return Year(periods, 0.5, revenue, costs)
