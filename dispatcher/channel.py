"""The heart: what is decided about an input event, and the state after it.

    decide(state, event, ...) -> decisions or a rejection        evolve(state, decision) -> state

Both are pure: no clock, no randomness, no I/O, no logging. The same events in the same order
always give the same decisions.

The rules, in the order in which an event meets them:

- R10 A batch whose id is among the channel's last 1,000, or parked, is a duplicate if its content
  is the same, and a dead letter if it isn't. So are changes. What was refused is not remembered.
- R11 Beyond a limit an event is a dead letter.
- A change that doesn't fit the roster is a dead letter and leaves no trace (see `roster`).
- A batch that nobody can take (no active weight) is parked. When a change lets somebody take
  leads, a release begins: R13 the cursor stands in the state, each step of the release lets one
  batch go, and until it is done nothing newer of the channel may be decided.
- Every decision raises `state_version` by one; every applied change `roster_version` too.
- The errors of a channel sum to exactly zero after every decision.
"""

from functools import lru_cache
from typing import Final

from dispatcher.apportionment import apportion
from dispatcher.decisions import (
    Decision,
    Dispatched,
    DuplicateIgnored,
    Parked,
    Rejected,
    Released,
    RosterSettled,
)
from dispatcher.events import BatchReceived, ChangeReceived
from dispatcher.interleaving import interleave
from dispatcher.limits import RECENT_LENGTH_MAX, Limits, Room
from dispatcher.roster import CannotApply, Roster, settle
from dispatcher.state import ChannelState, ParkedBatch, Release, Seen
from schemas.inputs import AssigneeJoined, CumulativeErrorCorrected, RosterReplaced
from schemas.reasons import Reason

DIVISIONS_REMEMBERED_MAX: Final = 4_096
_MEMBERS_REMEMBERED_MAX: Final = 20
"""Together 10 MB at most."""

Outcome = tuple[Decision, ...] | Rejected


def decide(
    state: ChannelState, event: BatchReceived | ChangeReceived, limits: Limits, room: Room
) -> Outcome:
    """Decide an input event of the state's channel.

    Args:
        state: of the event's channel; a new `ChannelState(channel)` where there is none.
        event: valid by itself.
        limits: the bounds of what a channel takes.
        room: what the channel's partition can still take.

    Returns: one decision, or a `Rejected`. While `state.release` is set no event may be decided:
    call `decide_release` until it is None.
    """
    if state.release is not None:
        raise AssertionError("R13: a release under way comes before anything newer of its channel")
    if isinstance(event, BatchReceived):
        return _decide_batch(state, event, limits, room)
    return _decide_change(state, event, limits, room)


def decide_release(state: ChannelState) -> tuple[Released, Dispatched]:
    """Let the oldest parked batch of a channel go: one step of the release under way (R13)."""
    batch = state.oldest_parked()
    if state.release is None or batch is None:
        raise AssertionError("no release is under way")
    cause = state.release
    released = Released(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=cause.input,
        decided_at=cause.decided_at,
        batch=batch,
    )
    received = BatchReceived(
        channel=state.channel,
        batch_id=batch.batch_id,
        created_at=batch.created_at,
        lead_ids=batch.lead_ids,
        attributes=[attributes.decode() for attributes in batch.attributes],
        rejected_leads=(),
        content_hash=batch.content_hash,
        decided_at=cause.decided_at,
        input=cause.input,
    )
    return released, _divided(state, received, state.state_version + 2, released=True)


def evolve(state: ChannelState, decision: Decision) -> ChannelState:
    """The state after a decision on it.

    Raises AssertionError when the decision isn't the next one of this state.
    """
    if decision.state_version != state.state_version + 1:
        raise AssertionError(
            f"decision {decision.state_version} doesn't follow state {state.state_version}"
        )
    if isinstance(decision, Dispatched):
        return _after_dispatch(state, decision)
    if isinstance(decision, RosterSettled):
        return _after_change(state, decision)
    if isinstance(decision, Parked):
        return _after_parking(state, decision)
    if isinstance(decision, Released):
        return _after_release(state, decision)
    return replace(state, state_version=decision.state_version)


def replace(state: ChannelState, **changes: object) -> ChannelState:
    """The state with some fields changed."""
    values = {name: getattr(state, name) for name in ChannelState.__struct_fields__}
    values.update(changes)
    return ChannelState(**values)


