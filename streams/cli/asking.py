"""`partidor explain` and `partidor statement`: the log, asked."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import is_stdin
from streams.cli.output import JsonOption, Listing, friendly, print_json, print_listings

if TYPE_CHECKING:
    from streams.audit.explaining import Inquiry

LogFile = Annotated[
    Path | None,
    typer.Option(
        "--file", metavar="FILE", help="What `partidor replay` gave, not the topics; - is stdin."
    ),
]
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
                    take = inquiry.assignment if kind == "lead_assigned" else inquiry.decision
                    take(line)
        else:
            log = TopicLog(load_settings(), channel, timeout)
            for value in log.assignments():
                inquiry.assignment(value)
            for value in log.decisions(inquiry.channels):
                inquiry.decision(value)
    except Unreadable as error:
        raise Failed(str(error)) from None
    inquiry.finish()


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
        print_listings(_round_table(each))
    for sentence in sentences(told):
        typer.echo(sentence)


def _round_table(each: dict[str, Any]) -> Listing:
    shown = Listing(
        f"{each['leads']} leads divided", "rank", "assignee", "weight", "error before",
        "fair share", "ideal", "rounded", "fine-tuned", "assigned", "error after",
        right=["rank", "weight", "error before", "fair share", "ideal", "rounded", "fine-tuned",
               "assigned", "error after"],
    )  # fmt: skip
    for share in each["shares"]:
        tuned = share["fine_tuned"]
        shown.add(
            share["rank"], share["assignee_id"], share["weight"],
            friendly(share["cumulative_error_before"]), friendly(share["fair_share"]).lstrip("+"),
            friendly(share["ideal"]).lstrip("+"), share["rounded"], f"{tuned:+d}" if tuned else "",
            share["assigned"], friendly(share["cumulative_error_after"]),
        )  # fmt: skip
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
