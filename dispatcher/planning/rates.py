"""Which rate earns most: it doesn't depend on who works where.

Loans of value V at a rate of r per cent earn V R(r) r / 100, where R says what part of a loan's
nominal value its repayments are worth, falling in r. With x for everything else that is decided,
models 2 and 3 maximise

    (V(x) g(r) - c(x)) / d(x)    with  g(r) = R(r) r / 100,  V(x) >= 0,  d(x) > 0  (1 in model 2).

**The rate separates.** Let g* be the largest g over the rates allowed, at r*. For every x and r,
V(x) g(r) <= V(x) g*, as V(x) >= 0; subtracting c(x) and dividing by d(x) > 0 keeps the order. So
whatever x is, r* is a best rate for it, and the maximum over both is the maximum over x at r*. Both
models have the same best rates, with any R whatever; they differ in whom they employ only. With a
x that earns nothing every rate is as good; r* is taken.

For R(r) = 1 - r/24 that is r* = 12, g* = 0.06. For R(r) = exp(-3r/24), r* = 8 and g* = 0.08/e.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

RATE_MAX: Final = 24.0
"""Per cent."""


@dataclass(frozen=True)
class Curve:
    """R as a line through points: (rate in per cent, part of the nominal value).

    Attributes:
        name: as people call it.
        points: two or more, rates ascending from 0 or more to 24 or less, values 0 to 1.
    """

    name: str
    points: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        """Check the points."""
        rates = [rate for rate, _ in self.points]
        if len(rates) < 2 or any(b <= a for a, b in pairwise(rates)):
            raise ValueError("a curve needs two or more points, each at a higher rate")
        if rates[0] < 0 or rates[-1] > RATE_MAX:
            raise ValueError(f"rates are between 0 and {RATE_MAX:g} per cent")
        if not all(0 <= value <= 1 for _, value in self.points):
            raise ValueError("R is between 0 and 1: the part of the nominal value that is repaid")

    def value(self, rate: float) -> float:
        """R at a rate."""
        _check(rate, self.points[0][0], self.points[-1][0])
        for (a, at_a), (b, at_b) in pairwise(self.points):
            if rate <= b:
                return at_a + (at_b - at_a) * (rate - a) / (b - a)
        raise AssertionError

    def best_rate(self) -> float:
        """On each piece R(r) r is a parabola: its top, or an end. Of equals the lowest rate."""
        rates = [rate for rate, _ in self.points]
        for (a, at_a), (b, at_b) in pairwise(self.points):
            slope = (at_b - at_a) / (b - a)
            if slope < 0:
                top = (slope * a - at_a) / (2 * slope)
                rates += [top] if a < top < b else []
        return _best(sorted(rates), self)


@dataclass(frozen=True)
class Exponential:
    """R(r) = exp(-k r), of which the best rate is 1/k, or the largest allowed."""

    name: str
    decay: float

    def value(self, rate: float) -> float:
        """R at a rate."""
        _check(rate, 0.0, RATE_MAX)
        return math.exp(-self.decay * rate)

    def best_rate(self) -> float:
        """The rate at which R(r) r is largest."""
        return min(1 / self.decay, RATE_MAX)


AnyCurve = Curve | Exponential

LINEAR: Final = Curve("linear", ((0.0, 1.0), (RATE_MAX, 0.0)))
EXPONENTIAL: Final = Exponential("exponential", 3 / RATE_MAX)


def revenue_per_value(curve: AnyCurve, rate: float) -> float:
    """g(r): what a loan of value 1 earns."""
    return curve.value(rate) * rate / 100


def chosen_rate(curve: AnyCurve, rate: float | None) -> tuple[float, float]:
    """The rate that was given, or else the best one, and g there.

    Raises:
        ValueError: a rate that the curve doesn't cover.
    """
    chosen = curve.best_rate() if rate is None else rate
    return chosen, revenue_per_value(curve, chosen)


def _best(rates: Sequence[float], curve: AnyCurve) -> float:
    return max(rates, key=lambda rate: (revenue_per_value(curve, rate), -rate))


def _check(rate: float, low: float, high: float) -> None:
    if not low <= rate <= high:
        raise ValueError(f"a rate of {rate:g} per cent is outside {low:g} to {high:g}")
