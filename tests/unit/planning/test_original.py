"""The document's own formulation says what ours says, where it says anything in time."""

from fractions import Fraction
from pathlib import Path
from typing import Final

import pytest

import streams.planning
from dispatcher.planning import original
from dispatcher.planning.highs import LinearModel
from dispatcher.planning.m1_least_cost import least_cost
from dispatcher.planning.network import Network
from dispatcher.planning.original import TooLarge, original_m1, original_m2, original_m3, size_of
from dispatcher.planning.plan import Plan
from streams.planning.loading import load_network
from tests.support.brute_force import everything
from tests.support.tiny_networks import tiny_networks

DATA: Final = Path(streams.planning.__file__).parent / "data"
EARNED: Final = Fraction(6, 100)


@pytest.fixture(scope="module")
def dummy() -> Network:
    """6 bankers, 3 branches, 15 loans."""
    return load_network(DATA / "dummy").network


def test_it_finds_the_same_optima_on_tiny_networks() -> None:
    """All three models, feasible or not, against every plan there is."""
    outcomes = set()
    for _, tiny in tiny_networks(seed=3, count=20):
        network, every = tiny.network(), everything(tiny)
        for plan, best in (
            (original_m1(network, tiny.share), every.least_cost()),
            (original_m2(network, tiny.share), every.greatest_profit(EARNED)),
            (original_m3(network, tiny.share), every.greatest_profit_per_banker(EARNED)),
        ):
            outcomes.add(plan.status.value)
            assert_best(plan, best)
    assert outcomes == {"optimal", "infeasible"}


def test_model_1_of_the_dummy_costs_the_same(dummy: Network) -> None:
    """As many bankers, 29.0946598."""
    theirs, ours = original_m1(dummy, 0.10), least_cost(dummy, 0.10)
    assert theirs.objective == pytest.approx(29.0946598, abs=5e-8)
    assert theirs.allocation is not None
    assert ours.allocation is not None
    assert theirs.allocation.bankers_assigned == ours.allocation.bankers_assigned


def test_its_size_is_known_before_it_is_built(dummy: Network) -> None:
    """Columns, rows and coefficients of the dummy, counted in the model."""
    model = LinearModel()
    original._constrained(dummy, 0.1, model)
    entries = sum(len(columns) for _, columns, _ in model._entries)
    assert (model.columns, model.rows, entries) == size_of(dummy) == (153, 336, 1323)


def test_the_full_network_is_too_large_to_be_built() -> None:
    """1.25 billion constraints: one for every loan, banker and branch."""
    network = load_network(DATA / "nab-victoria").network
    assert 350 * 169 * 21_095 < size_of(network).rows < 1.25e9
    with pytest.raises(TooLarge, match=r"has 1,247,833,742 constraints"):
        original_m1(network, 0.10)


def test_without_time_there_is_no_plan_and_no_proof(dummy: Network) -> None:
    """A bound it may have."""
    for solve in (original_m1, original_m2, original_m3):
        plan = solve(dummy, 0.11, time_limit_s=0.01)
        assert plan.status.value in ("time_limit", "feasible")
        assert plan.gap is None or plan.gap > 0


def assert_best(plan: Plan, best: Fraction | None) -> None:
    """The optimum, or that there is none."""
    if best is None:
        assert plan.status.value == "infeasible"
    else:
        assert plan.status.value == "optimal"
        assert plan.objective == pytest.approx(float(best), rel=1e-7, abs=1e-7)
