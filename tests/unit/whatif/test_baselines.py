"""Methods that people know, on cases that can be done by hand."""

from fractions import Fraction

import pytest

from dispatcher.roster import Member
from streams.whatif.baselines import largest_remainder, pays_back, round_robin
from streams.whatif.course import Round
from tests.support.rounds import outcome_of, rounds_of

THREE = {"A": "0.8", "B": "1", "C": "1.2"}
METHODS = [round_robin, largest_remainder, pays_back]


def test_round_robin_goes_on_where_the_batch_before_ended() -> None:
    """A, then B, then C, whatever they weigh."""
    rounds = rounds_of((2, THREE), (2, THREE), (4, THREE))
    assert list(round_robin(rounds)) == [[1, 1, 0], [1, 0, 1], [1, 2, 1]]


def test_round_robin_goes_on_behind_somebody_who_left_or_came() -> None:
    """After B left it is C's turn; after A comes back it is D's all the same."""
    rounds = rounds_of(
        (2, {"A": "1", "B": "1", "C": "1"}),
        (1, {"A": "1", "C": "1", "D": "1"}),
        (2, {"A": "1", "B": "1", "D": "1"}),
    )
    assert list(round_robin(rounds)) == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_an_empty_batch_moves_no_turn() -> None:
    """Nobody got anything."""
    rounds = rounds_of((1, THREE), (0, THREE), (1, THREE))
    assert list(round_robin(rounds)) == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_largest_remainder_divides_each_batch_by_itself() -> None:
    """100 on .8, 1, 1.2: 26.67, 33.33, 40; the lead left over goes to A. It does so every time."""
    rounds = rounds_of((100, THREE), (100, THREE))
    assert list(largest_remainder(rounds)) == [[27, 33, 40], [27, 33, 40]]


def test_single_leads_all_go_to_the_heaviest_without_memory() -> None:
    """Weights .6 and .4, and B never gets any: why memory is needed."""
    rounds = rounds_of(*[(1, {"A": "0.6", "B": "0.4"})] * 5)
    assert list(largest_remainder(rounds)) == [[1, 0]] * 5


def test_of_equal_remainders_the_first_in_rank_is_first() -> None:
    """As everywhere."""
    assert list(largest_remainder(rounds_of((2, {"A": "1", "B": "1", "C": "1"})))) == [[1, 1, 0]]


def test_whoever_comes_back_is_paid_back_all_at_once() -> None:
    """B misses 4 of 8 leads and then gets all, until they have as many as A."""
    both = rounds_of((8, {"A": "1", "B": "1"}))[0]
    a, b = both.members
    away = Round(0, 8, (a,), a.weight_millionths, (Member(b.digest, "B", 1_000_000, paused=True),))
    back = rounds_of((5, {"A": "1", "B": "1"}))[0]
    assert list(pays_back([away, back])) == [[8], [0, 5]]


@pytest.mark.parametrize("method", METHODS)
def test_every_lead_is_divided_and_fair_shares_add_up_to_them(method: object) -> None:
    """For every method alike."""
    assert callable(method)
    rounds = rounds_of((5, THREE), (1, {"A": "1", "D": "0.000001"}), (7, {"D": "3"}), (2, THREE))
    outcome = outcome_of(rounds, list(method(rounds)))
    assert sum(outcome.received.values()) == 15
    assert sum(outcome.leads(due) for due in outcome.due.values()) == 15
    assert sum((outcome.error(name) for name in outcome.received), Fraction(0)) == 0