def _decide_batch(state: ChannelState, event: BatchReceived, limits: Limits, room: Room) -> Outcome:
    seen = state.batches.get(event.batch_id)
    parked = None if seen is not None else state.parked.get(event.batch_id)
    known_hash = seen.content_hash if seen else parked.content_hash if parked else None
    if known_hash is not None:
        if known_hash != event.content_hash:
            detail = f"batch_id {event.batch_id!r} was used before for other leads"
            return Rejected(event, Reason.BATCH_ID_REUSED, detail)
        return _duplicate(state, event, batch_id=event.batch_id, seen=seen)
    if event.leads_in_event > limits.leads_per_batch_max:
        detail = f"{event.leads_in_event} leads in a batch; at most {limits.leads_per_batch_max}"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    if not state.exists and room.channels <= 0:
        return Rejected(event, Reason.LIMIT_EXCEEDED, _too_many_channels(limits))
    if state.roster.weight_sum == 0:
        return _parked(state, event, limits, room)
    return (_divided(state, event, state.state_version + 1, released=False),)


def _parked(state: ChannelState, event: BatchReceived, limits: Limits, room: Room) -> Outcome:
    batch = ParkedBatch(
        batch_id=event.batch_id,
        created_at=event.created_at,
        content_hash=event.content_hash,
        lead_ids=tuple(event.lead_ids),
        attributes=tuple(attributes.encode() for attributes in event.attributes),
        input=event.input,
        parked_at=event.decided_at,
    )
    if state.parked_leads + len(batch.lead_ids) > limits.parked_leads_per_channel_max:
        detail = f"over {limits.parked_leads_per_channel_max} leads of this channel would be parked"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    if batch.size_bytes > room.parked_bytes:
        detail = (
            f"over {limits.parked_bytes_per_partition_max} bytes would be parked in a partition"
        )
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    decision = Parked(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch=batch,
        rejected_leads=event.rejected_leads,
    )
    return (decision,)


def _divided(
    state: ChannelState, event: BatchReceived, state_version: int, *, released: bool
) -> Dispatched:
    """The four steps over the active members, then the order."""
    roster, errors = state.roster, state.errors
    batch_size = len(event.lead_ids)
    if len(roster) <= _MEMBERS_REMEMBERED_MAX:
        division = _division_remembered(roster, batch_size, errors)
    else:
        division = _division(roster, batch_size, errors)
    counts, assigned, after = division
    order = interleave(counts)
    if len(counts) < len(roster):
        order = tuple([roster.active[index] for index in order])
    return Dispatched(
        channel=state.channel,
        state_version=state_version,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=event.batch_id,
        content_hash=event.content_hash,
        lead_ids=tuple(event.lead_ids),
        attributes=tuple(event.attributes),
        order=order,
        assigned=assigned,
        roster=roster,
        errors_before=errors,
        errors_after=after,
        rejected_leads=event.rejected_leads,
        released=released,
    )


