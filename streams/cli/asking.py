"""`partidor explain` and `partidor statement`: the log, asked."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from schemas.topics import DAY_MS
from streams.cli.configuration import load_settings
from streams.cli.files import LogFile, is_stdin
from streams.cli.output import JsonOption, Listing, friendly, note, print_json, print_listings

if TYPE_CHECKING:
    from streams.audit.explaining import Inquiry
    from streams.audit.log_reading import TopicLog
    from streams.audit.statements import Line, Statement, StatementWriter

Timeout = Annotated[float, typer.Option(min=1, help="Seconds that reading the topics may take.")]


def explain(
    lead: Annotated[str, typer.Argument(help="The lead_id.")],
    channel: Annotated[
        str | None, typer.Option(help="Only this channel: its partition alone is read.")
    ] = None,
    file: LogFile = None,
    timeout: Timeout = 300,
    as_json: JsonOption = False,
) -> None:
    """Why a lead went to whom it went to, each time that it did, recomputed and compared.

    Reads assignments and decisions as far as their topics keep them. Exit 1 when
    something is different when it is divided again, or when the lead isn't there.

    Examples:
      partidor explain L17 --channel web
      partidor replay events.jsonl | partidor explain L17 --file -
    """
    from streams.audit.explaining import Inquiry
    from streams.failure import Failed

    inquiry = Inquiry(lead, channel)
    _ask(inquiry, file, channel, timeout)
    told = inquiry.explanations
    if not told and not inquiry.outcomes:
        raise Failed(
            f"no assignment of lead {lead} is in the log: it may wait (`partidor show` lists what"
            " is parked), be a dead letter, or be older than what the topics keep"
            + ("; or it went on to another channel: ask without --channel" if channel else "")
        )
    if as_json:
        print_json({"lead_id": lead, "assigned": told, "outcomes": inquiry.outcomes})
    else:
        for number, each in enumerate(told):
            if number:
                typer.echo()
            _print_explanation(each)
        _print_outcomes(inquiry.outcomes)
    raise typer.Exit(1 if any(each["checked"] is False for each in told) else 0)


def _ask(inquiry: "Inquiry", file: Path | None, channel: str | None, timeout: float) -> None:
    from streams.audit.decision_log import Unreadable
    from streams.audit.log_reading import TopicLog, typed_lines
    from streams.failure import Failed

    try:
        if file is not None:
            with _opened(file) as source:
                for kind, line in typed_lines(source):
                    takes = {"lead_assigned": inquiry.assignment, "lead_batch": inquiry.batch}
                    takes.get(kind, inquiry.decision)(line)
        else:
            log = TopicLog(load_settings(), channel, timeout)
            for value in log.assignments():
                inquiry.assignment(value)
            if channel is None:
                _follow_upwards(inquiry, log)
            for value in log.decisions([channel] if channel else inquiry.channels):
                inquiry.decision(value)
    except Unreadable as error:
        raise Failed(str(error)) from None
    inquiry.finish()


def _follow_upwards(inquiry: "Inquiry", log: "TopicLog") -> None:
    """The batches in which the lead came to where it was assigned, level by level.

    A route leads deeper, so nothing comes by one to a channel without "/" in its name.
    """
    asked: set[str] = set()
    while further := {name for name in inquiry.channels - asked if "/" in name}:
        asked |= further
        for value in log.batches(sorted(further)):
            inquiry.batch(value)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    if is_stdin(file):
        yield sys.stdin.buffer
    else:
        with file.open("rb") as source:
            yield source


def _print_explanation(told: dict[str, Any]) -> None:
    from streams.audit.explanation_text import headline, sentences

    typer.echo(headline(told))
    for each in told.get("rounds", ()):
        print_listings(_round_table(each, told["assignee_id"]))
    for sentence in sentences(told):
        typer.echo(sentence)


_AMOUNTS: Final = (
    "weight", "error before", "fair share", "ideal", "rounded", "fine-tuned", "assigned",
    "error after",
)  # fmt: skip


def _round_table(each: dict[str, Any], whose: str) -> Listing:
    from streams.audit.explanation_text import ROWS_TOLD_MAX, worth_showing

    leads = each["leads"]
    shown = Listing(
        f"{leads} {'lead' if leads == 1 else 'leads'} divided",
        "rank", "assignee", *_AMOUNTS, right=["rank", *_AMOUNTS],
    )  # fmt: skip
    shares = each["shares"]
    for share in worth_showing(shares, whose):
        tuned = share["fine_tuned"]
        shown.add(
            share["rank"], share["assignee_id"], share["weight"],
            friendly(share["cumulative_error_before"]), friendly(share["fair_share"]).lstrip("+"),
            friendly(share["ideal"]).lstrip("+"), share["rounded"], f"{tuned:+d}" if tuned else "",
            share["assigned"], friendly(share["cumulative_error_after"]),
        )  # fmt: skip
    if len(shares) > ROWS_TOLD_MAX:
        shown.add("", f"... {len(shares) - ROWS_TOLD_MAX} more, see --json")
    return shown


def _print_outcomes(outcomes: list[dict[str, Any]]) -> None:
    if not outcomes:
        return
    shown = Listing("What became of it", "at", "what", "assignee", "to", "reason")
    for each in outcomes:
        shown.add(
            each["decided_at"], each.get("outcome_type"), each.get("assignee_id"),
            each.get("to_assignee_id"), each.get("reason"),
        )  # fmt: skip
    print_listings(shown)


def statement(
    assignee: Annotated[str, typer.Argument(help="The assignee_id.")],
    channel: Annotated[str, typer.Option(help="The channel.")],
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="2026-11-21, or a time such as in events."),
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="TIME", help="Likewise; a day is included, in UTC.")
    ] = None,
    file: LogFile = None,
    timeout: Timeout = 300,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV, with exact figures.")] = False,
    as_json: JsonOption = False,
) -> None:
    """How an assignee's cumulative error came about: every movement, adding up to the last digit.

    Like a bank statement: opening figure, each batch, roster change and
    correction that moved it, closing figure. Exit 1 when opening and movements
    don't come to the closing figure, or a figure of the log isn't what it has to be.

    Examples:
      partidor statement A --channel web --from 2026-11-01 --to 2026-11-30
      partidor statement A --channel web --csv > november.csv
    """
    from streams.audit.statements import NotListed, StatementWriter
    from streams.failure import Failed, WrongUsage

    if as_csv and as_json:
        raise WrongUsage("--csv or --json, not both")
    writer = StatementWriter(channel, assignee, moment(from_, 0), moment(to, DAY_MS - 1))
    _read_statement(writer, file, channel, timeout)
    try:
        found = writer.finish()
    except NotListed as error:
        raise Failed(str(error)) from None
    if as_json:
        from streams.audit.statement_forms import as_object

        print_json(as_object(found))
    elif as_csv:
        from streams.audit.statement_forms import csv_rows

        _print_csv(csv_rows(found))
    else:
        _print_statement(found)
    raise typer.Exit(0 if _verdict(found, quiet=as_json or as_csv) else 1)


def moment(text: str | None, of_day_ms: int) -> int | None:
    """A time in milliseconds since 1970; of a day in UTC the moment so many of them into it."""
    from dispatcher.times import milliseconds
    from schemas.scalars import is_timestamp
    from streams.failure import WrongUsage

    if text is None:
        return None
    if is_timestamp(text):
        return milliseconds(text)
    day = f"{text}T00:00:00Z"
    if not is_timestamp(day):
        raise WrongUsage(
            f"{text!r} is no day and no time: 2026-11-21, or 2026-11-21T09:00:00+11:00"
        )
    return milliseconds(day) + of_day_ms


def _read_statement(
    writer: "StatementWriter", file: Path | None, channel: str, timeout: float
) -> None:
    from streams.audit.decision_log import Unreadable
    from streams.audit.log_reading import TopicLog, typed_lines
    from streams.failure import Failed

    try:
        if file is not None:
            with _opened(file) as source:
                for kind, line in typed_lines(source):
                    if kind != "lead_assigned":
                        writer.decision(line)
        else:
            for value in TopicLog(load_settings(), channel, timeout).decisions([channel]):
                writer.decision(value)
    except Unreadable as error:
        raise Failed(str(error)) from None


def _print_csv(rows: Iterable[list[str]]) -> None:
    import csv

    sys.stdout.reconfigure(newline="")  # type: ignore[union-attr]
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


def _print_statement(found: "Statement") -> None:
    from streams.audit.statements import decimal12

    value = ["value"] if found.by_value else []
    columns = ["leads", *value, "fair share", "adjustment", "error after"]
    shown = Listing(
        f"Cumulative error of {found.assignee_id} on channel {found.channel}",
        "at", "state version", "what", *columns,
        right=["state version", *columns],
    )  # fmt: skip
    nothing = [""] * (len(columns) - 1)
    shown.add("", "", "opening", *nothing, friendly(decimal12(found.opening)))
    for line in found.lines:
        shown.add(*_line_cells(line, by_value=found.by_value))
    shown.add("", "", "closing", *nothing, friendly(decimal12(found.closing)))
    print_listings(shown)
    if found.opening_note:
        typer.echo(found.opening_note)


def _line_cells(line: "Line", *, by_value: bool) -> list[object]:
    from streams.audit.statements import decimal12

    moved = line.movement
    value = friendly(decimal12(moved.received)).lstrip("+") if moved.received else ""
    fair, adjustment = moved.fair_share, moved.adjustment
    return [
        line.decided_at, line.state_version, moved.what, moved.leads or "",
        *([value] if by_value else []),
        friendly(decimal12(fair)).lstrip("+") if fair else "",
        friendly(decimal12(adjustment)) if adjustment else "",
        friendly(decimal12(line.error_after)),
    ]  # fmt: skip


def _verdict(found: "Statement", *, quiet: bool) -> bool:
    """Whether it adds up; what doesn't is said on stderr, so that data stays data."""
    if found.not_told:
        note(f"partidor: {found.not_told} roster changes came before the log lists everybody, so"
             " their causes are not told")  # fmt: skip
    for each in found.differences:
        note(f"partidor: different: {each}")
    unit = "of value" if found.by_value else "leads"
    if found.missing:
        note(f"partidor: it doesn't add up: {found.missing} {unit} are missing")
    if found.differences or found.missing:
        return False
    if not quiet:
        received = f"{found.received} of value" if found.by_value else f"{found.leads} leads"
        typer.echo(
            f"Adds up exactly: {found.opening} + {received} - {found.fair_share} fair"
            f" shares + {found.adjustment} adjustments = {found.closing}"
        )
    return True
