"""The pictures of reports and stories. The same figures give the same bytes.

In: a scenario, or a story that was told. Out: SVG files.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from schemas.topics import DAY_MS
from streams.whatif.plots import COLOURS, drawing, dress, extremes, timed, waiting, without_bound

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from streams.rehearsal.stories import Told
    from streams.whatif.comparison import Scenario
    from streams.whatif.course import Course
    from streams.whatif.measure import Outcome

PLAN_PICTURES: Final = ("received.svg", "errors.svg", "waiting.svg")


def draw_plan(scenario: "Scenario", directory: Path) -> None:
    """The pictures of a simulation: `PLAN_PICTURES`. Raises Failed without matplotlib."""
    outcomes = list(scenario.outcomes.values())
    with drawing(directory / "received.svg", figsize=(9, 4)) as axes:
        _received_bars(axes, outcomes)
    with drawing(directory / "errors.svg", figsize=(9, 4)) as axes:
        _bands(axes, scenario.course)
    with drawing(directory / "waiting.svg", figsize=(9, 2.6)) as axes:
        axes.step(*timed(waiting(scenario.course)), where="post", label="parked")
        dress(axes, "leads that wait")


def draw_story(story: "Told", path: Path) -> None:
    """The picture of a story. Raises Failed without matplotlib."""
    outcomes = list(story.scenario.outcomes.values())
    with drawing(path, 1, 2, figsize=(10, 3.4)) as (left, right):
        subject = story.story.subject
        if subject is None:
            _largest(left, outcomes)
            _received_bars(right, outcomes)
            return
        for outcome in outcomes:
            _line(left, outcome, _per_day(outcome, subject), f"{outcome.method}")
            errors = [
                (at_ms, float(outcome.leads(error)))
                for at_ms, error in outcome.errors_over_time(subject)
            ]
            _line(right, outcome, extremes(errors), f"{outcome.method}")
        dress(left, f"leads a day, {subject}")
        dress(right, f"cumulative error, {subject}")


def _line(
    axes: "Axes", outcome: "Outcome", points: Sequence[tuple[int, float]], label: str
) -> None:
    axes.plot(*timed(points), color=COLOURS[outcome.method], linewidth=1.1, label=label)


def _per_day(outcome: "Outcome", name: str) -> list[tuple[int, float]]:
    """Leads of a member by day, each at its midnight."""
    days = {step.at_ms // DAY_MS for step in outcome.steps}
    counts = dict.fromkeys(sorted(days), 0)
    for step in outcome.steps:
        counts[step.at_ms // DAY_MS] += step.assigned.get(name, 0)
    return [(day * DAY_MS, float(count)) for day, count in counts.items()]


def _largest(axes: "Axes", outcomes: Sequence["Outcome"]) -> None:
    """How far off anybody was, batch by batch."""
    for outcome in outcomes:
        points = [
            (number, abs(float(outcome.leads(each.error))))
            for number, each in enumerate(outcome.over_time)
        ]
        axes.plot(
            *zip(*extremes(points), strict=True),
            color=COLOURS[outcome.method],
            linewidth=1.1,
            label=outcome.method,
        )
    axes.set_xlabel("batches")
    axes.set_ylabel("largest error of anybody, leads")
    axes.grid(alpha=0.3)
    axes.legend(loc="center right", fontsize=8)
    without_bound(axes)


def _received_bars(axes: "Axes", outcomes: Sequence["Outcome"]) -> None:
    """Received minus fair share at the end, everybody beside each other."""
    names = list(outcomes[0].received)
    width = 0.8 / len(outcomes)
    for index, outcome in enumerate(outcomes):
        places = [place + index * width for place in range(len(names))]
        heights = [
            float(outcome.error(name)) if name in outcome.received else 0.0 for name in names
        ]
        axes.bar(places, heights, width, color=COLOURS[outcome.method], label=outcome.method)
    middle = 0.4 - width / 2
    first = outcomes[0]
    labels = [f"{name}\n{float(first.leads(first.due[name])):.1f} due" for name in names]
    axes.set_xticks([place + middle for place in range(len(names))], labels, fontsize=7)
    axes.set_ylabel("received - fair share, leads")
    axes.grid(alpha=0.3, axis="y")
    axes.legend(loc="best", fontsize=8)


def _bands(axes: "Axes", course: "Course") -> None:
    """The carried errors between what is promised of them."""
    ahead = [(band.at_ms, band.furthest_ahead / band.denominator) for band in course.bands]
    owed = [(band.at_ms, band.most_owed / band.denominator) for band in course.bands]
    axes.plot(*timed(extremes(ahead)), color="tab:blue", linewidth=1, label="furthest ahead")
    axes.plot(*timed(extremes(owed)), color="tab:red", linewidth=1, label="most owed")
    bounds = [(band.at_ms, band.promise.bounds_leads()) for band in course.bands]
    for index in (0, 1):
        line = timed([(at_ms, float(pair[index])) for at_ms, pair in bounds])
        label = "promised" if index else None
        axes.step(*line, where="post", color="black", linewidth=0.8, linestyle="--", label=label)
    dress(axes, "cumulative error carried, leads")
