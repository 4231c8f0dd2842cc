"""Decisions folded into standings. Pure: no broker, no clock.

In: the standing of a channel, the next decision and when it was taken. Out: the standing after it.

- A decision whose `state_version` is not above the standing's was folded before and changes
  nothing: redelivery, restart and rebalance give the same numbers.
- One that is more than the next is the first that is left of a history whose beginning is gone:
  everything is counted anew from it, and `counted_from_state_version` says so.
- The promise is followed as the dispatcher follows it. What it depends on is unknown where the log
  begins late, until all errors are zero.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from dispatcher.promise import Promise
from dispatcher.roster import rank_digest, rounded_units
from dispatcher.times import day_of, milliseconds
from schemas.scalars import UNITS_PER_LEAD, units_of, weight_millionths
from streams.views.decisions import (
    AnyDecisionRead,
    BatchDispatched,
    BatchParked,
    BatchReleased,
    DuplicateIgnored,
    OutcomeRecorded,
    RosterChanged,
    ShareRead,
    type_of,
)
from streams.views.standings import (
    LAST_DECISIONS_MAX,
    ChannelStanding,
    Counted,
    DecisionInShort,
    MemberStanding,
    error_numerator,
    fair_share_numerator,
    with_day_begun,
)

# The same few weights come with every decision.
_weight_millionths = lru_cache(maxsize=4_096)(weight_millionths)


class _RosterShape(NamedTuple):
    """What the promise asks of a roster: how many members, how many active."""

    members: range
    active: range
    error_denominator: int


def fold(
    standing: ChannelStanding | None, decision: AnyDecisionRead, at_ms: int | None = None
) -> ChannelStanding:
    """The standing after a decision; `standing` is None for a channel never seen.

    `at_ms` is when it was taken, milliseconds since 1970; without it, its `decided_at`.
    """
    if standing is not None and decision.state_version <= standing.state_version:
        return standing
    if standing is None or decision.state_version > standing.state_version + 1:
        standing = _from_here(decision)
    at_ms = milliseconds(decision.decided_at) if at_ms is None else at_ms
    standing = before = _on_the_day(standing, at_ms)
    match decision:
        case BatchDispatched():
            if decision.leads_parked is None:
                standing = _dispatched(standing, decision)
            else:
                standing = _dispatched_by_rules(standing, decision, decision.leads_parked)
        case RosterChanged():
            standing = _roster_changed(standing, decision)
            if standing.time_zone != before.time_zone:
                standing = _on_the_day_there(standing, at_ms)
        case BatchParked():
            parked = {**standing.parked, decision.batch_id: decision.batch_size}
            standing = msgspec.structs.replace(standing, parked=parked)
        case BatchReleased():
            standing = _less_parked(standing, decision.batch_id, decision.batch_size)
        case OutcomeRecorded():
            standing = _outcome_recorded(standing, decision)
        case DuplicateIgnored():
            standing = msgspec.structs.replace(standing, duplicates=standing.duplicates + 1)
    promise, most_ahead, most_owed = _promised(before, standing, decision)
    return msgspec.structs.replace(
        standing,
        state_version=decision.state_version,
        roster_version=decision.roster_version,
        decided_at=decision.decided_at,
        last=(in_short(decision), *standing.last[: LAST_DECISIONS_MAX - 1]),
        promise=promise,
        most_ahead_numerator=most_ahead,
        most_owed_numerator=most_owed,
    )


def folded(decisions: Iterable[AnyDecisionRead]) -> dict[str, ChannelStanding]:
    """All decisions of any channels, in order, folded; by channel."""
    standings: dict[str, ChannelStanding] = {}
    for decision in decisions:
        standings[decision.channel] = fold(standings.get(decision.channel), decision)
    return standings


def misses_decisions(standing: ChannelStanding | None, decision: AnyDecisionRead) -> bool:
    """Whether decisions of the channel are missing between the standing and this one."""
    return standing is not None and decision.state_version > standing.state_version + 1


def _from_here(decision: AnyDecisionRead) -> ChannelStanding:
    return ChannelStanding(
        channel=decision.channel,
        state_version=decision.state_version - 1,
        roster_version=decision.roster_version,
        decided_at=decision.decided_at,
        counted_from=_here(decision),
        # A channel begins without members.
        roster_complete=decision.state_version == 1,
        promise=Promise() if decision.state_version == 1 else None,
    )


def _here(decision: AnyDecisionRead) -> Counted:
    return Counted(decision.state_version, decision.decided_at)


def in_short(decision: AnyDecisionRead) -> DecisionInShort:
    """What is remembered of a decision."""
    members = weight = None
    if isinstance(decision, RosterChanged):
        members = len(decision.shares)
        if decision.change_type in ("assignee_joined", "weight_changed"):
            theirs = (s.weight for s in decision.shares if s.assignee_id == decision.assignee_id)
            weight = next(theirs, None)
    elif isinstance(decision, BatchDispatched) and decision.shares_complete:
        # Among so many it was divided: who is paused took no part.
        members = sum(not share.paused for share in decision.shares)
    return DecisionInShort(
        type=type_of(decision),
        state_version=decision.state_version,
        decided_at=decision.decided_at,
        batch_id=decision.batch_id,
        batch_size=decision.batch_size,
        change_id=decision.change_id,
        change_type=decision.change_type,
        outcome_id=decision.outcome_id,
        outcome_type=decision.outcome_type,
        lead_id=decision.lead_id,
        assignee_id=decision.assignee_id,
        to_assignee_id=decision.to_assignee_id,
        weight=weight,
        amount=decision.amount,
        leads_parked=decision.leads_parked,
        members=members,
        credited=decision.credited,
        dispatched_again=decision.dispatched_again,
        day=decision.day,
        changed_by=decision.changed_by,
        reason=decision.reason,
    )


def _on_the_day(standing: ChannelStanding, at_ms: int) -> ChannelStanding:
    """A day that is over never comes back, whatever a clock says."""
    ends_ms = standing.day_ends_ms
    if standing.day and (ends_ms is None or at_ms < ends_ms):
        return standing
    return with_day_begun(standing, *day_of(at_ms, standing.time_zone))


def _on_the_day_there(standing: ChannelStanding, at_ms: int) -> ChannelStanding:
    """In another time zone, where it may be another day, and the same one ends at another time."""
    day, ends_ms = day_of(at_ms, standing.time_zone)
    if day == standing.day:
        return msgspec.structs.replace(standing, day_ends_ms=ends_ms)
    return with_day_begun(standing, day, ends_ms)


def _promised(
    before: ChannelStanding, standing: ChannelStanding, decision: AnyDecisionRead
) -> tuple[Promise | None, int, int]:
    """The promise after a decision, and the largest and smallest error, as numerators."""
    if (
        standing.members is before.members
        and standing.denominator == before.denominator
        and standing.leads_under_roster == before.leads_under_roster
    ):
        # Nobody's error moved: not even that of who isn't listed.
        return before.promise, before.most_ahead_numerator, before.most_owed_numerator
    members = standing.members.values()
    errors = [error_numerator(standing, member) for member in members]
    most_ahead, most_owed = (max(errors), min(errors)) if errors else (0, 0)
    promise = before.promise
    if standing.by_value or not standing.roster_complete:
        return None, most_ahead, most_owed
    if promise is None and not any(errors):
        promise = Promise()
    if promise is None:
        return None, most_ahead, most_owed
    active = sum(not member.paused for member in members)
    shape = _RosterShape(range(len(members)), range(active), standing.denominator)
    moved = _moved_on_purpose(before, standing, decision)
    return promise.after(shape, errors, correction=moved), most_ahead, most_owed


def _moved_on_purpose(
    before: ChannelStanding, standing: ChannelStanding, decision: AnyDecisionRead
) -> bool:
    """Whether a correction, an outcome or a forced lead moved errors past what divides them."""
    match decision:
        case RosterChanged():
            return decision.change_type == "cumulative_error_corrected"
        case BatchDispatched():
            return decision.leads_parked is not None and standing.rules is None
        case OutcomeRecorded():
            return any(
                name not in before.members
                or error_numerator(standing, member)
                != error_numerator(before, before.members[name])
                for name, member in standing.members.items()
            )
    return False


def _dispatched(standing: ChannelStanding, decision: BatchDispatched) -> ChannelStanding:
    leads_before = standing.leads_under_roster
    leads_after = leads_before + decision.batch_size
    members = dict(standing.members)
    for share in decision.shares:
        known = members.get(share.assignee_id)
        members[share.assignee_id] = _with_share(
            known, share, _here(decision), leads_before, known_at=leads_after
        )
    return msgspec.structs.replace(
        standing,
        roster_complete=standing.roster_complete or decision.shares_complete,
        members=members,
        denominator=int(decision.error_denominator),
        leads_under_roster=leads_after,
        batches=standing.batches + 1,
        leads=standing.leads + decision.batch_size,
    )


def _with_share(
    known: MemberStanding | None,
    share: ShareRead,
    here: Counted,
    leads_before: int,
    *,
    known_at: int,
    fair_numerator: int = 0,
) -> MemberStanding:
    """A member after a decision that lists them; `known` is None for one never seen."""
    return MemberStanding(
        weight_millionths=_weight_millionths(share.weight),
        paused=share.paused,
        counted_from=known.counted_from if known else here,
        leads=(known.leads if known else 0) + share.assigned,
        earlier_fair_units=known.earlier_fair_units if known else 0,
        leads_before=known.leads_before if known else leads_before,
        known_numerator=int(share.cumulative_error_numerator),
        known_at=known_at,
        fair_numerator=(known.fair_numerator if known else 0) + fair_numerator,
        leads_otherwise=known.leads_otherwise if known else 0,
        value_units=(known.value_units if known else 0) + units_of(share.assigned_value or "0"),
        day_leads=known.day_leads if known else 0,
        day_fair_units=known.day_fair_units if known else 0,
        day_value_units=known.day_value_units if known else 0,
    )


def _dispatched_by_rules(
    standing: ChannelStanding, decision: BatchDispatched, leads_parked: int
) -> ChannelStanding:
    """Where not everybody may take everything, only the errors of those who are listed moved."""
    denominator = int(decision.error_denominator)
    members = dict(standing.members)
    by_value = standing.by_value
    for share in decision.shares:
        known = members.get(share.assignee_id)
        after = int(share.cumulative_error_numerator)
        before = after if known is None else error_numerator(standing, known)
        received = share.assigned * denominator
        if share.assigned_value is not None:
            by_value = True
            received = units_of(share.assigned_value) * (denominator // UNITS_PER_LEAD)
        fair = before + received - after
        leads = standing.leads_under_roster
        members[share.assignee_id] = _with_share(
            known, share, _here(decision), leads, known_at=leads, fair_numerator=fair
        )
    parked = dict(standing.parked)
    if not decision.released and leads_parked:
        parked[decision.batch_id] = leads_parked
    return msgspec.structs.replace(
        standing,
        roster_complete=standing.roster_complete or decision.shares_complete,
        members=members,
        denominator=denominator,
        batches=standing.batches + 1,
        leads=standing.leads + decision.batch_size,
        parked=parked,
        by_value=by_value,
    )


def _less_parked(standing: ChannelStanding, batch_id: str, leads: int) -> ChannelStanding:
    waits = standing.parked.get(batch_id, 0) - leads
    parked = {**standing.parked, batch_id: waits}
    if waits <= 0:
        del parked[batch_id]
    return msgspec.structs.replace(standing, parked=parked)


def _outcome_recorded(standing: ChannelStanding, decision: OutcomeRecorded) -> ChannelStanding:
    """Errors move, leads and fair shares don't; who isn't listed moved by weight alone."""
    spread_units = units_of(decision.spread_by_weight or "0")
    leads = standing.leads_under_roster
    members = {
        assignee_id: member
        if member.paused
        else msgspec.structs.replace(
            member,
            known_numerator=member.known_numerator + spread_units * member.weight_millionths,
        )
        for assignee_id, member in standing.members.items()
    }
    for share in decision.shares:
        known = members.get(share.assignee_id)
        members[share.assignee_id] = _with_share(
            known, share, _here(decision), leads, known_at=leads
        )
    if decision.unparked_batch_id is not None:
        standing = _less_parked(standing, decision.unparked_batch_id, 1)
    return msgspec.structs.replace(
        standing,
        roster_complete=standing.roster_complete or decision.shares_complete,
        members=members,
        denominator=int(decision.error_denominator),
    )


def _roster_changed(standing: ChannelStanding, decision: RosterChanged) -> ChannelStanding:
    value_attribute = (decision.rules or {}).get("value_attribute")
    anew = _measured_anew(standing, decision, value_attribute)
    fair_units = {} if anew else _fair_units(standing)
    members = {
        share.assignee_id: _after_change(
            share, standing.members.get(share.assignee_id), fair_units, _here(decision), anew=anew
        )
        for share in decision.shares
    }
    return msgspec.structs.replace(
        standing,
        rules=decision.rules,
        roster_complete=True,
        members=members,
        denominator=int(decision.error_denominator),
        leads_under_roster=0,
        by_value=value_attribute is not None,
        value_attribute=value_attribute,
    )


def _measured_anew(
    standing: ChannelStanding, decision: RosterChanged, value_attribute: str | None
) -> bool:
    """Whether leads count something else from here on; where the log begins late: as it seems."""
    if decision.change_type != "channel_configured":
        return False
    if standing.by_value != (value_attribute is not None):
        return True
    return standing.value_attribute is not None and standing.value_attribute != value_attribute


def _after_change(
    share: ShareRead,
    known: MemberStanding | None,
    fair_units: Mapping[str, int],
    here: Counted,
    *,
    anew: bool,
) -> MemberStanding:
    leads = known.leads if known else 0
    otherwise = leads if anew else known.leads_otherwise if known else 0
    return MemberStanding(
        weight_millionths=_weight_millionths(share.weight),
        paused=share.paused,
        counted_from=known.counted_from if known else here,
        leads=leads,
        earlier_fair_units=fair_units.get(share.assignee_id, 0),
        leads_before=0,
        known_numerator=int(share.cumulative_error_numerator),
        known_at=0,
        leads_otherwise=otherwise,
        value_units=known.value_units if known and not anew else 0,
        day_leads=known.day_leads if known else 0,
        day_fair_units=known.day_fair_units if known and not anew else 0,
        day_value_units=known.day_value_units if known and not anew else 0,
    )


def _fair_units(standing: ChannelStanding) -> dict[str, int]:
    """Each member's fair shares so far in whole 10^-12 leads, as the errors are rounded."""
    scale = standing.denominator // UNITS_PER_LEAD
    by_rank = sorted(standing.members, key=lambda each: rank_digest(standing.channel, each))
    errors = [error_numerator(standing, standing.members[each]) for each in by_rank]
    fair = [fair_share_numerator(standing, standing.members[each]) for each in by_rank]
    # The sum of error and fair share moves by whole leads only, so rounding one rounds the other.
    return {
        assignee_id: (error + share) // scale - unit
        for assignee_id, error, share, unit in zip(
            by_rank, errors, fair, _rounded(standing, errors, scale), strict=True
        )
    }


def _rounded(standing: ChannelStanding, errors: Sequence[int], scale: int) -> list[int]:
    if standing.roster_complete:
        return rounded_units(errors, scale)
    return [error // scale for error in errors]
