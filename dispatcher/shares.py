"""The shares of a dispatched batch as JSON text: what everyone had, was due, got and has now.

In: a decision. Out: the `shares` of its event, in pieces: copying them is a part of the work.

A row holds five numbers of many digits, and there is a row for each member of the roster, so they
are most of the work on a small batch. What is new in a row takes one division: a whole number of
leads changes no digit behind the point, so error after = assigned - ideal holds as they are shown.
The numbers of a row don't depend on whose it is, and with weights of few digits the same errors
come back, to this member or another, here or in another channel: they are remembered, up to a
bound.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from operator import itemgetter
from typing import Any, Final

import msgspec

from dispatcher.decisions import Dispatched
from dispatcher.json_texts import json_name
from dispatcher.remembering import Remembering
from dispatcher.roster import Roster
from dispatcher.share_limits import LimitsOf
from schemas.scalars import (
    MILLIONTHS,
    UNITS_PER_LEAD,
    decimal_text,
    nearest_units,
    units_text,
    weight_text,
)

NUMBERS_REMEMBERED_MAX: Final = 8_192
"""About 5 MB."""

ROSTERS_REMEMBERED_MAX: Final = 4_096
_MEMBERS_REMEMBERED_MAX: Final = 100
"""Together at most 60 MB, if all of them are as large."""

TEXTS_REMEMBERED_MAX: Final = 4_096
TEXTS_REMEMBERED_MEMBERS_MAX: Final = 20
"""Together 25 MB at most."""


_encode = msgspec.json.Encoder().encode


def shares_texts(decision: Dispatched, *, complete: bool) -> Sequence[str]:
    """The rows of everyone, or of those who received leads: pieces of a JSON array."""
    roster, before, assigned = decision.roster, decision.errors_before, decision.assigned
    ranks = roster.by_assignee_id
    if decision.accrued is not None:
        return (_accrued_text(decision, decision.accrued, complete=complete),)
    if complete and len(ranks) <= TEXTS_REMEMBERED_MEMBERS_MAX:
        return everyones_texts(roster, len(decision.lead_ids), before, assigned)
    if complete and len(ranks) <= _MEMBERS_REMEMBERED_MAX:
        listing = _listing_remembered(roster, len(decision.lead_ids))
    else:
        chosen = ranks if complete else [rank for rank in ranks if assigned[rank]]
        listing = _Listing(roster, len(decision.lead_ids), chosen)
    return listing.texts(before, assigned)


def everyones_texts(
    roster: Roster, batch_size: int, before: tuple[int, ...], assigned: tuple[int, ...]
) -> Sequence[str]:
    """The rows of everyone, divided by weight, in a roster of `TEXTS_REMEMBERED_MEMBERS_MAX`."""
    return _remembered.call(roster, batch_size, before, assigned)


class _Frame:
    """What rows of equal members, in rosters of equal weight, share for batches of one size.

    Compared by identity, which is quick; there is one for each such kind of row.
    """

    __slots__ = ("denominator", "fair", "head", "tail")

    def __init__(self, weight: int, paused: bool, weight_sum: int, batch_size: int) -> None:
        self.denominator = weight_sum * UNITS_PER_LEAD
        self.fair = 0 if paused else batch_size * UNITS_PER_LEAD * weight
        self.head = (
            f',"weight":"{weight_text(weight)}'
            f'","fair_share":"{decimal_text(self.fair, self.denominator)}'
            '","cumulative_error_before":"'
        )
        self.tail = '","paused":true}' if paused else '"}'


_frame = lru_cache(maxsize=NUMBERS_REMEMBERED_MAX)(_Frame)


class _Listing:
    """The rows of some members of a roster, but for the numbers that follow from their errors."""

    def __init__(self, roster: Roster, batch_size: int, ranks: Sequence[int]) -> None:
        weight_sum = roster.error_denominator // UNITS_PER_LEAD
        members = [roster.members[rank] for rank in ranks]
        self._frames = [
            _frame(member.weight_millionths, member.paused, weight_sum, batch_size)
            for member in members
        ]
        # Who each row is of, and after it a place for the numbers.
        self._parts: list[str] = []
        for member in members:
            comma = "," if self._parts else "["
            self._parts += [f'{comma}{{"assignee_id":{json_name(member.assignee_id)}', ""]
        self._parts.append("]" if members else "[]")
        # By one call, because this runs for each batch.
        self._of_these = itemgetter(*ranks) if len(ranks) > 1 else partial(_alone, ranks)

    def texts(self, before: Sequence[int], assigned: Sequence[int]) -> list[str]:
        """With the errors before and the leads of everyone, by rank."""
        parts = self._parts.copy()
        of_these = self._of_these
        parts[1::2] = map(_numbers.call, self._frames, of_these(before), of_these(assigned))
        return parts


def _alone(ranks: Sequence[int], values: Sequence[int]) -> list[int]:
    return [values[rank] for rank in ranks]


@lru_cache(maxsize=ROSTERS_REMEMBERED_MAX)
def _listing_remembered(roster: Roster, batch_size: int) -> _Listing:
    return _Listing(roster, batch_size, roster.by_assignee_id)


def _texts(
    roster: Roster, batch_size: int, before: tuple[int, ...], assigned: tuple[int, ...]
) -> Sequence[str]:
    return _listing_remembered(roster, batch_size).texts(before, assigned)


def _in_one(
    roster: Roster, batch_size: int, before: tuple[int, ...], assigned: tuple[int, ...]
) -> Sequence[str]:
    return ("".join(_texts(roster, batch_size, before, assigned)),)


# A channel with weights of few digits comes back to the same errors.
_remembered = Remembering(_texts, TEXTS_REMEMBERED_MAX, kept_as=_in_one)


def _numbers_of(frame: _Frame, before: int, assigned: int) -> str:
    """The rest of a row."""
    denominator, fair = frame.denominator, frame.fair
    ideal_units = nearest_units(fair - before, denominator)
    ideal = units_text(ideal_units)
    if assigned or not ideal_units:
        after = units_text(assigned * UNITS_PER_LEAD - ideal_units)
    else:
        after = ideal[1:] if ideal_units < 0 else "-" + ideal
    return (
        f"{frame.head}{_before_texts.call(before, denominator)}"
        f'","ideal":"{ideal}","assigned":{assigned},"cumulative_error_after":"{after}'
        f'","cumulative_error_numerator":"{before + assigned * denominator - fair}{frame.tail}'
    )


_numbers = Remembering(_numbers_of, NUMBERS_REMEMBERED_MAX)
_before_texts = Remembering(decimal_text, NUMBERS_REMEMBERED_MAX)


def _accrued_text(decision: Dispatched, accrued: Sequence[int], *, complete: bool) -> str:
    """Where not everybody may take everything, what each was due doesn't follow from weights."""
    roster, denominator = decision.roster, decision.roster.error_denominator
    rows, value = [], ""
    limits = {each.assignee_id: each for each in decision.limits_after or ()}
    for rank in roster.by_assignee_id:
        if not (complete or decision.assigned[rank] or accrued[rank]):
            continue
        member, before = roster.members[rank], decision.errors_before[rank]
        paused = ',"paused":true' if member.paused else ""
        if (values := decision.assigned_value) is not None:
            value = f',"assigned_value":"{millionths_text(values[rank])}"'
        limited = ""
        if limits and member.assignee_id in limits:
            listed = limits_listed(limits[member.assignee_id])
            limited = f',"limits":{_encode(listed).decode()}'
        rows.append(
            f'{{"assignee_id":{json_name(member.assignee_id)}'
            f',"weight":"{weight_text(member.weight_millionths)}"{paused}'
            f',"fair_share":"{decimal_text(accrued[rank], denominator)}"'
            f',"cumulative_error_before":"{decimal_text(before, denominator)}"'
            f',"ideal":"{decimal_text(accrued[rank] - before, denominator)}"'
            f',"assigned":{decision.assigned[rank]}{value}'
            f',"cumulative_error_after":"{decimal_text(decision.errors_after[rank], denominator)}"'
            f',"cumulative_error_numerator":"{decision.errors_after[rank]}"{limited}}}'
        )
    return f"[{','.join(rows)}]"


def limits_listed(limits: LimitsOf) -> list[dict[str, Any]]:
    """The limits of an assignee, and what they count so far, as decisions list them."""
    return [
        {
            "attribute": limit.attribute,
            "value": limit.value,
            "share_max": weight_text(limit.share_max),
            "matching": millionths_text(limit.matching),
            "total": millionths_text(limit.total),
        }
        for limit in limits.limits
    ]


def millionths_text(millionths: int) -> str:
    """Of value, or of leads, with 12 decimals."""
    return units_text(millionths * (UNITS_PER_LEAD // MILLIONTHS))
