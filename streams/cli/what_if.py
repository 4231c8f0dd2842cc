"""`partidor what-if`: a recorded history again, under other terms and by other methods."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import check_there, name_of, read_file
from streams.cli.output import JsonOption, Listing, friendly, note, print_json, print_listings
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from streams.whatif.changes import Changes
    from streams.whatif.comparison import Comparison, Scenario
    from streams.whatif.history import History
    from streams.whatif.measure import Outcome

MEMBERS_SHOWN_MAX: Final = 100
NOTES_MAX: Final = 10

EventsFile = Annotated[
    Path | None,
    typer.Option("--file", metavar="EVENTS.jsonl", callback=check_there,
                 help="A file of events, as `partidor replay` takes it; - is stdin."),
]  # fmt: skip


def what_if(
    file: EventsFile = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    weight: Annotated[
        list[str] | None,
        typer.Option(metavar="ASSIGNEE=WEIGHT", help="Another weight, all the time."),
    ] = None,
    without: Annotated[
        list[str] | None, typer.Option(metavar="ASSIGNEE", help="As if they had never joined.")
    ] = None,
    also: Annotated[
        Path | None,
        typer.Option(
            metavar="CHANGES.jsonl",
            callback=check_there,
            help="Further roster changes: presence, skills, capacities, rules, members.",
        ),
    ] = None,
    without_rules: Annotated[
        bool, typer.Option("--without-rules", help="No skills, no capacities.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|FILE.png",
            dir_okay=False,
            help="Errors over time, and who got what.",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds that reading the topics may take.")
    ] = 60,
    as_json: JsonOption = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="A row for each member and method.")
    ] = False,
) -> None:
    """Divide a recorded history again, as it was and under other terms, and compare.

    Without --file the history is that of the running system: the inputs in the
    order in which its decisions name them, as far back as the topics hold them.
    Nothing is written anywhere.

    What is to be different: --weight and --without, both several times;
    --without-rules; --also, a file of roster changes, each of which counts at
    its created_at and at the earliest right before the first batch. Without any
    of them the history as it was is compared with other methods only.

    The methods: Partidor; round robin over who is there; largest remainder,
    each batch by itself; and the chairman assignment, which knows what is to
    come. All are measured alike: leads received minus fair shares by weight.
    The others respect presence, know no skills or capacities, and settle
    nothing when somebody leaves.

    Examples:
      partidor what-if --file events.jsonl
      partidor what-if --channel web --weight agent-01=0.5 --without agent-02
      partidor what-if --file events.jsonl --also pauses.jsonl --plot errors.svg
    """
    from streams.whatif.comparison import compared

    if as_json and as_csv:
        raise WrongUsage("--json or --csv, not both")
    if plot is not None:
        from streams.whatif.plots import check_plottable

        check_plottable(plot)
    settings = load_settings()
    limits = settings.limits.limits()
    changes = _changes(weight or [], without or [], also, without_rules=without_rules)
    history = _history(file, channel, timeout)
    comparisons = compared(history, changes, limits)
    if plot is not None:
        from streams.whatif.plots import plot_comparisons

        plot_comparisons(comparisons, plot)
    _print(comparisons, as_json=as_json, as_csv=as_csv)
    _notes(comparisons, history)


def _notes(comparisons: "list[Comparison]", history: "History") -> None:
    """What a reader has to know of the history, on stderr."""
    for comparison in comparisons:
        for scenario in comparison.scenarios:
            if rejected := len(scenario.course.rejected):
                note(
                    f"channel {comparison.channel}, {scenario.name}: {rejected} events could not be"
                    " applied and are left out"
                )
    if history.outcomes:
        note(
            f"{history.outcomes} outcomes are left out, and bounds of open leads with them: under"
            " another division these leads would be somebody else's"
        )
    for text in history.notes[:NOTES_MAX]:
        note(text)
    if len(history.notes) > NOTES_MAX:
        note(f"and {len(history.notes) - NOTES_MAX:,} more channels likewise")
    if history.refused:
        note(f"{history.refused} inputs are no valid events and are left out")


def _changes(
    weights: list[str], without: list[str], also: Path | None, *, without_rules: bool
) -> "Changes":
    from streams.whatif.changes import Changes
    from streams.whatif.history import roster_changes_of_lines

    limits = load_settings().limits.limits()
    further = []
    if also is not None:
        lines = read_file(also).split(b"\n")
        further = roster_changes_of_lines(lines, limits, f"--also {name_of(also)}")
    parsed = dict(_weight(text) for text in weights)
    both = sorted(parsed.keys() & set(without))
    if both:
        raise WrongUsage(f"--weight and --without both name {both[0]!r}; take one of them")
    return Changes(parsed, frozenset(without), without_rules, further)


def _weight(text: str) -> tuple[str, str]:
    from schemas.scalars import weight_millionths

    assignee_id, equals, weight = text.rpartition("=")
    if not equals or not assignee_id:
        raise WrongUsage(f"--weight is ASSIGNEE=WEIGHT, as in agent-01=0.5, not {text!r}")
    try:
        weight_millionths(weight)
    except ValueError as error:
        raise WrongUsage(f"--weight {text}: {error}") from None
    return assignee_id, weight


def _history(file: Path | None, channel: str | None, timeout_s: float) -> "History":
    from streams.failure import Failed
    from streams.whatif.history import history_of_lines

    settings = load_settings()
    limits = settings.limits.limits()
    if file is None:
        from streams.whatif.recorded import recorded_history

        history = recorded_history(settings, limits, channel, timeout_s)
    else:
        history = history_of_lines(read_file(file).split(b"\n"), limits)
    if channel is not None:
        return history.of_channel(channel)
    if not history.channels():
        raise Failed("there is no lead batch in this history")
    return history


def _print(comparisons: "list[Comparison]", *, as_json: bool, as_csv: bool) -> None:
    from streams.whatif.documents import csv_text, document

    if as_json:
        print_json(document(comparisons))
    elif as_csv:
        sys.stdout.write(csv_text(comparisons))
    else:
        for comparison in comparisons:
            print_listings(_summary(comparison))
            if len(comparison.scenarios) > 1:
                print_listings(_difference(comparison))
            for scenario in comparison.scenarios:
                print_listings(_members(comparison, scenario))


def _summary(comparison: "Comparison") -> Listing:
    """A row for each method in each scenario."""
    from streams.whatif.documents import largest_at_end, leads_text

    leads = comparison.scenarios[0].course.leads
    shown = Listing(
        f"Channel {comparison.channel}: {leads:,} leads",
        "history", "method", "largest error", "of", "at the end", "parked, lead hours",
        right=["largest error", "at the end", "parked, lead hours"],
    )  # fmt: skip
    for scenario in comparison.scenarios:
        for name, outcome in scenario.outcomes.items():
            largest = outcome.largest
            hours = scenario.waited_lead_ms(name) / 3_600_000
            shown.add(
                scenario.name, name, friendly(leads_text(outcome.leads(largest.error))),
                largest.assignee_id, _unsigned(leads_text(largest_at_end(outcome))),
                f"{hours:,.1f}",
            )  # fmt: skip
        if scenario.least_possible is not None:
            least = _unsigned(leads_text(scenario.least_possible))
            shown.add(scenario.name, "least possible", least, None, None, None)
    return shown


def _unsigned(decimal: str) -> str:
    return friendly(decimal).lstrip("+")


def _difference(comparison: "Comparison") -> Listing:
    """Who would have got how many more or fewer from Partidor."""
    from streams.whatif.comparison import PARTIDOR
    from streams.whatif.documents import leads_text

    shown = Listing(
        f"Channel {comparison.channel}: by Partidor, as it was and what if",
        "assignee", "fair share", "received", "fair share if", "received if", "more",
        right=["fair share", "received", "fair share if", "received if", "more"],
    )  # fmt: skip
    before, after = (scenario.outcomes[PARTIDOR] for scenario in comparison.scenarios)
    for name in sorted({*before.received, *after.received})[:MEMBERS_SHOWN_MAX]:
        had, has = before.received.get(name, 0), after.received.get(name, 0)
        shown.add(
            name, _unsigned(leads_text(before.leads(before.due.get(name, 0)))), f"{had:,}",
            _unsigned(leads_text(after.leads(after.due.get(name, 0)))), f"{has:,}",
            f"{has - had:+,}",
        )  # fmt: skip
    return shown


def _members(comparison: "Comparison", scenario: "Scenario") -> Listing:
    """A row for each member: what they were due, and what each method gave them."""
    from streams.whatif.documents import leads_text

    methods = list(scenario.outcomes)
    columns = [text for method in methods for text in (method, "error")]
    first = scenario.outcomes[methods[0]]
    shown = Listing(
        f"Channel {comparison.channel}, {scenario.name}: leads received, and error at the end",
        "assignee", "fair share", *columns, right=["fair share", *columns],
    )  # fmt: skip
    names = sorted({name for each in scenario.outcomes.values() for name in each.received})
    for name in names[:MEMBERS_SHOWN_MAX]:
        cells = [text for each in scenario.outcomes.values() for text in _cells(each, name)]
        shown.add(name, _unsigned(leads_text(first.leads(first.due.get(name, 0)))), *cells)
    if len(names) > MEMBERS_SHOWN_MAX:
        shown.add(f"and {len(names) - MEMBERS_SHOWN_MAX:,} more: --json, --csv")
    return shown


def _cells(outcome: "Outcome", name: str) -> tuple[str, str]:
    from streams.whatif.documents import leads_text

    if name not in outcome.received:
        return "-", "-"
    return f"{outcome.received[name]:,}", friendly(leads_text(outcome.error(name)))
