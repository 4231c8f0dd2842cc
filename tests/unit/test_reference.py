"""The reference's arithmetic holds by itself: golden cases, brute force, conservation, promise."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random

import pytest

from tests.reference import arithmetic
from tests.reference.events import correction, lead_batch, roster, the_seeds_story
from tests.reference.histories import history
from tests.reference.promise import keeps_promise, keeps_promise_together, promised
from tests.reference.replayer import Replayer, replayed
from tests.reference.validation import Json

WEIGHTS = ("0", "0.000001", "0.333333", "0.5", "0.8", "1", "1", "1.2", "2", "1000000")


def assigned(outputs: list[Json]) -> list[dict[str, int]]:
    """Leads per assignee, batch by batch."""
    return [
        {row["assignee_id"]: row["assigned"] for row in output["shares"]}
        for output in outputs
        if output["type"] == "batch_dispatched"
    ]


def random_errors(rng: Random, members: int, grain: int = 12) -> list[Fraction]:
    """Errors that sum to zero and often are equal."""
    errors = [Fraction(rng.randint(-grain, grain), rng.choice((4, 6, 12))) for _ in range(members)]
    return [*errors[1:], -sum(errors[1:], Fraction(0))]


# --- Golden cases -----------------------------------------------------------------------


def test_the_seeds_story_comes_out_as_in_its_table() -> None:
    """27/33/40, 13/17/20, then 115/127/58 after A has left and D has joined."""
    outputs, _ = replayed(the_seeds_story())
    assert assigned(outputs) == [
        {"A": 27, "B": 33, "C": 40},
        {"A": 13, "B": 17, "C": 20},
        {"B": 115, "C": 127, "D": 58},
    ]


def test_batches_of_one_take_turns() -> None:
    """Weights .6 and .4, three batches of one lead: A, B, A."""
    batches = [lead_batch(f"b{number}", 1) for number in range(3)]
    outputs, _ = replayed([roster("r", {"A": "0.6", "B": "0.4"}), *batches])
    assert [o["assignee_id"] for o in outputs if o["type"] == "lead_assigned"] == ["A", "B", "A"]


def test_errors_carried_into_a_batch_are_worked_off() -> None:
    """Errors .5/.6/-1.1 with weights .8/1/1.2: 100 leads are 26/33/41, errors -1/6, 4/15, -1/10."""
    outputs, states = replayed(
        [
            roster("r", {"A": "0.8", "B": "1", "C": "1.2"}),
            correction("x", "A", "0.5", "C"),
            correction("y", "B", "0.6", "C"),
            lead_batch("b", 100),
        ]
    )
    assert assigned(outputs) == [{"A": 26, "B": 33, "C": 41}]
    errors = states["web"].errors()
    assert errors == {"A": Fraction(-1, 6), "B": Fraction(4, 15), "C": Fraction(-1, 10)}
    first = outputs[-1]["shares"][0]
    assert first["fair_share"] == "26.666666666667"
    assert first["ideal"] == "26.166666666667"
    assert first["cumulative_error_after"] == "-0.166666666667"
    assert first["cumulative_error_numerator"] == "-500000000000000000"
    assert outputs[-1]["error_denominator"] == "3000000000000000000"


# --- Brute force ------------------------------------------------------------------------


def test_the_four_steps_give_lead_after_lead_to_whoever_is_owed_most() -> None:
    """Ties included, with members of weight 0 and errors that don't sum to zero (pauses)."""
    rng = Random(1)
    for _ in range(3_000):
        ids = [f"m{number}" for number in range(rng.randint(1, 6))]
        weights = {member: Fraction(rng.choice(WEIGHTS)) for member in ids}
        weights[ids[0]] = weights[ids[0]] or Fraction(1)
        errors = dict(zip(ids, random_errors(rng, len(ids)), strict=True))
        errors[ids[-1]] += rng.choice((0, 0, Fraction(1, 2), Fraction(-3, 4), -4))
        ranked = rng.sample(ids, len(ids))
        size = rng.choice((0, 1, 2, 3, 7, 20, 60))
        steps = arithmetic.four_steps(size, weights, errors, ranked)
        assert steps == arithmetic.lead_after_lead(size, weights, errors, ranked)
        assert steps == arithmetic.apportioned(size, weights, errors, ranked)
        assert sum(steps.values()) == size


