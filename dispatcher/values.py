"""What leads count where they are divided by value, and which limits they match.

In: attributes as JSON text, the rules of a channel. Out: millionths of value, kinds of leads; or
what is wrong with a value, in words that hold nothing of the lead.

A value is a JSON number, or a decimal string such as "250000.50": 0 to 10^12, at most 6 decimals.
Everything stays a whole number; a number's text is read, never a float.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from dispatcher.events import BatchReceived, RejectedLead
from dispatcher.requirements import fields_of
from dispatcher.share_limits import LimitsOf, Mark, marks_of, marks_wanted
from schemas.reasons import Reason
from schemas.scalars import MILLIONTHS, VALUE_MAX, value_millionths

ONE_LEAD: Final = MILLIONTHS
"""What a lead counts where leads are not divided by value."""

_TEXT_LENGTH_MAX: Final = 66
_NUMBER = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?[0-9]{1,3}))?", re.ASCII)


class InvalidValue(ValueError):
    """A lead whose value can't be used; `str()` says what to do, for people."""


class Measured(NamedTuple):
    """What each lead counts, and what limits it matches; by place.

    Attributes:
        by_value: whether leads count by value; else each counts `ONE_LEAD`.
        values: millionths.
        marks: the kinds that any limit is about, of each.
    """

    by_value: bool
    values: list[int]
    marks: list[tuple[Mark, ...]]


def measured(
    attributes: Sequence[str], value_attribute: str | None, limits: Sequence[LimitsOf]
) -> Measured:
    """Measure leads. A lead without a valid value counts 0: see `lead_value` for newcomers.

    Leads that wait since before their channel was divided by value may have none.
    """
    wanted = marks_wanted(limits)
    values, marks = [], []
    for text in attributes:
        fields = fields_of(text)
        values.append(ONE_LEAD if value_attribute is None else _value_or_0(fields, value_attribute))
        marks.append(marks_of(fields, wanted))
    return Measured(value_attribute is not None, values, marks)


def lead_value(attributes: str, value_attribute: str) -> int:
    """What a lead counts, in millionths. Raises InvalidValue."""
    return _value(fields_of(attributes), value_attribute)


def only_with_value(event: BatchReceived, value_attribute: str) -> BatchReceived:
    """A batch without its leads that have no valid value: each becomes a dead letter of its own."""
    refused = {}
    for index, attributes in enumerate(event.attributes):
        try:
            lead_value(attributes, value_attribute)
        except InvalidValue as invalid:
            refused[index] = str(invalid)
    if not refused:
        return event
    rejected = list(event.rejected_leads)
    taken = {lead.place for lead in rejected}
    places = [place for place in range(1, event.leads_in_event + 1) if place not in taken]
    for index, why in refused.items():
        rejected.append(RejectedLead(places[index], Reason.INVALID_LEAD, why, None))
    kept = [index for index in range(len(event.lead_ids)) if index not in refused]
    return msgspec.structs.replace(
        event,
        lead_ids=[event.lead_ids[index] for index in kept],
        attributes=[event.attributes[index] for index in kept],
        rejected_leads=tuple(sorted(rejected, key=lambda lead: lead.place)),
    )


def _value_or_0(fields: dict[str, msgspec.Raw], value_attribute: str) -> int:
    try:
        return _value(fields, value_attribute)
    except InvalidValue:
        return 0


def _value(fields: dict[str, msgspec.Raw], value_attribute: str) -> int:
    raw = fields.get(value_attribute)
    if raw is None:
        raise InvalidValue(_what_to_do(value_attribute, "is missing"))
    found = _millionths(bytes(raw))
    if isinstance(found, str):
        raise InvalidValue(_what_to_do(value_attribute, found))
    return found


def _what_to_do(value_attribute: str, what: str) -> str:
    return (
        f"the attribute {value_attribute!r} {what}: this channel divides leads by it; send the lead"
        f" with a number, or a decimal string, from 0 to {VALUE_MAX} with at most 6 decimals"
    )


@lru_cache(maxsize=16_384)
def _millionths(raw: bytes) -> int | str:
    """The value, or what is wrong with it."""
    if len(raw) > _TEXT_LENGTH_MAX:
        return "is too long"
    text = raw.decode()
    if text.startswith('"'):
        try:
            return value_millionths(msgspec.json.decode(raw, type=str))
        except (ValueError, msgspec.DecodeError):
            return "is no such decimal"
    match = _NUMBER.fullmatch(text)
    if match is None:
        return "is no number"
    sign, whole, decimals, exponent = match.groups()
    digits = int(whole + (decimals or ""))
    shift = int(exponent or 0) - len(decimals or "") + 6
    power: int = 10 ** abs(shift)  # an exponent has three digits at most
    millionths, rest = (digits * power, 0) if shift >= 0 else divmod(digits, power)
    if rest:
        return "has more than 6 decimals"
    if millionths > VALUE_MAX * MILLIONTHS or (sign and millionths):
        return "is out of bounds"
    return millionths