def _division(
    roster: Roster, batch_size: int, errors: tuple[int, ...]
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Leads of each active member, in order of rank; of each member; and the errors after."""
    everyone_active = len(roster.active) == len(roster)
    active_errors = errors if everyone_active else [errors[rank] for rank in roster.active]
    counts, moved = map(tuple, apportion(batch_size, roster.active_weights, active_errors))
    if everyone_active:
        return counts, counts, moved
    assigned = [0] * len(roster)
    after = list(errors)
    for rank, count, error in zip(roster.active, counts, moved, strict=True):
        assigned[rank] = count
        after[rank] = error
    return counts, tuple(assigned), tuple(after)


# With weights of few digits, a channel's errors come back after some batches of one size.
_division_remembered = lru_cache(maxsize=DIVISIONS_REMEMBERED_MAX)(_division)


def _decide_change(
    state: ChannelState, event: ChangeReceived, limits: Limits, room: Room
) -> Outcome:
    change = event.change
    seen = state.changes.get(change.change_id)
    if seen is not None:
        if seen.content_hash != event.content_hash:
            detail = f"change_id {change.change_id!r} was used before for another change"
            return Rejected(event, Reason.CHANGE_ID_REUSED, detail)
        return _duplicate(state, event, change_id=change.change_id, seen=seen)
    if not state.exists and room.channels <= 0:
        return Rejected(event, Reason.LIMIT_EXCEEDED, _too_many_channels(limits))
    joining = len(state.roster) + 1 if isinstance(change, AssigneeJoined) else 0
    members = len(change.members) if isinstance(change, RosterReplaced) else joining
    if members > limits.members_max:
        detail = f"a roster of {members}; at most {limits.members_max}"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    try:
        if isinstance(change, RosterReplaced):
            _expect_version(state, change)
        settled = settle(state.channel, state.roster, state.errors, change)
    except CannotApply as refusal:
        return Rejected(event, refusal.reason, refusal.detail)
    if settled.roster.listing_bytes() > limits.roster_bytes_max:
        detail = f"the roster would take over {limits.roster_bytes_max} bytes in a decision"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    decision = RosterSettled(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version + 1,
        input=event.input,
        decided_at=event.decided_at,
        received=event,
        roster=settled.roster,
        errors=settled.errors,
        errors_before=settled.before,
        denominator_before=state.roster.error_denominator,
        left=settled.left,
    )
    return (decision,)


def _expect_version(state: ChannelState, change: RosterReplaced) -> None:
    expected = change.expected_roster_version
    if expected is not None and expected != state.roster_version:
        raise CannotApply(
            Reason.ROSTER_VERSION_MISMATCH,
            f"the roster has version {state.roster_version}, not {expected} as expected",
        )


def _too_many_channels(limits: Limits) -> str:
    return (
        f"a channel never seen before; a partition keeps at most "
        f"{limits.channels_per_partition_max} channels"
    )


def _duplicate(
    state: ChannelState,
    event: BatchReceived | ChangeReceived,
    *,
    seen: Seen | None,
    batch_id: str | None = None,
    change_id: str | None = None,
) -> Outcome:
    decision = DuplicateIgnored(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=batch_id,
        change_id=change_id,
        original_state_version=seen.state_version if seen else None,
    )
    return (decision,)


def _after_dispatch(state: ChannelState, decision: Dispatched) -> ChannelState:
    seen = Seen(
        decision.content_hash,
        decision.state_version,
        len(decision.lead_ids),
        decision.decided_at,
        "batch_dispatched",
    )
    # Spelt out, because this runs once per batch and `replace` costs several times as much.
    return ChannelState(
        state.channel,
        decision.state_version,
        state.roster_version,
        state.roster,
        decision.errors_after,
        state.promise.after(state.roster, decision.errors_after),
        state.batches.added(decision.batch_id, seen, RECENT_LENGTH_MAX),
        state.changes,
        state.parked,
        state.parked_by_number,
        state.parked_leads,
        state.parked_bytes,
        state.release if len(state.parked) else None,
    )


def _after_change(state: ChannelState, decision: RosterSettled) -> ChannelState:
    change = decision.received.change
    seen = Seen(
        decision.received.content_hash,
        decision.state_version,
        len(decision.roster),
        decision.decided_at,
        change.type,
    )
    release = None
    if decision.roster.weight_sum > 0 and len(state.parked):
        release = Release(decision.input, decision.decided_at)
    correction = isinstance(change, CumulativeErrorCorrected)
    return replace(
        state,
        state_version=decision.state_version,
        roster_version=decision.roster_version,
        roster=decision.roster,
        errors=decision.errors,
        promise=state.promise.after(decision.roster, decision.errors, correction=correction),
        changes=state.changes.added(change.change_id, seen, RECENT_LENGTH_MAX),
        release=release,
    )


def _after_parking(state: ChannelState, decision: Parked) -> ChannelState:
    batch = decision.batch
    return replace(
        state,
        state_version=decision.state_version,
        parked=state.parked.added(batch.batch_id, batch),
        parked_by_number=state.parked_by_number.added(state.parked_by_number.next_number, batch),
        parked_leads=state.parked_leads + len(batch.lead_ids),
        parked_bytes=state.parked_bytes + batch.size_bytes,
    )


def _after_release(state: ChannelState, decision: Released) -> ChannelState:
    return replace(
        state,
        state_version=decision.state_version,
        parked=state.parked.without_oldest(),
        parked_by_number=state.parked_by_number.without_oldest(),
        parked_leads=state.parked_leads - len(decision.batch.lead_ids),
        parked_bytes=state.parked_bytes - decision.batch.size_bytes,
    )
