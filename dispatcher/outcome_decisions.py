"""What is decided about an outcome: a lead returned, closed, reassigned, assigned by hand,
or forgotten.

- R10 An outcome whose id is among the channel's last 1,000 is a duplicate if its content is the
  same, and a dead letter if it isn't.
- Returned: the channel's rule for the reason says whether it is credited, and whether it goes out
  again. Credited, the lead is taken off what its assignee received, and the counter-entry of one
  lead is spread by weight over the active members: as a correction of -1, but exact.
- Reassigned: the lead, and with it its charge, moves from one to the other. Nobody else is
  concerned.
- Assigned by hand: it accrues by weight to those who may take it now, and is charged to whom it is
  given. If it was parked, it leaves the queue.
- Where leads are divided by value, "one lead" is the value that the outcome's attributes say;
  without a valid one it is a dead letter.
- Forgotten: a lead that is parked leaves the queue, and goes to nobody. Nothing else moves.
- A lead that goes to somebody by its outcome goes out as a batch of that lead alone; that is a
  decision of its own, which follows at once.
- An assignee who left is no obstacle to say what became of a lead: there is nobody to credit then.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from dispatcher.batch_decisions import dispatch_or_park, dispatched_by_division
from dispatcher.decisions import (
    Dispatched,
    DuplicateIgnored,
    OutcomeRecorded,
    Parked,
    Rejected,
)
from dispatcher.division import Group, weight_of
from dispatcher.duplicates import duplicate
from dispatcher.eligibility import Able, Eligibility, eligibility_of
from dispatcher.events import BatchReceived, OutcomeReceived, batch_content_hash
from dispatcher.limits import Limits, Room
from dispatcher.parking import ParkedBatch, Parking
from dispatcher.requirements import required_of
from dispatcher.roster import CannotApply, Roster
from dispatcher.share_limits import Counts
from dispatcher.state import ChannelState
from dispatcher.values import ONE_LEAD, InvalidValue, lead_value, measured
from schemas.inputs import LeadAssignedManually, LeadForgotten, LeadReassigned, LeadReturned
from schemas.reasons import Reason
from schemas.scalars import MILLIONTHS, UNITS_PER_LEAD

UNITS_PER_MILLIONTH: Final = UNITS_PER_LEAD // MILLIONTHS


def decide_outcome(
    state: ChannelState, event: OutcomeReceived, limits: Limits, room: Room
) -> OutcomeRecorded | DuplicateIgnored | Rejected:
    """Decide an outcome; as `channel.decide`, but for where the lead goes: see `decide_next`."""
    outcome = event.outcome
    seen = state.outcomes.get(outcome.outcome_id)
    if seen is not None:
        if seen.content_hash != event.content_hash:
            detail = f"outcome_id {outcome.outcome_id!r} was used before for another outcome"
            return Rejected(event, Reason.OUTCOME_ID_REUSED, detail)
        return duplicate(state, event, outcome_id=outcome.outcome_id, seen=seen)
    if not state.exists and room.channels <= 0:
        return Rejected(event, Reason.LIMIT_EXCEEDED, limits.too_many_channels())
    try:
        return _recorded(state, event)
    except CannotApply as refusal:
        return Rejected(event, refusal.reason, refusal.detail)


def decide_next(
    state: ChannelState,
    before: ChannelState,
    recorded: OutcomeRecorded,
    limits: Limits,
    room: Room,
) -> Dispatched | Parked | Rejected | None:
    """Decide where the lead of an outcome goes, if it goes to anybody.

    `state` is the one after the outcome, `before` the one before.
    """
    event = recorded.received
    match event.outcome:
        case LeadReturned() if recorded.dispatched_again:
            decision = _again(state, event, limits, room)
        case LeadReassigned(to_assignee_id=taker) if event.outcome.assignee_id in state.roster:
            decision = _moved(state, event, taker, recorded.lead_value)
        case LeadReassigned(to_assignee_id=taker):
            decision = _by_hand(state, _alone(event, "reassigned"), taker)
        case LeadAssignedManually(assignee_id=taker):
            found = _waiting(before.parking, event.outcome.lead_id)
            batch = _alone(event, "by-hand") if found is None else _out_of(found, event)
            decision = _by_hand(state, batch, taker, parked=found is not None)
        case _:
            return None
    if isinstance(decision, Rejected):
        return Rejected(event, decision.reason, decision.detail)
    return decision


def _recorded(state: ChannelState, event: OutcomeReceived) -> OutcomeRecorded:
    """Raises CannotApply."""
    outcome, roster, eligibility = event.outcome, state.roster, state.eligibility
    errors, parking = state.errors, state.parking
    credited = dispatched_again = unparked_batch_id = lead_value = None
    spread_units = 0
    member = outcome.assignee_id in roster
    match outcome:
        case LeadReturned():
            terms = _eligibility(state).rules.on_return(outcome.reason)
            credited, dispatched_again = terms.credited and member, terms.dispatched_again
            if credited or dispatched_again:
                lead_value = _value(state, event)
            if credited:
                spread_units = _counts(lead_value) * UNITS_PER_MILLIONTH
                errors = _credited(roster, errors, outcome.assignee_id, _counts(lead_value))
        case LeadReassigned():
            taker = roster.rank(outcome.to_assignee_id)
            lead_value = _value(state, event)
            if member:
                giver = roster.rank(outcome.assignee_id)
                errors = _moved_errors(roster, errors, giver, taker, _counts(lead_value))
        case LeadAssignedManually():
            roster.rank(outcome.assignee_id)
            if (found := _waiting(parking, outcome.lead_id)) is not None:
                unparked_batch_id = found.entry.batch_id
                parking = _without(parking, found)
            else:
                lead_value = _value(state, event)
        case LeadForgotten():
            if (found := _waiting(parking, outcome.lead_id)) is not None:
                unparked_batch_id = found.entry.batch_id
                parking = _without(parking, found)
    gives_up = not isinstance(outcome, LeadAssignedManually | LeadForgotten) and member
    if eligibility is not None and gives_up:
        eligibility = eligibility.given_up(roster.rank(outcome.assignee_id))
    if eligibility is not None and (credited or (isinstance(outcome, LeadReassigned) and member)):
        eligibility = _off_the_limits(eligibility, event)
    return OutcomeRecorded(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        received=event,
        roster=roster,
        errors_before=state.errors,
        errors=errors,
        spread_units=spread_units,
        credited=credited,
        dispatched_again=dispatched_again,
        eligibility=eligibility,
        parking=parking,
        unparked_batch_id=unparked_batch_id,
        lead_value=lead_value,
    )


def _value(state: ChannelState, event: OutcomeReceived) -> int | None:
    """What the lead counts, millionths; None where leads are not divided by value."""
    value_attribute = _eligibility(state).rules.by_value
    if value_attribute is None:
        return None
    try:
        return lead_value(event.attributes, value_attribute)
    except InvalidValue as why:
        detail = f"{why}; it stands in the attributes of the outcome, because none are kept"
        raise CannotApply(Reason.INVALID_EVENT, detail) from None


def _counts(lead_value: int | None) -> int:
    return ONE_LEAD if lead_value is None else lead_value


def _off_the_limits(eligibility: Eligibility, event: OutcomeReceived) -> Eligibility:
    """After a lead doesn't count any more for who had it."""
    if not eligibility.limits:
        return eligibility
    lead = measured([event.attributes], eligibility.rules.by_value, eligibility.limits)
    counts = Counts(eligibility.limits)
    counts.add(event.outcome.assignee_id, lead.marks[0], -lead.values[0])
    return eligibility.with_limits(counts.after())


