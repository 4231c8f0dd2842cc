"""A history as it was beside what it would have been, each under every method.

In: a history and changes. Out: for each channel one or two scenarios, each with the outcome of
Partidor, of the two methods that people know, and of the chairman assignment in hindsight.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from dispatcher.events import ChangeReceived
from dispatcher.limits import Limits
from streams.failure import Failed
from streams.whatif.baselines import (
    LARGEST_REMAINDER,
    PAYS_BACK,
    ROUND_ROBIN,
    largest_remainder,
    pays_back,
    round_robin,
)
from streams.whatif.chairman import CHAIRMAN, chairman, least_possible
from streams.whatif.changes import Changes, changed
from streams.whatif.course import Course, Round, Step, course_of
from streams.whatif.history import ALSO, History, Received
from streams.whatif.measure import Outcome, measured

PARTIDOR: Final = "partidor"
AS_IT_WAS: Final = "as it was"
WHAT_IF: Final = "what if"

LEAST_CHOICES_MAX: Final = 2_000_000
"""Rounds times assignees that the least possible error is computed for: about 20 s."""


@dataclass(frozen=True)
class Scenario:
    """A channel under some terms, by all methods.

    Attributes:
        outcomes: by method, Partidor first; without the chairman where there is too much to choose.
        least_possible: no division whatever stays under it, in leads; None where there is too much.
    """

    name: str
    course: Course
    outcomes: dict[str, Outcome]
    least_possible: Fraction | None

    def waited_lead_ms(self, method: str) -> int:
        """Leads times the milliseconds that they were parked."""
        return self.course.waited_lead_ms[method != PARTIDOR]

    def parked_at_end(self, method: str) -> int:
        """Leads that still wait."""
        return self.course.parked_at_end[method != PARTIDOR]


@dataclass(frozen=True)
class Comparison:
    """A channel: the scenario as it was, and the other one if anything was to be different."""

    channel: str
    scenarios: list[Scenario]


def compared(history: History, changes: Changes, limits: Limits) -> list[Comparison]:
    """Compare every channel. Raises Failed for a change that can't be applied."""
    was = _by_channel(history.events)
    channels = history.channels()
    courses = {channel: course_of(was[channel], channel, limits) for channel in channels}
    comparisons = [
        Comparison(channel, [scenario_of(AS_IT_WAS, courses[channel])]) for channel in channels
    ]
    if changes:
        others = _by_channel(changed(_without_refused(history.events, courses.values()), changes))
        for comparison in comparisons:
            channel = comparison.channel
            course = course_of(others[channel], channel, limits)
            _check_applied(course)
            comparison.scenarios.append(scenario_of(WHAT_IF, course))
    return comparisons


def _without_refused(events: Iterable[Received], courses: Iterable[Course]) -> list[Received]:
    """What was a dead letter stays one: a roster change that was refused has not happened."""
    refused = {
        rejected.received.input
        for course in courses
        for rejected in course.rejected
        if isinstance(rejected.received, ChangeReceived)
    }
    return [event for event in events if event.input not in refused]


def scenario_of(
    name: str, course: Course, methods: Sequence[str] = (ROUND_ROBIN, LARGEST_REMAINDER, CHAIRMAN)
) -> Scenario:
    """A course beside other methods."""
    outcomes = {PARTIDOR: measured(PARTIDOR, course.steps)}
    rounds = [each for each in course.rounds if isinstance(each, Round)]
    for method in methods:
        counts = _DIVIDE[method](rounds)
        if counts is not None:
            outcomes[method] = measured(method, _steps(course.rounds, counts))
    return Scenario(name, course, outcomes, _least(rounds))


_DIVIDE: Final[dict[str, Callable[[list[Round]], list[list[int]] | None]]] = {
    ROUND_ROBIN: lambda rounds: list(round_robin(rounds)),
    LARGEST_REMAINDER: lambda rounds: list(largest_remainder(rounds)),
    PAYS_BACK: lambda rounds: list(pays_back(rounds)),
    CHAIRMAN: chairman,
}


def _by_channel(events: Sequence[Received]) -> dict[str, list[Received]]:
    found: dict[str, list[Received]] = {}
    for event in events:
        found.setdefault(event.channel, []).append(event)
    return found


def _steps(rounds: Sequence[Round | Step], counts: Sequence[Sequence[int]]) -> list[Step]:
    """The rounds with what each member got, and the corrections between them."""
    left = iter(counts)
    return [each.step(next(left)) if isinstance(each, Round) else each for each in rounds]


def _least(rounds: Sequence[Round]) -> Fraction | None:
    everybody = {member.digest for each in rounds for member in each.members}
    if len(rounds) * len(everybody) > LEAST_CHOICES_MAX:
        return None
    return Fraction(*least_possible(rounds))


def _check_applied(course: Course) -> None:
    for rejected in course.rejected:
        if rejected.received.input.topic == ALSO:
            raise Failed(
                f"--also line {rejected.received.input.offset + 1} can't be applied to channel"
                f" {course.channel!r}: {rejected.detail}"
            )
