"""The scalar types of the events, and the exact conversions between their text and whole numbers.

Numbers that matter travel as decimal strings and are computed with as integers:
a weight as millionths, an amount of leads as units of 10^-12 leads.
"""

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StringConstraints

ID_LENGTH_MAX: Final = 200
"""Characters. Long enough for two UUIDs and a URL path, short enough for a key."""

WEIGHT_MILLIONTHS_MAX: Final = 1_000_000 * 1_000_000
"""A weight is at most 1,000,000."""

AMOUNT_LEADS_MAX: Final = 100_000
"""A correction moves at most 100,000 leads either way."""

UNITS_PER_LEAD: Final = 10**12
"""Cumulative errors are rounded to whole units of 10^-12 leads at every applied roster change."""

VALUE_MAX: Final = 10**12
"""What a lead counts where leads are divided by value, at most."""

MILLIONTHS: Final = 10**6
"""Weights, values and parts of a whole are computed with in millionths."""

_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WEIGHT = re.compile(r"[0-9]+(?:\.[0-9]{1,6})?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?[0-9]+(?:\.[0-9]{1,6})?", re.ASCII)
_DECIMAL_LENGTH_MAX = 64
_TIMESTAMP = re.compile(
    r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})", re.ASCII
)


def _without_control_characters(value: str) -> str:
    if _CONTROL_CHARACTER.search(value):
        raise ValueError("an id holds no control characters")
    return value


def _millionths(digits: str) -> int:
    whole, _, decimals = digits.partition(".")
    return int(whole) * 1_000_000 + int(decimals.ljust(6, "0"))


def weight_millionths(text: str) -> int:
    """The weight in millionths: `"0.8"` is 800,000.

    Raises ValueError when the text is not digits with at most 6 decimals, or over 1,000,000.
    """
    if len(text) > _DECIMAL_LENGTH_MAX or not _WEIGHT.fullmatch(text):
        raise ValueError('a weight is digits, then at most 6 decimals, as in "0.5"')
    value = _millionths(text)
    if value > WEIGHT_MILLIONTHS_MAX:
        raise ValueError("a weight is at most 1,000,000")
    return value


def share_millionths(text: str) -> int:
    """A part of a whole in millionths: `"0.5"` is 500,000.

    Raises ValueError when the text is not digits with at most 6 decimals, or over 1.
    """
    if len(text) > _DECIMAL_LENGTH_MAX or not _WEIGHT.fullmatch(text):
        raise ValueError('a part is digits, then at most 6 decimals, as in "0.5"')
    value = _millionths(text)
    if value > MILLIONTHS:
        raise ValueError("a part of the whole is at most 1")
    return value


def value_millionths(text: str) -> int:
    """What a lead counts, in millionths: `"1250.5"` is 1,250,500,000.

    Raises ValueError when the text is not digits with at most 6 decimals, or over `VALUE_MAX`.
    """
    if len(text) > _DECIMAL_LENGTH_MAX or not _WEIGHT.fullmatch(text):
        raise ValueError('a value is digits, then at most 6 decimals, as in "1250.5"')
    value = _millionths(text)
    if value > VALUE_MAX * MILLIONTHS:
        raise ValueError("a value is at most 1,000,000,000,000")
    return value


def amount_units(text: str) -> int:
    """The amount in units of 10^-12 leads: `"-3"` is -3 * 10^12.

    Raises ValueError when the text is not a sign (optional), digits and at most 6 decimals,
    or over 100,000 leads either way.
    """
    if len(text) > _DECIMAL_LENGTH_MAX or not _AMOUNT.fullmatch(text):
        raise ValueError('an amount is a sign, digits, then at most 6 decimals, as in "-3"')
    millionths = _millionths(text.lstrip("+-"))
    if millionths > AMOUNT_LEADS_MAX * 1_000_000:
        raise ValueError("an amount is at most 100,000 leads either way")
    units = millionths * (UNITS_PER_LEAD // 1_000_000)
    return -units if text.startswith("-") else units


@lru_cache(maxsize=65_536)
def weight_text(millionths: int) -> str:
    """The shortest text of a weight: 800,000 millionths is `"0.8"`, 1,000,000 is `"1"`."""
    whole, decimals = divmod(millionths, 1_000_000)
    return f"{whole}.{decimals:06d}".rstrip("0").rstrip(".")


def decimal_text(numerator: int, denominator: int) -> str:
    """`numerator / denominator` leads with 12 decimals, half to even, never a negative zero.

    The denominator is a positive multiple of 10^12 (see `UNITS_PER_LEAD`).
    """
    return units_text(nearest_units(numerator, denominator))


def nearest_units(numerator: int, denominator: int) -> int:
    """`numerator / denominator` leads in units of 10^-12 leads, half to even."""
    scale = denominator // UNITS_PER_LEAD
    units, remainder = divmod(numerator, scale)
    if 2 * remainder > scale or (2 * remainder == scale and units & 1):
        units += 1
    return units


def units_of(text: str) -> int:
    """Leads with 12 decimals, as `units_text` writes them, in units of 10^-12 leads."""
    return int(text.replace(".", ""))


def units_text(units: int) -> str:
    """Units of 10^-12 leads, as leads with 12 decimals."""
    if units < 0:
        return "-" + units_text(-units)
    if units < UNITS_PER_LEAD:
        return "0." + str(units).zfill(12)
    digits = str(units)
    return f"{digits[:-12]}.{digits[-12:]}"


def _checked_weight(text: str) -> str:
    weight_millionths(text)
    return text


def _checked_share(text: str) -> str:
    share_millionths(text)
    return text


def _checked_amount(text: str) -> str:
    amount_units(text)
    return text


def _checked_timestamp(text: str) -> str:
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError('a time is RFC 3339 with an offset, as in "2026-11-21T09:00:00Z"')
    datetime.fromisoformat(text)
    return text


def is_timestamp(text: str) -> bool:
    """Whether the text is a `Timestamp`."""
    try:
        _checked_timestamp(text)
    except ValueError:
        return False
    return True


Id = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=ID_LENGTH_MAX),
    AfterValidator(_without_control_characters),
    Field(description="1 to 200 characters, no control characters"),
]
Weight = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_checked_weight),
    Field(
        description="decimal string, 0 to 1,000,000, at most 6 decimals",
        json_schema_extra={"pattern": r"^[0-9]+(\.[0-9]{1,6})?$"},
    ),
]
PartOfWhole = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_checked_share),
    Field(
        description="decimal string, 0 to 1, at most 6 decimals",
        json_schema_extra={"pattern": r"^[0-9]+(\.[0-9]{1,6})?$"},
    ),
]
Amount = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_checked_amount),
    Field(
        description="leads, decimal string with optional sign, at most 100,000 either way",
        json_schema_extra={"pattern": r"^[+-]?[0-9]+(\.[0-9]{1,6})?$"},
    ),
]
Timestamp = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_checked_timestamp),
    Field(description="RFC 3339 with an offset", json_schema_extra={"format": "date-time"}),
]
Decimal12 = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^-?[0-9]+\.[0-9]{12}$"),
    Field(description="leads, decimal string with 12 decimals, rounded half to even"),
]
WholeNumber = Annotated[
    str,
    StringConstraints(strict=True, pattern=r"^-?[0-9]+$"),
    Field(description="a whole number of any size, as a string"),
]