def _credited(
    roster: Roster, errors: Sequence[int], assignee_id: str, millionths: int
) -> tuple[int, ...]:
    """So much less for a member, and as much spread by weight over those who are active."""
    if not roster.weight_sum:
        raise CannotApply(
            Reason.NO_COUNTERPARTY,
            "nobody is active with a weight over 0 to take the counter-entry",
        )
    after = list(errors)
    units = millionths * UNITS_PER_MILLIONTH
    after[roster.rank(assignee_id)] -= units * roster.weight_sum
    for rank, weight in zip(roster.active, roster.active_weights, strict=True):
        after[rank] += units * weight
    return tuple(after)


def _moved_errors(
    roster: Roster, errors: Sequence[int], giver: int, taker: int, millionths: int
) -> tuple[int, ...]:
    numerator = millionths * (roster.error_denominator // MILLIONTHS)
    after = list(errors)
    after[giver] -= numerator
    after[taker] += numerator
    return tuple(after)


# -- where the lead goes


def _eligibility(state: ChannelState) -> Eligibility:
    """Those of a channel without any are what all others begin with."""
    return state.eligibility or eligibility_of(state.roster)


def _alone(event: OutcomeReceived, why: str) -> BatchReceived:
    """The lead as a batch of its own, under an id that the outcome's makes unique."""
    outcome = event.outcome
    return BatchReceived(
        channel=outcome.channel,
        batch_id=f"{why}/{outcome.outcome_id}",
        created_at=outcome.created_at,
        lead_ids=(outcome.lead_id,),
        attributes=(event.attributes,),
        rejected_leads=(),
        content_hash=batch_content_hash([outcome.lead_id]),
        decided_at=event.decided_at,
        input=event.input,
    )


def _again(
    state: ChannelState, event: OutcomeReceived, limits: Limits, room: Room
) -> Dispatched | Parked | Rejected:
    """To whoever is owed most, but not to who gave it back."""
    eligibility = _eligibility(state)
    required = required_of(event.attributes, eligibility.rules.required_skills)
    requirement = required._replace(excluded=(event.outcome.assignee_id,))
    batch = _alone(event, "returned")
    decision = dispatch_or_park(state, eligibility, batch, [requirement], limits, room)
    if isinstance(decision, Dispatched):
        return msgspec.structs.replace(decision, of_outcome=True)
    return decision


def _by_hand(
    state: ChannelState, batch: BatchReceived, taker: str, *, parked: bool = False
) -> Dispatched:
    eligibility = _eligibility(state)
    requirement = required_of(batch.attributes[0], eligibility.rules.required_skills)
    forced = {0: state.roster.rank(taker)}
    dispatched = dispatched_by_division(
        state, eligibility, batch, [requirement], state.state_version + 1, forced
    )
    return msgspec.structs.replace(dispatched, released=parked, of_outcome=not parked)


def _moved(
    state: ChannelState, event: OutcomeReceived, taker: str, value: int | None
) -> Dispatched:
    """The outcome moved its charge already: here it accrues to who gets it, and to nobody else."""
    roster, rank = state.roster, state.roster.rank(taker)
    batch = _alone(event, "reassigned")
    eligibility = _eligibility(state)
    requirement = required_of(event.attributes, eligibility.rules.required_skills)
    able = Able(eligibility, roster, roster.active).ranks(requirement)
    one = [0] * len(roster)
    one[rank] = 1
    unit = roster.error_denominator // MILLIONTHS
    counts = Counts(eligibility.limits)
    lead = measured([event.attributes], eligibility.rules.by_value, eligibility.limits)
    counts.add(taker, lead.marks[0], lead.values[0])
    return Dispatched(
        channel=state.channel,
        state_version=state.state_version + 1,
        roster_version=state.roster_version,
        input=event.input,
        decided_at=event.decided_at,
        batch_id=batch.batch_id,
        content_hash=batch.content_hash,
        lead_ids=tuple(batch.lead_ids),
        attributes=tuple(batch.attributes),
        order=(rank,),
        assigned=tuple(one),
        roster=roster,
        errors_before=state.errors,
        errors_after=state.errors,
        accrued=tuple([_counts(value) * each * unit for each in one]),
        groups=(
            Group(requirement, (0,), len(able), weight_of(roster, able), (), (), rank, "moved"),
        ),
        of_outcome=True,
        sticky=eligibility.rules.sticky,
        assigned_value=None if value is None else tuple([value * each for each in one]),
        largest_value=value,
        limits_after=counts.after() if eligibility.limits else None,
    )


# -- a lead that waits


class _Waiting(NamedTuple):
    number: int
    entry: ParkedBatch
    place: int


def _waiting(parking: Parking, lead_id: str) -> _Waiting | None:
    """The oldest parked lead of that id."""
    for number, entry in parking.in_order():
        if lead_id in entry.lead_ids:
            return _Waiting(number, entry, entry.lead_ids.index(lead_id))
    return None


def _without(parking: Parking, found: _Waiting) -> Parking:
    places = [place for place in range(len(found.entry.lead_ids)) if place != found.place]
    rest = found.entry.part(places) if places else None
    return parking.with_less(found.number, rest)


def _out_of(found: _Waiting, event: OutcomeReceived) -> BatchReceived:
    """The lead as it was parked: under its own batch, with its own attributes."""
    entry, place = found.entry, found.place
    return BatchReceived(
        channel=event.channel,
        batch_id=entry.batch_id,
        created_at=entry.created_at,
        lead_ids=(entry.lead_ids[place],),
        attributes=(entry.attributes[place].decode(),),
        rejected_leads=(),
        content_hash=entry.content_hash,
        decided_at=event.decided_at,
        input=event.input,
    )
