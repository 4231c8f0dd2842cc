"""Three stories, each told by Partidor, round robin and largest remainder on the same leads.

In: a name. Out: the events of the story, whom it is about, and the times that matter.

- newcomer: on the tenth day somebody joins a team of five, at half weight.
- absence: somebody is away for two weeks, and comes back; told also by a dispatcher that pays
  back whatever was missed.
- small-batches: a thousand batches of one to five leads for seven people.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dispatcher.limits import Limits
from streams.generators import Event, lead_batch, roster_change, whole_roster
from streams.rehearsal.plan import MONDAY, batches_of_day, leads_of_day
from streams.rehearsal.report import event_lines
from streams.whatif.baselines import LARGEST_REMAINDER, PAYS_BACK, ROUND_ROBIN
from streams.whatif.comparison import Scenario, scenario_of
from streams.whatif.course import course_of
from streams.whatif.history import history_of_lines

CHANNEL: Final = "web"
SEED: Final = 1
SIZES: Final = (1, 5)


@dataclass(frozen=True)
class Span:
    """A time with a name; its end is left out."""

    name: str
    begins: datetime
    ends: datetime


@dataclass(frozen=True)
class Story:
    """A story before it is told.

    Attributes:
        subject: whom it is about; None: about everybody.
        spans: the times that its table counts.
        methods: that tell it besides Partidor.
    """

    name: str
    title: str
    events: list[Event]
    subject: str | None
    spans: list[Span]
    methods: tuple[str, ...] = (ROUND_ROBIN, LARGEST_REMAINDER)


@dataclass(frozen=True)
class Told:
    """A story with what came of it, by method."""

    story: Story
    scenario: Scenario


def told(name: str) -> Told:
    """Tell the story of this name; see `STORIES`."""
    story = STORIES[name]()
    history = history_of_lines(event_lines(story.events), Limits())
    course = course_of(history.events, CHANNEL, Limits())
    return Told(story, scenario_of(story.title, course, story.methods))


def _weeks(days: int, leads_per_day: int, changes: list[Event]) -> list[Event]:
    """Batches over some days with these changes among them."""
    rng = random.Random(SEED)
    batches: list[Event] = []
    first = 1
    for day in range(days):
        midnight = MONDAY + timedelta(days=day)
        leads = leads_of_day(rng, leads_per_day, day)
        for moment, size in batches_of_day(rng, leads, SIZES, midnight):
            batch_id = f"batch-{len(batches) + 1:05d}"
            batches.append(lead_batch(CHANNEL, batch_id, size, moment, first))
            first += size
    return sorted([*changes, *batches], key=lambda event: str(event["created_at"]))


def _team(*weights: str) -> Event:
    names = {f"agent-{n:02d}": weight for n, weight in enumerate(weights, start=1)}
    return whole_roster(CHANNEL, "roster", names, MONDAY)


def _day(number: int) -> datetime:
    """When a day begins, the first being 1."""
    return MONDAY + timedelta(days=number - 1)


def _newcomer() -> Story:
    joins, name = _day(10), "agent-06"
    change = roster_change(
        "assignee_joined", CHANNEL, "joins", joins, assignee_id=name, weight="0.5"
    )
    return Story(
        "newcomer",
        "agent-06 joins a team of five on day 10, at half weight",
        _weeks(30, 40, [_team("0.8", "1", "1", "1", "1.2"), change]),
        name,
        [
            Span("first day", joins, _day(11)),
            Span("first week", joins, _day(17)),
            Span("days 10 to 30", joins, _day(31)),
        ],
    )


def _absence() -> Story:
    away, back, name = _day(8), _day(22), "agent-03"
    change = roster_change(
        "assignee_paused", CHANNEL, "away", away,
        assignee_id=name, until=f"{back:%Y-%m-%dT%H:%M:%SZ}",
    )  # fmt: skip
    return Story(
        "absence",
        "agent-03 of a team of five is away from day 8 to day 21",
        _weeks(35, 40, [_team("0.8", "1", "1", "1.2", "1.5"), change]),
        name,
        [
            Span("week before", _day(1), away),
            Span("two weeks away", away, back),
            Span("first day back", back, _day(23)),
            Span("first week back", back, _day(29)),
            Span("all 35 days", _day(1), _day(36)),
        ],
        (ROUND_ROBIN, LARGEST_REMAINDER, PAYS_BACK),
    )


def _small_batches() -> Story:
    rng = random.Random(SEED)
    team = _team("0.8", "1", "1.2", "0.5", "0.9", "1", "1.5")
    events, first = [team], 1
    for number in range(1, 1001):
        size = rng.randint(*SIZES)
        moment = MONDAY + timedelta(minutes=10 * number)
        events.append(lead_batch(CHANNEL, f"batch-{number:05d}", size, moment, first))
        first += size
    title = "1,000 batches of one to five leads for seven people"
    return Story("small-batches", title, events, None, [Span("all", MONDAY, _day(36))])


STORIES: Final[dict[str, Callable[[], Story]]] = {
    "newcomer": _newcomer,
    "absence": _absence,
    "small-batches": _small_batches,
}
