"""The chairman assignment, and the least error that was possible at all."""

import random
from fractions import Fraction

import pytest

from streams.whatif.chairman import chairman, dues_of, least_possible
from streams.whatif.course import Round
from tests.support.rounds import all_divisions, largest_error, outcome_of, rounds_of

RANDOM_CASES = 150


def divided(rounds: list[Round]) -> list[list[int]]:
    """What the chairman assignment gives; there is one."""
    counts = chairman(rounds)
    assert counts is not None
    return counts


def bound(members: int) -> Fraction:
    """Tijdeman's, for so many members."""
    return 1 - Fraction(1, 2 * members - 2)


def random_weight(rng: random.Random) -> str:
    """One decimal, or six."""
    return rng.choice([f"{rng.randint(1, 30) / 10:.1f}", f"{rng.randint(1, 3_000_000) / 1e6:.6f}"])


def test_two_of_equal_weight_take_turns() -> None:
    """Nobody is ever further off than half a lead."""
    rounds = rounds_of(*[(1, {"A": "1", "B": "1"})] * 6)
    assert [counts.index(1) for counts in divided(rounds)] == [0, 1, 0, 1, 0, 1]
    assert largest_error(rounds, divided(rounds)) == Fraction(1, 2)


def test_whoever_is_due_more_is_served_first_when_their_window_closes_first() -> None:
    """Weights 3 to 1: A's windows close at leads 1, 3 and 4, B's at 3; of equals rank decides."""
    rounds = rounds_of(*[(1, {"A": "3", "B": "1"})] * 4)
    assert [counts.index(1) for counts in divided(rounds)] == [0, 0, 1, 0]


def test_alone_somebody_gets_everything() -> None:
    """There is nothing to be off by."""
    rounds = rounds_of((3, {"A": "1"}), (2, {"A": "0.5"}))
    assert divided(rounds) == [[3], [2]]
    assert least_possible(rounds)[0] == 0


@pytest.mark.parametrize("seed", range(RANDOM_CASES))
def test_with_constant_weights_nobody_is_ever_further_off_than_promised(seed: int) -> None:
    """At most 1 - 1/(2n - 2), at every lead."""
    rng = random.Random(seed)
    members = rng.randint(2, 9)
    weights = {f"M{n}": random_weight(rng) for n in range(members)}
    rounds = rounds_of(*[(1, weights)] * 120)
    assert largest_error(rounds, divided(rounds)) <= bound(members)


@pytest.mark.parametrize("seed", range(RANDOM_CASES))
def test_with_weights_that_change_all_the_time_too(seed: int) -> None:
    """The general form: other weights for each lead, everybody there."""
    rng = random.Random(seed)
    members = rng.randint(2, 6)
    rounds = rounds_of(
        *[(1, {f"M{n}": random_weight(rng) for n in range(members)}) for _ in range(80)]
    )
    assert largest_error(rounds, divided(rounds)) <= bound(members)


def test_who_is_absent_gets_nothing() -> None:
    """Though the theorem would let them."""
    rounds = rounds_of((1, {"A": "1", "B": "1"}), (3, {"A": "1"}), (2, {"A": "1", "B": "1"}))
    outcome = outcome_of(rounds, divided(rounds))
    assert [step.assigned.get("B", 0) for step in outcome.steps][1] == 0
    assert sum(outcome.received.values()) == 6


@pytest.mark.parametrize("seed", range(RANDOM_CASES))
def test_the_least_possible_error_is_that_of_the_best_of_all_divisions(seed: int) -> None:
    """By trying every one of them, where everybody is there all the time."""
    rng = random.Random(seed)
    names = ["A", "B", "C"][: rng.randint(2, 3)]
    rounds = rounds_of(
        *[
            (rng.randint(0, 3), {name: f"{rng.randint(1, 12) / 10:.1f}" for name in names})
            for _ in range(rng.randint(1, 4))
        ]
    )
    best = min(largest_error(rounds, counts) for counts in all_divisions(rounds))
    assert Fraction(*least_possible(rounds)) == best


@pytest.mark.parametrize("seed", range(RANDOM_CASES))
def test_no_division_stays_under_it_though_people_come_and_go(seed: int) -> None:
    """Then it is a bound that need not be reached: it lets absentees have leads."""
    rng = random.Random(seed)
    rounds = rounds_of(
        *[
            (rng.randint(0, 3), dict.fromkeys(rng.sample("ABC", rng.randint(1, 3)), "1"))
            for _ in range(rng.randint(1, 4))
        ]
    )
    best = min(largest_error(rounds, counts) for counts in all_divisions(rounds))
    assert Fraction(*least_possible(rounds)) <= best
    assert largest_error(rounds, divided(rounds)) >= Fraction(*least_possible(rounds))


def test_more_choices_than_anybody_waits_for_are_not_made() -> None:
    """Then there is no chairman, and all else goes on."""
    rounds = rounds_of(*[(10_000, {f"M{n}": "1" for n in range(10)})] * 201)
    assert chairman(rounds) is None


def test_what_everybody_is_due_adds_up_to_the_leads() -> None:
    """To the last digit."""
    rounds = rounds_of((3, {"A": "0.1", "B": "0.7"}), (5, {"B": "1", "C": "0.000001"}))
    dues = dues_of(rounds)
    assert sum(sums[-1] for sums in dues.sums.values()) == 8 * dues.one_lead
