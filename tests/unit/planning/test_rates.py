"""The rate that earns most is found for any curve."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.planning.rates import (
    EXPONENTIAL,
    LINEAR,
    Curve,
    Exponential,
    chosen_rate,
    revenue_per_value,
)


def test_the_documents_curves_have_their_best_rates() -> None:
    """R = 1 - r/24 at 12 per cent, R = exp(-3r/24) at 8."""
    assert chosen_rate(LINEAR, None) == (12.0, pytest.approx(0.06))
    assert chosen_rate(EXPONENTIAL, None) == (pytest.approx(8.0), pytest.approx(0.08 / math.e))


def test_a_slow_decay_is_best_at_the_largest_rate() -> None:
    """Which the regulator's history bounds."""
    assert Exponential("slow", 0.01).best_rate() == 24.0


@given(
    st.lists(
        st.tuples(st.integers(0, 2400), st.integers(0, 100)),
        min_size=2,
        max_size=8,
        unique_by=lambda point: point[0],
    )
)
def test_no_rate_of_a_grid_earns_more_than_the_best(points: list[tuple[int, int]]) -> None:
    """On whatever line through points."""
    curve = Curve("any", tuple((rate / 100, value / 100) for rate, value in sorted(points)))
    best = revenue_per_value(curve, curve.best_rate())
    low, high = curve.points[0][0], curve.points[-1][0]
    for step in range(201):
        rate = min(high, low + (high - low) * step / 200)
        assert revenue_per_value(curve, rate) <= best + 1e-12


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (((0.0, 1.0),), "two or more points"),
        (((1.0, 1.0), (1.0, 0.5)), "two or more points"),
        (((-1.0, 1.0), (1.0, 0.5)), "between 0 and 24"),
        (((0.0, 1.0), (25.0, 0.5)), "between 0 and 24"),
        (((0.0, 1.5), (24.0, 0.5)), "between 0 and 1"),
    ],
)
def test_what_is_no_curve_is_refused(points: tuple[tuple[float, float], ...], said: str) -> None:
    """With what is wrong."""
    with pytest.raises(ValueError, match=said):
        Curve("no", points)


@pytest.mark.parametrize("rate", [-1.0, 24.1, math.nan])
def test_a_rate_that_a_curve_does_not_cover_is_refused(rate: float) -> None:
    """Whichever curve."""
    for curve in (LINEAR, EXPONENTIAL):
        with pytest.raises(ValueError, match="outside 0 to 24"):
            chosen_rate(curve, rate)
