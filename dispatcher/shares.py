"""The shares of a dispatched batch as JSON text: what everyone had, was due, got and has now.

In: a decision. Out: the `shares` of its event.

A row holds five numbers of many digits, and there is a row for each member of the roster, so they
are most of the work on a small batch. What is new in a row takes one division: a whole number of
leads changes no digit behind the point, so error after = assigned - ideal holds as they are shown.
The numbers of a row don't depend on whose it is, and with weights of few digits the same errors
come back, to this member or another, here or in another channel: they are remembered, up to a
bound.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from dispatcher.decisions import Dispatched
from dispatcher.json_texts import json_name
from dispatcher.roster import Member, Roster
from schemas.scalars import (
    UNITS_PER_LEAD,
    decimal_text,
    nearest_units,
    units_text,
    weight_text,
)

NUMBERS_REMEMBERED_MAX: Final = 32_768
"""About 20 MB."""

ROSTERS_REMEMBERED_MAX: Final = 4_096
_MEMBERS_REMEMBERED_MAX: Final = 100
"""Together at most 60 MB, if all of them are as large."""


def shares_text(decision: Dispatched, *, complete: bool) -> str:
    """The rows of everyone, or of those who received leads, as a JSON array."""
    roster, before, assigned = decision.roster, decision.errors_before, decision.assigned
    batch_size = len(decision.lead_ids)
    if len(roster) <= _MEMBERS_REMEMBERED_MAX:
        listed = _listed_remembered(roster, batch_size)
        if not complete:
            listed = [row for row in listed if assigned[row[0]]]
    else:
        ranks = roster.by_assignee_id
        chosen = ranks if complete else [rank for rank in ranks if assigned[rank]]
        listed = _listed(roster, batch_size, chosen)
    rows = [name + _numbers(frame, before[rank], assigned[rank]) for rank, name, frame in listed]
    return f"[{','.join(rows)}]"


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

Listed = list[tuple[int, str, _Frame]]
"""Rank, the row's text up to the numbers, what its numbers follow from."""


def _listed(roster: Roster, batch_size: int, ranks: Iterable[int]) -> Listed:
    weight_sum = roster.error_denominator // UNITS_PER_LEAD
    return [
        (rank, _named(member), _frame(member[2], member[3], weight_sum, batch_size))
        for rank, member in ((rank, roster.members[rank]) for rank in ranks)
    ]


@lru_cache(maxsize=ROSTERS_REMEMBERED_MAX)
def _listed_remembered(roster: Roster, batch_size: int) -> Listed:
    return _listed(roster, batch_size, roster.by_assignee_id)


def _named(member: Member) -> str:
    return f'{{"assignee_id":{json_name(member.assignee_id)}'


@lru_cache(maxsize=NUMBERS_REMEMBERED_MAX)
def _numbers(frame: _Frame, before: int, assigned: int) -> str:
    """The rest of a row."""
    denominator, fair = frame.denominator, frame.fair
    ideal_units = nearest_units(fair - before, denominator)
    ideal = units_text(ideal_units)
    if assigned or not ideal_units:
        after = units_text(assigned * UNITS_PER_LEAD - ideal_units)
    else:
        after = ideal[1:] if ideal_units < 0 else "-" + ideal
    return (
        f"{frame.head}{_before_text(before, denominator)}"
        f'","ideal":"{ideal}","assigned":{assigned},"cumulative_error_after":"{after}'
        f'","cumulative_error_numerator":"{before + assigned * denominator - fair}{frame.tail}'
    )


_before_text = lru_cache(maxsize=NUMBERS_REMEMBERED_MAX)(decimal_text)
