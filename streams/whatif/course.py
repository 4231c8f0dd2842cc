"""How a channel's history goes under Partidor, step by step; and what other methods would divide.

In: the events of one channel, in order. Out: a `Course`: every division with what each member was
due and got, and the rounds (leads, and who was there with what weight) that any other method
would have had to divide at the same times. The events go through `streams.replay`: the same
`decide` as on Kafka.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from dispatcher.decisions import Decision, Dispatched, Parked, Rejected, Released, RosterSettled
from dispatcher.events import BatchReceived
from dispatcher.limits import Limits
from dispatcher.promise import Promise
from dispatcher.roster import Member, Roster
from dispatcher.times import milliseconds
from schemas.inputs import CumulativeErrorCorrected
from schemas.topics import DAY_MS
from streams.failure import Failed
from streams.replay import Replay
from streams.whatif.history import Received, at_ms


class Step(NamedTuple):
    """A division, or a correction: then `leads` is 0, and `due` what it took from whom.

    Attributes:
        at_ms: when, milliseconds since 1970.
        leads: that were divided.
        assigned: by assignee_id, who got any.
        due: by assignee_id, fair shares as numerators over `denominator`; their sum is the leads.
    """

    at_ms: int
    leads: int
    assigned: Mapping[str, int]
    due: Mapping[str, int]
    denominator: int


class Round(NamedTuple):
    """Leads that a method has to divide at once.

    Attributes:
        at_ms: when, milliseconds since 1970.
        members: those who are active with a weight over 0, in order of rank.
        weight_sum: of their weights, millionths.
        away: those who are paused, likewise.
    """

    at_ms: int
    leads: int
    members: tuple[Member, ...]
    weight_sum: int
    away: tuple[Member, ...] = ()

    def step(self, assigned: Sequence[int]) -> Step:
        """The division of this round with these counts, in order of rank."""
        names = [member.assignee_id for member in self.members]
        return Step(
            self.at_ms,
            self.leads,
            {name: count for name, count in zip(names, assigned, strict=True) if count},
            {member.assignee_id: self.leads * member.weight_millionths for member in self.members},
            self.weight_sum,
        )


class Band(NamedTuple):
    """The carried cumulative errors of a channel at a time, and what is promised of them.

    `most_owed` and `furthest_ahead` are numerators over `denominator`.
    """

    at_ms: int
    most_owed: int
    furthest_ahead: int
    denominator: int
    promise: Promise


class Day(NamedTuple):
    """How a channel stands at midnight (UTC); errors by rank, over the roster's denominator.

    Attributes:
        ends_ms: when the day ends, milliseconds since 1970.
        parked: leads that wait.
    """

    ends_ms: int
    roster: Roster
    errors: tuple[int, ...]
    parked: int


@dataclass
class Course:
    """A channel over its history.

    Attributes:
        leads: that arrived and were not refused.
        steps: what Partidor divided and corrected.
        rounds: what other methods have to divide; corrections are the same for all of them.
        days: if asked for, at each midnight between the first event and the last, and after it.
        bands: after every decision that moved errors.
        parked: (time, leads that wait from then on), of Partidor.
        waited_lead_ms: leads times milliseconds that they waited, of Partidor, and of a method
            that keeps leads only while nobody is active.
        parked_at_end: leads that still wait, likewise; they count up to the last event.
        carried: each member's cumulative error at the end as it is carried, leavers' errors
            settled: numerators over `carried_denominator`.
        rejected: events that could not be applied.
    """

    channel: str
    leads: int = 0
    steps: list[Step] = field(default_factory=list)
    rounds: list[Round | Step] = field(default_factory=list)
    days: list[Day] = field(default_factory=list)
    bands: list[Band] = field(default_factory=list)
    parked: list[tuple[int, int]] = field(default_factory=list)
    waited_lead_ms: tuple[int, int] = (0, 0)
    parked_at_end: tuple[int, int] = (0, 0)
    carried: dict[str, int] = field(default_factory=dict)
    carried_denominator: int = 1
    rejected: list[Rejected] = field(default_factory=list)


def course_of(
    events: Sequence[Received], channel: str, limits: Limits, *, with_days: bool = False
) -> Course:
    """Replay the events of one channel; `with_days` looks at it at each midnight.

    Raises Failed where it divides leads by value: methods are compared by how many leads.
    """
    walk = _Walk(channel, limits, with_days=with_days)
    for event in events:
        walk.take(event)
    return walk.finished()


class _Walk:
    def __init__(self, channel: str, limits: Limits, *, with_days: bool) -> None:
        self._with_days = with_days
        self._replay = Replay(limits)
        self._course = Course(channel)
        self._kept: list[tuple[int, int]] = []
        """(since when, leads) that a method without rules keeps, because nobody is active."""
        self._waited = [0, 0]
        self._parked_leads = 0
        self._now_ms = self._midnight_ms = 0

    def take(self, event: Received) -> None:
        """Let the timers happen that are due, then decide the event."""
        while self._midnight_ms and self._midnight_ms <= at_ms(event):
            self._timers(self._midnight_ms)
            self._end_day()
        self._timers(at_ms(event))
        if self._with_days and not self._midnight_ms:
            self._midnight_ms = (at_ms(event) // DAY_MS + 1) * DAY_MS
        outcome = self._replay.decide(event)
        self._now_ms = max(self._now_ms, at_ms(event))
        if isinstance(outcome, Rejected):
            self._course.rejected.append(outcome)
            return
        if isinstance(event, BatchReceived):
            arrived = sum(map(_arrived, outcome))
            self._course.leads += arrived
            self._kept += [(self._now_ms, arrived)] if arrived else []
        for decision in outcome:
            self._note(decision)

    def _timers(self, now_ms: int) -> None:
        for decision in self._replay.timers(self._course.channel, now_ms):
            self._note(decision)

    def _end_day(self) -> None:
        state = self._replay.states.get(self._course.channel)
        if state is not None:
            day = Day(self._midnight_ms, state.roster, state.errors, state.parking.leads)
            self._course.days.append(day)
        self._midnight_ms += DAY_MS

    def finished(self) -> Course:
        """The course as it stands after the last event."""
        if self._midnight_ms:
            self._end_day()
        course = self._course
        state = self._replay.states.get(course.channel)
        if state is not None:
            for _, batch in state.parking.in_order():
                self._waited[0] += len(batch.lead_ids) * self._since(batch.parked_at)
            course.carried_denominator = state.roster.error_denominator
            course.carried = {
                member.assignee_id: error
                for member, error in zip(state.roster.members, state.errors, strict=True)
            }
            course.parked_at_end = (state.parking.leads, sum(leads for _, leads in self._kept))
        for since_ms, leads in self._kept:
            self._waited[1] += leads * (self._now_ms - since_ms)
        course.waited_lead_ms = (self._waited[0], self._waited[1])
        return course

    def _since(self, parked_at: str) -> int:
        return self._now_ms - milliseconds(parked_at)

    def _note(self, decision: Decision) -> None:
        self._now_ms = max(self._now_ms, milliseconds(decision.decided_at))
        course = self._course
        match decision:
            case Released():
                self._waited[0] += decision.leads * self._since(decision.batch.parked_at)
            case Dispatched():
                if decision.assigned_value is not None:
                    raise Failed(
                        f"channel {course.channel!r} divides leads by value, and methods are"
                        " compared by how many leads: ask for another --channel"
                    )
                course.steps.append(_division(decision, self._now_ms))
                self._band(decision.roster, decision.errors_after)
            case RosterSettled():
                if isinstance(decision.received.change, CumulativeErrorCorrected):
                    correction = _correction(decision, self._now_ms)
                    course.steps.append(correction)
                    course.rounds.append(correction)
                self._band(decision.roster, decision.errors)
        state = self._replay.states[course.channel]
        if state.parking.leads != self._parked_leads:
            self._parked_leads = state.parking.leads
            course.parked.append((self._now_ms, self._parked_leads))
        self._divide_kept(_roster(decision) or state.roster)

    def _divide_kept(self, roster: Roster) -> None:
        """What other methods keep becomes rounds as soon as anybody is active."""
        if not self._kept or not roster.weight_sum:
            return
        weighted = [member for member in roster.members if member.weight_millionths > 0]
        members = tuple(member for member in weighted if not member.paused)
        away = tuple(member for member in weighted if member.paused)
        for since_ms, leads in self._kept:
            self._waited[1] += leads * (self._now_ms - since_ms)
            each = Round(self._now_ms, leads, members, roster.weight_sum, away)
            self._course.rounds.append(each)
        self._kept = []

    def _band(self, roster: Roster, errors: Sequence[int]) -> None:
        promise = self._replay.states[self._course.channel].promise
        self._course.bands.append(
            Band(
                self._now_ms,
                min(errors, default=0),
                max(errors, default=0),
                roster.error_denominator,
                promise,
            )
        )


def _roster(decision: Decision) -> Roster | None:
    """The roster after a decision, as far as it says."""
    return getattr(decision, "roster", None)


def _arrived(decision: Decision) -> int:
    """The leads of a batch that a decision on it found valid and new."""
    if isinstance(decision, Parked):
        return decision.leads
    if isinstance(decision, Dispatched) and not decision.released:
        waiting = sum(len(group.parked_places) for group in decision.groups)
        return len(decision.lead_ids) + waiting
    return 0


def _division(decision: Dispatched, now_ms: int) -> Step:
    roster = decision.roster
    leads = len(decision.lead_ids)
    if decision.accrued is None:
        # Over the sum of the weights: numbers as small as they can be.
        due = {
            roster.members[rank].assignee_id: leads * roster.members[rank].weight_millionths
            for rank in roster.active
        }
        denominator = roster.weight_sum
    else:
        due = {
            member.assignee_id: accrued
            for member, accrued in zip(roster.members, decision.accrued, strict=True)
        }
        denominator = roster.error_denominator
    assigned = {
        member.assignee_id: count
        for member, count in zip(roster.members, decision.assigned, strict=True)
        if count
    }
    return Step(now_ms, leads, assigned, due, denominator or 1)


def _correction(decision: RosterSettled, now_ms: int) -> Step:
    """What a correction added to errors was taken from what they were due."""
    roster = decision.roster
    denominator = roster.error_denominator
    scale = denominator // decision.denominator_before
    due = {
        member.assignee_id: before * scale - after
        for member, before, after in zip(
            roster.members, decision.errors_before, decision.errors, strict=True
        )
    }
    return Step(now_ms, 0, {}, due, denominator)
