"""Standings as JSON documents: what the views answer.

In: standings. Out: documents of plain values. Amounts of leads that may be fractions are decimal
strings with 12 places, and the exact error stands beside them as a numerator over one denominator.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from schemas.scalars import decimal_text, units_text, weight_text
from streams.views.standings import (
    ChannelStanding,
    Counted,
    MemberStanding,
    adjustment_numerator,
    error_numerator,
    fair_share_numerator,
)


def channel_summary(standing: ChannelStanding) -> dict[str, Any]:
    """A channel in the list of channels."""
    return {
        "channel": standing.channel,
        "state_version": standing.state_version,
        "roster_version": standing.roster_version,
        "decided_at": standing.decided_at,
        "members": len(standing.members),
        "batches": standing.batches,
        "leads": standing.leads,
        "parked_batches": len(standing.parked),
        "parked_leads": sum(standing.parked.values()),
    }


def channel_standings(standing: ChannelStanding) -> dict[str, Any]:
    """A channel with everyone's standing, in order of assignee_id."""
    return {
        **channel_summary(standing),
        "duplicates_ignored": standing.duplicates,
        "counted_from": _counted(standing.counted_from),
        "roster_complete": standing.roster_complete,
        "error_denominator": str(standing.denominator),
        "standings": list(_members(standing)),
        "last_decisions": [msgspec.to_builtins(each) for each in standing.last],
    }


def _counted(counted: Counted) -> dict[str, Any]:
    return {"state_version": counted.state_version, "decided_at": counted.decided_at}


def _members(standing: ChannelStanding) -> Iterable[dict[str, Any]]:
    for assignee_id in sorted(standing.members):
        yield _member(standing, assignee_id, standing.members[assignee_id])


def _member(standing: ChannelStanding, assignee_id: str, member: MemberStanding) -> dict[str, Any]:
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
