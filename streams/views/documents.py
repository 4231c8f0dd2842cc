"""Standings and activity as JSON documents: what the views answer.

In: standings, activity, the time. Out: documents of plain values. Amounts of leads that may be
fractions are decimal strings with 12 places, and the exact error stands beside them as a numerator
over one denominator.
"""

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from fractions import Fraction
from typing import Any, Final

import msgspec

from dispatcher.times import day_of, timestamp_text
from schemas.scalars import UNITS_PER_LEAD, decimal_text, units_text, weight_text
from streams.views.activity import (
    HOUR_MS,
    MINUTE_MS,
    MOMENT_MS,
    Activity,
    Bucket,
    Windows,
    total,
)
from streams.views.standings import (
    ChannelStanding,
    Counted,
    MemberStanding,
    adjustment_numerator,
    day_fair_share_numerator,
    error_numerator,
    fair_share_numerator,
)

PARKED_LISTED_MAX: Final = 50
MINUTES_SHOWN: Final = 60
HOURS_SHOWN: Final = 48
DAYS_SHOWN: Final = 60
DAY_MS: Final = 24 * HOUR_MS


def channel_summary(
    standing: ChannelStanding, activity: Activity, partition: int, now_ms: int
) -> dict[str, Any]:
    """A channel in the list of channels."""
    return {
        **_facts(standing),
        "partition": partition,
        "today": _today(standing, activity, now_ms),
        "leads_last": _last(activity, now_ms, lambda bucket: bucket.leads),
        "batches_last": _last(activity, now_ms, lambda bucket: bucket.batches),
        "leads_per_minute": _per_minute(activity, now_ms),
        "delay_ms": _delay(activity, now_ms),
    }


def channel_document(
    standing: ChannelStanding, activity: Activity, partition: int, now_ms: int
) -> dict[str, Any]:
    """Everything about a channel but its members and decisions, which are asked for in pages."""
    return {
        **channel_summary(standing, activity, partition, now_ms),
        **_further_facts(standing),
        "history": _history(standing, activity, now_ms),
    }


def channel_facts(standing: ChannelStanding) -> dict[str, Any]:
    """What the decisions alone say of a channel and all its members, whatever the time is."""
    return {
        **_facts(standing),
        **_further_facts(standing),
        "standings": [_member_facts(standing, each) for each in sorted(standing.members)],
    }


def _facts(standing: ChannelStanding) -> dict[str, Any]:
    return {
        "channel": standing.channel,
        "state_version": standing.state_version,
        "roster_version": standing.roster_version,
        "decided_at": standing.decided_at,
        "members": len(standing.members),
        "active": sum(not member.paused for member in standing.members.values()),
        "batches": standing.batches,
        "leads": standing.leads,
        "parked_batches": len(standing.parked),
        "parked_leads": sum(standing.parked.values()),
        "dispatch_by": "value" if standing.by_value else "count",
        "has_rules": standing.rules is not None,
        "promise": promise_document(standing),
        **_extremes(standing),
    }


def _further_facts(standing: ChannelStanding) -> dict[str, Any]:
    oldest = list(standing.parked.items())[:PARKED_LISTED_MAX]
    return {
        "time_zone": standing.time_zone,
        "rules": standing.rules,
        "duplicates_ignored": standing.duplicates,
        "counted_from": _counted(standing.counted_from),
        "roster_complete": standing.roster_complete,
        "error_denominator": str(standing.denominator),
        "parked": [{"batch_id": batch_id, "leads": leads} for batch_id, leads in oldest],
        "last_decisions": [msgspec.to_builtins(each) for each in standing.last],
    }


def standings_document(
    standing: ChannelStanding, after: str, limit: int, now_ms: int
) -> dict[str, Any]:
    """A page of members, in order of assignee_id."""
    names = sorted(name for name in standing.members if name > after)
    page = names[:limit]
    return {
        "channel": standing.channel,
        "state_version": standing.state_version,
        "error_denominator": str(standing.denominator),
        "standings": [member_document(standing, name, now_ms) for name in page],
        "next_after": page[-1] if len(names) > limit else None,
    }


def member_document(standing: ChannelStanding, assignee_id: str, now_ms: int) -> dict[str, Any]:
    """Where a member stands. Raises KeyError for who isn't one."""
    today = _member_today(standing, standing.members[assignee_id], now_ms)
    return {**_member_facts(standing, assignee_id), "today": today}


def _member_facts(standing: ChannelStanding, assignee_id: str) -> dict[str, Any]:
    member = standing.members[assignee_id]
    denominator = standing.denominator
    error = error_numerator(standing, member)
    return {
        "assignee_id": assignee_id,
        "weight": weight_text(member.weight_millionths),
        "paused": member.paused,
        "leads": member.leads,
        **({"value": units_text(member.value_units)} if standing.by_value else {}),
        "fair_share": decimal_text(fair_share_numerator(standing, member), denominator),
        "cumulative_error": decimal_text(error, denominator),
        "cumulative_error_numerator": str(error),
        "adjustment": decimal_text(adjustment_numerator(standing, member), denominator),
        "counted_from": _counted(member.counted_from),
    }


