"""Who shares a channel's leads, and what happens to their cumulative errors when that changes.

In: a roster, the errors of its members, one roster change. Out: the new roster and errors, or a
refusal with its reason. The rules (design, section 3):

- Rank decides ties: SHA-256(channel, line break, assignee_id), digests ascending. It is drawn by
  lot once per channel, anyone can recompute it, and nobody is favoured across channels.
- Every applied change first rounds the errors to whole units of 10^-12 leads: down, the missing
  units one each to the largest remainders, of equals the last in rank. They sum to zero before
  and after.
- Joined: error 0. Left: what they were owed is cancelled against those furthest ahead, what they
  were ahead against those most owed, the furthest first, down to one level. Nobody's error grows
  by it. Units that don't divide leave the first in rank owed one more, the last ahead one more.
- Paused: the error is frozen. New weight: the error is carried over. Routed: it is, too.
- Replaced: all leavers at once (their errors are summed, the net is cancelled), then weights,
  then joins; who stays keeps error and, unless the change says otherwise, presence.
- Correction: the amount goes to one member; the counter-entry to another one, or by weight to all
  active members with weight over 0, the corrected one included.

Between changes an error is a whole count of 1/(W 10^12) leads, W the sum of the active weights in
millionths; the denominator of a roster without active weight is 10^12.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dispatcher.apportionment import spread, with_missing_units
from schemas.inputs import (
    AssigneeJoined,
    AssigneeLeft,
    AssigneePaused,
    AssigneeResumed,
    AssigneeRouted,
    CapacityChanged,
    ChannelConfigured,
    CumulativeErrorCorrected,
    LimitsChanged,
    RosterChange,
    RosterReplaced,
    SkillsChanged,
    WeightChanged,
)
from schemas.reasons import Reason
from schemas.scalars import UNITS_PER_LEAD, amount_units, weight_millionths


class CannotApply(Exception):
    """A change that doesn't fit the roster as it is. It leaves no trace."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """`reason` as a dead letter gives it, `detail` for people."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Member(NamedTuple):
    """An assignee on a roster. Members compare by rank, because `digest` stands first.

    `routes_to` is the channel that their leads go on to; None for who receives them.
    """

    digest: bytes
    assignee_id: str
    weight_millionths: int
    paused: bool
    routes_to: str | None = None


def rank_digest(channel: str, assignee_id: str) -> bytes:
    """What a member's rank in a channel is sorted by."""
    return hashlib.sha256(f"{channel}\n{assignee_id}".encode()).digest()


