"""What a report says: standings of each day, and tables in Markdown.

In: a course, a scenario, or a story that was told. Out: lines of text. The same figures always
give the same text; floats are nowhere.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import msgspec

from dispatcher.times import timestamp_text
from schemas.scalars import decimal_text, weight_text
from streams.generators import Event
from streams.whatif.course import Band, Course
from streams.whatif.documents import largest_at_end, leads_text
from streams.whatif.measure import Outcome

if TYPE_CHECKING:
    from streams.rehearsal.plan import Plan
    from streams.rehearsal.stories import Told
    from streams.whatif.comparison import Scenario

STANDINGS_COLUMNS: Final = (
    "day", "assignee_id", "weight", "presence", "received", "fair_share", "cumulative_error",
)  # fmt: skip


def event_lines(events: Iterable[Event]) -> list[bytes]:
    """Events as a file of events has them, without line breaks."""
    return [msgspec.json.encode(event) for event in events]


def standings_csv(course: Course) -> str:
    """A row for each member at the end of each day.

    Received and fair share are sums since the beginning. The cumulative error is the one that is
    carried: what was settled when somebody left is in it.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(STANDINGS_COLUMNS)
    steps = iter(course.steps)
    step = next(steps, None)
    received: dict[str, int] = {}
    due: dict[str, Fraction] = {}
    for day in course.days:
        while step is not None and step.at_ms < day.ends_ms:
            for name, count in step.assigned.items():
                received[name] = received.get(name, 0) + count
            for name, share in step.due.items():
                due[name] = due.get(name, Fraction(0)) + Fraction(share, step.denominator)
            step = next(steps, None)
        for rank in day.roster.by_assignee_id:
            member = day.roster.members[rank]
            name = member.assignee_id
            writer.writerow(
                (
                    timestamp_text(day.ends_ms - 1)[:10],
                    name,
                    weight_text(member.weight_millionths),
                    "paused" if member.paused else "active",
                    received.get(name, 0),
                    leads_text(due.get(name, Fraction(0))),
                    decimal_text(day.errors[rank], day.roster.error_denominator),
                )
            )
    return out.getvalue()


def rounded(leads: Fraction) -> str:
    """Leads with two decimals, never a negative zero."""
    text = f"{float(round(leads, 2)):.2f}"
    return "0.00" if text == "-0.00" else text


def signed(leads: Fraction) -> str:
    """The same with its sign."""
    text = rounded(leads)
    return text if text.startswith("-") or text == "0.00" else "+" + text


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> list[str]:
    """A table; all columns but the first `left` stand on the right."""
    marks = "|---" * left + "|--:" * (len(header) - left) + "|"
    head, *body = ["| " + " | ".join(row) + " |" for row in [header, *rows]]
    return [head, marks, *body]


def method_rows(scenario: "Scenario") -> Iterator[tuple[str, ...]]:
    """How far off anybody was, by method."""
    for name, outcome in scenario.outcomes.items():
        largest = outcome.largest
        yield (
            name,
            signed(outcome.leads(largest.error)),
            largest.assignee_id,
            rounded(largest_at_end(outcome)),
            f"{scenario.waited_lead_ms(name) / 3_600_000:,.1f}",
        )


def member_rows(scenario: "Scenario") -> Iterator[tuple[str, ...]]:
    """What everybody was due, and what each method gave them, with their error at the end."""
    outcomes = list(scenario.outcomes.values())
    first = outcomes[0]
    for name in first.received:
        cells = [text for each in outcomes for text in _received(each, name)]
        yield (name, rounded(first.leads(first.due[name])), *cells)


def _received(outcome: Outcome, name: str) -> tuple[str, str]:
    if name not in outcome.received:
        return "-", "-"
    return str(outcome.received[name]), signed(outcome.error(name))


def member_header(scenario: "Scenario") -> list[str]:
    """Over `member_rows`."""
    columns = [text for name in scenario.outcomes for text in (name, "error")]
    return ["assignee", "fair share", *columns]


