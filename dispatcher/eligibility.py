"""Who may take which leads: skills, capacities, and the timers of a channel that has rules.

A channel without any of these has no `Eligibility`; then everybody who is active may take
everything, and none of this runs.

- An assignee may take a lead if they are active, have all skills that it requires, are not
  excluded from it, and are below their capacity: leads of a day, and open leads.
- A lead is open from its assignment until an outcome says otherwise; counted since the channel
  has rules.
- Days are those of the channel's time zone. The counts of a day begin again at its timer, which is
  an event like any other: nothing here looks at a clock.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from dispatcher.events import ChangeReceived, InputRef
from dispatcher.requirements import Requirement
from dispatcher.roster import Roster
from dispatcher.share_limits import LimitsOf, counting_anew, limits_after
from dispatcher.times import day_of, milliseconds
from schemas.inputs import (
    ANY_REASON,
    AssigneePaused,
    CapacityChanged,
    ChannelConfigured,
    LimitsChanged,
    SkillsChanged,
)

UNBOUNDED: Final = 1 << 62


class ReturnTerms(msgspec.Struct, frozen=True):
    """What to do with a lead that comes back for a reason; as `schemas.inputs.ReturnRule`."""

    reason: str
    credited: bool = False
    dispatched_again: bool = True


class Sticky(msgspec.Struct, frozen=True):
    """As `schemas.inputs.StickyRule`."""

    attributes: tuple[str, ...]
    days: int
    without_register: str = "wait"


class Rules(msgspec.Struct, frozen=True):
    """What `channel_configured` says.

    Attributes:
        time_zone: whose days count, IANA name.
        required_skills: attributes whose values are skills that a lead requires.
        returns: what to do with a lead that comes back, by reason.
        sticky: how the same person again goes to who had their last lead; None: they don't.
        value_attribute: what says how much a lead counts; unset where each counts one.
    """

    time_zone: str = "UTC"
    required_skills: tuple[str, ...] = ()
    returns: tuple[ReturnTerms, ...] = ()
    sticky: Sticky | None = None
    # Unset rather than None: then it isn't written, and records are as they were.
    value_attribute: str | UnsetType = UNSET

    @property
    def by_value(self) -> str | None:
        """The attribute by which leads are divided; None where each counts one."""
        return None if isinstance(self.value_attribute, UnsetType) else self.value_attribute

    def on_return(self, reason: str) -> ReturnTerms:
        """What to do with a lead that comes back for a reason."""
        by_reason = {terms.reason: terms for terms in self.returns}
        return by_reason.get(reason) or by_reason.get(ANY_REASON) or ReturnTerms(reason)


class Terms(msgspec.Struct, frozen=True):
    """What an assignee can do, and how much they take; None: without a bound."""

    skills: tuple[str, ...] = ()
    per_day: int | None = None
    open_max: int | None = None


NO_TERMS: Final = Terms()


class Timer(msgspec.Struct, frozen=True):
    """Something that happens by itself.

    Attributes:
        at_ms: when, milliseconds since 1970 in UTC.
        assignee_id: whose pause ends; "" for the end of a day.
        input: the record that set it; the decision on it names that as its cause.
    """

    at_ms: int
    assignee_id: str
    input: InputRef


class Eligibility(msgspec.Struct, frozen=True):
    """All that is kept of a channel with rules; tuples are in order of rank.

    Attributes:
        terms: of each member.
        taken_today: leads that each got since the day's timer.
        open_leads: leads of each that no outcome has closed yet.
        timers: the next first.
        share_limits: of those who have any (see `share_limits`), by assignee_id; unset for none.
    """

    rules: Rules = Rules()
    terms: tuple[Terms, ...] = ()
    taken_today: tuple[int, ...] = ()
    timers: tuple[Timer, ...] = ()
    open_leads: tuple[int, ...] = ()
    share_limits: tuple[LimitsOf, ...] | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Records of before open leads were counted don't have them."""
        if len(self.open_leads) != len(self.terms):
            msgspec.structs.force_setattr(self, "open_leads", (0,) * len(self.terms))

    def listing_bytes(self) -> int:
        """At most what the terms of everyone take in a decision: bytes of JSON."""
        skills = sum(len(skill.encode()) + 3 for terms in self.terms for skill in terms.skills)
        skills += len((self.rules.by_value or "").encode())
        for each in self.limits:
            skills += sum(len((x.attribute + x.value).encode()) + 90 for x in each.limits)
        reasons = sum(len(terms.reason.encode()) + 80 for terms in self.rules.returns)
        # Quotes and backslashes may double a skill or a reason.
        return 2 * (skills + reasons) + 140 * len(self.terms)

    @property
    def limits(self) -> tuple[LimitsOf, ...]:
        """Of those who have any, by assignee_id."""
        return () if isinstance(self.share_limits, UnsetType) else self.share_limits

    @property
    def measures(self) -> bool:
        """Whether it matters what leads are worth, or what kind they are of."""
        return bool(self.limits) or self.rules.by_value is not None

    @property
    def everybody_takes_everything(self) -> bool:
        """Whether nothing holds anybody up who is active."""
        return not (
            self.limits
            or self.rules.required_skills
            or any(each.per_day is not None or each.open_max is not None for each in self.terms)
        )

    def with_limits(self, limits: tuple[LimitsOf, ...]) -> "Eligibility":
        """With other limits, or other counts of them."""
        return msgspec.structs.replace(self, share_limits=limits or UNSET)

    def rooms(self) -> list[int]:
        """How many leads each member can still take, by rank."""
        return [
            min(_room(terms.per_day, taken), _room(terms.open_max, still_open))
            for terms, taken, still_open in zip(
                self.terms, self.taken_today, self.open_leads, strict=True
            )
        ]

    def takeable(
        self, roster: Roster, requirements: Iterable[Requirement]
    ) -> Iterator[Requirement]:
        """Those that somebody of weight over 0 meets who is below their capacity."""
        able = Able(self, roster, self.takers(roster))
        return (requirement for requirement in requirements if able.ranks(requirement))

    def takers(self, roster: Roster) -> list[int]:
        """The ranks of those of weight over 0 who are below their capacity, ascending."""
        rooms = self.rooms()
        return [
            rank
            for rank in roster.active
            if rooms[rank] > 0 and roster.members[rank].weight_millionths > 0
        ]

    def pause_ends_ms(self) -> dict[str, int]:
        """When pauses end by themselves, by assignee_id; milliseconds since 1970."""
        return {timer.assignee_id: timer.at_ms for timer in self.timers if timer.assignee_id}

    def taken(self, assigned: Sequence[int]) -> "Eligibility":
        """After everyone got so many leads, by rank."""
        if not any(assigned):
            return self
        return msgspec.structs.replace(
            self,
            taken_today=tuple(map(int.__add__, self.taken_today, assigned)),
            open_leads=tuple(map(int.__add__, self.open_leads, assigned)),
        )

    def given_up(self, rank: int) -> "Eligibility":
        """After a lead of somebody isn't open any more."""
        still_open = list(self.open_leads)
        # Of leads that were assigned before the channel had rules nothing is known.
        still_open[rank] = max(0, still_open[rank] - 1)
        return msgspec.structs.replace(self, open_leads=tuple(still_open))

    def among(self, before: Roster, after: Roster) -> "Eligibility":
        """For another roster: who stays keeps everything, who joins begins with nothing."""
        if before == after:
            return self
        ranks = [
            before.rank(member.assignee_id) if member.assignee_id in before else None
            for member in after.members
        ]
        paused = {member.assignee_id for member in after.members if member.paused}
        limits = tuple(each for each in self.limits if each.assignee_id in after)
        return msgspec.structs.replace(
            self,
            share_limits=limits or UNSET,
            terms=tuple(NO_TERMS if rank is None else self.terms[rank] for rank in ranks),
            taken_today=tuple(0 if rank is None else self.taken_today[rank] for rank in ranks),
            open_leads=tuple(0 if rank is None else self.open_leads[rank] for rank in ranks),
            timers=tuple(
                timer
                for timer in self.timers
                if not timer.assignee_id or timer.assignee_id in paused
            ),
        )

    def with_terms(self, rank: int, terms: Terms) -> "Eligibility":
        """With other terms for a member."""
        changed = list(self.terms)
        changed[rank] = terms
        return msgspec.structs.replace(self, terms=tuple(changed))

    def with_timers(self, timers: Iterable[Timer], *, instead_of: str) -> "Eligibility":
        """With these in place of an assignee's, or of the day's ("")."""
        others = [timer for timer in self.timers if timer.assignee_id != instead_of]
        others.extend(timers)
        others.sort(key=lambda timer: (timer.at_ms, timer.assignee_id))
        return msgspec.structs.replace(self, timers=tuple(others))

    @property
    def has_day_timer(self) -> bool:
        """Whether the end of the day has been set."""
        return any(not timer.assignee_id for timer in self.timers)

    def with_day_timer(self, now_ms: int, input_ref: InputRef) -> "Eligibility":
        """With the end of the day that it is at a time."""
        _, ends_ms = day_of(now_ms, self.rules.time_zone)
        timers = [] if ends_ms is None else [Timer(ends_ms, "", input_ref)]
        return self.with_timers(timers, instead_of="")

    def on_another_day(self, now_ms: int, input_ref: InputRef) -> "Eligibility":
        """After the day's timer: counts begin again, and the timer is set for the next day."""
        fresh = msgspec.structs.replace(self, taken_today=(0,) * len(self.taken_today))
        return fresh.with_day_timer(now_ms, input_ref)


