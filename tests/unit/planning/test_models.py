"""Models 1 to 3 have the optima of the source document, and prove them on the full network."""

from dataclasses import replace

import numpy as np
import pytest

from dispatcher.planning.least_unused import least_unused
from dispatcher.planning.m1_least_cost import least_cost, unused_among_best
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.m3_profit_per_banker import profit_per_banker
from dispatcher.planning.network import Network
from dispatcher.planning.plan import NOBODY, Plan, Status
from dispatcher.planning.rates import EXPONENTIAL, Curve
from dispatcher.planning.search import within_limits
from tests.support.networks import drawn, dummy, victoria

GAP_MAX = 1e-4


def test_the_dummy_instance_has_the_optima_that_the_document_reports() -> None:
    """Its figures: least cost at 10 %, profit and profit per banker at 11 %, at 12 per cent."""
    cost, profit, ratio = (
        least_cost(dummy(), 0.10),
        greatest_profit(dummy(), 0.11),
        profit_per_banker(dummy(), 0.11),
    )
    assert cost.objective == pytest.approx(29.0946598, abs=1e-7)
    assert profit.objective == pytest.approx(138.9650766, abs=1e-7)
    assert ratio.objective == pytest.approx(37.6866952, abs=1e-7)
    assert (profit.rate, ratio.rate) == (12.0, 12.0)
    assert bankers(ratio) == 3
    for plan in (cost, profit, ratio):
        assert (plan.status, plan.gap) == (Status.OPTIMAL, 0.0)


@pytest.mark.parametrize("model", [least_cost, greatest_profit, profit_per_banker])
def test_the_full_network_is_solved_to_a_proven_gap(model) -> None:
    """169 branches, 350 bankers, 21,095 loans, with a bound that is as good as reached."""
    plan = model(victoria(), 0.10)
    assert plan.status is Status.OPTIMAL
    assert plan.gap is not None
    assert plan.gap <= GAP_MAX
    assert within_limits(victoria(), plan.allocation, 0.10)
    assert bankers(plan) == 169


def test_the_full_network_is_filled_to_the_dollar() -> None:
    """All loans are worth more than all capacities: a plan of most profit leaves no room."""
    plan = greatest_profit(victoria(), 0.10)
    assert plan.allocation is not None
    filled = plan.allocation.value_of_branch(victoria())
    assert np.array_equal(filled, victoria().branch_capacity)


def test_no_rate_earns_more_than_the_one_that_separates() -> None:
    """Solved anew at every third rate, whom the bank employs included."""
    best = greatest_profit(dummy(), 0.11)
    rates = range(0, 25, 3)
    others = [greatest_profit(dummy(), 0.11, rate=float(rate)).objective for rate in rates]
    assert max(others) == pytest.approx(best.objective)
    assert rates[others.index(max(others))] == 12


def test_both_models_have_one_best_rate_whatever_the_curve() -> None:
    """The document expected an exponential curve to set them apart: it changes whom they employ."""
    profit = greatest_profit(dummy(), 0.11, curve=EXPONENTIAL)
    ratio = profit_per_banker(dummy(), 0.11, curve=EXPONENTIAL)
    assert profit.rate == ratio.rate == pytest.approx(8.0)
    assert (bankers(profit), bankers(ratio)) == (4, 3)


def test_a_curve_that_repays_nothing_makes_bankers_a_cost_only() -> None:
    """Profit is then least cost, with the other sign."""
    nothing = Curve("nothing", ((0.0, 0.0), (24.0, 0.0)))
    plan = greatest_profit(dummy(), 0.10, curve=nothing)
    assert plan.objective == pytest.approx(-29.0946598, abs=1e-7)


def test_without_a_target_nobody_needs_to_work() -> None:
    """Least cost is then no cost; profit per banker still employs somebody."""
    assert least_cost(dummy(), 0.0).objective == 0
    assert bankers(profit_per_banker(dummy(), 0.0)) == 1


def test_an_impossible_target_is_proven_impossible() -> None:
    """At 35 % the dummy instance has no plan, by any model."""
    for model in (least_cost, greatest_profit, profit_per_banker, least_unused):
        plan = model(dummy(), 0.35)
        assert (plan.status, plan.allocation) == (Status.INFEASIBLE, None)


def test_of_equally_cheap_plans_the_fullest_is_taken() -> None:
    """What is left unused is the least that any plan of that cost leaves."""
    plan = least_cost(dummy(), 0.05)
    assert plan.allocation is not None
    least, most = unused_among_best(dummy(), 0.05, plan.objective)
    assert plan.allocation.unused_capacity(dummy()) == pytest.approx(least)
    assert least < most


@pytest.mark.parametrize("seed", range(3))
def test_flows_and_loans_agree_where_both_can_answer(seed: int, monkeypatch) -> None:
    """What flows bound and filling reaches is what deciding loan by loan finds, or is bounded."""
    network = drawn(seed)
    by_loan = greatest_profit(network, 0.3)
    monkeypatch.setattr("dispatcher.planning.search.LOAN_COLUMNS_SMALL", 0)
    monkeypatch.setattr("dispatcher.planning.search.LOAN_COLUMNS_MAX", 0)
    by_flow = greatest_profit(network, 0.3)
    assert by_flow.bound >= by_loan.objective - 1e-6
    if by_flow.objective is not None:
        assert by_flow.objective <= by_loan.bound + 1e-6


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model", [least_cost, greatest_profit, profit_per_banker])
def test_pricing_pairs_finds_what_all_pairs_give(seed: int, model, monkeypatch) -> None:
    """A few pairs at a time, with a bound that holds for all."""
    network = drawn(seed, bankers=40, branches=12, loans=1_500)
    straight = model(network, 0.2)
    monkeypatch.setattr("dispatcher.planning.search.PRICED_FROM", 100)
    monkeypatch.setattr("dispatcher.planning.pricing.BEGIN_WITH", 2)
    priced = model(network, 0.2)
    assert priced.objective == pytest.approx(straight.objective, rel=1e-7)
    assert priced.bound == pytest.approx(straight.bound, rel=1e-7)


def test_a_short_time_gives_no_false_proof() -> None:
    """Out of time there is a plan with a bound, or neither plan nor claim."""
    plan = least_cost(victoria(), 0.10, time_limit_s=0.01)
    assert plan.status in (Status.TIME_LIMIT, Status.FEASIBLE)


def test_a_network_that_does_not_fit_together_is_refused() -> None:
    """By what is wrong with it."""
    network = dummy()
    with pytest.raises(ValueError, match="travel has shape"):
        replace(network, travel=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="not above 0"):
        replace(network, banker_capacity=np.zeros(6))
    with pytest.raises(ValueError, match="not a finite number"):
        replace(network, banker_pay=np.full(6, np.nan))
    with pytest.raises(ValueError, match="two of the loan ids"):
        replace(network, loan_ids=("1",) * 15)


def test_a_network_without_loans_has_a_plan_at_no_target_only() -> None:
    """Nothing can be met with nothing."""
    empty = without_loans(dummy())
    assert least_cost(empty, 0.0).objective == 0
    assert least_cost(empty, 0.1).status is Status.INFEASIBLE


def without_loans(network: Network) -> Network:
    """The same bankers and branches."""
    return replace(
        network, loan_ids=(), loan_amount=np.zeros(0), loan_is_investment=np.zeros(0, dtype=bool)
    )


def bankers(plan: Plan) -> int:
    """How many work."""
    assert plan.allocation is not None
    return int((plan.allocation.branch_of_banker != NOBODY).sum())
