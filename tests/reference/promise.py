"""The promise: how far anyone may be from their fair share, and when it is in force.

Why it holds. Let n members have exact errors that sum to zero. A lead goes to whoever is owed
most, so if a set K of k members becomes more owed, somebody outside K got a lead and was owed
at least as much as each of K. From the set of k+1 this bounds K: together they are owed at most
``k (1/(k+1) + ... + 1/n)``. For k = 1 that is 1/2 + ... + 1/n; for k = n-1 it is 1 - 1/n, which
is how far the one left over can be ahead. Paused members keep errors that nobody works off; then
the same argument gives ``k (n-k) / 2``. Settling a leaver levels towards zero, and a newcomer's 0
was always there: neither breaks the bounds for the sets.

So what has to be back inside after a correction are *all these sums*, not only the single errors:
+3/4, +3/4, -3/4, -3/4 is inside for each of four members (-13/12 to 3/4), but the two that are
owed have 3/2 together, more than 7/6, and one lead for the two of them leaves one at -5/4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

TOLERANCE = Fraction(1, 10**6)
"""Leads; room for the rounding at roster changes."""


def promised(most_members: int, pauses: bool) -> tuple[Fraction, Fraction]:
    """The least and the greatest error of any member, in leads.

    ``most_members`` is the most members at once since the errors were last all zero, ``pauses``
    whether anyone was paused since then.
    """
    owed = together_owed(1, most_members, pauses)
    ahead = together_owed(most_members - 1, most_members, pauses)
    return -owed, ahead


@lru_cache(maxsize=4096)
def together_owed(members: int, most_members: int, pauses: bool) -> Fraction:
    """The most that any ``members`` of ``most_members`` can be owed together, in leads."""
    if not 0 < members < most_members:
        return Fraction(0)  # nobody, or everybody: errors sum to zero
    if pauses:
        return Fraction(members * (most_members - members), 2)
    parts = (Fraction(1, other) for other in range(members + 1, most_members + 1))
    return members * sum(parts, Fraction(0))


def keeps_promise(errors: Sequence[Fraction], most_members: int, pauses: bool) -> bool:
    """Whether each single error is inside what is promised."""
    least, greatest = promised(most_members, pauses)
    return all(least - TOLERANCE <= error <= greatest + TOLERANCE for error in errors)


def keeps_promise_together(
    errors: Sequence[Fraction], most_members: int, pauses: bool, largest: Fraction = Fraction(1)
) -> bool:
    """Whether every set of members is inside; only then single errors stay inside for good."""
    padded = sorted([*errors, *[Fraction(0)] * (most_members - len(errors))])
    owed = Fraction(0)
    for members, error in enumerate(padded, start=1):
        owed -= error
        if owed > largest * together_owed(members, most_members, pauses) + TOLERANCE:
            return False
    return True


@dataclass
class Promise:
    """What a channel has to keep, followed from event to event."""

    most_members: int = 0
    pauses: bool = False
    corrected: bool = False
    largest: Fraction | None = None
    """Lead since then, where leads count by value."""

    def observe(self, errors: Sequence[Fraction], paused: bool, correction: bool = False) -> None:
        """Takes in the state after an event.

        That is: everyone's errors in leads, whether anyone is paused now, and whether the event
        was a correction.
        """
        if not any(errors):
            self.most_members, self.pauses, self.corrected = len(errors), paused, False
            self.largest = None if self.largest is None else Fraction(0)
            return
        self.most_members = max(self.most_members, len(errors))
        self.pauses = self.pauses or paused
        self.corrected = self.corrected or correction
        scale = Fraction(1) if self.largest is None else self.largest
        if self.corrected and keeps_promise_together(errors, self.most_members, self.pauses, scale):
            self.corrected = False

    def is_kept(self, errors: Sequence[Fraction]) -> bool:
        """Whether all is well: inside, or a correction's effect is still being worked off."""
        return self.corrected or keeps_promise(errors, self.most_members, self.pauses)
