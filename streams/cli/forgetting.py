"""`partidor forget`: what is kept of a lead and its person is erased, or told."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, print_json, print_listings
from streams.failure import Failed, WrongUsage

if TYPE_CHECKING:
    from streams.forgetting import Found, Trace


def forget(
    lead: Annotated[str, typer.Argument(help="The lead_id.")],
    channel: Annotated[
        list[str] | None, typer.Option(help="Only in this channel; may be given again.")
    ] = None,
    person: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="An attribute that the person is known by, as phone=...; may be given again.",
        ),
    ] = None,
    only_list: Annotated[
        bool, typer.Option("--list", help="Erase nothing: say where it is, and until when.")
    ] = False,
    reason: Annotated[str | None, typer.Option(help="Why; kept in the decision.")] = None,
    changed_by: Annotated[
        str | None, typer.Option(help="Who says so; kept in the decision.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=1, help="Seconds to wait for the dispatchers.")
    ] = 60,
    as_json: JsonOption = False,
) -> None:
    """Forget a lead: where it waits, who had its person; and say what logs still hold, until when.

    The dispatchers erase what is live. Records on topics can't be taken out;
    they are listed with the time at which Kafka lets go of them at the latest.
    Exit 1 when anything is live afterwards.

    Examples:
      partidor forget L17 --channel web --reason "asked to be forgotten"
      partidor forget L17 --channel web --person "phone=+61 491 570 156"
      partidor forget L17 --list --json
    """
    import uuid

    from streams.forgetting import Search, events_for, send, wait_until_nothing_is_live

    settings = load_settings()
    search = Search(settings, lead, channel or (), dict(_named(each) for each in person or ()))
    found = search.found()
    if only_list:
        _print(lead, found, as_json=as_json, erased=0)
        return
    if not channel and len(found.channels) > 1:
        raise Failed(
            f"lead {lead} is in several channels, perhaps not the same person's:"
            f" {', '.join(found.channels)}; name those that are meant with --channel"
        )
    events = events_for(lead, found, reason, changed_by, f"forget-{uuid.uuid4()}")
    if events:
        send(settings, events, timeout)
        found = wait_until_nothing_is_live(search, timeout)
    _print(lead, found, as_json=as_json, erased=len(events))
    raise typer.Exit(0 if found.live.is_nothing else 1)


def _named(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise WrongUsage(f"--person {name!r}...: an attribute and its value, as phone=...")
    return name, value


def _print(lead: str, found: "Found", *, as_json: bool, erased: int) -> None:
    live = found.live
    if as_json:
        print_json(
            {
                "lead_id": lead,
                "events_sent": erased,
                "live": {**live._asdict(), "nothing": live.is_nothing},
                "on_logs": [trace.as_object() for trace in found.traces],
            }
        )
        return
    for sentence in _sentences(live):
        typer.echo(sentence)
    if not found.traces:
        typer.echo(f"No record on any topic holds lead {lead}.")
        return
    shown = Listing(
        f"Records that hold lead {lead} until Kafka lets go of them",
        "topic", "partition", "offset", "channel", "kept until at the latest", "",
        right=["partition", "offset"],
    )  # fmt: skip
    for trace in found.traces:
        shown.add(*_cells(trace))
    print_listings(shown)


def _cells(trace: "Trace") -> tuple[Any, ...]:
    until = trace.kept_until or "no bound: set max.compaction.lag.ms"
    doubt = "" if trace.certain else "has the id in it, can't be read"
    return trace.topic, trace.partition, trace.offset, trace.channel, until, doubt


def _sentences(live: Any) -> list[str]:
    told = []
    for channel, count in sorted(live.waiting.items()):
        told.append(f"It waits in channel {channel} ({count}).")
    if live.in_redis is None:
        told.append("Redis can't be asked; it is a copy, and follows the changelog.")
    for channel, count in sorted((live.in_redis or {}).items()):
        told.append(f"Redis still holds it, waiting in channel {channel} ({count}).")
    for channel, keys in sorted(live.persons.items()):
        told.append(f"The register of channel {channel} knows the person ({len(keys)}).")
    return told or ["Nothing of it is live: no state, no Redis, no register holds it."]
