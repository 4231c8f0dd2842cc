"""`partidor plan publish` and `partidor plan follow`: plans in force."""

import time
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import InputFile, name_of, now_text, read_file
from streams.cli.output import JsonOption, Listing, note, print_json, print_lines, print_listings
from streams.failure import Failed, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.planning.ledger import Ledger
    from streams.planning.loan_log import LoanLog
    from streams.planning.publishing import Desk, Renewed, Wish
    from streams.planning.rosters import Changes

ROWS_SHOWN_MAX: Final = 40

Channel = Annotated[str, typer.Option(help="Where loans come in; branches are below it.")]
Of = Annotated[
    str,
    typer.Option(
        help="A branch's target: `assigned`, what the plan gives it; `target`, its part of its"
        " capacity."
    ),
]
Value = Annotated[str, typer.Option(help="The attribute that says what a loan is worth.")]
Limit = Annotated[
    str,
    typer.Option(help="What part of what a branch gets may be what, as ATTRIBUTE=VALUE:PART."),
]
Within = Annotated[
    str,
    typer.Option(
        help="A branch that misses less than this amount is at its target. Half a loan lets"
        " branches end as often below as above."
    ),
]
Booked = Annotated[
    Path | None,
    typer.Option(
        help="CSV (branch_id, booked): what each branch got until now; then the log isn't asked"
        " about that."
    ),
]
State = Annotated[
    Path | None,
    typer.Option(help="The file in which `follow` keeps what it added up, and how far it read."),
]
BookedOnly = Annotated[
    bool,
    typer.Option(
        "--booked-only",
        help="Only booked loans count towards a target, not those that a branch has in hand.",
    ),
]
BookedReason = Annotated[
    list[str] | None,
    typer.Option(
        help="A reason of `lead_closed` that means booked; several. Without any, all closed loans"
        " are booked; else those closed for other reasons are given up, and don't count."
    ),
]


