"""The shares of a dispatched batch as JSON text: what everyone had, was due, got and has now.

In: a decision. Out: the `shares` of its event.

A row holds five numbers of many digits, and there is a row for each member of the roster, so they
are most of the work on a small batch. What is new in a row takes one division: a whole number of
leads changes no digit behind the point, so error after = assigned - ideal holds as they are shown.
Rows are remembered, up to a bound: with weights of few digits the same errors come back.
"""

from functools import lru_cache
from typing import Final

from dispatcher.decisions import Dispatched
from dispatcher.json_texts import json_name
from schemas.scalars import (
    UNITS_PER_LEAD,
    decimal_text,
    nearest_units,
    units_text,
    weight_text,
)

ROWS_REMEMBERED_MAX: Final = 16_384
"""About 10 MB."""


def shares_text(decision: Dispatched, *, complete: bool) -> str:
    """The rows of everyone, or of those who received leads, as a JSON array."""
    roster = decision.roster
    batch_size = len(decision.lead_ids)
    weight_sum = roster.error_denominator // UNITS_PER_LEAD
    members, before, assigned = roster.members, decision.errors_before, decision.assigned
    rows = [
        _row(members[rank][1:], weight_sum, batch_size, before[rank], assigned[rank])
        for rank in roster.by_assignee_id
        if complete or assigned[rank]
    ]
    return f"[{','.join(rows)}]"


@lru_cache(maxsize=ROWS_REMEMBERED_MAX)
def _row(
    member: tuple[str, int, bool], weight_sum: int, batch_size: int, before: int, assigned: int
) -> str:
    """One member's row; `member` is id, weight in millionths, and whether they are paused."""
    denominator = weight_sum * UNITS_PER_LEAD
    head, fair, tail = _frame(member, weight_sum, batch_size)
    ideal_units = nearest_units(fair - before, denominator)
    ideal = units_text(ideal_units)
    if assigned or not ideal_units:
        after = units_text(assigned * UNITS_PER_LEAD - ideal_units)
    else:
        after = ideal[1:] if ideal_units < 0 else "-" + ideal
    return (
        f"{head}{_before_text(before, denominator)}"
        f'","ideal":"{ideal}","assigned":{assigned},"cumulative_error_after":"{after}'
        f'","cumulative_error_numerator":"{before + assigned * denominator - fair}{tail}'
    )


@lru_cache(maxsize=ROWS_REMEMBERED_MAX)
def _frame(member: tuple[str, int, bool], weight_sum: int, batch_size: int) -> tuple[str, int, str]:
    """What a member's rows have in common: text before, the fair share's numerator, text behind."""
    assignee_id, weight, paused = member
    fair = 0 if paused else batch_size * UNITS_PER_LEAD * weight
    head = (
        f'{{"assignee_id":{json_name(assignee_id)},"weight":"{weight_text(weight)}'
        f'","fair_share":"{decimal_text(fair, weight_sum * UNITS_PER_LEAD)}'
        '","cumulative_error_before":"'
    )
    return head, fair, '","paused":true}' if paused else '"}'


_before_text = lru_cache(maxsize=ROWS_REMEMBERED_MAX)(decimal_text)
