from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.views.activity import (
    DAYS_MAX,
    HOUR_MS,
    HOURS_MAX,
    MINUTE_MS,
    MINUTES_MAX,
    MOMENT_MS,
    Activity,
    Happened,
    total,
)
from streams.views.delays import DELAY_MS_MAX, Delays, quantile, together

START_MS = 1_795_300_000_000


def happened(at_ms: int, leads: int = 1, day: str = "2026-11-22", **others: int) -> Happened:
    """A batch of so many leads."""
    known = {"most_ahead_units": 5, "most_owed_units": -3, "delay_ms": 10, **others}
    return Happened(at_ms, day, 1, leads, **known)


def test_what_happened_stands_in_every_window() -> None:
    """Five seconds, the minute, the hour, the day."""
    activity = Activity().after(happened(START_MS, 7)).after(happened(START_MS + 1, 3))
    for windows, size_ms in (
        (activity.moments, MOMENT_MS),
        (activity.minutes, MINUTE_MS),
        (activity.hours, HOUR_MS),
    ):
        (bucket,) = windows.values()
        assert (bucket.batches, bucket.leads) == (2, 10)
        assert set(windows) == {START_MS // size_ms}
    assert activity.days["2026-11-22"].leads == 10


def test_a_bucket_holds_the_extremes() -> None:
    """The largest and smallest error after any decision, the longest delay."""
    activity = Activity()
    for ahead, owed, delay_ms in ((4, -1, 30), (9, -2, 5), (1, -8, 70)):
        others = {"most_ahead_units": ahead, "most_owed_units": owed, "delay_ms": delay_ms}
        activity = activity.after(happened(START_MS, **others))
    (bucket,) = activity.minutes.values()
    assert (bucket.most_ahead_units, bucket.most_owed_units) == (9, -8)
    assert bucket.delay_ms_most == activity.delay_ms == 70


@given(
    st.lists(
        st.tuples(
            st.integers(min_value=0, max_value=200 * MINUTE_MS),
            st.integers(min_value=0, max_value=50),
        ),
        max_size=60,
    )
)
def test_the_last_hour_is_counted_exactly_whatever_came_before(
    batches: list[tuple[int, int]],
) -> None:
    """In order of time, as decisions come: nothing within the window is forgotten."""
    activity = Activity()
    for at_ms, leads in sorted(batches):
        activity = activity.after(happened(START_MS + at_ms, leads))
    now = max((at_ms for at_ms, _ in batches), default=0) + START_MS
    last = now // MINUTE_MS
    expected = sum(leads for at_ms, leads in batches if (START_MS + at_ms) // MINUTE_MS > last - 60)
    assert total(activity.minutes, last - 59, last, lambda bucket: bucket.leads) == expected


def test_windows_are_bounded() -> None:
    """Months of decisions leave as many buckets as are shown."""
    activity = Activity()
    for day in range(100):
        for hour in range(0, 24, 5):
            at_ms = START_MS + day * 24 * HOUR_MS + hour * HOUR_MS
            activity = activity.after(
                happened(at_ms, day=f"2026-{day // 28 + 1:02}-{day % 28 + 1:02}")
            )
    assert len(activity.minutes) <= MINUTES_MAX
    assert len(activity.hours) <= HOURS_MAX
    assert len(activity.days) == DAYS_MAX


def test_a_clock_that_goes_back_forgets_nothing() -> None:
    """What is older than a window is left out, and what is there stays."""
    activity = Activity().after(happened(START_MS, 5))
    earlier = activity.after(happened(START_MS - 10 * MINUTE_MS, 2))
    assert sum(bucket.leads for bucket in earlier.minutes.values()) == 7
    much_earlier = earlier.after(happened(START_MS - 300 * MINUTE_MS, 9, "2020-01-01"))
    assert sum(bucket.leads for bucket in much_earlier.minutes.values()) == 7


@given(st.lists(st.integers(min_value=0, max_value=DELAY_MS_MAX), min_size=1, max_size=200))
def test_a_quantile_is_within_five_percent(delays_ms: list[int]) -> None:
    """Of what it would be with every delay at hand."""
    delays = Delays()
    for delay_ms in delays_ms:
        delays.add(START_MS, delay_ms)
    minute = START_MS // MINUTE_MS
    counted = together([delays], minute, minute)
    assert counted.total() == len(delays_ms)
    for part in (0.5, 0.99):
        rank = max(1, -(-len(delays_ms) * int(part * 100) // 100))
        exact = sorted(delays_ms)[rank - 1]
        found = quantile(counted, part)
        assert found is not None
        assert abs(found - exact) <= max(1, 0.05 * exact)


def test_delays_are_kept_for_an_hour() -> None:
    """By minute; of several partitions together."""
    one, other = Delays(), Delays()
    for minute in range(200):
        one.add(START_MS + minute * MINUTE_MS, 100)
    other.add(START_MS + 199 * MINUTE_MS, 1)
    assert len(one.minutes) <= MINUTES_MAX
    last = START_MS // MINUTE_MS + 199
    assert together([one, other], last - 59, last).total() == 61
    assert quantile(together([one, other], last, last), 0.5) == 1
    one.add(START_MS, 5)
    assert len(one.minutes) <= MINUTES_MAX


def test_of_nothing_there_is_no_quantile() -> None:
    """Neither zero nor an error."""
    assert quantile(Counter(), 0.5) is None


@pytest.mark.parametrize("delay_ms", [0, 1, 2, 19, 1_000, 86_400_000])
def test_one_delay_is_its_own_quantile(delay_ms: int) -> None:
    """Within five percent, and at least exact to the millisecond where that is coarser."""
    delays = Delays()
    delays.add(START_MS, delay_ms)
    found = quantile(together([delays], 0, 2**62), 0.99)
    assert found is not None
    assert abs(found - delay_ms) <= max(0.05 * delay_ms, 0.5)
