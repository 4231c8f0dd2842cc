"""R, what part of a loan's nominal value is repaid at a rate, for those who check plans.

In: a rate in per cent. Out: a fraction; exact, but for the exponential, which has as many digits as
`exact_tables` says. The models have their own, in `dispatcher.planning.rates`.
"""

from collections.abc import Callable
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Final

from streams.failure import Failed
from streams.planning.exact_tables import DIGITS, Point, read_points, shown

RATE_MAX: Final = 24

Curve = Callable[[Decimal], Fraction]
"""R: from a rate in per cent to the part of a loan's nominal value that is repaid."""


def linear(rate: Decimal) -> Fraction:
    """R(r) = 1 - r/24, the document's."""
    return 1 - Fraction(rate) / RATE_MAX


def exponential(rate: Decimal) -> Fraction:
    """R(r) = exp(-3r/24), the one that its authors could not solve."""
    digits = Context(prec=DIGITS)
    return Fraction(digits.exp(digits.divide(digits.multiply(-3, rate), Decimal(RATE_MAX))))


def curve_of(text: str) -> Curve:
    """R by its name, or through the points of a CSV table with the columns rate, value.

    Raises:
        Failed: neither; or a table that is none.
    """
    if text in NAMED_CURVES:
        return NAMED_CURVES[text]
    points = read_points(Path(text))
    return lambda rate: _between(points, Fraction(rate))


def _between(points: list[Point], rate: Fraction) -> Fraction:
    for (a, at_a), (b, at_b) in pairwise(points):
        if a <= rate <= b:
            return at_a + (at_b - at_a) * (rate - a) / (b - a)
    raise Failed(f"the curve has no value at the plan's rate of {shown(rate)} per cent")


NAMED_CURVES: Final[dict[str, Curve]] = {"linear": linear, "exponential": exponential}
