"""A channel as people want to see it: from its state to plain values.

In: a channel's state. Out: one JSON object; `partidor show` prints it, as it is or as tables.
"""

from fractions import Fraction
from typing import Any

import msgspec
from msgspec import UNSET

from dispatcher.eligibility import Eligibility
from dispatcher.promise import Promise
from dispatcher.share_limits import of
from dispatcher.shares import limits_listed
from dispatcher.state import ChannelState
from dispatcher.times import timestamp_text
from schemas.scalars import UNITS_PER_LEAD, decimal_text, weight_text
from streams.state_reader import FoundChannel


def channel_view(found: FoundChannel, last: int) -> dict[str, Any]:
    """Everything about a channel but its leads' attributes; the `last` decisions, newest first.

    Amounts are in leads, as decimal strings; numerators are exact, over `error_denominator`.
    """
    state = found.state
    eligibility = state.eligibility
    return {
        "channel": state.channel,
        "partition": found.partition,
        "state_version": state.state_version,
        "roster_version": state.roster_version,
        "members": _members(state),
        "error_denominator": str(state.roster.error_denominator),
        "rules": _rules(eligibility) if eligibility else None,
        "promise": _promise(state),
        "last_decisions": _last_decisions(state, last),
        "parked_batches": _parked(state),
        "parked_leads": state.parking.leads,
        "release_under_way": state.release is not None,
        "changelog_next_offset": found.restore_point.next_offset if found.restore_point else None,
        "written_at_ms": found.restore_point.written_at_ms if found.restore_point else None,
    }


def _rules(eligibility: Eligibility) -> dict[str, Any]:
    rules: dict[str, Any] = msgspec.to_builtins(eligibility.rules)
    if eligibility.rules.by_value is not None:
        rules["dispatch_by"] = "value"
    return rules


def _members(state: ChannelState) -> list[dict[str, Any]]:
    roster, eligibility = state.roster, state.eligibility
    pause_ends_ms = eligibility.pause_ends_ms() if eligibility else {}
    return [
        {
            "assignee_id": roster.members[rank].assignee_id,
            "weight": weight_text(roster.members[rank].weight_millionths),
            "paused": roster.members[rank].paused,
            "cumulative_error": decimal_text(state.errors[rank], roster.error_denominator),
            "cumulative_error_numerator": str(state.errors[rank]),
            **({"routes_to": roster.routes[rank]} if rank in roster.routes else {}),
            **(_terms(state, eligibility, rank, pause_ends_ms) if eligibility else {}),
        }
        for rank in roster.by_assignee_id
    ]


def _terms(
    state: ChannelState, eligibility: Eligibility, rank: int, pause_ends_ms: dict[str, int]
) -> dict[str, Any]:
    """What an assignee can do and how much they take, in a channel with rules."""
    assignee_id = state.roster.members[rank].assignee_id
    ends_ms = pause_ends_ms.get(assignee_id)
    limits = of(eligibility.limits, assignee_id)
    return {
        "skills": list(eligibility.terms[rank].skills),
        "per_day": eligibility.terms[rank].per_day,
        "taken_today": eligibility.taken_today[rank],
        "open_max": eligibility.terms[rank].open_max,
        "open_leads": eligibility.open_leads[rank],
        "paused_until": None if ends_ms is None else timestamp_text(ends_ms),
        **({"limits": limits_listed(limits[0])} if limits else {}),
    }


def _promise(state: ChannelState) -> dict[str, Any]:
    promise: Promise = state.promise
    low, high = promise.bounds_leads()
    errors, denominator = state.errors, state.roster.error_denominator
    eligibility = state.eligibility
    largest = promise.value_max
    return {
        # By value nothing else is a reason for no promise; by count any rule may be.
        "in_force": eligibility is None
        or (eligibility.rules.by_value is not None and eligibility.everybody_takes_everything),
        **({} if largest is UNSET else {"value_max": weight_text(largest)}),
        "low": _decimal(low),
        "high": _decimal(high),
        "used": round(promise.used(errors, denominator), 6),
        "kept": not errors or promise.holds(errors, denominator),
        "corrected": promise.corrected,
        "members_most": promise.members_most,
        "somebody_was_paused": promise.paused,
    }


def _decimal(value: Fraction) -> str:
    """With 12 decimals, like errors; a bound is no whole count of any unit, so it is rounded."""
    return decimal_text(round(value * UNITS_PER_LEAD), UNITS_PER_LEAD)


def _last_decisions(state: ChannelState, last: int) -> list[dict[str, Any]]:
    decisions = [
        {
            "state_version": seen.state_version,
            "type": seen.kind,
            id_name: decided_id,
            size_name: seen.size,
            "decided_at": seen.decided_at,
        }
        for id_name, size_name, window in (
            ("batch_id", "batch_size", state.batches),
            ("change_id", "members", state.changes),
            ("outcome_id", "members", state.outcomes),
        )
        for _, decided_id, seen in window.since(window.next_number - last)
    ]
    decisions.sort(key=lambda decision: int(str(decision["state_version"])), reverse=True)
    return decisions[:last]


def _parked(state: ChannelState) -> list[dict[str, Any]]:
    return [
        {
            "batch_id": batch.batch_id,
            "batch_size": len(batch.lead_ids),
            "parked_at": batch.parked_at,
            "required_skills": list(batch.requirement.skills),
            **(
                {"limited": [f"{name}={value}" for name, value in batch.marks]}
                if batch.marks
                else {}
            ),
            "input": {
                "topic": batch.input.topic,
                "partition": batch.input.partition,
                "offset": batch.input.offset,
            },
        }
        for _, batch in state.parking.in_order()
    ]
