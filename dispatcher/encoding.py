"""A decision as the bytes of its output events: the only encoder, for every path.

In: a decision. Out: the JSON of its assignments, in order of position, and of the decision event.
The events are assembled from parts that are encoded once per batch; what they are is defined by
`schemas.outputs`, and a test holds these bytes against those models.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from dispatcher.decisions import (
    DayBegan,
    Decision,
    Dispatched,
    DuplicateIgnored,
    OutcomeRecorded,
    Parked,
    Released,
    RosterSettled,
)
from dispatcher.division import Group
from dispatcher.eligibility import Rules, Terms
from dispatcher.events import InputRef
from dispatcher.json_texts import json_ids, json_name, json_text
from dispatcher.roster import Roster
from dispatcher.routing import routed_text
from dispatcher.share_limits import of
from dispatcher.shares import limits_listed, millionths_text, shares_text
from dispatcher.times import timestamp_text
from schemas.inputs import (
    ChannelConfigured,
    CumulativeErrorCorrected,
    LeadReassigned,
    RosterReplaced,
)
from schemas.scalars import decimal_text, units_text, weight_text

ALL_MEMBERS_LISTED_MAX = 20
"""Up to this roster size a batch's decision lists everyone."""

ALL_MEMBERS_LISTED_EVERY = 50
"""Above it, every so many decisions of the channel one lists everyone all the same."""

GROUPS_BYTES_MAX = 48 * 1024
"""Of the rows of groups in a decision: each lead of a batch can be a group of its own."""

_encode = msgspec.json.Encoder().encode
_DECISION_TYPES: dict[type[Decision], str] = {
    RosterSettled: "roster_changed",
    Parked: "batch_parked",
    Released: "batch_released",
    DuplicateIgnored: "duplicate_ignored",
    DayBegan: "day_began",
    OutcomeRecorded: "outcome_recorded",
}


def encode_assignments(decision: Dispatched) -> list[str]:
    """One `lead_assigned` per lead, in order of position, as text: UTF-8 is up to who writes it.

    Leads that go on to another channel have none (see `routing`); their positions are left out.
    """
    if decision.routed:
        routes = decision.roster.routes
        every = _encode_every_lead(decision)
        return [
            text for text, rank in zip(every, decision.order, strict=True) if rank not in routes
        ]
    return _encode_every_lead(decision)


def _encode_every_lead(decision: Dispatched) -> list[str]:
    channel = json_name(decision.channel)
    version = decision.state_version
    size = len(decision.lead_ids)
    head = f'{{"type":"lead_assigned","schema_version":1,"assignment_id":{channel[:-1]}/{version}/'
    middle = f'","channel":{channel},"batch_id":{json_text(decision.batch_id)},"lead_id":"'
    tail = (
        f',"batch_size":{size},"state_version":{version}'
        f',"decided_at":"{decision.decided_at}","attributes":'
    )
    if size == 1:  # in a third of the time
        (lead,) = json_ids(decision.lead_ids)
        assignee = _assignee(decision.roster.members[decision.order[0]].assignee_id)
        return [f"{head}{lead}{middle}{lead}{assignee}1{tail}{decision.attributes[0]}}}"]
    return [
        f"{head}{lead}{middle}{lead}{assignee}{position}{tail}{attributes}}}"
        for lead, assignee, position, attributes in zip(
            json_ids(decision.lead_ids),
            _assignees(decision.roster, decision.order),
            _positions(size),
            decision.attributes,
            strict=True,
        )
    ]


def _assignees(roster: Roster, order: Sequence[int]) -> Iterable[str]:
    """Who gets each lead, as it stands between the lead's id and its position."""
    if len(roster) <= _MEMBERS_REMEMBERED_MAX:
        return map(_assignees_by_rank(roster).__getitem__, order)
    members = roster.members
    return (_assignee(members[rank].assignee_id) for rank in order)


@lru_cache(maxsize=4_096)
def _assignees_by_rank(roster: Roster) -> list[str]:
    return [_assignee(member.assignee_id) for member in roster.members]


@lru_cache(maxsize=65_536)
def _assignee(assignee_id: str) -> str:
    return f'","assignee_id":{json_name(assignee_id)},"position":'


_MEMBERS_REMEMBERED_MAX: Final = 100
_POSITIONS_READY: Final = tuple(map(str, range(1, 1_001)))


def _positions(size: int) -> Iterable[str]:
    """The positions of a batch, from 1, as text."""
    if size <= len(_POSITIONS_READY):
        return _POSITIONS_READY[:size]
    return map(str, range(1, size + 1))


