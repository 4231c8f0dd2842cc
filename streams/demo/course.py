"""The course of the demo: the story, the stream, what came of them, and whether all of it held.

In: how many leads, a seed, whether everything is to run on. Out: tables and checks on stdout, what
goes on on stderr; whether every check held.
"""

from collections.abc import Mapping
from typing import Final

from streams.cli.output import note
from streams.demo import story
from streams.demo.fairness import Check, Fairness, assignment_checks, fairness, fairness_checks
from streams.demo.keeping import how_to_go_on
from streams.demo.processes import Running, forget_settings, running
from streams.demo.reading import Assignments, Decisions, record_count
from streams.demo.standings import (
    folded_standings,
    served_standings,
    standings_checks,
    stored_channels,
)
from streams.demo.stream import Source, play
from streams.demo.tables import (
    LEGEND,
    batch_sheet,
    channels_sheet,
    checks_text,
    days_sheet,
    show,
    standings_sheet,
)
from streams.generators import channel_names, lead_stream

CHANNELS: Final = 20


def run_demo(leads: int, seed: int, *, keep: bool) -> bool:
    """Run the whole demo. Returns whether every check held; raises Failed when it can't go on."""
    forget_settings()
    with running(keep=keep, on_progress=note) as system:
        with Decisions(system) as decisions, Assignments(system) as assignments:
            checks = _played(system, decisions, assignments, leads, seed)
        show(checks_text(checks))
    if keep:
        show(how_to_go_on(system))
    return all(check.held for check in checks)


def _played(
    system: Running, decisions: Decisions, assignments: Assignments, leads: int, seed: int
) -> list[Check]:
    source = Source(system)
    checks = [_story(source, decisions)]
    events = list(lead_stream(leads, seed, CHANNELS))
    changes = sum(event["type"] != "lead_batch" for event in events) - CHANNELS
    note(f"sending {leads:,} leads on {CHANNELS} channels, {changes} roster changes on the way")
    seconds = play(events, leads, source, assignments)
    note("reading everything back")
    assignments.take_rest()
    decisions.take_rest()
    channels = fairness(decisions.decisions)
    refused = record_count(system, system.settings.topics.dead_letters)
    checks += assignment_checks(source.lead_ids, assignments, channels, refused)
    checks += fairness_checks(channels.values())
    checks += _standings(system, decisions, assignments, channels)
    show(
        f"{len(source.lead_ids):,} leads in, {assignments.count:,} assignments out. The stream of"
        f" {leads:,} took {seconds:.1f} s\nfrom the first batch sent to the last assignment read"
        f" back: {leads / seconds:,.0f} leads/s.\n"
    )
    return checks


def _story(source: Source, decisions: Decisions) -> Check:
    """Play the examples and show each batch as it was divided."""
    different: list[str] = []
    show(LEGEND)
    for chapter in story.CHAPTERS:
        for event in chapter.events:
            source.send(event)
        source.flush()
        # The next chapter may change the roster: by then these batches have to be divided.
        decisions.take_until_divided(chapter.batch_ids)
        _show_batches(chapter, decisions)
        different += story.differences(chapter, decisions.batches)
        if chapter is story.DAYS[-1]:
            _show_both_days(decisions)
    text = f"the {len(decisions.batches)} batches of the examples are divided as their source says"
    return Check("; but ".join([text, *different]), not different)


def _show_batches(chapter: story.Chapter, decisions: Decisions) -> None:
    for number, batch_id in enumerate(chapter.batch_ids, start=1):
        place = f", batch {number}" if len(chapter.batch_ids) > 1 else ""
        show(batch_sheet(decisions.batches[batch_id], chapter.title + place))
    if chapter.note:
        show(f"{chapter.note}\n")


def _show_both_days(decisions: Decisions) -> None:
    sizes = [decisions.batches[each].batch_size for day in story.DAYS for each in day.batch_ids]
    show(days_sheet(story.days_by_assignee(decisions.batches), sizes))


def _standings(
    system: Running,
    decisions: Decisions,
    assignments: Assignments,
    channels: Mapping[str, Fairness],
) -> list[Check]:
    """Show where everybody stands, and compare all who say so."""
    expected = folded_standings(decisions.values)
    served = served_standings(system, expected)
    stored = stored_channels(system, expected)
    streamed = [channels[name] for name in channel_names(CHANNELS)]
    closest = max(streamed, key=lambda each: each.used)
    show(standings_sheet(served[story.CHANNEL]), standings_sheet(served[closest.channel]))
    show(channels_sheet(streamed))
    return standings_checks(expected, served, stored, assignments.by_assignee)
