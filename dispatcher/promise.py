"""The promise: how far a cumulative error can ever be from zero, and whether it holds.

n is the most members at once since the errors were last all zero. While nobody was paused since
then, -(1/2 + 1/3 + ... + 1/n) <= D <= 1 - 1/n, whatever the weights, batch sizes, joins and
leaves; with pauses |D| <= (n-1)/2.

A correction moves errors on purpose: the state says "corrected", and the bound is not applied,
until the errors are such as could have come about without one. It isn't enough that each is back
inside: with four equal members two can be owed 3/4 each, which nobody reaches without a
correction, and then a batch of one under other weights takes one of them to 5/4, past 13/12. What
is needed, and enough, is that for every k the k most owed are together owed at most
k (1/(k+1) + ... + 1/n) leads (with pauses k (n-k)/2); a test shows the case.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache

import msgspec

from dispatcher.roster import Roster

TOLERANCE_LEADS = Fraction(1, 10**6)
"""What rounding at roster changes may add."""

EXACT_MEMBERS_MAX = 500
"""Beyond, exact harmonic sums have hundreds of digits; floats are far closer than the tolerance."""


class Promise(msgspec.Struct, frozen=True):
    """What the bound of a channel depends on, since its errors were last all zero.

    Attributes:
        members_most: the most members at once.
        paused: somebody was paused.
        corrected: a correction has moved an error that isn't back inside the bound yet.
    """

    members_most: int = 0
    paused: bool = False
    corrected: bool = False

    def bounds_leads(self) -> tuple[Fraction, Fraction]:
        """The least and the largest cumulative error that is promised, in leads."""
        return _bounds_leads(self.members_most, self.paused)

    def after(
        self, roster: Roster, errors: Sequence[int], *, correction: bool = False
    ) -> "Promise":
        """The promise after a decision that left this roster and these errors."""
        members = len(roster.members)
        paused = len(roster.active) < members
        if not any(errors):
            return Promise(members, paused, corrected=False)
        members_most = max(self.members_most, members)
        corrected = self.corrected or correction
        if (
            members_most == self.members_most
            and (self.paused or not paused)
            and corrected == self.corrected
            and not corrected
        ):
            return self
        now = Promise(members_most, self.paused or paused, corrected)
        if corrected and now.could_be_uncorrected(errors, roster.error_denominator):
            return Promise(members_most, now.paused, corrected=False)
        return now

    def holds(self, errors: Sequence[int], denominator: int) -> bool:
        """Whether all errors (numerators over `denominator`) are inside the bounds."""
        low, high = self.bounds_leads()
        return (
            Fraction(max(errors), denominator) <= high + TOLERANCE_LEADS
            and Fraction(min(errors), denominator) >= low - TOLERANCE_LEADS
        )

    def could_be_uncorrected(self, errors: Sequence[int], denominator: int) -> bool:
        """Whether no k members together are owed more than the promise lets them be."""
        n = self.members_most
        owed = sorted([*(-error for error in errors), *[0] * (n - len(errors))], reverse=True)
        tail = -_bounds_leads(n, False)[0]
        together = 0
        for k in range(1, n):
            together += owed[k - 1]
            # `tail` is 1/(k+1) + ... + 1/n.
            bound = Fraction(k * (n - k), 2) if self.paused else k * tail
            if Fraction(together, denominator) > bound + TOLERANCE_LEADS:
                return False
            tail -= Fraction(1, k + 1) if n <= EXACT_MEMBERS_MAX else Fraction(1.0 / (k + 1))
        return True

    def used(self, errors: Sequence[int], denominator: int) -> float:
        """How much of the promise is used: 0 none, 1 all, over 1 a breach (unless corrected)."""
        if not any(errors):
            return 0.0
        low, high = self.bounds_leads()
        ahead = Fraction(max(errors), denominator)
        owed = Fraction(-min(errors), denominator)
        return float(max(ahead / high if high else 0, owed / -low if low else 0))


@lru_cache(maxsize=1024)
def _bounds_leads(members_most: int, paused: bool) -> tuple[Fraction, Fraction]:
    n = members_most
    if n < 2:
        return Fraction(0), Fraction(0)
    if paused:
        return -Fraction(n - 1, 2), Fraction(n - 1, 2)
    if n > EXACT_MEMBERS_MAX:
        harmonic = Fraction(sum(1.0 / k for k in range(n, 1, -1)) + 1e-9)
    else:
        harmonic = sum((Fraction(1, k) for k in range(2, n + 1)), start=Fraction(0))
    return -harmonic, 1 - Fraction(1, n)
