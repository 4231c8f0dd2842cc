"""Limits on what an assignee gets: leads of some kind are at most a part of all that they get.

As in "at most half of the value may be investment loans". A lead is of a limit's kind if the
attribute that the limit names has its value; what is counted is value where leads are divided by
value, else leads.

- A lead of that kind may go to an assignee unless, with it, the kind would be more than
  `share_max` of what they got since the limit was set: matching + v <= share_max (total + v).
- So the kind has to be earned: while nothing else was received, no such lead is taken (unless
  `share_max` is 1), and every other lead makes room. Smaller leads fit where larger ones don't.
- What goes to somebody by hand, or by a lead that moves, is not held up, but counted. A lead that
  is credited or moves on is taken off again.

All amounts are whole millionths; a lead without a value counts 1,000,000.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from dispatcher.requirements import texts_in
from schemas.inputs import ShareLimit
from schemas.scalars import MILLIONTHS, share_millionths

Mark = tuple[str, str]
"""A kind of leads: attribute and value."""

UNLIMITED: Final = 1 << 128


class Limit(msgspec.Struct, frozen=True):
    """One limit of an assignee, and what they got since it was set.

    Attributes:
        share_max: in millionths.
        matching, total: what they got of its kind, and of all; millionths of value or of leads.
    """

    attribute: str
    value: str
    share_max: int
    matching: int = 0
    total: int = 0

    @property
    def mark(self) -> Mark:
        """The kind of leads that it limits."""
        return self.attribute, self.value

    def most(self) -> int:
        """The largest lead of its kind that is within it; below 0 where there is none."""
        left = MILLIONTHS - self.share_max
        if not left:
            return UNLIMITED
        return (self.share_max * self.total - MILLIONTHS * self.matching) // left

    def counting(self, value: int, *, matches: bool) -> "Limit":
        """After a lead came, or went (below 0): no less than nothing, nor more than all."""
        total = max(0, self.total + value)
        matching = min(total, max(0, self.matching + (value if matches else 0)))
        return Limit(self.attribute, self.value, self.share_max, matching, total)


class LimitsOf(msgspec.Struct, frozen=True):
    """All limits of an assignee, in the order in which they were given."""

    assignee_id: str
    limits: tuple[Limit, ...]


def limits_after(
    limits: Sequence[LimitsOf], assignee_id: str, wanted: Iterable[ShareLimit]
) -> tuple[LimitsOf, ...]:
    """After `limits_changed`; a limit on the same kind goes on counting."""
    before = {limit.mark: limit for each in of(limits, assignee_id) for limit in each.limits}
    now = []
    for want in wanted:
        known = before.get((want.attribute, want.value))
        counted = (known.matching, known.total) if known else (0, 0)
        share_max = share_millionths(want.share_max)
        now.append(Limit(want.attribute, want.value, share_max, *counted))
    others = [each for each in limits if each.assignee_id != assignee_id]
    if now:
        others.append(LimitsOf(assignee_id, tuple(now)))
    return tuple(sorted(others, key=lambda each: each.assignee_id))


def of(limits: Sequence[LimitsOf], assignee_id: str) -> list[LimitsOf]:
    """The limits of one assignee: one entry, or none."""
    return [each for each in limits if each.assignee_id == assignee_id]


def counting_anew(limits: Sequence[LimitsOf]) -> tuple[LimitsOf, ...]:
    """After what leads count became another: nothing is counted yet."""
    return tuple(
        LimitsOf(
            each.assignee_id,
            tuple(msgspec.structs.replace(limit, matching=0, total=0) for limit in each.limits),
        )
        for each in limits
    )


def marks_wanted(limits: Sequence[LimitsOf]) -> Mapping[str, frozenset[str]]:
    """The kinds that any limit is about: {attribute: values}."""
    wanted: dict[str, set[str]] = {}
    for each in limits:
        for limit in each.limits:
            wanted.setdefault(limit.attribute, set()).add(limit.value)
    return {name: frozenset(values) for name, values in wanted.items()}


def marks_of(
    fields: Mapping[str, msgspec.Raw], wanted: Mapping[str, frozenset[str]]
) -> tuple[Mark, ...]:
    """The kinds that a lead is of, among those wanted, ascending."""
    return tuple(
        sorted(
            (name, text)
            for name, values in wanted.items()
            if name in fields
            for text in values.intersection(texts_in(bytes(fields[name])))
        )
    )


class Counts:
    """The limits of a channel while leads are divided."""

    def __init__(self, limits: Sequence[LimitsOf]) -> None:
        """As they are before."""
        self._limits = {each.assignee_id: each.limits for each in limits}

    def copy(self) -> "Counts":
        """The same, to go on without this one."""
        return Counts(self.after())

    def most(self, assignee_id: str, marks: Sequence[Mark]) -> int:
        """The largest lead of these kinds that an assignee may take; below 0: none."""
        limits = self._limits.get(assignee_id)
        if not marks or not limits:
            return UNLIMITED
        return min((each.most() for each in limits if each.mark in marks), default=UNLIMITED)

    def add(self, assignee_id: str, marks: Sequence[Mark], value: int) -> None:
        """A lead goes to an assignee; below 0: is taken off."""
        limits = self._limits.get(assignee_id)
        if limits:
            self._limits[assignee_id] = tuple(
                each.counting(value, matches=each.mark in marks) for each in limits
            )

    def after(self) -> tuple[LimitsOf, ...]:
        """As they are now."""
        return tuple(LimitsOf(name, limits) for name, limits in self._limits.items())
