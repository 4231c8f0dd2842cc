"""A decision as the bytes of its output events: the only encoder, for every path.

In: a decision. Out: the JSON of its assignments, in order of position, and of the decision event,
as text: UTF-8 is up to who writes it. The events are assembled from parts that are encoded once per
batch; what they are is defined by `schemas.outputs`, and a test holds them against those models.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec

from dispatcher.change_encoding import common, duplicate, outcome_recorded, reference, settled
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
from dispatcher.events import InputRef
from dispatcher.json_texts import json_ids, json_name, json_text
from dispatcher.roster import Roster
from dispatcher.routing import routed_text
from dispatcher.shares import shares_texts
from dispatcher.times import timestamp_text

ALL_MEMBERS_LISTED_MAX = 20
"""Up to this roster size a batch's decision lists everyone."""

ALL_MEMBERS_LISTED_EVERY = 50
"""Above it, every so many decisions of the channel one lists everyone all the same."""

GROUPS_BYTES_MAX = 48 * 1024
"""Of the rows of groups in a decision: each lead of a batch can be a group of its own."""

_encode = msgspec.json.Encoder().encode
DECISION_TYPES: dict[type[Decision], str] = {
    Dispatched: "batch_dispatched",
    RosterSettled: "roster_changed",
    Parked: "batch_parked",
    Released: "batch_released",
    DuplicateIgnored: "duplicate_ignored",
    DayBegan: "day_began",
    OutcomeRecorded: "outcome_recorded",
}
"""What a decision is called where it is written."""


def encode_assignments(decision: Dispatched) -> list[str]:
    """One `lead_assigned` per lead, in order of position.

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
    if size == 1:  # in a third of the time
        return [
            single_assignment(
                decision.channel,
                version,
                json_text(decision.batch_id),
                decision.lead_ids,
                decision.roster.members[decision.order[0]].assignee_id,
                decision.decided_at,
                decision.attributes[0],
            )
        ]
    head = f'{{"type":"lead_assigned","schema_version":1,"assignment_id":{channel[:-1]}/{version}/'
    middle = f'","channel":{channel},"batch_id":{json_text(decision.batch_id)},"lead_id":"'
    tail = (
        f',"batch_size":{size},"state_version":{version}'
        f',"decided_at":"{decision.decided_at}","attributes":'
    )
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


def single_assignment(
    channel: str,
    state_version: int,
    batch_id_json: str,
    lead_ids: Sequence[str],
    assignee_id: str,
    decided_at: str,
    attributes: str,
) -> str:
    """The `lead_assigned` of a batch's only lead; `batch_id_json` with its quotes."""
    name = json_name(channel)
    (lead,) = json_ids(lead_ids)
    return (
        f'{{"type":"lead_assigned","schema_version":1,"assignment_id":{name[:-1]}/{state_version}'
        f'/{lead}","channel":{name},"batch_id":{batch_id_json},"lead_id":"'
        f'{lead}{_assignee(assignee_id)}1,"batch_size":1,"state_version":{state_version}'
        f',"decided_at":"{decided_at}","attributes":{attributes}}}'
    )


def _assignees(roster: Roster, order: Sequence[int]) -> Iterable[str]:
    """Who gets each lead, as it stands between the lead's id and its position."""
    if len(roster.members) <= _MEMBERS_REMEMBERED_MAX:
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


def encode_decision(decision: Decision) -> str:
    """The decision event of any decision."""
    if isinstance(decision, Dispatched):
        return _encode_dispatched(decision)
    event: dict[str, Any] = {
        "type": DECISION_TYPES[type(decision)],
        "schema_version": 1,
        "channel": decision.channel,
    }
    if isinstance(decision, RosterSettled):
        settled(event, decision)
    elif isinstance(decision, Parked):
        _batch_head(event, decision, decision.batch_id, decision.leads)
        event["content_hash"] = decision.content_hash
        if decision.groups:
            event["groups"], event["groups_complete"] = _groups(decision.groups, decision.roster)
    elif isinstance(decision, Released):
        _batch_head(event, decision, decision.batch.batch_id, decision.leads)
        event["parked_input"] = reference(decision.batch.input)
        if still_parked := len(decision.batch.lead_ids) - decision.leads:
            event["still_parked"] = still_parked
    elif isinstance(decision, DuplicateIgnored):
        duplicate(event, decision)
    elif isinstance(decision, OutcomeRecorded):
        complete = len(decision.roster) <= ALL_MEMBERS_LISTED_MAX
        outcome_recorded(event, decision, complete=complete)
    elif isinstance(decision, DayBegan):
        ends_at_ms = decision.ends_at_ms
        event["day"] = decision.day
        event["day_ends_at"] = None if ends_at_ms is None else timestamp_text(ends_at_ms)
        common(event, decision)
    return _encode(event).decode()


def _batch_head(event: dict[str, Any], decision: Decision, batch_id: str, size: int) -> None:
    event["batch_id"] = batch_id
    event["batch_size"] = size
    common(event, decision)


def _encode_dispatched(decision: Dispatched) -> str:
    complete = (
        len(decision.roster.members) <= ALL_MEMBERS_LISTED_MAX
        or decision.state_version % ALL_MEMBERS_LISTED_EVERY == 0
    )
    head = dispatched_head(
        decision.channel,
        json_text(decision.batch_id),
        len(decision.lead_ids),
        decision.state_version,
        decision.roster_version,
        decision.input,
        decision.decided_at,
        decision.content_hash,
    )
    tail = (
        f',"shares_complete":{"true" if complete else "false"}'
        f',"error_denominator":"{decision.roster.error_denominator}"{_groups_text(decision)}'
        f"{routed_text(decision.routed)}}}"
    )
    return "".join([head, *shares_texts(decision, complete=complete), tail])


def dispatched_head(
    channel: str,
    batch_id_json: str,
    batch_size: int,
    state_version: int,
    roster_version: int,
    origin: InputRef,
    decided_at: str,
    content_hash: str,
) -> str:
    """A `batch_dispatched` up to its shares; `batch_id_json` with its quotes."""
    return (
        '{"type":"batch_dispatched","schema_version":1'
        f',"channel":{json_name(channel)},"batch_id":{batch_id_json}'
        f',"batch_size":{batch_size},"state_version":{state_version}'
        f',"roster_version":{roster_version}'
        f',"input":{{"topic":{json_name(origin.topic)},"partition":{origin.partition}'
        f',"offset":{origin.offset}}},"decided_at":"{decided_at}"'
        f',"content_hash":"{content_hash}"'
        ',"shares":'
    )


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
