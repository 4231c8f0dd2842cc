"""What is decided about a lead batch: divided, parked, known already, or over a limit.

- R10 A batch whose id is among the channel's last 1,000, or of which anything is parked, is a
  duplicate if its content is the same, and a dead letter if it isn't.
- R11 Beyond a limit it is a dead letter.
- Where everybody may take everything (no `eligibility`), a batch is divided whole, or parked whole
  when no weight is active. Else see `division`: some of its leads may be dispatched, others parked.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from dispatcher.apportionment import apportion, give_one
from dispatcher.decisions import Decision, Dispatched, Parked, Rejected, Released
from dispatcher.division import NOBODY_FORCED, Group, divide
from dispatcher.duplicates import duplicate
from dispatcher.eligibility import Eligibility
from dispatcher.events import BatchReceived
from dispatcher.interleaving import interleave
from dispatcher.limits import Limits, Room
from dispatcher.marked_parking import by_marks
from dispatcher.measured_division import divide_measured
from dispatcher.parking import ParkedBatch
from dispatcher.register import with_owners
from dispatcher.remembering import Remembering
from dispatcher.requirements import NOTHING, Requirement, required_of
from dispatcher.roster import Roster
from dispatcher.state import ChannelState
from dispatcher.times import milliseconds
from dispatcher.values import measured, only_with_value
from schemas.reasons import Reason

DIVISIONS_REMEMBERED_MAX: Final = 4_096
_MEMBERS_REMEMBERED_MAX: Final = 20
"""Together 20 MB at most."""

_SINGLES_REMEMBERED_MAX: Final = 256
"""A megabyte with a hundred members each; 20 MB with ten thousand."""


def decide_batch(
    state: ChannelState, event: BatchReceived, limits: Limits, room: Room
) -> tuple[Decision, ...] | Rejected:
    """Decide a batch; as `channel.decide`."""
    seen = state.batches.get(event.batch_id)
    known_hash = seen.content_hash if seen else state.parking.content_hash(event.batch_id)
    if known_hash is not None:
        if known_hash != event.content_hash:
            detail = f"batch_id {event.batch_id!r} was used before for other leads"
            return Rejected(event, Reason.BATCH_ID_REUSED, detail)
        return (duplicate(state, event, batch_id=event.batch_id, seen=seen),)
    if event.leads_in_event > limits.leads_per_batch_max:
        detail = f"{event.leads_in_event} leads in a batch; at most {limits.leads_per_batch_max}"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    if not state.exists and room.channels <= 0:
        return Rejected(event, Reason.LIMIT_EXCEEDED, limits.too_many_channels())
    if state.eligibility is not None:
        return _decide_by_eligibility(state, state.eligibility, event, limits, room)
    if state.roster.weight_sum == 0:
        whole = [_parked_part(event, range(len(event.lead_ids)))]
        parked = _parked(state, event, whole, limits, room)
        return parked if isinstance(parked, Rejected) else (parked,)
    return (_divided_whole(state, event, state.state_version + 1),)


def _divided_whole(state: ChannelState, event: BatchReceived, state_version: int) -> Dispatched:
    """The four steps over the active members, then the order."""
    roster, errors = state.roster, state.errors
    batch_size = len(event.lead_ids)
    member_count = len(roster.members)
    order: tuple[int, ...]
    if batch_size == 1 and roster.one_lead_shares is not None:
        order, assigned, after = divided_single(roster, errors)
    else:
        if member_count <= _MEMBERS_REMEMBERED_MAX:
            division = _divisions.call(roster, batch_size, errors)
        else:
            division = _division(roster, batch_size, errors)
        counts, assigned, after = division
        order = interleave(counts)
        if len(counts) < member_count:
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
    )


Single = tuple[tuple[int], tuple[int, ...], tuple[int, ...]]
"""Of a single lead: the rank that gets it, leads of each member, and the errors after."""


def divided_single(roster: Roster, errors: tuple[int, ...]) -> Single:
    """The four steps for a single lead, where the roster has `one_lead_shares`."""
    if len(roster.members) <= _MEMBERS_REMEMBERED_MAX:
        return _singles.call(roster, errors)
    return _single(roster, errors)


def _single(roster: Roster, errors: tuple[int, ...]) -> Single:
    shares = roster.one_lead_shares
    assert shares is not None
    rank, moved = give_one(roster.error_denominator, shares, errors)
    return (rank,), _to_one(len(roster.members), rank), tuple(moved)


@lru_cache(maxsize=_SINGLES_REMEMBERED_MAX)
def _to_one(member_count: int, rank: int) -> tuple[int, ...]:
    """One lead, to the member of a rank."""
    assigned = [0] * member_count
    assigned[rank] = 1
    return tuple(assigned)


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
_divisions = Remembering(_division, DIVISIONS_REMEMBERED_MAX)
_singles = Remembering(_single, DIVISIONS_REMEMBERED_MAX)


def _decide_by_eligibility(
    state: ChannelState,
    eligibility: Eligibility,
    event: BatchReceived,
    limits: Limits,
    room: Room,
) -> tuple[Decision, ...] | Rejected:
    """Some leads may be dispatched, others parked; all parked is a decision of its own kind."""
    if (value_attribute := eligibility.rules.by_value) is not None:
        event = only_with_value(event, value_attribute)
    names = eligibility.rules.required_skills
    requirements = [required_of(attributes, names) for attributes in event.attributes]
    sticky = eligibility.rules.sticky
    if sticky is not None and event.owners is not None:
        now_ms = milliseconds(event.decided_at)
        requirements = with_owners(
            requirements, event.attributes, state.channel, sticky, event.owners, now_ms
        )
    outcome = dispatch_or_park(state, eligibility, event, requirements, limits, room)
    if isinstance(outcome, Rejected):
        return outcome
    if isinstance(outcome, Dispatched) and sticky is not None and event.owners is None:
        outcome = msgspec.structs.replace(outcome, owners_unknown=True)
    return (outcome,)


def dispatch_or_park(
    state: ChannelState,
    eligibility: Eligibility,
    event: BatchReceived,
    requirements: list[Requirement],
    limits: Limits,
    room: Room,
) -> Dispatched | Parked | Rejected:
    """Divide leads with these requirements among those who may take them; park the others."""
    dispatched = dispatched_by_division(
        state, eligibility, event, requirements, state.state_version + 1
    )
    groups = dispatched.groups
    entries = [
        entry
        for part in _parked_parts(event, groups, requirements)
        for entry in by_marks(part, eligibility)
    ]
    if not dispatched.lead_ids and (event.lead_ids or not state.roster.weight_sum):
        return _parked(state, event, entries or [_parked_part(event, ())], limits, room, groups)
    if not entries:
        return dispatched
    if refusal := _no_room(state, event, entries, limits, room):
        return refusal
    parking = state.parking
    for entry in entries:
        parking = parking.added(entry)
    return msgspec.structs.replace(dispatched, parking_after=parking)


def dispatched_by_division(
    state: ChannelState,
    eligibility: Eligibility,
    event: BatchReceived,
    requirements: list[Requirement],
    state_version: int,
    forced: Mapping[int, int] = NOBODY_FORCED,
) -> Dispatched:
    """Those of the leads that somebody may take, divided among them; see `division.divide`."""
    roster = state.roster
    if eligibility.measures:
        leads = measured(event.attributes, eligibility.rules.by_value, eligibility.limits)
        divided = divide_measured(requirements, roster, state.errors, eligibility, leads, forced)
    else:
        divided = divide(requirements, roster, state.errors, eligibility, forced)
    places = [place for place, taker in enumerate(divided.takers) if taker is not None]
    return Dispatched(
        channel=state.channel,
        state_version=state_version,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=event.batch_id,
        content_hash=event.content_hash,
        lead_ids=tuple([event.lead_ids[place] for place in places]),
        attributes=tuple([event.attributes[place] for place in places]),
        order=tuple([taker for taker in divided.takers if taker is not None]),
        assigned=divided.assigned,
        roster=roster,
        errors_before=state.errors,
        errors_after=divided.errors,
        rejected_leads=event.rejected_leads,
        accrued=divided.accrued,
        groups=divided.groups,
        sticky=eligibility.rules.sticky,
        assigned_value=divided.assigned_value,
        limits_after=divided.limits,
        largest_value=max([leads.values[place] for place in places], default=0)
        if divided.assigned_value is not None
        else None,
    )


def _parked_parts(
    event: BatchReceived, groups: Iterable[Group], requirements: Sequence[Requirement]
) -> list[ParkedBatch]:
    """What nobody could take, by what it asked, its owner included: they may be back by then."""
    parts: dict[Requirement, list[int]] = {}
    for group in groups:
        for place in group.parked_places:
            parts.setdefault(requirements[place], []).append(place)
    return [_parked_part(event, places, requirement) for requirement, places in parts.items()]


def _parked_part(
    event: BatchReceived, places: Iterable[int], requirement: Requirement = NOTHING
) -> ParkedBatch:
    places = list(places)
    return ParkedBatch(
        batch_id=event.batch_id,
        created_at=event.created_at,
        content_hash=event.content_hash,
        lead_ids=tuple([event.lead_ids[place] for place in places]),
        attributes=tuple([event.attributes[place].encode() for place in places]),
        input=event.input,
        parked_at=event.decided_at,
        requirement=requirement,
    )


def _no_room(
    state: ChannelState,
    event: BatchReceived,
    entries: list[ParkedBatch],
    limits: Limits,
    room: Room,
) -> Rejected | None:
    if state.parking.leads + sum(len(entry.lead_ids) for entry in entries) > (
        limits.parked_leads_per_channel_max
    ):
        detail = f"over {limits.parked_leads_per_channel_max} leads of this channel would be parked"
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    if sum(entry.size_bytes for entry in entries) > room.parked_bytes:
        detail = (
            f"over {limits.parked_bytes_per_partition_max} bytes would be parked in a partition"
        )
        return Rejected(event, Reason.LIMIT_EXCEEDED, detail)
    return None


def _parked(
    state: ChannelState,
    event: BatchReceived,
    entries: list[ParkedBatch],
    limits: Limits,
    room: Room,
    groups: tuple[Group, ...] = (),
) -> Parked | Rejected:
    if refusal := _no_room(state, event, entries, limits, room):
        return refusal
    return Parked(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=event.batch_id,
        content_hash=event.content_hash,
        leads=len(event.lead_ids),
        entries=tuple(entries),
        groups=groups,
        roster=state.roster,
        rejected_leads=event.rejected_leads,
    )


def decide_release(state: ChannelState) -> tuple[Released, Dispatched]:
    """Let the oldest leads that somebody may take go: one step of the release under way (R13)."""
    taken = state.takeable()
    if state.release is None or taken is None:
        raise AssertionError("no release is under way")
    cause = state.release
    number, batch = taken
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
    state_version = state.state_version + 2
    if state.eligibility is None:
        dispatched, rest = _divided_whole(state, received, state_version), None
    else:
        requirements = [batch.requirement] * len(batch.lead_ids)
        dispatched = dispatched_by_division(
            state, state.eligibility, received, requirements, state_version
        )
        rest = _rest(batch, dispatched)
    released = Released(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=cause.input,
        decided_at=cause.decided_at,
        batch=batch,
        leads=len(dispatched.lead_ids),
    )
    return released, msgspec.structs.replace(
        dispatched, released=True, parking_after=state.parking.without(number, rest)
    )


def _rest(batch: ParkedBatch, dispatched: Dispatched) -> ParkedBatch | None:
    """What stays parked."""
    if len(dispatched.lead_ids) == len(batch.lead_ids):
        return None
    places = sorted(place for group in dispatched.groups for place in group.parked_places)
    return batch.part(places)
