"""`partidor watch`: lead assignments as they are committed."""

import sys
from collections import Counter, deque
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import Listing, note, print_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Group

    from streams.watching import SeenAssignment, Watched

ROWS_SHOWN_MAX: Final = 15
ASSIGNEES_SHOWN_MAX: Final = 15


def watch(
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    from_beginning: Annotated[
        bool, typer.Option("--from-beginning", help="Also what is there already.")
    ] = False,
    count_max: Annotated[
        int | None, typer.Option("--max", min=1, help="End after so many assignments.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(min=0, help="End after so many seconds.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON Lines, also on a terminal.")
    ] = False,
) -> None:
    """Lead assignments as they are committed: a live table, or JSON Lines where nobody looks.

    Ends with Ctrl-C, after --max or after --timeout; exit 1 if --timeout came
    before --max. It belongs to no group: watching takes nothing from anybody.

    Examples:
      partidor watch --channel web
      partidor watch --json --from-beginning --max 100 --timeout 30
    """
    from streams.watching import Watch

    settings = load_settings()
    view = Watch(settings, channel, from_beginning=from_beginning)
    note(f"watching {settings.topics.assignments} at {settings.bootstrap_servers}")
    parts = _at_most(view.assignments(timeout), count_max)
    try:
        if as_json or not sys.stdout.isatty():
            count = _print_lines(parts)
        else:
            count = _live_table(parts)
    except KeyboardInterrupt:
        return
    if count_max is not None and count < count_max:
        note(f"partidor: {count} of {count_max} assignments came in time")
        raise typer.Exit(1)


def _at_most(parts: "Iterable[list[Watched]]", count_max: int | None) -> "Iterator[list[Watched]]":
    count = 0
    for part in parts:
        wanted = part if count_max is None else part[: count_max - count]
        count += len(wanted)
        yield wanted
        if count == count_max:
            return


def _print_lines(parts: "Iterable[list[Watched]]") -> int:
    count = 0
    for part in parts:
        if part:
            print_lines(watched.text for watched in part)
            count += len(part)
    return count


def _live_table(parts: "Iterable[list[Watched]]") -> int:
    from rich.live import Live

    last: deque[SeenAssignment] = deque(maxlen=ROWS_SHOWN_MAX)
    totals: Counter[str] = Counter()
    with Live(_shown(last, totals), refresh_per_second=8) as live:
        for part in parts:
            last.extend(watched.shown for watched in part)
            totals.update(watched.shown.assignee_id for watched in part)
            if part:
                live.update(_shown(last, totals))
    return totals.total()


def _shown(last: "Iterable[SeenAssignment]", totals: Counter[str]) -> "Group":
    from rich.console import Group

    newest = Listing(
        f"Assignments ({totals.total():,} so far)",
        "decided at", "channel", "batch", "position", "lead", "assignee",
        right=["position"],
    )  # fmt: skip
    for seen in last:
        position = f"{seen.position}/{seen.batch_size}"
        newest.add(
            seen.decided_at, seen.channel, seen.batch_id, position, seen.lead_id, seen.assignee_id,
        )  # fmt: skip
    most = Listing("Leads since the start, by assignee", "assignee", "leads", right=["leads"])
    for assignee_id, count in totals.most_common(ASSIGNEES_SHOWN_MAX):
        most.add(assignee_id, f"{count:,}")
    return Group(newest, most)
