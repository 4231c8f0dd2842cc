"""The promise and its bookkeeping."""

from fractions import Fraction

import pytest

from dispatcher.promise import Promise
from dispatcher.roster import Member, Roster, rank_digest
from schemas.scalars import UNITS_PER_LEAD


def roster_of(members: int, paused: int = 0) -> Roster:
    """Equal members; the first `paused` of them are paused."""
    return Roster(
        Member(rank_digest("web", str(n)), str(n), 1_000_000, n < paused) for n in range(members)
    )


@pytest.mark.parametrize(
    ("promise", "low", "high"),
    [
        (Promise(0), Fraction(0), Fraction(0)),
        (Promise(1), Fraction(0), Fraction(0)),
        (Promise(2), Fraction(-1, 2), Fraction(1, 2)),
        (Promise(4), -(Fraction(1, 2) + Fraction(1, 3) + Fraction(1, 4)), Fraction(3, 4)),
        (Promise(4, paused=True), Fraction(-3, 2), Fraction(3, 2)),
    ],
)
def test_the_bounds_are_those_of_the_design(
    promise: Promise, low: Fraction, high: Fraction
) -> None:
    """Harmonic without pauses, half the others with them."""
    assert (low, high) == promise.bounds_leads()


def test_a_team_of_ten_stays_under_two_leads() -> None:
    """The figure that the first page promises."""
    low, high = Promise(10).bounds_leads()
    assert -2 < low < -Fraction(19, 10)
    assert high == Fraction(9, 10)


def test_a_thousand_members_have_bounds_without_giant_fractions() -> None:
    """The harmonic sum is rounded outwards, by far less than the tolerance."""
    low, _ = Promise(1000).bounds_leads()
    exact = sum(Fraction(1, k) for k in range(2, 1001))
    assert 0 <= -low - exact < Fraction(1, 10**8)


def test_it_starts_anew_when_all_errors_are_zero() -> None:
    """The most members and the pauses before no longer count."""
    old = Promise(9, paused=True, corrected=True)
    assert Promise(3) == old.after(roster_of(3), [0, 0, 0])
    assert Promise(3, paused=True) == old.after(roster_of(3, paused=1), [0, 0, 0])


def test_it_remembers_the_most_members_and_any_pause() -> None:
    """Until the errors are all zero again."""
    promise = Promise().after(roster_of(3), [1, -1, 0])
    assert Promise(3) == promise
    promise = promise.after(roster_of(5, paused=1), [1, -1, 0, 0, 0])
    assert Promise(5, paused=True) == promise
    assert promise == promise.after(roster_of(2), [1, -1])
    assert promise is promise.after(roster_of(2), [1, -1])


def test_after_a_correction_it_is_not_enough_that_each_error_is_back_inside() -> None:
    """Two of four owed 3/4 each are inside one by one; together they are not.

    A batch of one under other weights then takes one of them to 5/4, past 13/12.
    """
    roster = roster_of(4)
    lead = roster.error_denominator
    inside = [-3 * lead // 4, -3 * lead // 4, 3 * lead // 4, 3 * lead // 4]
    promise = Promise(4).after(roster, inside, correction=True)
    assert promise.holds(inside, lead)
    assert promise.corrected
    milder = [-lead // 2, -lead // 2, lead // 2, lead // 2]
    assert not promise.after(roster, milder).corrected


def test_how_much_of_it_is_used() -> None:
    """1 is all of it, more is a breach."""
    lead = 2 * 1_000_000 * UNITS_PER_LEAD
    assert Promise(2).used([lead // 4, -lead // 4], lead) == pytest.approx(0.5)
    assert Promise(2).used([0, 0], lead) == 0.0
    assert Promise(2).used([lead, -lead], lead) == pytest.approx(2.0)
    assert not Promise(2).holds([lead, -lead], lead)
