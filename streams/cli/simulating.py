"""`partidor simulate`: weeks of a team drawn from a seed, decided for real, as a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.output import note
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from streams.rehearsal.plan import Plan

Report = Annotated[
    Path, typer.Option(metavar="DIR", file_okay=False, help="Made when it isn't there yet.")
]


def simulate(
    report: Report,
    days: Annotated[int, typer.Option(min=1, max=3660, help="From a Monday on.")] = 30,
    seed: Annotated[int, typer.Option(help="Another one is another course of things.")] = 1,
    assignees: Annotated[int, typer.Option(min=1, max=1000, help="At first.")] = 8,
    leads_per_day: Annotated[
        int, typer.Option(min=1, max=100_000, help="On an average working day.")
    ] = 60,
    batches: Annotated[
        str, typer.Option(metavar="LEAST-MOST", help="Sizes of batches, leads.")
    ] = "1-12",
    joins: Annotated[int, typer.Option(min=0, max=1000, help="Newcomers, over all days.")] = 2,
    leaves: Annotated[int, typer.Option(min=0, max=1000, help="Who leave for good.")] = 1,
    absences: Annotated[int, typer.Option(min=0, max=1000, help="Of 1 to 14 days.")] = 4,
    capacity: Annotated[
        int | None, typer.Option(min=0, max=1_000_000, help="Everybody's, leads a day.")
    ] = None,
    story: Annotated[
        str | None,
        typer.Option(help="Tell a story instead: newcomer, absence, small-batches, or all."),
    ] = None,
    plots: Annotated[bool, typer.Option(help="Pictures too; they need matplotlib.")] = True,
) -> None:
    """Simulate a team over some weeks, decided as on Kafka, and write a report for people.

    Arrivals over days and weeks, joins, leaves and absences are drawn from the
    seed; the same seed gives the same bytes. DIR gets report.md with tables and
    plots, standings.csv with everybody's standing at the end of each day, and
    events.jsonl for `partidor replay` and `partidor what-if`.

    A story is always the same: DIR gets STORY.md, STORY.svg, STORY.jsonl. They
    compare Partidor with round robin and with largest remainder without memory.

    Examples:
      partidor simulate --report report
      partidor simulate --days 90 --assignees 20 --absences 30 --seed 7 --report report
      partidor simulate --story all --report stories
    """
    from streams.rehearsal.plan import Plan
    from streams.rehearsal.stories import STORIES

    if story is not None and story not in (*STORIES, "all"):
        raise WrongUsage(f"--story is one of {', '.join(STORIES)}, or all; not {story!r}")
    plan = Plan(
        days, seed, assignees, leads_per_day, _sizes(batches), joins, leaves, absences, capacity
    )
    if plots:
        from streams.whatif.plots import check_installed

        check_installed()
    report.mkdir(parents=True, exist_ok=True)
    if story is None:
        _simulate(plan, report, plots=plots)
        return
    for name in STORIES if story == "all" else [story]:
        _tell(name, report, plots=plots)


def _sizes(text: str) -> tuple[int, int]:
    least, dash, most = text.partition("-")
    if not (dash and least.isdecimal() and most.isdecimal() and 1 <= int(least) <= int(most)):
        raise WrongUsage(f"--batches is LEAST-MOST, as in 1-12, not {text!r}")
    if int(most) > 10_000:
        raise WrongUsage(f"--batches {text}: a batch has at most 10000 leads")
    return int(least), int(most)


def _simulate(plan: "Plan", directory: Path, *, plots: bool) -> None:
    from dispatcher.limits import Limits
    from streams.rehearsal import pictures
    from streams.rehearsal.plan import planned_events
    from streams.rehearsal.report import event_lines, plan_report, standings_csv
    from streams.whatif.comparison import scenario_of
    from streams.whatif.course import course_of
    from streams.whatif.history import history_of_lines

    lines = event_lines(planned_events(plan))
    limits = Limits()
    events = history_of_lines(lines, limits).events
    course = course_of(events, plan.channel, limits, with_days=True)
    scenario = scenario_of("simulated", course)
    _write(directory / "events.jsonl", b"\n".join([*lines, b""]))
    _write(directory / "standings.csv", standings_csv(course).encode())
    drawn = list(pictures.PLAN_PICTURES) if plots else []
    if plots:
        pictures.draw_plan(scenario, directory)
    _write(directory / "report.md", plan_report(plan, scenario, drawn).encode())
    note(f"{course.leads:,} leads over {plan.days} days: {directory / 'report.md'}")


def _tell(name: str, directory: Path, *, plots: bool) -> None:
    from streams.rehearsal.pictures import draw_story
    from streams.rehearsal.report import event_lines, story_report
    from streams.rehearsal.stories import told

    story = told(name)
    lines = event_lines(story.story.events)
    _write(directory / f"{name}.jsonl", b"\n".join([*lines, b""]))
    if plots:
        draw_story(story, directory / f"{name}.svg")
    drawn = [f"{name}.svg"] if plots else []
    _write(directory / f"{name}.md", story_report(story, drawn).encode())
    note(f"{story.story.title}: {directory / f'{name}.md'}")


def _write(path: Path, data: bytes) -> None:
    from streams.whole_files import write_whole

    write_whole(path, data)
