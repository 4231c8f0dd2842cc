"""Events to try the system with: a known story with known results, and streams of any length.

In: how much, and a seed. Out: input events as JSON objects, in the order in which they are to be
sent. The same arguments always give the same events. Nothing is known here of how they travel or
of what becomes of them.
"""

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Event = dict[str, Any]
"""An input event as `schemas.inputs` defines it; `type` and `schema_version` stand first."""

FIRST_MOMENT: Final = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)

# -- single events


def lead_batch(
    channel: str, batch_id: str, leads: int, created_at: datetime = FIRST_MOMENT, first: int = 1
) -> Event:
    """A batch of so many leads, named CHANNEL-lead-1, CHANNEL-lead-2, ... from `first` on."""
    source, numbers = {"source": channel}, range(first, first + leads)
    return {
        "type": "lead_batch",
        "schema_version": 1,
        "batch_id": batch_id,
        "channel": channel,
        "created_at": _text(created_at),
        "leads": [{"lead_id": f"{channel}-lead-{n}", "attributes": source} for n in numbers],
    }


def roster_change(
    kind: str, channel: str, change_id: str, created_at: datetime = FIRST_MOMENT, **fields: Any
) -> Event:
    """A roster change of the type `kind`."""
    return {
        "type": kind,
        "schema_version": 1,
        "change_id": change_id,
        "channel": channel,
        "created_at": _text(created_at),
        **fields,
    }


def whole_roster(
    channel: str, change_id: str, weights: Mapping[str, str], created_at: datetime = FIRST_MOMENT
) -> Event:
    """A roster at once, by assignee_id."""
    members = [{"assignee_id": each, "weight": weight} for each, weight in weights.items()]
    return roster_change("roster_replaced", channel, change_id, created_at, members=members)


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# -- the story of the method's source


def first_day(channel: str) -> list[Event]:
    """Three people, 100 leads, then 50."""
    return [
        *_joining(channel),
        lead_batch(channel, f"{channel}-day-1-first", 100),
        lead_batch(channel, f"{channel}-day-1-second", 50, first=101),
    ]


def second_day(channel: str) -> list[Event]:
    """A leaves, C has another weight, D is new; 300 leads."""
    return [
        roster_change("assignee_left", channel, "A-leaves", assignee_id="A"),
        roster_change("weight_changed", channel, "C-weight", assignee_id="C", weight="1.1"),
        roster_change("assignee_joined", channel, "D-joins", assignee_id="D", weight="0.5"),
        lead_batch(channel, f"{channel}-day-2", 300, first=151),
    ]


def single_leads(channel: str) -> list[Event]:
    """Two people who share 3 to 2, and three leads that come one at a time."""
    batches = [lead_batch(channel, f"{channel}-single-{n}", 1, first=n) for n in (1, 2, 3)]
    return [whole_roster(channel, "roster", {"A": "0.6", "B": "0.4"}), *batches]


def carried_errors(channel: str) -> list[Event]:
    """Three people with 0.5, 0.6 and -1.1 leads carried over, brought about by corrections."""
    corrections = [
        roster_change(
            "cumulative_error_corrected",
            channel,
            f"{ahead}-ahead",
            assignee_id=ahead,
            amount=amount,
            counter_assignee_id="C",
            reason="carried over from the example",
        )
        for ahead, amount in (("A", "0.5"), ("B", "0.6"))
    ]
    return [*_joining(channel), *corrections, lead_batch(channel, f"{channel}-carried", 100)]


def _joining(channel: str) -> list[Event]:
    return [
        roster_change("assignee_joined", channel, f"{each}-joins", assignee_id=each, weight=weight)
        for each, weight in (("A", "0.8"), ("B", "1"), ("C", "1.2"))
    ]


# -- a stream of any length

CITIES: Final = ("adelaide", "brisbane", "melbourne", "sydney")
SOURCES: Final = ("fair", "partner", "phone", "referral", "website")
WEIGHTS: Final = ("0.5", "0.8", "1", "1", "1", "1.2")
CHANGE_KINDS: Final = ("joined", "left", "weight", "replaced")
CHANGES_PER_CHANNEL: Final = 3
MEMBERS_AT_FIRST: Final = (4, 12)
MEMBERS_LEAST: Final = 3
SECONDS_BETWEEN_EVENTS: Final = 20
# Many small batches, few large ones: the largest size of a group, and how often it comes.
BATCH_SIZES: Final = ((1, 15), (10, 35), (100, 35), (500, 15))


