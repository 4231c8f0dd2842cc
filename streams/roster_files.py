"""A roster from a CSV file: the columns `assignee_id`, `weight` and, if wanted, `paused`.

In: a table. Out: members as a `roster_replaced` event takes them.
"""

import re
from typing import Final

from pydantic import ValidationError

from dispatcher.state import ChannelState
from schemas.inputs import RosterMember
from schemas.scalars import weight_millionths
from streams.csv_tables import Table
from streams.failure import Failed
from streams.intake import explain

_YES: Final = frozenset({"true", "yes", "y", "1", "x"})
_NO: Final = frozenset({"false", "no", "n", "0", ""})
_DECIMAL_COMMA: Final = re.compile(r"[0-9]+,[0-9]+", re.ASCII)


def read_members(table: Table) -> list[RosterMember]:
    """The members in the file's order. Raises Failed, with the row.

    Without a column `paused` nothing is said of anyone's presence; with it an empty cell is no.
    """
    id_at = table.column("assignee_id")
    weight_at = table.column("weight")
    paused_at = table.column("paused")
    if id_at is None or weight_at is None:
        raise Failed(f"{table.name}: a roster has the columns assignee_id and weight")
    seen: dict[str, int] = {}
    members = []
    for row in table.rows:
        assignee_id = row.cells[id_at].strip()
        if assignee_id in seen:
            where = seen[assignee_id]
            raise table.failure(row, f"assignee {assignee_id!r} stands in row {where} already")
        seen[assignee_id] = row.number
        weight = _weight_text(row.cells[weight_at].strip(), table.delimiter)
        paused = None if paused_at is None else _yes_or_no(row.cells[paused_at])
        if paused_at is not None and paused is None:
            raise table.failure(row, f"paused is yes or no, not {row.cells[paused_at]!r}")
        try:
            members.append(RosterMember(assignee_id=assignee_id, weight=weight, paused=paused))
        except ValidationError as error:
            raise table.failure(row, explain(error)) from None
    return members


def _weight_text(text: str, delimiter: str) -> str:
    """Where commas don't separate cells, spreadsheets write 0.8 as "0,8"."""
    if delimiter != "," and _DECIMAL_COMMA.fullmatch(text):
        return text.replace(",", ".")
    return text


def _yes_or_no(text: str) -> bool | None:
    word = text.strip().casefold()
    if word in _YES:
        return True
    return False if word in _NO else None


def differs(state: ChannelState, members: list[RosterMember]) -> bool:
    """Whether the channel's roster has other members, weights or, where given, presence."""
    standing = {m.assignee_id: m for m in state.roster.members}
    if standing.keys() != {member.assignee_id for member in members}:
        return True
    return any(
        standing[member.assignee_id].weight_millionths != weight_millionths(member.weight)
        or member.paused not in (None, standing[member.assignee_id].paused)
        for member in members
    )