def test_all_small_cases_with_halves_and_quarters() -> None:
    """Three members, every error in quarters, every weight of 0, 1, 2: the same both ways."""
    quarters = [Fraction(quarter, 4) for quarter in range(-4, 5)]
    for first, second in product(quarters, repeat=2):
        errors = {"a": first, "b": second, "c": -first - second}
        for combination in product((0, 1, 2), repeat=3):
            if not any(combination):
                continue
            weights = dict(zip("abc", map(Fraction, combination), strict=True))
            for size in (0, 1, 2, 5):
                steps = arithmetic.four_steps(size, weights, errors, "cab")
                assert steps == arithmetic.lead_after_lead(size, weights, errors, "cab")


def test_levelling_ends_where_one_unit_at_a_time_ends() -> None:
    """The highest first, of equals the first in order."""
    rng = Random(2)
    for _ in range(2_000):
        order = [f"m{number}" for number in range(rng.randint(1, 6))]
        heights = {member: rng.randint(-6, 9) for member in order}
        amount = rng.randint(0, 30)
        slowly = dict(heights)
        for _ in range(amount):
            slowly[max(order, key=lambda member: slowly[member])] -= 1
        assert arithmetic.levelled_down(heights, amount, order) == slowly


@pytest.mark.parametrize(
    ("units", "net", "after"),
    [
        ([5, 5, 0], -10, [0, 0, 0]),
        ([7, 5, 1, -6], -7, [2, 3, 1, -6]),
        ([-7, -5, -1, 6], 7, [-3, -2, -1, 6]),
        ([5, 5, 5, -14], -1, [4, 5, 5, -14]),
        ([-5, -5, -5, 14], 1, [-5, -5, -4, 14]),
    ],
)
def test_settling_goes_down_to_one_level(units: list[int], net: int, after: list[int]) -> None:
    """What doesn't divide leaves the first in rank owed one more, the last ahead one more."""
    ids = [f"m{number}" for number in range(len(units))]
    errors = {member: unit * arithmetic.UNIT for member, unit in zip(ids, units, strict=True)}
    settled = arithmetic.settled(errors, net * arithmetic.UNIT, ids)
    assert [settled[member] / arithmetic.UNIT for member in ids] == after


def test_settling_never_lets_an_error_grow_and_keeps_the_sum() -> None:
    """Towards zero, never past it."""
    rng = Random(3)
    for _ in range(2_000):
        units = [rng.randint(-9, 9) for _ in range(rng.randint(1, 6))]
        ids = [f"m{number}" for number in range(len(units))]
        errors = {member: unit * arithmetic.UNIT for member, unit in zip(ids, units, strict=True)}
        net = -sum(errors.values(), Fraction(0))
        after = arithmetic.settled(errors, net, ids)
        assert sum(after.values()) == 0
        for member in ids:
            assert abs(after[member]) <= abs(errors[member])
            assert after[member] * errors[member] >= 0


def test_rounding_to_units_keeps_the_sum_and_favours_the_largest_remainders() -> None:
    """Equal remainders: the last in rank gets the missing unit."""
    third = arithmetic.UNIT / 3
    amounts = {"a": third, "b": third, "c": third}
    assert arithmetic.rounded_to_units(amounts, "abc") == {"a": 0, "b": 0, "c": arithmetic.UNIT}
    amounts = {"a": -third, "b": 2 * third, "c": -third}
    units = {"a": -arithmetic.UNIT, "b": arithmetic.UNIT, "c": Fraction(0)}
    assert arithmetic.rounded_to_units(amounts, "abc") == units


