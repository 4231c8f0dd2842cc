"""The spreadsheet, replaced: a file of leads is divided over a roster, without a broker.

In: the state so far, leads, a roster. Out: who gets each lead, and the state after it. Nothing is
read or written here; the command commits the state first and writes the output then, so that a
crash between the two loses nothing: the same batch again gives the same output and moves nothing.

A difference between the roster given and the one in the state becomes one `roster_replaced`
event, the leads one `lead_batch`; both go the way of every event: the same intake, `decide` and
`evolve` as on Kafka.
"""

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from pydantic import TypeAdapter, ValidationError

from dispatcher.channel import Event
from dispatcher.decisions import Decision, Dispatched, Parked, Rejected
from dispatcher.events import BatchReceived, batch_content_hash
from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from schemas.inputs import RosterMember
from schemas.scalars import Id
from streams.assign_state import AssignState, StoredResult
from streams.csv_tables import Table
from streams.failure import Failed
from streams.intake import Refused, explain
from streams.lead_files import batch_event, default_batch_id, lead_ids, valid_batch
from streams.replay import Replay
from streams.roster_files import differs

OUTPUT_COLUMNS = ("assignee_id", "position")
_ID: TypeAdapter[str] = TypeAdapter(Id)
_encode = msgspec.json.Encoder().encode


class Assigned(NamedTuple):
    """The outcome for one file of leads.

    Attributes:
        batch_id: given, or made of the leads.
        assignee_ids: who gets each lead, in the order of the file.
        decision: with everyone's share; None when the batch was assigned before.
        roster_changed: whether the roster given was another one than before.
        state: what is to be committed; None when nothing moved.
    """

    batch_id: str
    assignee_ids: list[str]
    decision: Dispatched | None
    roster_changed: bool
    state: AssignState | None


def assign(
    state: AssignState,
    leads: Table,
    members: Callable[[], list[RosterMember]],
    *,
    channel: str,
    batch_id: str | None,
    limits: Limits,
    now: str,
) -> Assigned:
    """Divide the leads.

    Args:
        state: of all channels.
        leads: any columns; `lead_id`, if there, is the id.
        members: the roster; not asked for when the batch was assigned before.
        channel: whose leads they are.
        batch_id: None for one that is made of the leads.
        limits: of a batch and a roster; events of files have no limit in bytes.
        now: the time of the decision, RFC 3339.

    Raises Failed when anything is wrong; nothing has moved then.
    """
    limits = msgspec.structs.replace(limits, input_bytes_max=2**62)
    _check_names(leads, channel, batch_id)
    ids = lead_ids(leads)
    batch_id = default_batch_id(ids) if batch_id is None else batch_id
    before = state.channel(channel)
    known = state.result(channel, batch_id)
    if known is not None or before.batches.get(batch_id) is not None:
        return _again(before, known, batch_id, batch_content_hash(ids))
    value = batch_event(channel, batch_id, now, [(lead_id, b"{}") for lead_id in ids])
    batch = valid_batch(leads, value, 0, limits)
    replay = Replay(limits)
    replay.states[channel] = before
    roster = members()
    roster_changed = differs(before, roster)
    if roster_changed:
        _replace_roster(replay, before, roster, now)
    decision = _dispatched(replay, batch)
    return Assigned(
        batch_id,
        [decision.roster.members[rank].assignee_id for rank in decision.order],
        decision,
        roster_changed,
        state.after(replay.states[channel], _result(decision)),
    )


def _check_names(leads: Table, channel: str, batch_id: str | None) -> None:
    for name, text in (("--channel", channel), ("--batch-id", batch_id)):
        try:
            if text is not None:
                _ID.validate_python(text)
        except ValidationError as error:
            raise Failed(f"{name}: {explain(error)}") from None
    for column in OUTPUT_COLUMNS:
        if leads.column(column) is not None:
            raise Failed(f"{leads.name} has a column {column} already: is it an output?")


def _again(
    before: ChannelState, known: StoredResult | None, batch_id: str, content_hash: str
) -> Assigned:
    """A batch that was assigned before: the same output again, or a refusal."""
    seen = before.batches.get(batch_id)
    known_hash = known.content_hash if known else seen.content_hash if seen else ""
    if known_hash != content_hash:
        raise Failed(
            f"batch_id {batch_id!r} was used before for other leads; nothing was moved:"
            " give these leads another --batch-id"
        )
    if known is None:
        version = seen.state_version if seen else 0
        raise Failed(
            f"batch {batch_id!r} was assigned before (state version {version}), too long ago for"
            " its output to be kept; nothing was moved"
        )
    return Assigned(batch_id, known.assignee_ids(), None, roster_changed=False, state=None)


def _replace_roster(
    replay: Replay, before: ChannelState, members: list[RosterMember], now: str
) -> None:
    """One `roster_replaced`. Its id can't come twice: the roster's version rises with it."""
    listed = [member.model_dump(exclude_none=True) for member in members]
    content = hashlib.sha256(_encode(listed)).hexdigest()[:16]
    change: dict[str, Any] = {
        "type": "roster_replaced",
        "schema_version": 1,
        "change_id": f"assign-{before.roster_version + 1}-{content}",
        "channel": before.channel,
        "created_at": now,
        "members": listed,
        "expected_roster_version": before.roster_version,
    }
    try:
        event = replay.read(_encode(change), 1)
    except Refused as refusal:
        raise Failed(refusal.detail) from None
    _decided(replay, event)


def _dispatched(replay: Replay, batch: BatchReceived) -> Dispatched:
    decision = _decided(replay, batch)[-1]
    if isinstance(decision, Parked):
        raise Failed(
            "nobody on the roster can take leads (all paused, or of weight 0); nothing was moved"
        )
    if not isinstance(decision, Dispatched):
        raise AssertionError(f"a new batch was decided as {type(decision).__name__}")
    return decision


def _decided(replay: Replay, event: Event) -> list[Decision]:
    outcome = replay.decide(event)
    if isinstance(outcome, Rejected):
        raise Failed(f"{outcome.detail} ({outcome.reason}); nothing was moved")
    return outcome


def _result(decision: Dispatched) -> StoredResult:
    """The ranks of the decision as places in a list of those who received leads."""
    ranks = sorted(set(decision.order))
    place = {rank: at for at, rank in enumerate(ranks)}
    return StoredResult(
        batch_id=decision.batch_id,
        content_hash=decision.content_hash,
        state_version=decision.state_version,
        decided_at=decision.decided_at,
        assignees=[decision.roster.members[rank].assignee_id for rank in ranks],
        order=[place[rank] for rank in decision.order],
    )