def _room(most: int | None, have: int) -> int:
    return UNBOUNDED if most is None else max(0, most - have)


class Able:
    """Who of some assignees may take leads, by what the leads ask.

    There may be as many requirements as leads, so skills are looked up, not searched for.
    """

    def __init__(self, eligibility: Eligibility, roster: Roster, ranks: Sequence[int]) -> None:
        """Of these ranks, ascending."""
        self._members = roster.members
        self._ranks = ranks
        self._holders: dict[str, set[int]] = {}
        for rank in ranks:
            for skill in eligibility.terms[rank].skills:
                self._holders.setdefault(skill, set()).add(rank)

    def ranks(self, requirement: Requirement) -> list[int]:
        """Those who have the skills and are not excluded, ascending."""
        ranks: Sequence[int] = self._ranks
        if requirement.skills:
            first, *others = [self._holders.get(skill, set()) for skill in requirement.skills]
            ranks = sorted(first.intersection(*others))
        excluded = requirement.excluded
        return [rank for rank in ranks if self._members[rank].assignee_id not in excluded]


def eligibility_of(roster: Roster) -> Eligibility:
    """What a channel begins with when it gets its first rule."""
    nothing = (0,) * len(roster)
    return Eligibility(terms=(NO_TERMS,) * len(roster), taken_today=nothing, open_leads=nothing)