class Roster:
    """The members of a channel in order of rank, and what follows from them. Immutable.

    Attributes:
        members: in order of rank.
        active: the ranks of those not paused, ascending.
        active_weights: their weights in millionths, same order.
        weight_sum: W, the sum of the active weights in millionths.
        error_denominator: W 10^12, or 10^12 without active weight.
        one_lead_shares: everyone's fair share of a single lead, numerators over W 10^12; None where
            somebody is paused or has weight 0.
        by_assignee_id: ranks in order of assignee_id, as shares are listed.
        routes: the channel of each rank whose leads go on to one.
    """

    __slots__ = (
        "_hash",
        "_rank_of",
        "active",
        "active_weights",
        "by_assignee_id",
        "error_denominator",
        "members",
        "one_lead_shares",
        "routes",
        "weight_sum",
    )

    def __init__(self, members: Iterable[Member]) -> None:
        """Sorts the members by rank."""
        self.members = tuple(sorted(members))
        self.active = tuple(r for r, m in enumerate(self.members) if not m.paused)
        self.active_weights = tuple(self.members[r].weight_millionths for r in self.active)
        self.weight_sum = sum(self.active_weights)
        self.error_denominator = (self.weight_sum or 1) * UNITS_PER_LEAD
        self.one_lead_shares: tuple[int, ...] | None = None
        if len(self.active) == len(self.members) and min(self.active_weights, default=0):
            self.one_lead_shares = tuple(weight * UNITS_PER_LEAD for weight in self.active_weights)
        self._rank_of = {m.assignee_id: r for r, m in enumerate(self.members)}
        self.by_assignee_id = tuple(self._rank_of[a] for a in sorted(self._rank_of))
        self.routes = {r: m.routes_to for r, m in enumerate(self.members) if m.routes_to}
        self._hash = hash(self.members)

    def listing_bytes(self) -> int:
        """At most what a decision takes that lists everyone: bytes of JSON."""
        ids = sum(len(member.assignee_id.encode()) for member in self.members)
        ids += sum(len(channel.encode()) + 10 for channel in self.routes.values())
        # Quotes and backslashes may double an id; a row's names and numbers are under 350 bytes.
        return 2 * ids + 350 * len(self.members)

    def __len__(self) -> int:
        """How many members, paused ones included."""
        return len(self.members)

    def __eq__(self, other: object) -> bool:
        """Same members with the same weights, presence and routes."""
        return isinstance(other, Roster) and self.members == other.members

    def __hash__(self) -> int:
        """By members."""
        return self._hash

    def __contains__(self, assignee_id: str) -> bool:
        """Whether the assignee is a member, paused or not."""
        return assignee_id in self._rank_of

    def rank(self, assignee_id: str) -> int:
        """The rank of a member, from 0. Raises CannotApply for a stranger."""
        try:
            return self._rank_of[assignee_id]
        except KeyError:
            raise CannotApply(
                Reason.NOT_A_MEMBER, f"{assignee_id!r} is not on the roster of this channel"
            ) from None


EMPTY_ROSTER = Roster(())


class Settled(NamedTuple):
    """The outcome of a roster change.

    Attributes:
        roster: after the change.
        errors: numerators over `roster.error_denominator`, in order of rank.
        before: per member of the new roster, the error before the change (0 for who joins), as a
            numerator over the denominator of the roster before.
        left: (assignee_id, error before, likewise) of who left.
    """

    roster: Roster
    errors: tuple[int, ...]
    before: tuple[int, ...]
    left: tuple[tuple[str, int], ...]


