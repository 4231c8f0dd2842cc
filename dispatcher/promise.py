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

Where leads are divided by value, the same bounds hold times v, the largest value since the errors
were last all zero:

- *Ahead.* Once everybody has accrued a batch, the errors of all sum to minus the value that is
  still to be given. A lead of value x <= v goes to the smallest error, which is no more than the
  mean, so no more than -x/n: whoever gets it is at most x - x/n <= v (1 - 1/n) ahead. Until they
  get another one their error only falls.
- *Owed.* Let b(k) be the most that k members are ever together owed after a batch; b(n) = 0. Take
  k members, and the last lead of the batch that went to anybody else, j, of value x; none:
  what they are owed didn't rise. Nobody of the k was owed more than j then, so the k were owed at
  most k/(k+1) of what the k and j were. From then on j got x and the k got r, all the rest. At the
  end the k and j are owed at most b(k+1), so the k at most k/(k+1) (b(k+1) + x + r) - r, which is
  no more than k/(k+1) (b(k+1) + v). So b(k)/k <= b(k+1)/(k+1) + v/(k+1), and
  b(k) <= k v (1/(k+1) + ... + 1/n); for k = 1 it is v (1/2 + ... + 1/n).

Neither needs the largest first (that keeps errors small in practice), nor equal weights, nor that
they stay the same: an accrual by whatever weights moves no more than it is owed within the batch.
Joining, leaving and new weights do to errors what they do elsewhere. A test searches for a breach.
"""

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType

from schemas.scalars import MILLIONTHS

TOLERANCE_LEADS = Fraction(1, 10**6)
"""What rounding at roster changes may add."""

_TOLERANCE = float(TOLERANCE_LEADS)

EXACT_MEMBERS_MAX = 500
"""Beyond, exact harmonic sums have hundreds of digits; floats are far closer than the tolerance."""


class RosterShape(Protocol):
    """What the promise asks of a roster."""

    @property
    def members(self) -> Sequence[object]:
        """Everybody, paused ones included."""

    @property
    def active(self) -> Sequence[int]:
        """Who isn't paused."""

    @property
    def error_denominator(self) -> int:
        """What errors are over."""


class Promise(msgspec.Struct, frozen=True):
    """What the bound of a channel depends on, since its errors were last all zero.

    Attributes:
        members_most: the most members at once.
        paused: somebody was paused.
        corrected: a correction has moved an error that isn't back inside the bound yet.
        value_max: the largest lead since then, millionths, where leads are divided by value.
    """

    members_most: int = 0
    paused: bool = False
    corrected: bool = False
    # Unset rather than None: then it isn't written, and records are as they were.
    value_max: int | UnsetType = UNSET

    def bounds_leads(self) -> tuple[Fraction, Fraction]:
        """The least and the largest cumulative error that is promised, in leads, or in value."""
        low, high = _bounds_leads(self.members_most, self.paused)
        if isinstance(self.value_max, UnsetType):
            return low, high
        return low * self._largest, high * self._largest

    @property
    def _largest(self) -> Fraction:
        """What the largest lead counts."""
        if isinstance(self.value_max, UnsetType):
            return Fraction(1)
        return Fraction(self.value_max, MILLIONTHS)

    def measuring(self, *, by_value: bool) -> "Promise":
        """After a change that leaves a channel's leads divided by value, or by count."""
        if by_value:
            return self.with_value(0)
        if self.value_max is UNSET:
            return self
        return msgspec.structs.replace(self, value_max=UNSET)

    def with_value(self, millionths: int) -> "Promise":
        """After leads of which the largest counts so much, where leads are divided by value."""
        known = 0 if isinstance(self.value_max, UnsetType) else self.value_max
        if self.value_max == max(known, millionths):
            return self
        return msgspec.structs.replace(self, value_max=max(known, millionths))

    def after(
        self, roster: RosterShape, errors: Sequence[int], *, correction: bool = False
    ) -> "Promise":
        """The promise after a decision that left this roster and these errors."""
        members = len(roster.members)
        paused = len(roster.active) < members
        if not any(errors):
            value_max = self.value_max if self.value_max is UNSET else 0
            return Promise(members, paused, False, value_max)
        members_most = max(self.members_most, members)
        corrected = self.corrected or correction
        if (
            members_most == self.members_most
            and (self.paused or not paused)
            and corrected == self.corrected
            and not corrected
        ):
            return self
        now = Promise(members_most, self.paused or paused, corrected, self.value_max)
        if corrected and now.could_be_uncorrected(errors, roster.error_denominator):
            return Promise(members_most, now.paused, False, self.value_max)
        return now

    def holds(self, errors: Sequence[int], denominator: int) -> bool:
        """Whether all errors (numerators over `denominator`) are inside the bounds."""
        low, high = self.bounds_leads()
        return (
            Fraction(max(errors), denominator) <= high + TOLERANCE_LEADS
            and Fraction(min(errors), denominator) >= low - TOLERANCE_LEADS
        )

    def used(self, errors: Sequence[int], denominator: int) -> float:
        """How much of the promise is used: 0 none, 1 all, over 1 a breach (unless corrected).

        For people and alarms: in floats; `holds` says the same exactly.
        """
        if not any(errors):
            return 0.0
        low, high = self._float_bounds
        ahead, owed = max(errors) / denominator, -min(errors) / denominator
        return max(_share(ahead, high), _share(owed, -low))

    @property
    def _float_bounds(self) -> tuple[float, float]:
        low, high = _float_bounds_leads(self.members_most, self.paused)
        if isinstance(self.value_max, UnsetType):
            return low, high
        largest = self.value_max / MILLIONTHS
        return low * largest, high * largest

    def could_be_uncorrected(self, errors: Sequence[int], denominator: int) -> bool:
        """Whether no k members together are owed more than the promise lets them be."""
        n = self.members_most
        owed = sorted([*(-error for error in errors), *[0] * (n - len(errors))], reverse=True)
        tail = -_bounds_leads(n, False)[0]
        largest = self._largest
        together = 0
        for k in range(1, n):
            together += owed[k - 1]
            # `tail` is 1/(k+1) + ... + 1/n.
            bound = Fraction(k * (n - k), 2) if self.paused else k * tail
            if Fraction(together, denominator) > bound * largest + TOLERANCE_LEADS:
                return False
            tail -= Fraction(1, k + 1) if n <= EXACT_MEMBERS_MAX else Fraction(1.0 / (k + 1))
        return True


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


@lru_cache(maxsize=1024)
def _float_bounds_leads(members_most: int, paused: bool) -> tuple[float, float]:
    low, high = _bounds_leads(members_most, paused)
    return float(low), float(high)


def _share(error: float, bound: float) -> float:
    """Both in leads, in the same direction; what the tolerance allows is no breach."""
    if error > bound + _TOLERANCE:
        return error / (bound or _TOLERANCE)
    return min(1.0, max(0.0, error) / bound) if bound else 0.0