def story_table(story: "Told") -> list[str]:
    """The table of a story, in Markdown.

    About somebody: what they received and were due in each time. About everybody: a row each.
    """
    scenario, subject = story.scenario, story.story.subject
    if subject is None:
        largest = [
            text
            for each in scenario.outcomes.values()
            for text in ("", rounded(abs(each.leads(each.largest.error))))
        ]
        rows = [*member_rows(scenario), ("largest at any time", "", *largest)]
        return markdown(member_header(scenario), rows)
    spans = [
        (span.name, round(span.begins.timestamp() * 1000), round(span.ends.timestamp() * 1000))
        for span in story.story.spans
    ]
    first = next(iter(scenario.outcomes.values()))
    due = [rounded(first.between(subject, *times)[1]) for _, *times in spans]
    rows = [("fair share", *due, "", "")]
    for name, outcome in scenario.outcomes.items():
        received = [str(outcome.between(subject, *times)[0]) for _, *times in spans]
        largest_of_all = rounded(abs(outcome.leads(outcome.largest.error)))
        rows.append((name, *received, signed(outcome.error(subject)), largest_of_all))
    header = ["", *(name for name, *_ in spans), "error at the end", "largest error in the team"]
    return markdown(header, rows)


def band_rows(course: Course) -> list[tuple[str, ...]]:
    """The extremes of the errors that were carried, and the bounds that were promised then."""
    ahead: Band | None = max(course.bands, key=_ahead, default=None)
    owed: Band | None = min(course.bands, key=_owed, default=None)
    rows: list[tuple[str, ...]] = []
    if ahead is not None and owed is not None:
        least, most = owed.promise.bounds_leads()[0], ahead.promise.bounds_leads()[1]
        rows.append(("furthest ahead", signed(_ahead(ahead)), signed(most)))
        rows.append(("most owed", signed(_owed(owed)), signed(least)))
    return rows


def _ahead(band: Band) -> Fraction:
    return Fraction(band.furthest_ahead, band.denominator)


def _owed(band: Band) -> Fraction:
    return Fraction(band.most_owed, band.denominator)


def plan_report(plan: "Plan", scenario: "Scenario", pictures: Sequence[str]) -> str:
    """The report of a simulation, in Markdown."""
    course = scenario.course
    batches = sum(step.leads > 0 for step in course.steps)
    said = (
        f"Seed {plan.seed}: {course.leads:,} leads in {batches:,} divided batches;"
        f" {plan.assignees} people at first, {plan.joins} joins, {plan.leaves} leaves,"
        f" {plan.absences} absences asked for. `events.jsonl` holds the events,"
        " `standings.csv` everybody's standing at the end of each day."
    )
    lines = [
        f"# {plan.days} days of channel {plan.channel}",
        "",
        said,
        "",
        "## How far off anybody was",
        "",
        "Leads received minus fair shares by weight, over each one's whole time.",
        "",
        *markdown(
            ["method", "largest error", "of", "at the end", "parked, lead hours"],
            method_rows(scenario),
        ),
    ]
    if scenario.least_possible is not None:
        least = rounded(scenario.least_possible)
        lines += ["", f"No division whatever of these batches could have stayed under {least}."]
    lines += [
        "",
        "## What was promised",
        "",
        "Errors as they are carried, leavers' settled, and the bound at that time.",
        "",
        *markdown(["", "leads", "bound"], band_rows(course)),
        "",
        "## Everybody",
        "",
        *markdown(member_header(scenario), member_rows(scenario)),
    ]
    for name in pictures:
        lines += ["", f"![{name.partition('.')[0]}]({name})"]
    return "\n".join(lines) + "\n"


def story_report(story: "Told", pictures: Sequence[str]) -> str:
    """The report of a story, in Markdown."""
    lines = [f"# {story.story.title}", "", *story_table(story)]
    for name in pictures:
        lines += ["", f"![{story.story.name}]({name})"]
    return "\n".join(lines) + "\n"
