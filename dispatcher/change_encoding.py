"""Decisions on changes and outcomes as the fields of their events; `encoding` calls this.

In: a decision. Out: its fields, written into the event in the order in which they travel.
"""

from collections.abc import Iterator
from typing import Any

from dispatcher.decisions import (
    Decision,
    DuplicateIgnored,
    OutcomeRecorded,
    RosterSettled,
)
from dispatcher.eligibility import Rules, Terms
from dispatcher.events import InputRef
from dispatcher.share_limits import of
from dispatcher.shares import limits_listed, millionths_text
from dispatcher.times import timestamp_text
from schemas.inputs import (
    ChannelConfigured,
    CumulativeErrorCorrected,
    LeadReassigned,
    RosterReplaced,
)
from schemas.scalars import decimal_text, units_text, weight_text


def reference(ref: InputRef) -> dict[str, Any]:
    """Where an input stands, as decisions say it."""
    return {"topic": ref.topic, "partition": ref.partition, "offset": ref.offset}


def common(event: dict[str, Any], decision: Decision) -> None:
    """The fields that all decisions end their head with."""
    event["state_version"] = decision.state_version
    event["roster_version"] = decision.roster_version
    event["input"] = reference(decision.input)
    event["decided_at"] = decision.decided_at


def settled(event: dict[str, Any], decision: RosterSettled) -> None:
    """A roster change: what it was, and where it leaves everyone."""
    change = decision.received.change
    event["change_id"] = change.change_id
    event["change_type"] = change.type
    if not isinstance(change, RosterReplaced | ChannelConfigured):
        event["assignee_id"] = change.assignee_id
    if isinstance(change, CumulativeErrorCorrected):
        event["amount"] = change.amount
        event["counter_assignee_id"] = change.counter_assignee_id
    event["changed_by"] = change.changed_by
    event["reason"] = change.reason
    common(event, decision)
    event["content_hash"] = decision.received.content_hash
    event["left"] = [
        {
            "assignee_id": assignee_id,
            "cumulative_error_before": decimal_text(error, decision.denominator_before),
        }
        for assignee_id, error in decision.left
    ]
    eligibility = decision.eligibility
    if decision.by_timer:
        event["by_timer"] = True
    if eligibility is not None:
        event["rules"] = _rules(eligibility.rules)
    event["shares"] = list(_standings(decision))
    event["shares_complete"] = True
    event["error_denominator"] = str(decision.roster.error_denominator)


def _rules(rules: Rules) -> dict[str, Any]:
    row: dict[str, Any] = {
        "time_zone": rules.time_zone,
        "required_skills": rules.required_skills,
    }
    if rules.returns:
        row["returns"] = rules.returns
    if rules.sticky is not None:
        row["sticky"] = rules.sticky
    if rules.by_value is not None:
        row |= {"dispatch_by": "value", "value_attribute": rules.by_value}
    return row


def outcome_recorded(event: dict[str, Any], decision: OutcomeRecorded, *, complete: bool) -> None:
    """What became of a lead, and what that did to errors; of everyone, or of whom it is about."""
    outcome, roster = decision.received.outcome, decision.roster
    event["outcome_id"] = outcome.outcome_id
    event["outcome_type"] = outcome.type
    event["lead_id"] = outcome.lead_id
    event["assignee_id"] = outcome.assignee_id
    concerned = {outcome.assignee_id}
    if isinstance(outcome, LeadReassigned):
        event["to_assignee_id"] = outcome.to_assignee_id
        concerned.add(outcome.to_assignee_id)
    event["changed_by"] = outcome.changed_by
    event["reason"] = outcome.reason
    common(event, decision)
    event["content_hash"] = decision.received.content_hash
    if decision.credited is not None:
        event["credited"] = decision.credited
        event["dispatched_again"] = decision.dispatched_again
    if decision.unparked_batch_id is not None:
        event["unparked_batch_id"] = decision.unparked_batch_id
    if decision.lead_value is not None:
        event["lead_value"] = millionths_text(decision.lead_value)
    if decision.spread_units:
        event["spread_by_weight"] = units_text(decision.spread_units)
    event["shares"] = [
        _outcome_share(decision, rank)
        for rank in roster.by_assignee_id
        if complete or roster.members[rank].assignee_id in concerned
    ]
    event["shares_complete"] = complete
    event["error_denominator"] = str(roster.error_denominator)


def _outcome_share(decision: OutcomeRecorded, rank: int) -> dict[str, Any]:
    roster, eligibility = decision.roster, decision.eligibility
    member = roster.members[rank]
    before, after = decision.errors_before[rank], decision.errors[rank]
    row: dict[str, Any] = {
        "assignee_id": member.assignee_id,
        "weight": weight_text(member.weight_millionths),
        "paused": member.paused,
        "cumulative_error_before": decimal_text(before, roster.error_denominator),
        "cumulative_error_after": decimal_text(after, roster.error_denominator),
        "cumulative_error_numerator": str(after),
    }
    if eligibility is not None:
        row["open_leads"] = eligibility.open_leads[rank]
        for limits in of(eligibility.limits, member.assignee_id):
            row["limits"] = limits_listed(limits)
    return row


def _standings(decision: RosterSettled) -> Iterator[dict[str, Any]]:
    roster, eligibility = decision.roster, decision.eligibility
    pause_ends_ms = eligibility.pause_ends_ms() if eligibility else {}
    for rank in roster.by_assignee_id:
        member = roster.members[rank]
        row = {
            "assignee_id": member.assignee_id,
            "weight": weight_text(member.weight_millionths),
            "paused": member.paused,
            "cumulative_error_before": decimal_text(
                decision.errors_before[rank], decision.denominator_before
            ),
            "cumulative_error_after": decimal_text(decision.errors[rank], roster.error_denominator),
            "cumulative_error_numerator": str(decision.errors[rank]),
        }
        if member.routes_to is not None:
            row["routes_to"] = member.routes_to
        if eligibility is not None:
            row |= _terms(eligibility.terms[rank], pause_ends_ms.get(member.assignee_id))
            for limits in of(eligibility.limits, member.assignee_id):
                row["limits"] = limits_listed(limits)
        yield row


def _terms(terms: Terms, pause_ends_ms: int | None) -> dict[str, Any]:
    """What of an assignee's terms isn't as it is for everybody."""
    row = {
        "skills": terms.skills or None,
        "per_day": terms.per_day,
        "open_max": terms.open_max,
        "paused_until": None if pause_ends_ms is None else timestamp_text(pause_ends_ms),
    }
    return {name: value for name, value in row.items() if value is not None}


def duplicate(event: dict[str, Any], decision: DuplicateIgnored) -> None:
    """What it was, and the decision that it repeats."""
    if decision.batch_id is not None:
        event["batch_id"] = decision.batch_id
    if decision.change_id is not None:
        event["change_id"] = decision.change_id
    if decision.outcome_id is not None:
        event["outcome_id"] = decision.outcome_id
    common(event, decision)
    event["original_state_version"] = decision.original_state_version
