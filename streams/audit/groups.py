"""The assignments of a partition beside its decisions: batch after batch, in one pass over each.

In: assignments in order of offset. Out: those of a batch when its decision is looked at. Pure.

A partition's assignments stand in the order of its decisions, so what is read ahead is little: at
most `AHEAD_MAX` batches. What comes again for a batch that has gone by, or stands apart from the
rest of its batch, is put aside and told.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from streams.audit.checking import Assigned

AHEAD_MAX: Final = 1_000
"""Batches that are read ahead of their decisions."""

Key = tuple[str, int]
"""Channel and state version."""


class Group(NamedTuple):
    """Assignments of one decision that stand together, and the offset of the first."""

    key: Key
    offset: int
    leads: list[Assigned]


class Groups:
    """The assignments of one partition."""

    def __init__(
        self,
        assignments: Iterable[tuple[int, Assigned]],
        is_past: Callable[[Key], bool],
        *,
        begins_late: bool,
    ) -> None:
        """(offset, assignment) in order.

        Args:
            is_past: whether the decision of a group has gone by.
            begins_late: whether retention has cut off the log's beginning: then decisions before
                the first group have none, and the first group may lack its own beginning.
        """
        self._groups = _grouped(assignments)
        self._is_past = is_past
        self._ahead: dict[Key, Group] = {}
        self._first = next(self._groups, None) if begins_late else None
        self._begun = not begins_late
        self.late_key = self._first.key if self._first else None
        if self._first is not None:
            self._ahead[self._first.key] = self._first
        self.strays: list[Group] = []

    def begun(self, key: Key) -> bool:
        """Whether the log goes back to this decision; asked in the order of decisions."""
        if not self._begun and self.late_key is not None:
            self._begun = key[0] == self.late_key[0] and key[1] >= self.late_key[1]
        return self._begun

    def take(self, key: Key) -> Group | None:
        """The assignments of a decision; None where there are none."""
        found = self._ahead.pop(key, None)
        while found is None and len(self._ahead) < AHEAD_MAX:
            group = next(self._groups, None)
            if group is None:
                return None
            if group.key == key:
                found = group
            else:
                self._keep(group)
        if found is None:
            self._tidy()
        return found

    def _keep(self, group: Group) -> None:
        if group.key in self._ahead or self._is_past(group.key):
            self.strays.append(group)
        else:
            self._ahead[group.key] = group

    def _tidy(self) -> None:
        """What has gone by meanwhile isn't waited for any more."""
        for key in [key for key in self._ahead if self._is_past(key)]:
            self.strays.append(self._ahead.pop(key))

    def rest(self) -> Iterator[Group]:
        """What no decision asked for."""
        yield from self._ahead.values()
        yield from self._groups


def _grouped(assignments: Iterable[tuple[int, Assigned]]) -> Iterator[Group]:
    group: Group | None = None
    for offset, lead in assignments:
        key = (lead.channel, lead.state_version)
        if group is None or key != group.key:
            if group is not None:
                yield group
            group = Group(key, offset, [])
        group.leads.append(lead)
    if group is not None:
        yield group
