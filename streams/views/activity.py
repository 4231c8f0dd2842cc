"""How much happened when: batches, leads, errors and delays of a channel, in windows of time.

In: when a decision was taken, what it dispatched, where it left the errors, how long it had taken.
Out: buckets of five seconds, minutes, hours, and days of the channel's time zone. Pure values;
what is older than a window is forgotten when something newer comes.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

Windows = Mapping[int, "Bucket"]
"""Buckets by their number: the time divided by the bucket's length."""

MOMENT_MS: Final = 5_000
MINUTE_MS: Final = 60_000
HOUR_MS: Final = 3_600_000
MOMENTS_MAX: Final = 13
"""A minute, and the running five seconds."""
MINUTES_MAX: Final = 61
HOURS_MAX: Final = 49
DAYS_MAX: Final = 60


class Bucket(msgspec.Struct, frozen=True, omit_defaults=True):
    """What happened in one stretch of time.

    Attributes:
        batches, leads: dispatched.
        most_ahead_units, most_owed_units: the largest and the smallest cumulative error of anybody
            after any decision, 10^-12 leads; None where no error was looked at.
        delay_ms_most: the longest from an event's record to its decision's.
    """

    batches: int = 0
    leads: int = 0
    most_ahead_units: int | None = None
    most_owed_units: int | None = None
    delay_ms_most: int | None = None


class Happened(NamedTuple):
    """One decision, as far as it is counted here.

    Attributes:
        at_ms: when, milliseconds since 1970.
        day: the channel's day, as in "2026-11-22".
        batches, leads: dispatched by it.
        most_ahead_units, most_owed_units: after it; see `Bucket`.
        delay_ms: from the event's record to the decision's; None if it can't be told.
    """

    at_ms: int
    day: str
    batches: int
    leads: int
    most_ahead_units: int
    most_owed_units: int
    delay_ms: int | None


class Activity(msgspec.Struct, frozen=True):
    """A channel's buckets.

    Attributes:
        days: by the day, as in "2026-11-22".
        delay_ms: of the last decision.
    """

    moments: dict[int, Bucket] = {}
    minutes: dict[int, Bucket] = {}
    hours: dict[int, Bucket] = {}
    days: dict[str, Bucket] = {}
    delay_ms: int | None = None

    def after(self, happened: Happened) -> "Activity":
        """With one decision more."""
        at_ms = happened.at_ms
        return Activity(
            _counted(self.moments, at_ms // MOMENT_MS, MOMENTS_MAX, happened),
            _counted(self.minutes, at_ms // MINUTE_MS, MINUTES_MAX, happened),
            _counted(self.hours, at_ms // HOUR_MS, HOURS_MAX, happened),
            _counted_on_the_day(self.days, happened),
            self.delay_ms if happened.delay_ms is None else happened.delay_ms,
        )


def total(windows: Windows, first: int, last: int, of: Callable[[Bucket], int]) -> int:
    """The sum over the buckets from `first` to `last`."""
    return sum(of(bucket) for number, bucket in windows.items() if first <= number <= last)


def _counted(
    windows: dict[int, Bucket], number: int, count_max: int, happened: Happened
) -> dict[int, Bucket]:
    known = windows.get(number)
    if known is not None:
        return {**windows, number: _added(known, happened)}
    newest = max(windows, default=number)
    if number <= newest - count_max:
        return windows
    kept_from = max(newest, number) - count_max
    kept = {each: bucket for each, bucket in windows.items() if each > kept_from}
    return {**kept, number: _added(Bucket(), happened)}


def _counted_on_the_day(days: dict[str, Bucket], happened: Happened) -> dict[str, Bucket]:
    known = days.get(happened.day)
    if known is not None:
        return {**days, happened.day: _added(known, happened)}
    # Days as they are written sort as they follow each other.
    kept = sorted({*days, happened.day})[-DAYS_MAX:]
    if happened.day not in kept:
        return days
    return {
        **{day: days[day] for day in kept if day in days},
        happened.day: _added(Bucket(), happened),
    }


def _added(bucket: Bucket, happened: Happened) -> Bucket:
    return Bucket(
        bucket.batches + happened.batches,
        bucket.leads + happened.leads,
        _most(bucket.most_ahead_units, happened.most_ahead_units, max),
        _most(bucket.most_owed_units, happened.most_owed_units, min),
        _most(bucket.delay_ms_most, happened.delay_ms, max),
    )


def _most(known: int | None, new: int | None, chosen: Callable[[int, int], int]) -> int | None:
    if known is None or new is None:
        return new if known is None else known
    return chosen(known, new)
