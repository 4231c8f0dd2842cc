"""Standings: who received what against their fair share. Pure values, and what follows from them.

In: what `folding` has counted. Out: exact amounts: cumulative errors, fair shares, those of today.

- A decision may list only those who received leads. What is known of the others moves on by
  itself: with every batch their error falls by their fair share, leads x weight / W. So a member
  holds their error as of a number of leads, and what is true now is computed (`error_numerator`).
- Amounts are exact: numerators over W 10^12, W the sum of the active weights in millionths. At a
  roster change the dispatcher rounds errors to whole 10^-12 leads; the fair shares so far take
  up the same rounding, so that leads - fair share = error - adjustment to the last digit, the
  adjustment being what corrections and the settling of leavers' errors moved.
- Where leads are divided by value, fair shares and errors are in value, and what is received is
  value too. When that begins, ends, or becomes another value, all of them are counted anew.
- A day is one of the channel's time zone. What was received and due when it began is kept, in
  whole 10^-12 leads; today is what came on top.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dispatcher.promise import Promise
from schemas.scalars import UNITS_PER_LEAD, nearest_units

LAST_DECISIONS_MAX: Final = 10
"""How many decisions a standing remembers in short."""

TIME_ZONE_DEFAULT: Final = "UTC"
"""Of a channel without rules, as the dispatcher has it."""


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
        day_leads, day_fair_units, day_value_units: leads, fair shares (10^-12) and value when the
            channel's day began, or when they joined.
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
    day_leads: int = 0
    day_fair_units: int = 0
    day_value_units: int = 0


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
    lead_id: str | None = None
    assignee_id: str | None = None
    to_assignee_id: str | None = None
    weight: str | None = None
    amount: str | None = None
    leads_parked: int | None = None
    members: int | None = None
    credited: bool | None = None
    dispatched_again: bool | None = None
    day: str | None = None
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
        rules: as the last roster change lists them; None for a channel without rules.
        day: the channel's day of the last decision; "" before the first.
        day_ends_ms: when it ends, milliseconds since 1970; None at the end of the calendar.
        promise: what the bound depends on; None where the log doesn't tell: it begins late, or
            leads are divided by value.
        most_ahead_numerator, most_owed_numerator: the largest and the smallest cumulative error of
            anybody, over the denominator; 0 without members.
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
    rules: dict[str, Any] | None = None
    day: str = ""
    day_ends_ms: int | None = None
    promise: Promise | None = None
    most_ahead_numerator: int = 0
    most_owed_numerator: int = 0

    @property
    def time_zone(self) -> str:
        """Whose days are the channel's."""
        return str(self.rules["time_zone"]) if self.rules else TIME_ZONE_DEFAULT


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


def day_fair_share_numerator(standing: ChannelStanding, member: MemberStanding) -> int:
    """The member's fair shares of the channel's day, over the standing's denominator."""
    before = member.day_fair_units * (standing.denominator // UNITS_PER_LEAD)
    return fair_share_numerator(standing, member) - before


def with_day_begun(standing: ChannelStanding, day: str, ends_ms: int | None) -> ChannelStanding:
    """The standing on a day of which nothing is counted yet."""
    members = {
        assignee_id: msgspec.structs.replace(
            member,
            day_leads=member.leads,
            day_fair_units=nearest_units(
                fair_share_numerator(standing, member), standing.denominator
            ),
            day_value_units=member.value_units,
        )
        for assignee_id, member in standing.members.items()
    }
    return msgspec.structs.replace(standing, members=members, day=day, day_ends_ms=ends_ms)
