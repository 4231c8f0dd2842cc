"""Scalars: text in, whole numbers out, and back."""

from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.scalars import (
    UNITS_PER_LEAD,
    amount_units,
    decimal_text,
    is_timestamp,
    weight_millionths,
    weight_text,
)


@pytest.mark.parametrize(
    ("text", "millionths"),
    [("0", 0), ("0.8", 800_000), ("1", 1_000_000), ("01.10", 1_100_000), ("1000000", 10**12)],
)
def test_a_weight_is_read_exactly(text: str, millionths: int) -> None:
    """Weights become whole millionths."""
    assert millionths == weight_millionths(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".5",
        "5.",
        "0.1234567",
        "-1",
        "+1",
        "1e3",
        "NaN",
        "inf",
        "1000000.000001",
        "1 ",
        "\u0661",
        "1_0",
    ],
)
def test_what_is_no_weight_is_refused(text: str) -> None:
    """A weight is digits, then at most 6 decimals, at most 1,000,000."""
    with pytest.raises(ValueError, match="weight"):
        weight_millionths(text)


@pytest.mark.parametrize(
    ("text", "units"),
    [("-3", -3 * UNITS_PER_LEAD), ("+0.5", UNITS_PER_LEAD // 2), ("100000", 10**17), ("-0", 0)],
)
def test_an_amount_is_read_exactly(text: str, units: int) -> None:
    """Amounts become whole units of 10^-12 leads."""
    assert units == amount_units(text)


@pytest.mark.parametrize("text", ["", "--1", "1.0000001", "100000.000001", "-100001", "3 leads"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """An amount has at most 6 decimals and is at most 100,000 either way."""
    with pytest.raises(ValueError, match="amount"):
        amount_units(text)


@given(st.integers(0, 10**12))
def test_a_weight_written_is_read_back(millionths: int) -> None:
    """The shortest text of a weight means the same weight."""
    assert millionths == weight_millionths(weight_text(millionths))


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**16))
def test_errors_are_rounded_half_to_even_without_a_negative_zero(
    numerator: int, scale: int
) -> None:
    """12 decimals, as the decimal module rounds them."""
    text = decimal_text(numerator, scale * UNITS_PER_LEAD)
    whole, decimals = text.lstrip("-").split(".")
    units = int(whole + decimals) * (-1 if text.startswith("-") else 1)
    assert len(decimals) == 12
    # The nearest whole number of units, of two equally near ones the even one.
    assert units == round(Fraction(numerator, scale))
    assert text != "-0.000000000000"


@pytest.mark.parametrize(("numerator", "text"), [(1, "0.000000000000"), (3, "0.000000000002")])
def test_a_tie_goes_to_the_even_unit(numerator: int, text: str) -> None:
    """Half a unit rounds down from 0, one and a half up to 2."""
    assert text == decimal_text(numerator, 2 * UNITS_PER_LEAD)
    expected = (Decimal(numerator) / 2).quantize(Decimal(1), ROUND_HALF_EVEN)
    assert expected == Decimal(text).scaleb(12)


@pytest.mark.parametrize(
    "text",
    ["2026-11-21T09:00:00Z", "0001-01-01T00:00:00.123456789+14:00", "9999-12-31T23:59:59-01:30"],
)
def test_times_far_in_the_past_and_future_are_times(text: str) -> None:
    """RFC 3339 with an offset, any year that it can name."""
    assert is_timestamp(text)


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-21", "2026-11-21T09:00:00", "2026-02-30T09:00:00Z", "1700000000", "now"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """No offset, no such day, no such format."""
    assert not is_timestamp(text)
