"""What is called today, where a channel's time zone changes in the middle of a day."""

from datetime import UTC, datetime

import pytest

from streams.views.documents import member_document, today_of
from streams.views.folding import fold
from streams.views.standings import ChannelStanding
from tests.views_process.material import batch, joined, replay_of


def ms(text: str) -> int:
    """A moment in UTC, milliseconds since 1970."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


NOW_MS = ms("2026-11-21T17:00:00")


def moved_to(time_zone: str) -> ChannelStanding:
    """Three leads before the channel moves from UTC, two after it."""
    configured: dict[str, object] = {"type": "channel_configured", "time_zone": time_zone}
    events = (joined("A", "1"), batch("before", 3), configured, batch("after", 2))
    standing = None
    for decision in replay_of(*events):
        standing = fold(standing, decision, NOW_MS)
    assert standing is not None
    return standing


@pytest.mark.parametrize(
    ("time_zone", "day", "ends", "leads"),
    [
        ("Europe/Paris", "2026-11-21", "2026-11-21T23:00:00", 5),
        ("Pacific/Auckland", "2026-11-22", "2026-11-22T11:00:00", 2),
        ("Pacific/Pago_Pago", "2026-11-21", "2026-11-22T11:00:00", 5),
    ],
)
def test_in_another_time_zone_today_is_the_day_there(
    time_zone: str, day: str, ends: str, leads: int
) -> None:
    """The same day goes on counting, another one begins with what comes then."""
    standing = moved_to(time_zone)
    assert (standing.day, standing.day_ends_ms) == (day, ms(ends))
    assert today_of(standing, NOW_MS) == day
    assert member_document(standing, "A", NOW_MS)["today"]["leads"] == leads