def test_every_prefix_of_a_batch_is_within_one_lead_of_everyones_share_of_it() -> None:
    """All counts of three members up to seven each, and random ones of many."""
    rng = Random(4)
    cases = [*product(range(8), repeat=3)]
    cases += [tuple(rng.choice((0, 1, 2, 9, 70)) for _ in range(12)) for _ in range(40)]
    for case in cases:
        counts = {f"m{number}": count for number, count in enumerate(case)}
        order = arithmetic.interleaved(counts, list(counts))
        size = len(order)
        given = dict.fromkeys(counts, 0)
        for slots, taker in enumerate(order, start=1):
            given[taker] += 1
            for member, count in counts.items():
                assert abs(given[member] * size - slots * count) < size
        assert given == counts


def test_leads_stand_in_their_windows_and_the_one_that_closes_first_goes_first() -> None:
    """Five leads, three for c: windows 0-1, 1-3 and 3-4; at slot 3 all close, and b is first."""
    assert [arithmetic.window(nth, 3, 5) for nth in (1, 2, 3)] == [(0, 2), (1, 4), (3, 5)]
    assert arithmetic.interleaved({"a": 1, "b": 1, "c": 3}, "abc") == ["c", "c", "a", "b", "c"]
    assert arithmetic.interleaved({"a": 2, "b": 2}, "ba") == ["b", "a", "b", "a"]


# --- Conservation and the promise -------------------------------------------------------


@pytest.mark.parametrize("corrections", [True, False])
@pytest.mark.parametrize("pauses", [True, False])
def test_errors_sum_to_zero_and_the_promise_is_kept(corrections: bool, pauses: bool) -> None:
    """After every event of 100 random histories."""
    for seed in range(100):
        replayer = Replayer()
        for event in history(seed, channels=2, corrections=corrections, pauses=pauses):
            replayer.feed(event)
            for state in replayer.states.values():
                errors = list(state.errors().values())
                assert sum(errors) == 0
                assert state.promise.is_kept(errors)
                if not state.promise.corrected:
                    promise = state.promise
                    assert keeps_promise_together(errors, promise.most_members, promise.pauses)


def test_the_promise_can_be_used_up() -> None:
    """Weights that move to those still owed, lead after lead, make 1/2 + 1/3 + 1/4."""
    assert promised(4, pauses=False) == (Fraction(-13, 12), Fraction(3, 4))
    assert promised(4, pauses=True) == (Fraction(-3, 2), Fraction(3, 2))
    events = [roster("r4", dict.fromkeys("ABCD", "1")), lead_batch("b4", 1)]
    owed = list("ABCD")
    for members in (3, 2):
        _, states = replayed(events)
        owed = [name for name in owed if states["web"].members[name].error < 0]
        weights = {name: "1" if name in owed else "0" for name in "ABCD"}
        events += [roster(f"r{members}", weights), lead_batch(f"b{members}", 1)]
    _, states = replayed(events)
    least = min(states["web"].errors().values())
    assert abs(least + Fraction(13, 12)) < Fraction(1, 10**9)


def test_single_errors_inside_are_not_enough_after_a_correction() -> None:
    """Two owed 3/4 each are inside with four members, yet one lead for them leaves one at -5/4."""
    corrected = [
        roster("r", dict.fromkeys("ABCD", "1")),
        correction("x", "A", "-0.75", "C"),
        correction("y", "B", "-0.75", "D"),
    ]
    _, states = replayed(corrected)
    errors = list(states["web"].errors().values())
    assert keeps_promise(errors, 4, pauses=False)
    assert states["web"].promise.corrected
    for_two = roster("s", {"A": "1", "B": "1", "C": "0", "D": "0"})
    _, states = replayed([*corrected, for_two, lead_batch("b", 1)])
    errors = list(states["web"].errors().values())
    assert min(errors) == Fraction(-5, 4)
    assert not keeps_promise(errors, 4, pauses=False)
    assert states["web"].promise.is_kept(errors)
