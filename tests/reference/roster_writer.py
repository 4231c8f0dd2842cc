"""Writes the roster changes of one channel, at random but so that they can be applied.

It knows only as much as that takes: who is a member, with what weight, paused or not, and how
many changes were applied. It computes no error and divides no lead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from random import Random

from .validation import Json

NAMES = (
    "A",
    "B",
    "C",
    "D",
    "E",
    "F",
    "G",
    "H",
    "Zoë",
    "李",
    "o'Neil",
    "\uff5e",
    "\U0001f600",
    "a b",
)
"""Assignees. The tilde and the face sort differently in UTF-16; by character the face is last."""

WEIGHTS: dict[str, Sequence[str]] = {
    "equal": ("1", "1.0", "1"),
    "usual": ("0.8", "1", "1.2", "1", "0.5", "2"),
    "uneven": ("0.333333", "0.142857", "7", "1.1", "0.9", "12.5"),
    "extreme": ("0.000001", "1000000", "1", "999999.999999", "0.1"),
}
"""Every channel draws from one of these; equal weights make ties."""

REQUIRED_SKILLS: Sequence[Sequence[str]] = ((), ("language",), ("language", "product"), ("x",))
SKILLS = ("language=vi", "language=en", "product=home", "product=1", "language=", "language=true")
TIME_ZONES = ("UTC", "Australia/Sydney", "America/St_Johns", "Pacific/Apia", "America/Santiago")

KINDS = (("purpose", "investment"), ("purpose", "home"), ("purpose", "1"), ("language", "vi"))
SHARES_MAX = ("0.5", "0.5", "0.25", "0.333333", "0.9", "0", "1", "0.000001")

AMOUNTS = ("1", "-1", "-3", "+2", "0.5", "-0.5", "2.25", "0.333333", "-0.000001", "0", "-0")
LARGE_AMOUNTS = ("100000", "-100000", "99999.999999", "-1234.5", "250", "-80")


@dataclass(frozen=True)
class Mix:
    """What a history may contain; see ``history``."""

    valid_only: bool = False
    pauses: bool = True
    corrections: bool = True
    replacements: bool = True
    zero_weights: bool = True
    duplicates: bool = True
    parking: bool = True
    rules: bool = False
    outcomes: bool = False
    sticky: bool = False
    routes: bool = False
    values: bool = False
    leads_max: int = 1_000
    members_max: int = 8


@dataclass
class Seat:
    """A member, as far as a generator knows them."""

    weight: str
    paused: bool = False

    @property
    def takes(self) -> bool:
        """Whether leads can be given to them."""
        return not self.paused and float(self.weight) > 0


Seats = dict[str, Seat]


@dataclass
class RosterWriter:
    """One channel with its roster as it stands after the events written so far."""

    name: str
    rng: Random
    mix: Mix
    seats: Seats = field(default_factory=dict)
    roster_version: int = 0
    changes: list[Json] = field(default_factory=list)
    written: int = 0
    deeper: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.weights = WEIGHTS[self.rng.choice(list(WEIGHTS))]

    # --- Changes ------------------------------------------------------------------------

    def join(self) -> list[Json]:
        """Someone who is not there; sometimes someone who was."""
        absent = [name for name in NAMES if name not in self.seats]
        if len(self.seats) >= self.mix.members_max or not absent:
            return []
        name, weight = self.rng.choice(absent), self._weight()
        seats = {**self.seats, name: Seat(weight)}
        return self._changed(seats, "assignee_joined", assignee_id=name, weight=weight)

    def leave(self) -> list[Json]:
        """Any member, ahead or owed, paused or not."""
        if not self.seats:
            return []
        leaver = self.rng.choice(list(self.seats))
        stay = {name: seat for name, seat in self.seats.items() if name != leaver}
        return self._changed(stay, "assignee_left", assignee_id=leaver)

    def leave_together(self) -> list[Json]:
        """Several in a row."""
        return [event for _ in range(self.rng.randint(2, 4)) for event in self.leave()]

    def reweigh(self) -> list[Json]:
        """A new weight, often the old one."""
        return self._reweigh(self._weight())

    def weigh_nothing(self) -> list[Json]:
        """Weight 0; ``reweigh`` brings them back."""
        return self._reweigh(self.rng.choice(("0", "0.0", "0.000000")))

    def _reweigh(self, weight: str) -> list[Json]:
        if not self.seats:
            return []
        name = self.rng.choice(list(self.seats))
        seats = {**self.seats, name: replace(self.seats[name], weight=weight)}
        return self._changed(seats, "weight_changed", assignee_id=name, weight=weight)

    def pause(self) -> list[Json]:
        """Sometimes someone who is paused already."""
        return self._present(paused=True)

    def resume(self) -> list[Json]:
        """Mostly someone who is paused."""
        return self._present(paused=False)

    def _present(self, *, paused: bool) -> list[Json]:
        useful = [name for name, seat in self.seats.items() if seat.paused is not paused]
        pool = useful if useful and self.rng.random() < 0.8 else list(self.seats)
        if not pool:
            return []
        name = self.rng.choice(pool)
        seats = {**self.seats, name: replace(self.seats[name], paused=paused)}
        return self._changed(
            seats, "assignee_paused" if paused else "assignee_resumed", assignee_id=name
        )

    def replace_roster(self) -> list[Json]:
        """A whole new roster: some stay, some leave, some join; sometimes the version is named."""
        names = self.rng.sample(NAMES, self.rng.randint(1, self.mix.members_max))
        kept = [name for name in self.seats if self.rng.random() < 0.6]
        names = list(dict.fromkeys([*kept, *names]))[: self.mix.members_max]
        self.rng.shuffle(names)
        members, seats = [], {}
        for name in names:
            before = self.seats.get(name)
            member: Json = {"assignee_id": name, "weight": self._weight()}
            paused = self.rng.choice((None, None, True, False)) if self.mix.pauses else None
            if paused is not None or self.rng.random() < 0.1:
                member["paused"] = paused
            keeps = before is not None and before.paused
            seats[name] = Seat(member["weight"], keeps if paused is None else paused)
            members.append(member)
        # Pauses that end by themselves count as changes too, and only the dispatcher knows when.
        named = self.rng.random() < 0.3 and not (
            self.mix.rules or self.mix.outcomes or self.mix.sticky
        )
        more = {"expected_roster_version": self.roster_version} if named else {}
        return self._changed(seats, "roster_replaced", members=members, **more)

    def correct(self) -> list[Json]:
        """By a little or by much, against one other member or against all."""
        names = list(self.seats)
        self.rng.shuffle(names)
        alone = len(names) < 2
        if not names or (alone and not self.can_take(self.seats)):
            return []
        amount = self.rng.choice(LARGE_AMOUNTS if self.rng.random() < 0.1 else AMOUNTS)
        spread = self.can_take(self.seats) and (alone or self.rng.random() < 0.5)
        counter = None if spread else names[1]
        return self._changed(
            self.seats,
            "cumulative_error_corrected",
            assignee_id=names[0],
            amount=amount,
            counter_assignee_id=counter,
        )

    # --- Rules --------------------------------------------------------------------------

    def configure(self) -> list[Json]:
        """Other skills that are required, other days."""
        skilled = self.mix.rules or self.mix.outcomes
        fields: Json = {"required_skills": self.rng.choice(REQUIRED_SKILLS) if skilled else []}
        if self.rng.random() < 0.7:
            fields["time_zone"] = self.rng.choice(TIME_ZONES)
        if self.mix.sticky and self.rng.random() < 0.8:
            names = self.rng.choice((["phone"], ["phone", "email"], ["email", "phone"]))
            fields["sticky"] = {"attributes": names, "days": self.rng.choice((1, 2, 3, 30, 90))}
        if self.mix.outcomes:
            reasons = self.rng.sample(
                ("wrong_number", "busy", "*", "other"), self.rng.randint(0, 3)
            )
            fields["returns"] = [self._return_rule(reason) for reason in reasons]
        if self.mix.values and self.rng.random() < 0.75:
            attribute = self.rng.choice(("amount", "amount", "amount", "size"))
            fields |= {"dispatch_by": "value", "value_attribute": attribute}
        return self._changed(self.seats, "channel_configured", **fields)

    def _return_rule(self, reason: str) -> Json:
        rule: Json = {"reason": reason}
        for name in ("credited", "dispatched_again"):
            if self.rng.random() < 0.8:
                rule[name] = self.rng.random() < 0.5
        return rule

    def capacity(self) -> list[Json]:
        """Of any member; often little, sometimes none, sometimes without a bound."""
        if not self.seats:
            return []
        fields: Json = {"assignee_id": self.rng.choice(list(self.seats))}
        if self.rng.random() < 0.9:
            fields["per_day"] = self.rng.choice((None, 0, 1, 1, 2, 3, 5, 8, 20, 60))
        if self.mix.outcomes and self.rng.random() < 0.6:
            fields["open_max"] = self.rng.choice((None, 0, 1, 2, 3, 5, 10, 30))
        return self._changed(self.seats, "capacity_changed", **fields)

    def skills(self) -> list[Json]:
        """All skills of any member."""
        if not self.seats:
            return []
        known = self.rng.sample(SKILLS, self.rng.randint(0, 4))
        name = self.rng.choice(list(self.seats))
        return self._changed(self.seats, "skills_changed", assignee_id=name, skills=known)

    def limit(self) -> list[Json]:
        """All limits of any member; sometimes none, sometimes of nothing or of all."""
        if not self.seats:
            return []
        limits = [
            {"attribute": name, "value": value, "share_max": self.rng.choice(SHARES_MAX)}
            for name, value in self.rng.sample(KINDS, self.rng.choice((0, 1, 1, 2, 3)))
        ]
        name = self.rng.choice(list(self.seats))
        return self._changed(self.seats, "limits_changed", assignee_id=name, limits=limits)

    def limit_all(self) -> list[Json]:
        """One limit for everybody, so that leads wait for it."""
        name, value = self.rng.choice(KINDS[:2])
        limit = {"attribute": name, "value": value, "share_max": self.rng.choice(SHARES_MAX[:4])}
        return [
            event
            for each in list(self.seats)
            for event in self._changed(
                self.seats, "limits_changed", assignee_id=each, limits=[limit]
            )
        ]

    def pause_until(self) -> list[Json]:
        """For a while, sometimes for none at all."""
        if not self.seats:
            return []
        name = self.rng.choice(list(self.seats))
        seats = {**self.seats, name: replace(self.seats[name], paused=True)}
        until = self._time(self.rng.choice((-3, 0, 1, 5, 12, 40)))
        return self._changed(seats, "assignee_paused", assignee_id=name, until=until)

    def route(self) -> list[Json]:
        """Of any member, to a channel of the history or to one where nobody is; or none."""
        if not self.seats:
            return []
        name = self.rng.choice(list(self.seats))
        target = self.rng.choice((*self.deeper, *self.deeper, f"{self.name}/nobody", None))
        return self._changed(self.seats, "assignee_routed", assignee_id=name, routes_to=target)

    def all_away(self) -> list[Json]:
        """Nobody is left to take a lead: paused, weight 0, or gone."""
        ways: list[Callable[[], list[Json]]] = [self._all_gone]
        if self.mix.pauses:
            ways.append(lambda: self._each(paused=True))
        if self.mix.zero_weights:
            ways.append(lambda: self._each(weight="0"))
        return self.rng.choice(ways)()

    def _all_gone(self) -> list[Json]:
        if self.mix.replacements:
            return self._changed({}, "roster_replaced", members=[])
        return [event for _ in range(len(self.seats)) for event in self.leave()]

    def _each(self, *, paused: bool = False, weight: str | None = None) -> list[Json]:
        events = []
        for name, seat in list(self.seats.items()):
            if not seat.takes:
                continue
            seats = {**self.seats, name: Seat(weight or seat.weight, paused or seat.paused)}
            if paused:
                events += self._changed(seats, "assignee_paused", assignee_id=name)
            else:
                events += self._changed(
                    seats, "weight_changed", assignee_id=name, weight=seats[name].weight
                )
        return events

    def back(self) -> list[Json]:
        """What may let someone take leads again."""
        return self.rng.choice((self.join, self.resume, self.reweigh))()

    # --- Parts --------------------------------------------------------------------------

    @staticmethod
    def can_take(seats: Seats) -> bool:
        """Whether there is an active weight."""
        return any(seat.takes for seat in seats.values())

    def _weight(self) -> str:
        if self.mix.zero_weights and self.rng.random() < 0.05:
            return "0"
        return self.rng.choice(self.weights)

    def _changed(self, seats: Seats, kind: str, **fields: object) -> list[Json]:
        """A change that makes the roster ``seats``; none where someone must always be there."""
        if not self.mix.parking and not self.can_take(seats):
            return []
        event = self._event(kind, "change_id", **fields)
        self.seats = dict(seats)
        self.roster_version += 1
        self.changes.append(event)
        return [event]

    def _event(self, kind: str, id_name: str, **fields: object) -> Json:
        self.written += 1
        event: Json = {
            "type": kind,
            "schema_version": self.rng.choice((1, 1, 1, 2)),
            id_name: f"{self.name}-{kind}-{self.written}",
            "channel": self.name,
            "created_at": self._now(),
            **fields,
        }
        if id_name == "change_id" and self.rng.random() < 0.2:
            event |= {"changed_by": "supervisor", "reason": self.rng.choice((None, "roster"))}
        if self.rng.random() < 0.05:
            event["field_of_a_later_version"] = {"any": ["thing"]}
        return event

    def _now(self) -> str:
        if self.mix.rules or self.mix.outcomes or self.mix.sticky or self.mix.values:
            return self._time()
        if self.rng.random() < 0.02:
            return self.rng.choice(("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"))
        zone = timezone(timedelta(hours=self.rng.choice((0, 0, 0, 10, -5))))
        now = datetime(2026, 11, 21, 9, tzinfo=zone) + timedelta(seconds=self.written)
        return now.isoformat().replace("+00:00", "Z")

    def _time(self, events_later: int = 0) -> str:
        """About three hours from one event to the next, in any zone, now and then a step back."""
        zone = timezone(timedelta(hours=self.rng.choice((0, 0, 10, -5))))
        start = datetime(2026, 11, 21, 9, tzinfo=UTC)
        passed = timedelta(
            minutes=180 * (self.written + events_later) - self.rng.choice((0, 0, 0, 200)),
            milliseconds=self.rng.choice((0, 1, 999)),
            microseconds=self.rng.choice((0, 0, 999)),
        )
        return (start + passed).astimezone(zone).isoformat().replace("+00:00", "Z")
