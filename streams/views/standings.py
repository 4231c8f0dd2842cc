"""Decisions folded into standings: who received what against their fair share. Pure.

In: the standing of a channel, the next decision. Out: the standing after it. No broker, no clock.

- A decision whose `state_version` is not above the standing's was folded before and changes
  nothing: redelivery, restart and rebalance give the same numbers.
- One that is more than the next is the first that is left of a history whose beginning is gone:
  everything is counted anew from it, and `counted_from_state_version` says so.
- A decision may list only those who received leads. What is known of the others moves on by
  itself: with every batch their error falls by their fair share, leads x weight / W. So a member
  holds their error as of a number of leads, and what is true now is computed (`error_numerator`).
- Amounts are exact: numerators over W 10^12, W the sum of the active weights in millionths. At a
  roster change the dispatcher rounds errors to whole 10^-12 leads; the fair shares so far take
  up the same rounding, so that leads - fair share = error - adjustment to the last digit, the
  adjustment being what corrections and the settling of leavers' errors moved.
- Where leads are divided by value, fair shares and errors are in value, and what is received is
  value too. When that begins, ends, or becomes another value, all of them are counted anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from dispatcher.roster import rank_digest, rounded_units
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

LAST_DECISIONS_MAX: Final = 10
"""How many decisions a standing remembers in short."""

# The same few weights come with every decision.
_weight_millionths = lru_cache(maxsize=4_096)(weight_millionths)


class Counted(msgspec.Struct, frozen=True):
    """From which decision on something is counted."""

    state_version: int
    decided_at: str


class MemberStanding(msgspec.Struct, frozen=True, kw_only=True):
    """One assignee of a channel.

    Attributes:
        counted_from: when they joined, or the first decision that is left.
        leads: received since then.
        earlier_fair_units: fair shares under earlier rosters since then, 10^-12 leads.
        leads_before: of the leads divided under this roster, how many went before `counted_from`.
        known_numerator: the cumulative error after `known_at` leads were divided under this
            roster, over the standing's denominator.
        fair_numerator: fair shares under this roster by the channel's rules, likewise.
        leads_otherwise: of the leads, those that were measured otherwise than now.
        value_units: value received since it is measured so, 10^-12.
    """

    weight_millionths: int
    paused: bool
    counted_from: Counted
    leads: int
    earlier_fair_units: int
    leads_before: int
    known_numerator: int
    known_at: int
    fair_numerator: int = 0
    leads_otherwise: int = 0
    value_units: int = 0


class DecisionInShort(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is remembered of a decision."""

    type: str
    state_version: int
    decided_at: str
    batch_id: str | None = None
    batch_size: int | None = None
    change_id: str | None = None
    change_type: str | None = None
    outcome_id: str | None = None
    outcome_type: str | None = None
    assignee_id: str | None = None
    changed_by: str | None = None
    reason: str | None = None


class ChannelStanding(msgspec.Struct, frozen=True, kw_only=True):
    """A channel after the decision `state_version`.

    Attributes:
        counted_from: the first decision that is counted; version 1 if none is missing.
        roster_complete: whether all members are known; false only at the start of a history whose
            beginning is gone, until a decision lists everyone.
        members: by assignee_id.
        denominator: W 10^12 of the roster.
        leads_under_roster: divided since the last roster change.
        batches, leads, duplicates: dispatched batches, their leads, ignored duplicates.
        parked: leads of each batch that waits, by batch_id, oldest first.
        last: the newest decisions, newest first.
        by_value: whether leads are divided by value.
        value_attribute: by which, if the log says.
    """

    channel: str
    state_version: int
    roster_version: int
    decided_at: str
    counted_from: Counted
    roster_complete: bool
    members: Mapping[str, MemberStanding] = {}
    denominator: int = UNITS_PER_LEAD
    leads_under_roster: int = 0
    batches: int = 0
    leads: int = 0
    duplicates: int = 0
    parked: Mapping[str, int] = {}
    last: tuple[DecisionInShort, ...] = ()
    by_value: bool = False
    value_attribute: str | None = None


def error_numerator(standing: ChannelStanding, member: MemberStanding) -> int:
    """The member's cumulative error now, over the standing's denominator."""
    if member.paused:
        return member.known_numerator
    leads_since = standing.leads_under_roster - member.known_at
    return member.known_numerator - leads_since * member.weight_millionths * UNITS_PER_LEAD


def fair_share_numerator(standing: ChannelStanding, member: MemberStanding) -> int:
    """The member's fair shares since they are counted, over the standing's denominator."""
    earlier = member.earlier_fair_units * (standing.denominator // UNITS_PER_LEAD)
    earlier += member.fair_numerator
    if member.paused:
        return earlier
    leads_since = standing.leads_under_roster - member.leads_before
    return earlier + leads_since * member.weight_millionths * UNITS_PER_LEAD


def adjustment_numerator(standing: ChannelStanding, member: MemberStanding) -> int:
    """What isn't explained by leads and fair shares: corrections, errors of leavers taken over."""
    received = (member.leads - member.leads_otherwise) * standing.denominator
    if standing.by_value:
        received = member.value_units * (standing.denominator // UNITS_PER_LEAD)
    ahead = received - fair_share_numerator(standing, member)
    return error_numerator(standing, member) - ahead


def fold(standing: ChannelStanding | None, decision: AnyDecisionRead) -> ChannelStanding:
    """The standing after a decision; `standing` is None for a channel never seen."""
    if standing is not None and decision.state_version <= standing.state_version:
        return standing
    if standing is None or decision.state_version > standing.state_version + 1:
        standing = _from_here(decision)
    match decision:
        case BatchDispatched():
            if decision.leads_parked is None:
                standing = _dispatched(standing, decision)
            else:
                standing = _dispatched_by_rules(standing, decision, decision.leads_parked)
        case RosterChanged():
            standing = _roster_changed(standing, decision)
        case BatchParked():
            parked = {**standing.parked, decision.batch_id: decision.batch_size}
            standing = msgspec.structs.replace(standing, parked=parked)
        case BatchReleased():
            standing = _less_parked(standing, decision.batch_id, decision.batch_size)
        case OutcomeRecorded():
            standing = _outcome_recorded(standing, decision)
        case DuplicateIgnored():
            standing = msgspec.structs.replace(standing, duplicates=standing.duplicates + 1)
    return msgspec.structs.replace(
        standing,
        state_version=decision.state_version,
        roster_version=decision.roster_version,
        decided_at=decision.decided_at,
        last=(_in_short(decision), *standing.last[: LAST_DECISIONS_MAX - 1]),
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
    )


def _here(decision: AnyDecisionRead) -> Counted:
    return Counted(decision.state_version, decision.decided_at)


def _in_short(decision: AnyDecisionRead) -> DecisionInShort:
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
        assignee_id=decision.assignee_id,
        changed_by=decision.changed_by,
        reason=decision.reason,
    )


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
    value_attribute = None if decision.rules is None else decision.rules.value_attribute
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