def publish(
    plan: InputFile,
    channel: Channel = "loans",
    of: Of = "assigned",
    booked: Booked = None,
    state: State = None,
    booked_only: BookedOnly = False,
    booked_reason: BookedReason = None,
    value: Value = "amount",
    limit: Limit = "purpose=investment:0.5",
    within: Within = "0",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and send nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the running rosters those of a plan: only what differs is sent.

    The hub's channel gets the branches as assignees, by value, each with a
    limit on investment loans and routed to a channel of its own; that gets the
    branch's bankers. A branch's weight is what is missing to its target, in
    millions; at its target it is paused with weight 0. What it has so far is
    read from the dispatchers' log, or given by --booked.

    Publishing again sends nothing; after a crash it sends what is missing.

    Examples:
      partidor plan publish plan.json --dry-run
      partidor plan publish plan.json --channel loans --booked booked.csv
      partidor plan publish plan.json --of target --limit purpose=investment:0.5
    """
    from streams.planning.publishing import Desk

    wish = _wish(plan, channel, of, value, limit, within)
    settings = load_settings()
    desk = Desk(settings, wish)
    got = _got(desk, booked, state, booked_reason, booked_only=booked_only)
    changes = desk.publishing(got)
    if not dry_run:
        _send(desk, changes)
    if as_json:
        print_json(_as_object(changes, dry_run=dry_run))
    else:
        _print_changes(changes, dry_run=dry_run)


def follow(
    plan: InputFile,
    channel: Channel = "loans",
    of: Of = "assigned",
    every: Annotated[
        float, typer.Option(min=0.05, max=86_400, help="Seconds between two looks.")
    ] = 10,
    step: Annotated[
        str,
        typer.Option(
            help="A weight is renewed when it moves by more than this part of the target."
        ),
    ] = "0.0001",
    booked: Booked = None,
    state: State = None,
    booked_only: BookedOnly = False,
    booked_reason: BookedReason = None,
    value: Value = "amount",
    within: Within = "0",
    timeout: Annotated[float | None, typer.Option(min=0, help="End after so many seconds.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each renewal.")] = False,
) -> None:
    """Renew the branches' weights as loans come in, until Ctrl-C: what is missing to each target.

    Reads what the dispatchers decided. Without --state it adds up the whole log
    when it starts; with it, it goes on where it stopped, however old the log.
    A weight is renewed only if it moved by more than --step, all of them in one
    change; who reaches the target is paused with weight 0, and resumed if loans
    are declined or given back. Whom somebody else paused stays paused.

    Examples:
      partidor plan follow plan.json --state loans-2026.json
      partidor plan follow plan.json --state loans-2026.json --booked-reason settled --every 60
    """
    from streams.planning.publishing import Desk, Following

    wish = _wish(plan, channel, of, value, "purpose=investment:0.5", within)
    moved = _decimal("--step", step)
    settings = load_settings()
    desk = Desk(settings, wish)
    with _log(desk, booked, state, booked_reason) as (ledger, log):
        following = Following(
            desk, ledger, log, booked_only=booked_only, step=moved, state=state
        )  # fmt: skip
        _follow(following, wish, every, timeout, as_json=as_json)


def _follow(
    following: Any, wish: "Wish", every: float, timeout: float | None, *, as_json: bool
) -> None:
    from streams.stopping import stop_signals

    stop = stop_signals()
    deadline = None if timeout is None else time.monotonic() + timeout
    following.begin()
    note(f"following {wish.terms.channel}, every {every:g} s")

    def is_over() -> bool:
        return bool(stop) or (deadline is not None and time.monotonic() >= deadline)

    def on_renewed(renewed: "Renewed") -> None:
        _tell(renewed, wish, as_json=as_json)

    following.go_on(
        every, now_text, is_over, on_renewed, lambda failure: note(f"partidor: {failure}")
    )


def _tell(renewed: "Renewed", wish: "Wish", *, as_json: bool) -> None:
    import msgspec

    from schemas.scalars import MILLIONTHS
    from streams.planning.publishing import at_target, summed

    if not renewed.changes.parts:
        return
    targets = wish.targets()
    told = {
        "branches": len(targets),
        "at_target": at_target(wish.hub(renewed.counted)),
        "counted": summed(renewed.counted, targets) / MILLIONTHS,
        "target": sum(targets.values()) / MILLIONTHS,
        "renewed": len({each.assignee_id for each in renewed.changes.differences}),
    }
    if as_json:
        print_lines([msgspec.json.encode({"at": now_text(), **told})])
    else:
        note(
            f"{now_text()} {told['counted']:,.0f} of {told['target']:,.0f} {wish.plan.money};"
            f" {told['at_target']} of {told['branches']} branches at their target;"
            f" {told['renewed']} renewed"
        )


def _wish(plan: Path, channel: str, of: str, value: str, limit: str, within: str) -> "Wish":
    from pydantic import ValidationError

    from schemas.inputs import ShareLimit
    from streams.cli.roster_rules import parsed_limit
    from streams.planning.publishing import Wish, read_plan
    from streams.planning.rosters import Terms

    which: dict[str, Literal["assigned", "target"]] = {"assigned": "assigned", "target": "target"}
    if of not in which:
        raise WrongUsage(f"--of is assigned or target, not {of!r}")
    try:
        limit_wanted = ShareLimit(**parsed_limit(limit))
    except ValidationError:
        raise WrongUsage(f"--limit {limit!r} should be like purpose=investment:0.5") from None
    terms = Terms(channel, value, limit_wanted)
    amount = int(_decimal("--within", within) * 1_000_000)
    return Wish(read_plan(read_file(plan), name_of(plan)), terms, which[of], amount)


def _decimal(option: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal(-1)
    if not number.is_finite() or number < 0:
        raise WrongUsage(f"{option} is a number of at least 0, not {text!r}")
    return number


def _got(
    desk: "Desk",
    booked: Path | None,
    state: Path | None,
    reasons: list[str] | None,
    *,
    booked_only: bool,
) -> dict[str, int]:
    """What counts for each branch so far."""
    from streams.csv_tables import read_table
    from streams.planning.publishing import read_booked

    if booked is not None and state is None:
        return read_booked(read_table(read_file(booked), name_of(booked)))
    hub = desk.hub_state()
    if state is None and hub.state_version == hub.roster_version:
        return {}  # only rosters were decided so far
    with _log(desk, booked, state, reasons) as (ledger, log):
        log.catch_up()
        return ledger.counted(booked_only=booked_only)


@contextmanager
def _log(
    desk: "Desk", booked: Path | None, state: Path | None, reasons: list[str] | None
) -> "Iterator[tuple[Ledger, LoanLog]]":
    """The ledger as it was kept or as it begins, and the log behind it."""
    from streams.csv_tables import read_table
    from streams.planning.ledger import Ledger
    from streams.planning.loan_log import Begin, LoanLog, read_kept
    from streams.planning.publishing import read_booked

    terms = desk.wish.terms
    kept = None if state is None else read_kept(state, desk.settings, terms.channel)
    totals = None if kept is None else kept.totals
    ledger = Ledger(terms.channel, terms.value_attribute, reasons or (), totals)
    hub = desk.hub_state()
    begin: Begin
    if kept is not None:
        begin = kept.positions
    elif booked is not None:
        begin = "now"
        ledger.begin_with(read_booked(read_table(read_file(booked), name_of(booked))))
    else:
        only_rosters = hub.state_version == hub.roster_version
        begin = "what is there" if only_rosters else "whole"
    with LoanLog(desk.settings, ledger, begin) as log:
        yield ledger, log


def _send(desk: "Desk", changes: "Changes") -> None:
    try:
        desk.send(changes, now_text())
    except WrongUsage:
        raise
    except Failed as failure:
        raise Failed(f"{failure}; publish the same plan again: nothing is done twice") from None


def _as_object(changes: "Changes", *, dry_run: bool) -> dict[str, Any]:
    return {
        "published": 0 if dry_run else changes.events,
        "changes": changes.events,
        "differences": [each._asdict() for each in changes.differences],
    }


def _print_changes(changes: "Changes", *, dry_run: bool) -> None:
    from streams.planning.publishing import by_kind

    if not changes.events:
        typer.echo("nothing to change: the rosters are those of the plan")
        return
    shown = Listing("What differs", "channel", "assignee", "what", "from", "to")
    for each in changes.differences[:ROWS_SHOWN_MAX]:
        shown.add(*each)
    print_listings(shown)
    more = len(changes.differences) - ROWS_SHOWN_MAX
    if more > 0:
        typer.echo(f"... {more} more, see --json")
    kinds = ", ".join(f"{what} {count}" for what, count in by_kind(changes))
    verb = "would publish" if dry_run else "published"
    typer.echo(f"{verb} {changes.events} roster changes ({kinds})")
