"""Plans of several periods against every plan there is, on networks small enough to try them all.

All ways to send bankers to branches in each period are known (`tests.support.brute_force`); the
best course through the periods is found by going through all pairs of ways of two periods.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from random import Random
from typing import Final, NamedTuple

import numpy as np
import pytest

from dispatcher.planning import multi_period
from dispatcher.planning.multi_period import (
    ChangeCosts,
    Year,
    YearPlan,
    changes_between,
    plan_rolling,
    plan_year,
    score,
)
from dispatcher.planning.plan import NOBODY
from tests.support.brute_force import Sent, everything
from tests.support.tiny_networks import COST_UNITS, TinyNetwork, tiny_networks

pytestmark = pytest.mark.no_cover  # traced, they take several times as long

EARNED: Final = Fraction(6, 100)
YEARS: Final = 60


class Case(NamedTuple):
    """Periods, costs of moving, hiring and leaving in thousandths, and where bankers were."""

    periods: tuple[TinyNetwork, ...]
    costs: tuple[int, int, int]
    at_start: tuple[int, ...] | None

    def year(self, earned: Fraction) -> Year:
        """As the planner takes it."""
        moving, hiring, leaving = (cost / COST_UNITS for cost in self.costs)
        return Year(
            periods=[tiny.network() for tiny in self.periods],
            target=self.periods[0].share,
            revenue_per_value=float(earned),
            costs=ChangeCosts(moving, hiring, leaving),
            at_start=None if self.at_start is None else np.array(self.at_start),
        )

    def best(self, earned: Fraction) -> Fraction | None:
        """Of all courses through the periods: profit, or less than nothing: cost."""
        worth: dict[tuple[int, ...] | None, Fraction] = {self.at_start: Fraction(0)}
        for tiny in self.periods:
            ways = everything(tiny).sent if worth else ()
            worth = {way.branches: self._after(worth, way, earned) for way in ways}
        return max(worth.values(), default=None)

    def _after(
        self, worth: dict[tuple[int, ...] | None, Fraction], way: Sent, earned: Fraction
    ) -> Fraction:
        own = earned * way.most_value - way.cost
        return own + max(before - self._changed(at, way.branches) for at, before in worth.items())

    def _changed(self, before: tuple[int, ...] | None, after: tuple[int, ...]) -> Fraction:
        moving, hiring, leaving = self.costs
        total = 0
        for was, is_ in zip(before or after, after, strict=True):
            if was != is_:
                total += hiring if was == NOBODY else leaving if is_ == NOBODY else moving
        return Fraction(total, COST_UNITS)


def cases(seed: int) -> Iterator[Case]:
    """Two or three periods with other loans and other branches' capacities."""
    random = Random(seed)
    for _, tiny in tiny_networks(seed, 1_000_000):
        bankers, branches = len(tiny.pay), len(tiny.branch_capacity)
        if bankers > 3 or branches > 2:
            continue
        count = random.choice((2, 3))
        periods = []
        for _ in range(count):
            kept = sorted(random.sample(range(len(tiny.amount)), min(len(tiny.amount), 5)))
            periods.append(
                replace(
                    tiny,
                    amount=tuple(tiny.amount[at] for at in kept),
                    investment=tuple(tiny.investment[at] for at in kept),
                    branch_capacity=tuple(
                        max(50, capacity * random.choice((1, 2, 4, 10)) // 10)
                        for capacity in tiny.branch_capacity
                    ),
                    target=min(tiny.target, 600),
                )
            )
        costs = tuple(random.choice((0, 500, 2_000, 8_000)) for _ in range(3))
        starts = tuple(random.randrange(-1, branches) for _ in range(bankers))
        at_start = random.choice((None, starts))
        yield Case(tuple(periods), (costs[0], costs[1], costs[2]), at_start)


@pytest.fixture(scope="module")
def drawn() -> list[tuple[Case, Fraction, Fraction | None]]:
    """Each with what a loan earns, nothing or as in model 2, and the best there is."""
    found = []
    for number, case in enumerate(islice(cases(seed=5), YEARS)):
        earned = EARNED if number % 2 else Fraction(0)
        found.append((case, earned, case.best(earned)))
    return found


Drawn = list[tuple[Case, Fraction, Fraction | None]]


def test_some_years_are_possible_and_some_are_not(drawn: Drawn) -> None:
    """Enough of either to tell something."""
    impossible = [case for case, _, best in drawn if best is None]
    assert YEARS / 10 < len(impossible) < YEARS * 2 / 3


def test_the_periods_together_are_planned_at_best(drawn: Drawn) -> None:
    """Objective, bound, and changes as they are counted."""
    changed = 0
    for case, earned, best in drawn:
        year = case.year(earned)
        plan = plan_year(year)
        if best is None:
            assert plan.status.value == "infeasible", case
            continue
        assert plan.status.value == "optimal", case
        assert_objective(plan, best, earned, case)
        assert plan.objective == pytest.approx(score(year, plan.allocations), rel=1e-9, abs=1e-9)
        before = year.at_start
        for allocation, changes in zip(plan.allocations, plan.changes, strict=True):
            assert changes == changes_between(before, allocation.branch_of_banker)
            before = allocation.branch_of_banker
            changed += changes.moved + changes.hired + changes.left
    assert changed > YEARS / 4


def test_the_way_of_large_years_promises_nothing_that_is_not_so(
    drawn: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Period by period, from several beginnings: never better than the best, which its bound holds.

    Most of the time it is the best.
    """
    monkeypatch.setattr(multi_period, "TOGETHER_COLUMNS_MAX", 0)
    reached, possible = assert_honest(drawn, plan_year)
    assert reached >= 0.8 * possible


def test_a_rolling_horizon_is_no_better_than_seeing_everything(drawn: Drawn) -> None:
    """One period at a time."""
    reached, possible = assert_honest(drawn, lambda year: plan_rolling(year, 1))
    assert 0 < reached < possible


def assert_honest(drawn: Drawn, solve: Callable[[Year], YearPlan]) -> tuple[int, int]:
    """How many are at best, of how many; none is better, and the bound is no worse."""
    reached = possible = 0
    for case, earned, best in drawn:
        plan = solve(case.year(earned))
        if best is None:
            assert not plan.allocations, case
            continue
        possible += 1
        assert plan.objective is not None, case
        objective = plan.objective if earned else -plan.objective
        slack = 1e-9 * max(1, abs(best))
        assert objective <= best + slack, case
        reached += abs(objective - best) <= slack
        assert plan.bound is not None, case
        assert (plan.bound if earned else -plan.bound) >= best - slack, case
    return reached, possible


def assert_objective(plan: YearPlan, best: Fraction, earned: Fraction, case: Case) -> None:
    """Least cost is a cost; the best is what it is worth."""
    expected = float(best if earned else -best)
    assert plan.objective == pytest.approx(expected, rel=1e-9, abs=1e-9), case
    assert plan.bound == pytest.approx(expected, rel=1e-7, abs=1e-7), case
