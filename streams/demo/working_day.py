"""A working day without an end, for a board to show: leads come, people come, go, rest and return.

In: a seed, a clock, and who received which lead lately. Out: input events, each with how long to
wait before it is sent. The same seed, clock and receivers give the same events. Pure: nothing is
known here of how events travel.
"""

import random
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from itertools import count, islice
from typing import Any, Final, NamedTuple

from streams.generators import Event, lead_batch, roster_change, whole_roster

MEAN_WAIT_S: Final = 0.4
WAIT_S_MAX: Final = 2.0
"""At least so often something happens; on average every `MEAN_WAIT_S`."""

BATCH_SIZES: Final = (1, 1, 2, 3, 5, 8, 13)
CHANGE_EVERY: Final = 12
"""One of so many events is something that happens to a roster; as many are outcomes of leads."""

WEIGHTS: Final = ("0.5", "0.8", "1", "1", "1", "1.2")
RECENT_MAX: Final = 200
REASONS: Final = ("no answer", "wrong number", "asked for later")
PAUSES: Final = ("lunch", "training", "a meeting")
SUPERVISORS: Final = ("supervisor-3", "supervisor-7")
PRESENT_LEAST: Final = 2
"""Of a channel's people are never all away."""

NEEDED: Final = "vi"
"""The language that some leads need, where skills count; one member speaks it, and may be away."""


class Received(NamedTuple):
    """A lead, and who got it."""

    lead_id: str
    assignee_id: str


NEEDED_AWAY: Final = 0.6
"""How often it is the one with the skill who pauses, so that leads wait and are let go again."""

Recent = Mapping[str, "deque[Received]"]
"""What was assigned lately, by channel; it grows while the day goes on."""

Clock = Callable[[], datetime]


class Step(NamedTuple):
    """An event, and how long to wait before it is sent."""

    wait_s: float
    event: Event


class _Kind(NamedTuple):
    """What kind of channel it is, how many are on it, and how often leads come."""

    channel: str
    members: int
    often: int
    rules: Mapping[str, Any] = {}


_KINDS: Final = (
    _Kind("melbourne-website", 9, 8),
    _Kind("sydney-website", 12, 8),
    _Kind("brisbane-phone", 6, 4),
    _Kind("adelaide-partner", 4, 2),
    _Kind("sydney-loans", 5, 2, {"dispatch_by": "value", "value_attribute": "amount"}),
    _Kind("melbourne-phone", 6, 4, {"required_skills": ["language"]}),
)
CHANNELS: Final = tuple(kind.channel for kind in _KINDS)


def working_day(seed: int, recent: Recent, now: Clock) -> Iterator[Step]:
    """Rules and rosters at once, then leads and what happens beside them, for ever."""
    rng = random.Random(seed)
    names = (f"agent-{number:02}" for number in count(1))
    desks = [_Desk(kind, rng, now, names) for kind in _KINDS]
    for desk in desks:
        yield from (Step(0.0, event) for event in desk.opening())
    often = [kind.often for kind in _KINDS]
    while True:
        wait_s = min(rng.expovariate(1 / MEAN_WAIT_S), WAIT_S_MAX)
        desk = rng.choices(desks, often)[0]
        kind = rng.randrange(CHANGE_EVERY)
        if kind == 0:
            yield Step(wait_s, desk.change())
        elif kind == 1 and recent.get(desk.channel):
            yield Step(wait_s, desk.outcome(recent[desk.channel]))
        else:
            yield Step(wait_s, desk.batch())


class _Desk:
    """A channel as its supervisor sees it."""

    def __init__(self, kind: _Kind, rng: random.Random, now: Clock, names: Iterator[str]) -> None:
        self.channel = kind.channel
        self._kind = kind
        self._rng = rng
        self._now = now
        self._numbers = count(1)
        self._leads = 0
        self._weights = {name: rng.choice(WEIGHTS) for name in islice(names, kind.members)}
        self._paused: deque[str] = deque()

    def opening(self) -> Iterator[Event]:
        """The rules, the roster, and who knows what."""
        if self._kind.rules:
            yield self._change("channel_configured", **self._kind.rules)
        yield whole_roster(self.channel, self._id("roster"), self._weights, self._now())
        if "required_skills" in self._kind.rules:
            first = next(iter(self._weights))
            skills = [f"language={NEEDED}"]
            yield self._change("skills_changed", assignee_id=first, skills=skills)

    def batch(self) -> Event:
        """The next leads."""
        leads = self._rng.choice(BATCH_SIZES)
        event = lead_batch(self.channel, self._id("batch"), leads, self._now(), self._leads + 1)
        self._leads += leads
        for lead in event["leads"]:
            lead["attributes"] = {**lead["attributes"], **self._attributes()}
        return event

    def change(self) -> Event:
        """Somebody pauses or comes back, or counts more or less than before."""
        if self._paused and self._rng.random() < 0.5:
            return self._change("assignee_resumed", assignee_id=self._paused.popleft())
        present = [name for name in self._weights if name not in self._paused]
        chosen = self._rng.choice(present)
        if self._rng.random() < 0.25 or len(present) <= PRESENT_LEAST:
            self._weights[chosen] = self._rng.choice(WEIGHTS)
            return self._told(
                "weight_changed", assignee_id=chosen, weight=self._weights[chosen],
                reason="new hours",
            )  # fmt: skip
        if "required_skills" in self._kind.rules and self._rng.random() < NEEDED_AWAY:
            chosen = next(each for each in self._weights if each in present)
        self._paused.append(chosen)
        reason = self._rng.choice(PAUSES)
        return self._told("assignee_paused", assignee_id=chosen, reason=reason)

    def outcome(self, recent: "deque[Received]") -> Event:
        """Somebody is done with a lead that they received, or gives it back."""
        place = self._rng.randrange(len(recent))
        received = recent[place]
        del recent[place]
        kind, fields = "lead_closed", {}
        if self._rng.random() < 0.5:
            fields = {"reason": self._rng.choice(REASONS), "attributes": self._attributes()}
            kind = "lead_returned"
        event = self._change(kind, **received._asdict(), **fields)
        event["outcome_id"] = event.pop("change_id")
        return event

    def _attributes(self) -> dict[str, Any]:
        """What the channel's rules look at."""
        if "value_attribute" in self._kind.rules:
            return {"amount": 10_000 * self._rng.randint(20, 90)}
        if "required_skills" in self._kind.rules and self._rng.random() < 0.25:
            return {"language": NEEDED}
        return {}

    def _told(self, kind: str, **fields: Any) -> Event:
        return self._change(kind, changed_by=self._rng.choice(SUPERVISORS), **fields)

    def _change(self, kind: str, **fields: Any) -> Event:
        return roster_change(kind, self.channel, self._id("change"), self._now(), **fields)

    def _id(self, what: str) -> str:
        return f"{self.channel}-{what}-{next(self._numbers)}"