def channel_names(count: int) -> list[str]:
    """Names like melbourne-phone; beyond twenty they are numbered."""
    names = [f"{city}-{source}" for city in CITIES for source in SOURCES]
    rounds = range(1 + (count - 1) // len(names))
    return [f"{name}-{turn + 1}" if turn else name for turn in rounds for name in names][:count]


def lead_stream(leads: int, seed: int, channels: int = 20) -> Iterator[Event]:
    """The rosters of so many channels, then so many leads in batches of all sizes, mixed.

    On the way people join, leave, get another weight, and whole rosters are replaced; in every
    fourth channel people pause and come back instead. Somebody is always there to take leads.
    """
    rng = random.Random(seed)
    teams = [_Team(name, rng, pauses=not n % 4) for n, name in enumerate(channel_names(channels))]
    moment = FIRST_MOMENT
    for team in teams:
        yield team.whole(moment)
    sizes = _batch_sizes(leads, rng)
    change_at = sorted(rng.choices(range(len(sizes) or 1), k=CHANGES_PER_CHANNEL * channels))
    for number, size in enumerate(sizes):
        while change_at and change_at[0] == number:
            change_at.pop(0)
            moment += timedelta(seconds=SECONDS_BETWEEN_EVENTS)
            yield teams[len(change_at) % channels].change(moment)
        moment += timedelta(seconds=SECONDS_BETWEEN_EVENTS)
        yield rng.choice(teams).batch(size, moment)


def _batch_sizes(leads: int, rng: random.Random) -> list[int]:
    largest, often = zip(*BATCH_SIZES, strict=True)
    sizes = []
    while leads:
        sizes.append(min(leads, rng.randint(1, rng.choices(largest, often)[0])))
        leads -= sizes[-1]
    return sizes


class _Team:
    """A channel as its supervisor sees it: who is there; what was sent so far."""

    def __init__(self, channel: str, rng: random.Random, *, pauses: bool) -> None:
        self.channel = channel
        self._rng = rng
        self._pauses = pauses
        self._hired = self._batches = self._leads = self._changes = 0
        self._weights: dict[str, str] = {}
        self._paused: str | None = None
        for _ in range(rng.randint(*MEMBERS_AT_FIRST)):
            self._hire()

    def batch(self, leads: int, moment: datetime) -> Event:
        """The channel's next leads."""
        self._batches += 1
        first = self._leads + 1
        self._leads += leads
        batch_id = f"{self.channel}-batch-{self._batches}"
        return lead_batch(self.channel, batch_id, leads, moment, first)

    def whole(self, moment: datetime) -> Event:
        """The roster as it is, at once."""
        return whole_roster(self.channel, self._next_id(), self._weights, moment)

    def change(self, moment: datetime) -> Event:
        """Something happens to the roster; who can't be spared stays, and somebody joins."""
        present = [each for each in self._weights if each != self._paused]
        enough = len(present) > MEMBERS_LEAST
        if self._pauses and (self._paused or enough):
            return self._presence(moment, present)
        kind = self._rng.choice(CHANGE_KINDS)
        if kind == "replaced":
            if enough:
                del self._weights[self._rng.choice(present)]
            self._hire()
            return self.whole(moment)
        if kind == "weight":
            chosen = self._rng.choice(present)
            self._weights[chosen] = self._rng.choice(WEIGHTS)
            return self._event("weight_changed", moment, chosen, weight=self._weights[chosen])
        if kind == "left" and enough:
            chosen = self._rng.choice(present)
            del self._weights[chosen]
            return self._event("assignee_left", moment, chosen)
        chosen = self._hire()
        return self._event("assignee_joined", moment, chosen, weight=self._weights[chosen])

    def _presence(self, moment: datetime, present: list[str]) -> Event:
        back, self._paused = self._paused, None
        if back is not None:
            return self._event("assignee_resumed", moment, back)
        self._paused = self._rng.choice(present)
        return self._event("assignee_paused", moment, self._paused)

    def _hire(self) -> str:
        # A number is never given twice: who comes back would be a newcomer.
        self._hired += 1
        assignee_id = f"{self.channel}-{self._hired:02}"
        self._weights[assignee_id] = self._rng.choice(WEIGHTS)
        return assignee_id

    def _event(self, kind: str, moment: datetime, assignee_id: str, **fields: str) -> Event:
        change_id = self._next_id()
        return roster_change(
            kind, self.channel, change_id, moment, assignee_id=assignee_id, **fields
        )

    def _next_id(self) -> str:
        self._changes += 1
        return f"{self.channel}-change-{self._changes}"