def promise_document(standing: ChannelStanding) -> dict[str, Any] | None:
    """The bound and how much of it is used; None where the log doesn't tell it."""
    promise = standing.promise
    if promise is None:
        return None
    low, high = promise.bounds_leads()
    errors = [standing.most_ahead_numerator, standing.most_owed_numerator]
    return {
        # What rules and skills force has no bound; the metric is shown all the same.
        "in_force": standing.rules is None,
        "low": _decimal(low),
        "high": _decimal(high),
        "used": round(promise.used(errors, standing.denominator), 6),
        "kept": promise.holds(errors, standing.denominator),
        "corrected": promise.corrected,
        "members_most": promise.members_most,
        "somebody_was_paused": promise.paused,
    }


def today_of(standing: ChannelStanding, now_ms: int) -> str:
    """The channel's day now, as in "2026-11-22"."""
    return day_of(now_ms, standing.time_zone)[0]


def _decimal(value: Fraction) -> str:
    return decimal_text(round(value * UNITS_PER_LEAD), UNITS_PER_LEAD)


def _extremes(standing: ChannelStanding) -> dict[str, Any]:
    """Who is most ahead and who is owed most; of equals the first by assignee_id."""
    if not standing.members:
        return {"most_ahead": None, "most_owed": None}
    errors = {name: error_numerator(standing, each) for name, each in standing.members.items()}
    ahead = min(errors, key=lambda name: (-errors[name], name))
    owed = min(errors, key=lambda name: (errors[name], name))
    return {
        title: {
            "assignee_id": name,
            "cumulative_error": decimal_text(errors[name], standing.denominator),
        }
        for title, name in (("most_ahead", ahead), ("most_owed", owed))
    }


def _counted(counted: Counted) -> dict[str, Any]:
    return {"state_version": counted.state_version, "decided_at": counted.decided_at}


def _member_today(standing: ChannelStanding, member: MemberStanding, now_ms: int) -> dict[str, Any]:
    """What they got and were due today; nothing before the first decision of the day."""
    has_begun = today_of(standing, now_ms) <= standing.day
    leads = member.leads - member.day_leads if has_begun else 0
    fair = day_fair_share_numerator(standing, member) if has_begun else 0
    value = member.value_units - member.day_value_units if has_begun else 0
    return {
        "leads": leads,
        "fair_share": decimal_text(fair, standing.denominator),
        **({"value": units_text(value)} if standing.by_value else {}),
    }


def _today(standing: ChannelStanding, activity: Activity, now_ms: int) -> dict[str, Any]:
    today = today_of(standing, now_ms)
    bucket = activity.days.get(today, Bucket())
    return {
        "date": today,
        "time_zone": standing.time_zone,
        "batches": bucket.batches,
        "leads": bucket.leads,
    }


def _last(activity: Activity, now_ms: int, of: Any) -> dict[str, int]:
    """Sums over the last minute, hour and day, and the bucket that is running."""
    windows: Iterable[tuple[str, Windows, int, int]] = (
        ("minute", activity.moments, MOMENT_MS, MINUTE_MS),
        ("hour", activity.minutes, MINUTE_MS, HOUR_MS),
        ("day", activity.hours, HOUR_MS, DAY_MS),
    )
    return {
        name: total(buckets, now_ms // size_ms - length_ms // size_ms, now_ms // size_ms, of)
        for name, buckets, size_ms, length_ms in windows
    }


def _per_minute(activity: Activity, now_ms: int) -> list[int]:
    last = now_ms // MINUTE_MS
    empty = Bucket()
    minutes = range(last - MINUTES_SHOWN + 1, last + 1)
    return [activity.minutes.get(minute, empty).leads for minute in minutes]


def _delay(activity: Activity, now_ms: int) -> dict[str, Any] | None:
    if activity.delay_ms is None:
        return None
    since = now_ms // MINUTE_MS - MINUTES_SHOWN
    delays = [
        bucket.delay_ms_most
        for minute, bucket in activity.minutes.items()
        if minute >= since and bucket.delay_ms_most is not None
    ]
    return {"last": activity.delay_ms, "most_last_hour": max(delays, default=None)}


def _history(standing: ChannelStanding, activity: Activity, now_ms: int) -> dict[str, Any]:
    days = _days_before(today_of(standing, now_ms))
    return {
        "minutes": _points(activity.minutes, MINUTE_MS, MINUTES_SHOWN, now_ms),
        "hours": _points(activity.hours, HOUR_MS, HOURS_SHOWN, now_ms),
        "days": [_point(f"{day}T00:00:00Z", activity.days.get(day, Bucket())) for day in days],
    }


def _days_before(today: str) -> list[str]:
    last = date.fromisoformat(today)
    return [(last - timedelta(days=back)).isoformat() for back in range(DAYS_SHOWN - 1, -1, -1)]


def _points(
    windows: Mapping[int, Bucket], size_ms: int, count: int, now_ms: int
) -> list[dict[str, Any]]:
    last = now_ms // size_ms
    return [
        _point(timestamp_text(number * size_ms), windows.get(number, Bucket()))
        for number in range(last - count + 1, last + 1)
    ]


def _point(begins: str, bucket: Bucket) -> dict[str, Any]:
    ahead, owed = bucket.most_ahead_units, bucket.most_owed_units
    return {
        "from": begins,
        "batches": bucket.batches,
        "leads": bucket.leads,
        "most_ahead": None if ahead is None else units_text(ahead),
        "most_owed": None if owed is None else units_text(owed),
        "delay_ms_most": bucket.delay_ms_most,
    }
