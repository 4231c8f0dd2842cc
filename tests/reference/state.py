"""What is known of a channel, and what a roster change does to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

from . import arithmetic, rules
from .promise import Promise
from .validation import Change, Lead, RefusedError, ReturnRule, StickyRule
from .values import Kind, Limit

Window = dict[str, object]
"""Content by id, oldest first."""


@dataclass
class Assignee:
    """A member of a roster: weight, whether paused, cumulative error in leads (exact)."""

    weight: Fraction
    paused: bool = False
    error: Fraction = Fraction(0)
    digest: bytes = b""
    skills: frozenset[str] = frozenset()
    per_day: int | None = None
    taken_today: int = 0
    open_max: int | None = None
    open_leads: int = 0
    until: datetime | None = None
    routes_to: str | None = None
    limits: list[Limit] = field(default_factory=list)

    def room(self) -> int:
        """How many leads they can still take."""
        rooms = [10**9]
        if self.per_day is not None:
            rooms.append(self.per_day - self.taken_today)
        if self.open_max is not None:
            rooms.append(self.open_max - self.open_leads)
        return max(0, min(rooms))


@dataclass
class Parked:
    """Leads of a batch that wait until someone can take them; all ask for the same."""

    batch_id: str
    content: object
    leads: list[Lead]
    skills: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    owner: str = ""
    kinds: tuple[Kind, ...] = ()


@dataclass
class State:
    """All that is known of one channel."""

    channel: str
    members: dict[str, Assignee] = field(default_factory=dict)
    state_version: int = 0
    roster_version: int = 0
    batches: Window = field(default_factory=dict)
    changes: Window = field(default_factory=dict)
    outcomes: Window = field(default_factory=dict)
    parked: list[Parked] = field(default_factory=list)
    promise: Promise = field(default_factory=Promise)
    has_rules: bool = False
    time_zone: str = "UTC"
    required_skills: tuple[str, ...] = ()
    returns: tuple[ReturnRule, ...] = ()
    sticky: StickyRule | None = None
    owners: dict[tuple[str, str], tuple[str, datetime, int]] = field(default_factory=dict)
    day_ends: datetime | None = None
    value_attribute: str | None = None

    def ranked(self) -> list[str]:
        """All members, first in rank first."""
        return sorted(self.members, key=lambda member: self.members[member].digest)

    def errors(self) -> arithmetic.Amounts:
        """Everyone's cumulative error, those of paused members included, in leads."""
        return {member: assignee.error for member, assignee in self.members.items()}

    def active_weights(self) -> arithmetic.Amounts:
        """The weights of all who are not paused; some or all may be 0."""
        return {
            member: assignee.weight
            for member, assignee in self.members.items()
            if not assignee.paused
        }

    def can_take(self) -> bool:
        """Whether there is an active weight."""
        return any(self.active_weights().values())

    def join(self, assignee_id: str, weight: Fraction, paused: bool = False) -> None:
        """A newcomer, or someone who comes back: error 0."""
        digest = arithmetic.rank_digest(self.channel, assignee_id)
        self.members[assignee_id] = Assignee(weight, paused, digest=digest)

    def leave(self, leavers: Iterable[str]) -> None:
        """All at once: their errors are summed, the net is cancelled among those who stay."""
        net = sum((self.members.pop(member).error for member in leavers), Fraction(0))
        self.set_errors(arithmetic.settled(self.errors(), net, self.ranked()))

    def set_errors(self, errors: arithmetic.Amounts) -> None:
        """Replaces the errors of the members named, in leads."""
        for member, error in errors.items():
            self.members[member].error = error

    def observe(self, correction: bool = False) -> None:
        """Follows the promise; called after everything that may move errors."""
        paused = any(assignee.paused for assignee in self.members.values())
        self.promise.observe(list(self.errors().values()), paused, correction)

    @property
    def anything_limited(self) -> bool:
        """Whether anybody has a limit."""
        return any(member.limits for member in self.members.values())


def refuse_if_not_applicable(state: State, change: Change) -> None:
    """Reasons in their order of precedence; nothing has been touched yet."""

    def refuse(reason: str, detail: str) -> None:
        raise RefusedError(reason, detail, channel=state.channel, change_id=change.change_id)

    if change.kind == "channel_configured":
        return
    if change.kind == "roster_replaced":
        expected = change.expected_roster_version
        if expected is not None and expected != state.roster_version:
            refuse("roster_version_mismatch", f"the roster version is {state.roster_version}")
        return
    is_member = change.assignee_id in state.members
    if change.kind == "assignee_joined":
        if is_member:
            refuse("already_a_member", "joins but is a member")
        return
    if not is_member:
        refuse("not_a_member", "is not a member")
    if change.kind == "cumulative_error_corrected":
        counter = change.counter_assignee_id
        if counter is not None and (counter == change.assignee_id or counter not in state.members):
            refuse("no_counterparty", "the counterparty is not another member")
        if counter is None and not state.can_take():
            refuse("no_counterparty", "nobody to take the counter-entry")


def apply(state: State, change: Change) -> None:
    """The change itself; the errors have been rounded, and it is known to be applicable."""
    if change.kind == "assignee_joined":
        state.join(change.assignee_id, change.weight)
    elif change.kind == "assignee_left":
        state.leave([change.assignee_id])
    elif change.kind == "roster_replaced":
        _replace(state, change)
    elif change.kind == "cumulative_error_corrected":
        _correct(state, change)
    elif change.kind != "channel_configured":
        assignee = state.members[change.assignee_id]
        if change.kind == "weight_changed":
            assignee.weight = change.weight
        elif change.kind in ("assignee_paused", "assignee_resumed"):
            assignee.paused = change.kind == "assignee_paused"
        elif change.kind == "assignee_routed":
            assignee.routes_to = change.routes_to
    rules.apply(state, change)


def _replace(state: State, change: Change) -> None:
    """All leavers at once, then weights (and presence where it is said), then joins."""
    listed = {member.assignee_id for member in change.members}
    state.leave([member for member in state.members if member not in listed])
    for member in change.members:
        assignee = state.members.get(member.assignee_id)
        if assignee is None:
            state.join(member.assignee_id, member.weight, bool(member.paused))
        else:
            paused = assignee.paused if member.paused is None else member.paused
            state.members[member.assignee_id] = replace(
                assignee, weight=member.weight, paused=paused
            )


def _correct(state: State, change: Change) -> None:
    """The amount to the member, the counter-entry to the counterparty or by weight."""
    state.members[change.assignee_id].error += change.amount
    if change.counter_assignee_id is not None:
        state.members[change.counter_assignee_id].error -= change.amount
        return
    weights = state.active_weights()
    entries = arithmetic.counter_entries(change.amount, weights, state.ranked())
    for member, entry in entries.items():
        state.members[member].error += entry
