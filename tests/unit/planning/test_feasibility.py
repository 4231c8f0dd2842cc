"""An infeasible target is explained by what can't be kept together, and by one that can."""

from dataclasses import replace

import numpy as np
import pytest

from dispatcher.planning import feasibility
from dispatcher.planning.feasibility import explain, largest_target
from dispatcher.planning.limits import Limit
from dispatcher.planning.m1_least_cost import least_cost
from dispatcher.planning.plan import Status
from tests.support.networks import drawn, dummy


def test_the_largest_target_is_feasible_and_nothing_above_it_is() -> None:
    """Of the dummy instance: 1,200 of 3,500 units in branch C."""
    reached, bound = largest_target(dummy())
    assert reached == bound == pytest.approx(0.342857143)
    assert least_cost(dummy(), reached - 1e-9).status is Status.OPTIMAL
    assert least_cost(dummy(), reached + 1e-6).status is Status.INFEASIBLE


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"loan_is_investment": np.ones(15, dtype=bool)}, Limit.HALF_INVESTMENT),
        ({"banker_capacity": np.full(6, 100.0)}, Limit.BANKER_CAPACITY),
        ({"loan_amount": np.full(15, 10.0)}, Limit.SUPPLY),
        ({"loan_amount": np.full(15, 800.0)}, Limit.WHOLE_LOANS),
    ],
)
def test_the_limit_that_makes_a_target_fail_is_named(change: dict, limit: Limit) -> None:
    """And every limit that is named counts: without it the conflict is none."""
    network = replace(dummy(), **change)
    conflict = explain(network, 0.2, time_limit_s=6)
    assert any(said.startswith(limit.value) for said in conflict.limits)
    assert conflict.branch_ids


def test_too_few_bankers_are_said_to_be_too_few() -> None:
    """One for two branches, whatever they can process."""
    network = drawn(1, bankers=1, branches=2)
    conflict = explain(replace(network, banker_capacity=np.array([1e6])), 0.1)
    assert conflict.branch_ids == ("b0", "b1")
    assert [said.split(" (")[0] for said in conflict.limits] == [Limit.ONE_BRANCH.value]


def test_a_conflict_cannot_be_made_smaller() -> None:
    """Without any one of its branches, the rest of the targets can be met."""
    conflict = explain(dummy(), 0.5)
    assert conflict.branch_ids == ("B", "C")
    for branch_id in conflict.branch_ids:
        kept = [dummy().branch_ids.index(each) for each in conflict.branch_ids if each != branch_id]
        question = feasibility._Question(dummy(), 0.5, 60.0, by_loan=False)
        assert question.possible(frozenset(), kept)


def test_a_large_network_has_its_largest_target_found_by_halves() -> None:
    """Between what is reached and what is proven there is little."""
    network = drawn(3, bankers=40, branches=12, loans=1_500, enough=0.5)
    reached, bound = largest_target(network, time_limit_s=10)
    assert reached is not None
    assert 0.4 < reached <= bound <= 0.53
    assert least_cost(network, min(1.0, bound + 0.01), time_limit_s=10).allocation is None


def test_out_of_time_nothing_is_claimed_that_was_not_proven() -> None:
    """The bound stays a bound."""
    conflict = explain(dummy(), 0.5, time_limit_s=0.0)
    assert conflict.largest_target_bound >= 0.342857
