"""`partidor dead-letters`: what could not be processed, and sending it again."""

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import (
    JsonOption,
    Listing,
    note,
    print_json,
    print_lines,
    print_listings,
    time_text,
)
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from streams.dead_letter_desk import Address, Letter

app = typer.Typer(
    no_args_is_help=True,
    help="Inputs that could not be processed: look at them, send them again.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Reasons = Annotated[
    list[str] | None, typer.Option("--reason", help="Only those; may be given several times.")
]


@app.command("list")
def list_(
    reason: Reasons = None,
    last: Annotated[int, typer.Option(min=0, help="Only the newest so many; 0 for all.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON Lines.")] = False,
) -> None:
    """List dead letters, oldest first, each with its address PARTITION:OFFSET.

    Those that were sent again stay in the list until their topic's retention
    ends.

    Examples:
      partidor dead-letters list
      partidor dead-letters list --reason wrong_partition --json
    """
    from collections import deque

    from streams.dead_letter_desk import DeadLetterDesk

    reasons = _known_reasons(reason)
    letters = DeadLetterDesk(load_settings()).all(reasons)
    # In order of time over all partitions; a partition's own order is kept among equals.
    newest = sorted((_summary(letter) for letter in letters), key=lambda s: s["dead_at_ms"])
    kept = deque(newest, maxlen=last or None)
    if as_json:
        import msgspec

        print_lines(msgspec.json.encode(summary) for summary in kept)
        return
    columns = ("address", "dead since", "reason", "from", "key", "detail")
    shown = Listing(f"Dead letters ({len(kept)} of {len(newest)})", *columns)
    for summary in kept:
        origin = f"{summary['topic']} {summary['partition']}:{summary['offset']}"
        since = time_text(summary["dead_at_ms"])
        shown.add(
            summary["address"], since, summary["reason"], origin,
            summary["key"], summary["detail"],
        )  # fmt: skip
    print_listings(shown)


@app.command()
def show(
    address: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the original value, byte for byte.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a dead letter whole: why, where from, headers, and the original value.

    The value may hold personal data. With --raw it can be mended and published.

    Examples:
      partidor dead-letters show 3:12
      partidor dead-letters show 3:12 --raw > event.json
    """
    from streams.dead_letter_desk import DeadLetterDesk

    wanted = _addresses([address])
    (letter,) = DeadLetterDesk(load_settings()).named(wanted)
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
        sys.stdout.buffer.flush()
        return
    whole = _summary(letter)
    whole["headers"] = {name: _text(value) for name, value in letter.headers}
    whole["value"] = _text(letter.value)
    if as_json:
        print_json(whole)
        return
    shown = Listing(f"Dead letter {address}", "what", "")
    for name, value in whole.items():
        shown.add(name, value)
    print_listings(shown)


@app.command()
def retry(
    addresses: Annotated[list[str] | None, typer.Argument(metavar="PARTITION:OFFSET...")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    reason: Reasons = None,
    key_from_channel: Annotated[
        bool,
        typer.Option("--key-from-channel", help="Send with the event's channel as the key."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Send the original bytes, key and headers again, to the partition that the key belongs to.

    A record without a usable key goes out under its event's channel. What still
    can't be processed becomes a new dead letter; what was processed meanwhile
    is known by its id.

    Examples:
      partidor dead-letters retry 3:12 3:14
      partidor dead-letters retry --reason wrong_partition
      partidor dead-letters retry --reason wrong_key --key-from-channel
    """
    from streams.dead_letter_desk import DeadLetterDesk

    if bool(addresses) + everything + bool(reason) != 1:
        raise WrongUsage("name dead letters, or a --reason, or --all: one of the three")
    wanted = _addresses(addresses or [])
    reasons = _known_reasons(reason)
    desk = DeadLetterDesk(load_settings())
    letters = desk.named(wanted) if wanted else desk.all(reasons)
    outcome = desk.retry(letters, key_from_channel=key_from_channel)
    for complaint in outcome.not_sent:
        note(f"partidor: not sent: {complaint}")
    if as_json:
        print_json({"sent": outcome.sent, "not_sent": outcome.not_sent})
    else:
        typer.echo(f"{outcome.sent} sent again, {len(outcome.not_sent)} not")
    raise typer.Exit(1 if outcome.not_sent else 0)


def _addresses(texts: list[str]) -> "list[Address]":
    from streams.dead_letter_desk import parsed_address

    try:
        return [parsed_address(text) for text in texts]
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def _known_reasons(given: list[str] | None) -> list[str]:
    from schemas.reasons import Reason

    known = [str(reason) for reason in Reason]
    for reason in given or []:
        if reason not in known:
            raise WrongUsage(f"there is no reason {reason!r}; there are {', '.join(known)}")
    return given or []


def _summary(letter: "Letter") -> dict[str, Any]:
    """What can be listed of a letter: not its value, which may be personal."""
    return {
        "address": str(letter.address),
        "dead_at_ms": letter.dead_at_ms,
        "reason": letter.reason,
        "detail": letter.detail,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "timestamp_ms": letter.timestamp_ms,
        "key": _text(letter.key),
        "value_bytes": len(letter.value or b""),
    }


def _text(value: bytes | None) -> str | None:
    """Bytes as text; what isn't UTF-8 with its bytes escaped."""
    return None if value is None else value.decode(errors="backslashreplace")