def settle(channel: str, roster: Roster, errors: Sequence[int], change: RosterChange) -> Settled:
    """Apply a roster change.

    Args:
        channel: its name; ranks depend on it.
        roster, errors: as they are; errors are numerators over `roster.error_denominator`.
        change: a valid roster change of this channel.

    Raises CannotApply, with the reason, when the change doesn't fit.
    """
    units = rounded_units(errors, roster.error_denominator // UNITS_PER_LEAD)
    before = {m.assignee_id: e for m, e in zip(roster.members, errors, strict=True)}
    members = list(roster.members)
    match change:
        case AssigneeJoined():
            if change.assignee_id in roster:
                raise CannotApply(
                    Reason.ALREADY_A_MEMBER, f"{change.assignee_id!r} is on the roster already"
                )
            members.append(_newcomer(channel, change.assignee_id, change.weight, paused=False))
        case AssigneeLeft():
            rank = roster.rank(change.assignee_id)
            leaver_units = units[rank]
            del members[rank], units[rank]
            cancel(units, leaver_units)
        case WeightChanged():
            rank = roster.rank(change.assignee_id)
            weight = weight_millionths(change.weight)
            members[rank] = members[rank]._replace(weight_millionths=weight)
        case AssigneePaused() | AssigneeResumed():
            rank = roster.rank(change.assignee_id)
            members[rank] = members[rank]._replace(paused=isinstance(change, AssigneePaused))
        case AssigneeRouted():
            rank = roster.rank(change.assignee_id)
            members[rank] = members[rank]._replace(routes_to=change.routes_to)
        case RosterReplaced():
            members, units = _replace(channel, roster, units, change)
        case CumulativeErrorCorrected():
            _correct(roster, units, change)
        case CapacityChanged() | SkillsChanged() | LimitsChanged():
            roster.rank(change.assignee_id)  # what it changes stands in `eligibility`
        case ChannelConfigured():
            pass
    after = {m.assignee_id: u for m, u in zip(members, units, strict=False)}
    new_roster = Roster(members)
    scale = new_roster.error_denominator // UNITS_PER_LEAD
    return Settled(
        new_roster,
        tuple(after.get(m.assignee_id, 0) * scale for m in new_roster.members),
        tuple(before.get(m.assignee_id, 0) for m in new_roster.members),
        tuple((left, before[left]) for left in before if left not in new_roster),
    )


def _newcomer(channel: str, assignee_id: str, weight: str, *, paused: bool) -> Member:
    return Member(rank_digest(channel, assignee_id), assignee_id, weight_millionths(weight), paused)


def _replace(
    channel: str, roster: Roster, units: list[int], change: RosterReplaced
) -> tuple[list[Member], list[int]]:
    """Leavers, then weights and presence, then joins; joiners stand behind and carry nothing."""
    wanted = {member.assignee_id: member for member in change.members}
    stayers: list[Member] = []
    stayer_units: list[int] = []
    leavers_units = 0
    for member, unit in zip(roster.members, units, strict=True):
        row = wanted.pop(member.assignee_id, None)
        if row is None:
            leavers_units += unit
            continue
        paused = member.paused if row.paused is None else row.paused
        weight = weight_millionths(row.weight)
        stayers.append(member._replace(weight_millionths=weight, paused=paused))
        stayer_units.append(unit)
    cancel(stayer_units, leavers_units)
    joiners = [
        _newcomer(channel, row.assignee_id, row.weight, paused=bool(row.paused))
        for row in wanted.values()
    ]
    return stayers + joiners, stayer_units


def _correct(roster: Roster, units: list[int], change: CumulativeErrorCorrected) -> None:
    """Add the amount to one member and the counter-entry to another one, or to all by weight."""
    rank = roster.rank(change.assignee_id)
    amount = amount_units(change.amount)
    counter = change.counter_assignee_id
    if counter is not None:
        if counter == change.assignee_id or counter not in roster:
            raise CannotApply(
                Reason.NO_COUNTERPARTY, f"{counter!r} can't be the counterparty: not another member"
            )
        units[rank] += amount
        units[roster.rank(counter)] -= amount
        return
    if roster.weight_sum == 0:
        raise CannotApply(
            Reason.NO_COUNTERPARTY,
            "nobody is active with a weight over 0 to take the counter-entry",
        )
    parts = spread(-amount, roster.active_weights, roster.weight_sum)
    units[rank] += amount
    for active_rank, part in zip(roster.active, parts, strict=True):
        units[active_rank] += part


def rounded_units(errors: Sequence[int], scale: int) -> list[int]:
    """Errors (numerators over scale 10^12, sum 0) in whole units of 10^-12 leads, sum 0."""
    if scale == 1:
        return list(errors)
    parts = [divmod(error, scale) for error in errors]
    return with_missing_units([unit for unit, _ in parts], [rest for _, rest in parts], 0)


def cancel(units: list[int], leaver_units: int) -> None:
    """Cancel a leaver's error against those who stay, in place.

    Args:
        units: errors of those who stay, in order of rank, units of 10^-12 leads; their sum is
            the leaver's error negated.
        leaver_units: the leaver's error, or the net of several.
    """
    if leaver_units == 0:
        return
    owed = leaver_units < 0
    # Who is furthest on the other side, furthest first; only they are brought to one level.
    furthest = sorted(range(len(units)), key=lambda rank: units[rank], reverse=owed)
    total = leaver_units
    for count, rank in enumerate(furthest, start=1):
        total += units[rank]
        if count == len(furthest):
            break
        next_level = count * units[furthest[count]]
        if (total >= next_level) if owed else (total <= next_level):
            break
    level, remainder = divmod(total, count)
    ranks = sorted(furthest[:count])
    for place, rank in enumerate(ranks):
        # The first in rank are left owed one more, the last ahead one more.
        units[rank] = level + (place >= count - remainder)
