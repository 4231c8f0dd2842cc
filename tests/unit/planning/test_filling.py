"""Loans are given out within all limits, and fill what there is to fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.planning.filling import fill
from dispatcher.planning.plan import NOBODY
from dispatcher.planning.search import within_limits
from tests.support.networks import drawn


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.2, 3.0), st.floats(0.0, 1.0))
def test_whatever_is_given_keeps_the_limits(seed: int, enough: float, target: float) -> None:
    """With loans scarce and in plenty, bankers anywhere or nowhere."""
    network = drawn(seed, enough=enough)
    random = np.random.default_rng(seed)
    branch_of_banker = random.integers(-1, 4, 12)
    allocation = fill(network, branch_of_banker, target)
    assert within_limits(network, allocation, 0.0)


def test_nobody_at_work_gets_nothing() -> None:
    """And nothing fails."""
    allocation = fill(drawn(1), np.full(12, NOBODY), 0.5)
    assert (allocation.banker_of_loan == NOBODY).all()


@pytest.mark.parametrize("seed", range(5))
def test_with_many_loans_branches_are_filled_to_the_last_unit(seed: int) -> None:
    """As exchanges close what dealing out leaves."""
    network = drawn(seed, bankers=12, branches=4, loans=2_000, enough=1.5)
    allocation = fill(network, np.arange(12) % 4, 0.1)
    capacity = np.bincount(np.arange(12) % 4, weights=network.banker_capacity)
    served = np.minimum(capacity, network.branch_capacity)
    assert np.array_equal(allocation.value_of_branch(network), served)
