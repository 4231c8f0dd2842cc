"""Times as events write them, as whole milliseconds since 1970, and the days that they fall on."""

from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import Final

from schemas.time_zones import zone

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999."""


@lru_cache(maxsize=1024)
def timestamp_text(timestamp_ms: int) -> str:
    """A time as decisions write it, RFC 3339 in UTC; kept within the years 1970 to 9999."""
    seconds, ms = divmod(min(max(timestamp_ms, 0), _LAST_MS), 1000)
    return f"{_second_text(seconds)}.{ms:03d}Z"


@lru_cache(maxsize=1024)
def _second_text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def milliseconds(timestamp: str) -> int:
    """A time as in events, RFC 3339, in milliseconds since 1970.

    Raises:
        ValueError: it isn't one; without a zone nobody knows which moment is meant.
    """
    moment = datetime.fromisoformat(timestamp)
    if moment.tzinfo is None:
        raise ValueError(f"{timestamp!r} names no time zone")
    return (moment - _EPOCH) // _MILLISECOND


def day_of(time_ms: int, time_zone: str) -> tuple[str, int | None]:
    """The day at a time (milliseconds since 1970), and when it ends; None where calendars do."""
    place = zone(time_zone)
    try:
        day = (_EPOCH + timedelta(milliseconds=time_ms)).astimezone(place).date()
        midnight = datetime.combine(day + timedelta(days=1), time(), place)
        return day.isoformat(), (midnight.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except OverflowError:
        return ("0001-01-01" if time_ms < 0 else "9999-12-31"), None
