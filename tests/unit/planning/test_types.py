"""Bankers in types: a plan that somebody can work by, and a bound on what types lose."""

import numpy as np
import pytest

from dispatcher.planning.m1_least_cost import least_cost
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.m3_profit_per_banker import profit_per_banker
from dispatcher.planning.search import within_limits
from dispatcher.planning.types import banker_types
from tests.support.networks import drawn


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model", [least_cost, greatest_profit, profit_per_banker])
def test_the_optimum_is_between_what_types_reach_and_what_they_prove(seed: int, model) -> None:
    """And a type for each banker loses nothing."""
    network = drawn(seed, bankers=16, branches=4, loans=800)
    best = model(network, 0.2)
    sign = -1 if model is least_cost else 1
    for count in (3, 8):
        typed = model(network, 0.2, banker_types=count)
        assert typed.allocation is not None
        assert within_limits(network, typed.allocation, 0.2)
        assert sign * typed.objective <= sign * best.objective + 1e-6 <= sign * typed.bound + 2e-6
    alone = model(network, 0.2, banker_types=16)
    assert alone.objective == pytest.approx(best.objective, rel=1e-7)


def test_every_banker_is_of_one_type_of_their_capacity() -> None:
    """As many types as wanted, and never fewer than capacities."""
    network = drawn(1, bankers=40)
    for count in (1, 7, 40, 100):
        types = banker_types(network, network.cost, count, maximise=False)
        everybody = np.sort(np.concatenate(types.members))
        assert np.array_equal(everybody, np.arange(40))
        assert len(types.size) == min(max(count, 3), 40)
        for capacity, members in zip(types.network.banker_capacity, types.members, strict=True):
            assert (network.banker_capacity[members] == capacity).all()


def test_an_impossible_target_is_impossible_with_types_too() -> None:
    """Proven, as types can do all that bankers can."""
    assert least_cost(drawn(2, bankers=2), 0.9, banker_types=2).status.value == "infeasible"
