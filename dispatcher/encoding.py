"""A decision as the bytes of its output events: the only encoder, for every path.

In: a decision. Out: the JSON of its assignments, in order of position, and of the decision event.
The events are assembled from parts that are encoded once per batch; what they are is defined by
`schemas.outputs`, and a test holds these bytes against those models.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec

from dispatcher.decisions import (
    Decision,
    Dispatched,
    DuplicateIgnored,
    Parked,
    Released,
    RosterSettled,
)
from dispatcher.events import InputRef
from schemas.inputs import CumulativeErrorCorrected, RosterReplaced
from schemas.scalars import UNITS_PER_LEAD, decimal_text, weight_text

ALL_MEMBERS_LISTED_MAX = 20
"""Up to this roster size a batch's decision lists everyone."""

ALL_MEMBERS_LISTED_EVERY = 50
"""Above it, every so many decisions of the channel one lists everyone all the same."""

_ZERO = "0.000000000000"
_encode = msgspec.json.Encoder().encode
_DECISION_TYPES: dict[type[Decision], str] = {
    Dispatched: "batch_dispatched",
    RosterSettled: "roster_changed",
    Parked: "batch_parked",
    Released: "batch_released",
    DuplicateIgnored: "duplicate_ignored",
}


@lru_cache(maxsize=65_536)
def _json_text(text: str) -> bytes:
    """A string as JSON, in quotes."""
    return _encode(text)


def _json_ids(ids: tuple[str, ...]) -> list[bytes]:
    """Each id as JSON without its quotes.

    Ids hold no control characters, so one join and one split encode them all, unless one of them
    holds a character that JSON escapes.
    """
    if not ids:
        return []
    joined = "\x00".join(ids)
    if '"' in joined or "\\" in joined:
        return [_encode(each)[1:-1] for each in ids]
    return joined.encode().split(b"\x00")


def encode_assignments(decision: Dispatched) -> list[bytes]:
    """One `lead_assigned` per lead, in order of position."""
    channel = _json_text(decision.channel)
    head = b'{"type":"lead_assigned","schema_version":1,"assignment_id":%b/%d/' % (
        channel[:-1],
        decision.state_version,
    )
    middle = b'","channel":%b,"batch_id":%b,"lead_id":"' % (channel, _encode(decision.batch_id))
    tail = b',"batch_size":%d,"state_version":%d,"decided_at":%b,"attributes":' % (
        len(decision.lead_ids),
        decision.state_version,
        _encode(decision.decided_at),
    )
    assignees = [
        b'","assignee_id":%b,"position":' % _json_text(member.assignee_id)
        for member in decision.roster.members
    ]
    return [
        b"%b%b%b%b%b%d%b%b}" % (head, lead, middle, lead, assignees[rank], position, tail, given)
        for position, (lead, rank, given) in enumerate(
            zip(_json_ids(decision.lead_ids), decision.order, decision.attributes, strict=True),
            start=1,
        )
    ]


def encode_decision(decision: Decision) -> bytes:
    """The decision event of any decision."""
    event: dict[str, Any] = {
        "type": _DECISION_TYPES[type(decision)],
        "schema_version": 1,
        "channel": decision.channel,
    }
    if isinstance(decision, Dispatched):
        _dispatched(event, decision)
    elif isinstance(decision, RosterSettled):
        _settled(event, decision)
    elif isinstance(decision, Parked):
        _batch_head(event, decision, decision.batch.batch_id, len(decision.batch.lead_ids))
        event["content_hash"] = decision.batch.content_hash
    elif isinstance(decision, Released):
        _batch_head(event, decision, decision.batch.batch_id, len(decision.batch.lead_ids))
        event["parked_input"] = _reference(decision.batch.input)
    elif isinstance(decision, DuplicateIgnored):
        _duplicate(event, decision)
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


def _dispatched(event: dict[str, Any], decision: Dispatched) -> None:
    _batch_head(event, decision, decision.batch_id, len(decision.lead_ids))
    event["content_hash"] = decision.content_hash
    complete = (
        len(decision.roster) <= ALL_MEMBERS_LISTED_MAX
        or decision.state_version % ALL_MEMBERS_LISTED_EVERY == 0
    )
    event["shares"] = list(_shares(decision, complete=complete))
    event["shares_complete"] = complete
    event["error_denominator"] = str(decision.roster.error_denominator)


def _shares(decision: Dispatched, *, complete: bool) -> Iterator[dict[str, Any]]:
    roster = decision.roster
    denominator = roster.error_denominator
    batch_unit = len(decision.lead_ids) * UNITS_PER_LEAD
    for rank in roster.by_assignee_id:
        assigned = decision.assigned[rank]
        if not assigned and not complete:
            continue
        member = roster.members[rank]
        before = decision.errors_before[rank]
        after = decision.errors_after[rank]
        fair = 0 if member.paused else batch_unit * member.weight_millionths
        share = {
            "assignee_id": member.assignee_id,
            "weight": weight_text(member.weight_millionths),
            "fair_share": decimal_text(fair, denominator) if fair else _ZERO,
            "cumulative_error_before": decimal_text(before, denominator),
            "ideal": decimal_text(fair - before, denominator),
            "assigned": assigned,
            "cumulative_error_after": decimal_text(after, denominator),
            "cumulative_error_numerator": str(after),
        }
        if member.paused:
            share["paused"] = True
        yield share


def _settled(event: dict[str, Any], decision: RosterSettled) -> None:
    change = decision.received.change
    event["change_id"] = change.change_id
    event["change_type"] = change.type
    if not isinstance(change, RosterReplaced):
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
    event["shares"] = list(_standings(decision))
    event["shares_complete"] = True
    event["error_denominator"] = str(decision.roster.error_denominator)


def _standings(decision: RosterSettled) -> Iterator[dict[str, Any]]:
    roster = decision.roster
    for rank in roster.by_assignee_id:
        member = roster.members[rank]
        yield {
            "assignee_id": member.assignee_id,
            "weight": weight_text(member.weight_millionths),
            "paused": member.paused,
            "cumulative_error_before": decimal_text(
                decision.errors_before[rank], decision.denominator_before
            ),
            "cumulative_error_after": decimal_text(decision.errors[rank], roster.error_denominator),
            "cumulative_error_numerator": str(decision.errors[rank]),
        }


def _duplicate(event: dict[str, Any], decision: DuplicateIgnored) -> None:
    if decision.batch_id is not None:
        event["batch_id"] = decision.batch_id
    if decision.change_id is not None:
        event["change_id"] = decision.change_id
    _common(event, decision)
    event["original_state_version"] = decision.original_state_version