def encode_decision(decision: Decision) -> bytes:
    """The decision event of any decision."""
    if isinstance(decision, Dispatched):
        return _encode_dispatched(decision)
    event: dict[str, Any] = {
        "type": _DECISION_TYPES[type(decision)],
        "schema_version": 1,
        "channel": decision.channel,
    }
    if isinstance(decision, RosterSettled):
        _settled(event, decision)
    elif isinstance(decision, Parked):
        _batch_head(event, decision, decision.batch_id, decision.leads)
        event["content_hash"] = decision.content_hash
        if decision.groups:
            event["groups"], event["groups_complete"] = _groups(decision.groups, decision.roster)
    elif isinstance(decision, Released):
        _batch_head(event, decision, decision.batch.batch_id, decision.leads)
        event["parked_input"] = _reference(decision.batch.input)
        if still_parked := len(decision.batch.lead_ids) - decision.leads:
            event["still_parked"] = still_parked
    elif isinstance(decision, DuplicateIgnored):
        _duplicate(event, decision)
    elif isinstance(decision, OutcomeRecorded):
        _outcome(event, decision)
    elif isinstance(decision, DayBegan):
        ends_at_ms = decision.ends_at_ms
        event["day"] = decision.day
        event["day_ends_at"] = None if ends_at_ms is None else timestamp_text(ends_at_ms)
        _common(event, decision)
    return _encode(event)


def _reference(ref: InputRef) -> dict[str, Any]:
    return {"topic": ref.topic, "partition": ref.partition, "offset": ref.offset}


def _common(event: dict[str, Any], decision: Decision) -> None:
    event["state_version"] = decision.state_version
    event["roster_version"] = decision.roster_version
    event["input"] = _reference(decision.input)
    event["decided_at"] = decision.decided_at


def _batch_head(event: dict[str, Any], decision: Decision, batch_id: str, size: int) -> None:
    event["batch_id"] = batch_id
    event["batch_size"] = size
    _common(event, decision)


def _encode_dispatched(decision: Dispatched) -> bytes:
    complete = (
        len(decision.roster) <= ALL_MEMBERS_LISTED_MAX
        or decision.state_version % ALL_MEMBERS_LISTED_EVERY == 0
    )
    origin = decision.input
    return (
        '{"type":"batch_dispatched","schema_version":1'
        f',"channel":{json_name(decision.channel)},"batch_id":{json_text(decision.batch_id)}'
        f',"batch_size":{len(decision.lead_ids)},"state_version":{decision.state_version}'
        f',"roster_version":{decision.roster_version}'
        f',"input":{{"topic":{json_name(origin.topic)},"partition":{origin.partition}'
        f',"offset":{origin.offset}}},"decided_at":"{decision.decided_at}"'
        f',"content_hash":"{decision.content_hash}"'
        f',"shares":{shares_text(decision, complete=complete)}'
        f',"shares_complete":{"true" if complete else "false"}'
        f',"error_denominator":"{decision.roster.error_denominator}"{_groups_text(decision)}'
        f"{routed_text(decision.routed)}}}"
    ).encode()


def _groups_text(decision: Dispatched) -> str:
    """Nothing where everybody may take everything."""
    if decision.accrued is None:
        return ""
    groups, complete = _groups(decision.groups, decision.roster)
    rest = {
        "released": decision.released,
        "leads_parked": sum(len(group.parked_places) for group in decision.groups),
        "groups": groups,
        "groups_complete": complete,
    }
    if decision.owners_unknown:
        rest["owners_unknown"] = True
    return f",{_encode(rest).decode()[1:-1]}"


def _groups(groups: Iterable[Group], roster: Roster) -> tuple[list[msgspec.Raw], bool]:
    """As many rows as a decision has room for, and whether these are all."""
    rows: list[msgspec.Raw] = []
    size = 0
    for group in groups:
        row = _encode(_group(group, roster))
        size += len(row) + 1
        if size > GROUPS_BYTES_MAX:
            return rows, False
        rows.append(msgspec.Raw(row))
    return rows, True


def _group(group: Group, roster: Roster) -> dict[str, Any]:
    parked = len(group.parked_places)
    row: dict[str, Any] = {
        "required_skills": group.requirement.skills,
        "excluded": group.requirement.excluded,
        "leads": len(group.places),
        "able": group.able,
        "capped": sorted(roster.members[rank].assignee_id for rank in group.capped),
        "parked": parked,
    }
    if parked:
        row["parked_because"] = group.why_parked(roster)
    if group.forced_to is not None:
        row["forced_to"] = roster.members[group.forced_to].assignee_id
        row["forced_because"] = group.because
    if group.lead_by_lead:
        row["lead_by_lead"] = True
    return row


def _settled(event: dict[str, Any], decision: RosterSettled) -> None:
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
    _common(event, decision)
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


def _outcome(event: dict[str, Any], decision: OutcomeRecorded) -> None:
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
    _common(event, decision)
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
    complete = len(roster) <= ALL_MEMBERS_LISTED_MAX
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


def _duplicate(event: dict[str, Any], decision: DuplicateIgnored) -> None:
    if decision.batch_id is not None:
        event["batch_id"] = decision.batch_id
    if decision.change_id is not None:
        event["change_id"] = decision.change_id
    if decision.outcome_id is not None:
        event["outcome_id"] = decision.outcome_id
    _common(event, decision)
    event["original_state_version"] = decision.original_state_version
