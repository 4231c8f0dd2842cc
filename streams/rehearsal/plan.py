"""A team over some weeks, drawn from a seed: leads as they arrive, who comes, goes and is away.

In: a plan. Out: input events in order of time, the same for the same plan, to the byte. Assignees
are called agent-01, agent-02, ...

Days of the week and hours of the day have different numbers of leads; the day on which somebody
joins, leaves or goes away is drawn, and so is the hour. A pause ends by itself (`until`).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streams.generators import Event, lead_batch, roster_change, whole_roster

MONDAY: Final = datetime(2026, 11, 23, tzinfo=UTC)

OF_WEEKDAYS: Final = (1.2, 1.1, 1.0, 1.0, 0.9, 0.5, 0.3)
"""Leads of a day against those of an average working day, from Monday on."""
OF_HOURS: Final = (8, 9, 9, 10, 10, 10, 11, 11, 12, 13, 13, 14, 14, 15, 15, 16, 17, 18, 19, 20)
"""Hours of the day in which batches arrive; one that stands here twice has twice as many."""
WEIGHTS: Final = ("0.5", "0.8", "1", "1", "1", "1.2")
ABSENCE_DAYS: Final = (1, 14)


@dataclass(frozen=True)
class Plan:
    """What is drawn.

    Attributes:
        leads_per_day: on an average working day.
        batch_sizes: the smallest and the largest batch, leads; all sizes are equally frequent.
        joins, leaves, absences: how many of each over all days. The last one who is there
            neither leaves nor goes away.
        per_day: everybody's capacity, leads a day; None for any number.
    """

    days: int = 30
    seed: int = 1
    assignees: int = 8
    leads_per_day: int = 60
    batch_sizes: tuple[int, int] = (1, 12)
    joins: int = 2
    leaves: int = 1
    absences: int = 4
    per_day: int | None = None
    channel: str = "web"


def planned_events(plan: Plan) -> list[Event]:
    """All events of a plan, in order of time."""
    rng = random.Random(plan.seed)
    batches = list(_batches(plan, rng))
    team = _Team(plan, rng)
    changes = team.changes()
    first = [
        whole_roster(plan.channel, "roster", team.weights, MONDAY),
        *(each for name in team.weights for each in team.capacity(name, MONDAY)),
    ]
    return [*first, *sorted([*changes, *batches], key=_moment)]


def _moment(event: Event) -> str:
    moment: str = event["created_at"]
    return moment


def batches_of_day(
    rng: random.Random, leads: int, sizes: tuple[int, int], midnight: datetime
) -> list[tuple[datetime, int]]:
    """(when, leads) of the batches of one day, in order of time."""
    found = []
    while leads > 0:
        size = min(leads, rng.randint(*sizes))
        seconds = rng.choice(OF_HOURS) * 3600 + rng.randrange(3600)
        found.append((midnight + timedelta(seconds=seconds), size))
        leads -= size
    return sorted(found)


def leads_of_day(rng: random.Random, average: int, day: int) -> int:
    """How many leads a day has: by its weekday, a fifth more or less."""
    return round(average * OF_WEEKDAYS[day % 7] * rng.uniform(0.8, 1.2))


def _batches(plan: Plan, rng: random.Random) -> Iterator[Event]:
    number, first = 0, 1
    for day in range(plan.days):
        leads = leads_of_day(rng, plan.leads_per_day, day)
        midnight = MONDAY + timedelta(days=day)
        for moment, size in batches_of_day(rng, leads, plan.batch_sizes, midnight):
            number += 1
            yield lead_batch(plan.channel, f"batch-{number:05d}", size, moment, first)
            first += size


class _Team:
    """Who is there on each day, and who may be away."""

    def __init__(self, plan: Plan, rng: random.Random) -> None:
        self._plan = plan
        self._rng = rng
        self._number = 0
        self.weights = {self._name(): rng.choice(WEIGHTS) for _ in range(plan.assignees)}
        self._there = dict.fromkeys(self.weights, MONDAY)
        """Who is on the roster, and until when they are away; a time gone by is none."""

    def _name(self) -> str:
        self._number += 1
        return f"agent-{self._number:02d}"

    def changes(self) -> list[Event]:
        """All changes, in order of time."""
        plan, rng = self._plan, self._rng
        kinds = ["join"] * plan.joins + ["leave"] * plan.leaves + ["absence"] * plan.absences
        moments = sorted(
            (MONDAY + timedelta(days=rng.uniform(1, max(1.5, plan.days - 1))), kind, n)
            for n, kind in enumerate(kinds)
        )
        events: list[Event] = []
        for moment, kind, _ in moments:
            at = moment.replace(microsecond=0)
            events += self._joins(at) if kind == "join" else self._goes(at, kind)
        return events

    def capacity(self, name: str, at: datetime) -> list[Event]:
        """What bounds somebody's leads a day, if anything does."""
        per_day = self._plan.per_day
        if per_day is None:
            return []
        return [self._event("capacity_changed", at, name, per_day=per_day)]

    def _joins(self, at: datetime) -> list[Event]:
        name = self._name()
        self._there[name] = at
        weight = self._rng.choice(WEIGHTS)
        bounded = self.capacity(name, at)
        # Whoever joins takes what waits at once: with weight 0 until their capacity is known.
        joins = self._event("assignee_joined", at, name, weight="0" if bounded else weight)
        if not bounded:
            return [joins]
        return [joins, *bounded, self._event("weight_changed", at, name, weight=weight)]

    def _goes(self, at: datetime, kind: str) -> list[Event]:
        """Somebody who is there leaves, or is away for some days; the only one does neither."""
        present = [name for name, until in self._there.items() if until <= at]
        if len(present) < 2:
            return []
        name = self._rng.choice(present)
        if kind == "leave":
            del self._there[name]
            return [self._event("assignee_left", at, name)]
        until = at + timedelta(days=self._rng.randint(*ABSENCE_DAYS))
        self._there[name] = until
        return [self._event("assignee_paused", at, name, until=f"{until:%Y-%m-%dT%H:%M:%SZ}")]

    def _event(self, kind: str, at: datetime, name: str, **more: str | int) -> Event:
        change_id = f"{kind}-{name}-{at:%Y%m%dT%H%M%S}"
        return roster_change(kind, self._plan.channel, change_id, at, assignee_id=name, **more)