def eligibility_after(
    eligibility: Eligibility | None,
    before: Roster,
    after: Roster,
    received: ChangeReceived,
) -> Eligibility | None:
    """What a roster change, which was applied, leaves.

    A channel gets rules with the first change that asks for any, and keeps them.
    """
    change = received.change
    asks = isinstance(
        change, CapacityChanged | SkillsChanged | LimitsChanged | ChannelConfigured
    ) or (isinstance(change, AssigneePaused) and change.until is not None)
    if eligibility is None:
        if not asks:
            return None
        eligibility = eligibility_of(before)
    eligibility = eligibility.among(before, after)
    match change:
        case CapacityChanged():
            rank = after.rank(change.assignee_id)
            terms = msgspec.structs.replace(
                eligibility.terms[rank], per_day=change.per_day, open_max=change.open_max
            )
            eligibility = eligibility.with_terms(rank, terms)
        case SkillsChanged():
            rank = after.rank(change.assignee_id)
            skills = tuple(sorted(set(change.skills)))
            terms = msgspec.structs.replace(eligibility.terms[rank], skills=skills)
            eligibility = eligibility.with_terms(rank, terms)
        case ChannelConfigured():
            returns = [
                ReturnTerms(rule.reason, rule.credited, rule.dispatched_again)
                for rule in change.returns
            ]
            rule = change.sticky
            sticky = (
                None
                if rule is None
                else Sticky(tuple(rule.attributes), rule.days, rule.without_register)
            )
            rules = Rules(
                time_zone=change.time_zone,
                required_skills=tuple(change.required_skills),
                returns=tuple(returns),
                sticky=sticky,
                value_attribute=change.value_attribute or UNSET,
            )
            if rules.by_value != eligibility.rules.by_value:
                eligibility = eligibility.with_limits(counting_anew(eligibility.limits))
            eligibility = msgspec.structs.replace(eligibility, rules=rules)
        case LimitsChanged():
            eligibility = eligibility.with_limits(
                limits_after(eligibility.limits, change.assignee_id, change.limits)
            )
        case AssigneePaused():
            until = [] if change.until is None else [milliseconds(change.until)]
            timers = [Timer(at_ms, change.assignee_id, received.input) for at_ms in until]
            eligibility = eligibility.with_timers(timers, instead_of=change.assignee_id)
    if isinstance(change, ChannelConfigured) or not eligibility.has_day_timer:
        now_ms = milliseconds(received.decided_at)
        eligibility = eligibility.with_day_timer(now_ms, received.input)
    return eligibility
