"""`partidor publish`: a file of events, or of leads, onto the input topics."""

import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import InputFile, is_stdin, name_of, now_text, read_file
from streams.cli.output import JsonOption, note, print_json, progress_bar
from streams.failure import Failed, WrongUsage

if TYPE_CHECKING:
    from streams.publishing import EventLine
    from streams.settings import Settings


def publish(
    file: InputFile,
    channel: Annotated[
        str | None, typer.Option(help="FILE is CSV; its leads are for this channel.")
    ] = None,
    batch_id: Annotated[
        str | None, typer.Option(help="Of a CSV; made of the leads if not given.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Publish events from JSON Lines, or leads from CSV, all checked before anything is sent.

    JSON Lines: events of any input topic, in order; a batch is sent when the
    roster changes of its channel before it are acknowledged, so that it meets
    the new roster.

    CSV (with --channel): one lead a row; the column lead_id is its id, or an id
    is made of row number and content; all other columns become attributes. More
    leads than fit in one batch (PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX,
    PARTIDOR_LIMITS__INPUT_BYTES_MAX) become several: BATCH_ID, BATCH_ID.2, ...

    Publishing the same file again is harmless: batches and changes are known by
    their ids.

    Examples:
      partidor publish events.jsonl
      partidor publish leads.csv --channel web --batch-id web-2026-11-21-01
      make-leads | partidor publish -
    """
    if channel is None and batch_id is not None:
        raise WrongUsage("--batch-id is for CSV files, which need --channel too")
    if channel is None and file.suffix.lower() == ".csv":
        raise WrongUsage("a CSV file needs --channel: whose leads are they?")
    settings = load_settings()
    if channel is None:
        with _opened(file) as lines:
            _publish_lines(lines, file, settings, as_json=as_json)
    else:
        _publish_csv(file, channel, batch_id, settings, as_json=as_json)


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The file, readable twice: what comes through a pipe is kept in a temporary file."""
    with sys.stdin.buffer if is_stdin(file) else file.open("rb") as source:
        if not is_stdin(file) and stat.S_ISREG(file.stat().st_mode):
            yield source
            return
        with tempfile.TemporaryFile() as kept:
            shutil.copyfileobj(source, kept)
            kept.seek(0)
            yield kept


def _publish_lines(lines: BinaryIO, file: Path, settings: "Settings", *, as_json: bool) -> None:
    from streams.publishing import event_lines

    limits = settings.limits.limits()
    total_bytes = sum(event.size_bytes for event in event_lines(lines, name_of(file), limits))
    lines.seek(0)
    _send(event_lines(lines, name_of(file), limits), total_bytes, settings, as_json=as_json)


def _publish_csv(
    file: Path, channel: str, batch_id: str | None, settings: "Settings", *, as_json: bool
) -> None:
    from streams.csv_tables import read_table
    from streams.lead_files import batch_events
    from streams.publishing import EventLine, Kind

    table = read_table(read_file(file), name_of(file))
    batches = batch_events(table, channel, batch_id, now_text(), settings.limits.limits())
    events = [
        EventLine(batch.value, channel, Kind.BATCH, leads=batch.leads, size_bytes=batch.leads)
        for batch in batches
    ]
    if len(events) > 1:
        note(f"{len(table.rows)} leads are more than fit in one batch; sent as {len(events)}")
    _send(iter(events), sum(batch.leads for batch in batches), settings, as_json=as_json)


def _send(
    events: "Iterator[EventLine]", total: int, settings: "Settings", *, as_json: bool
) -> None:
    from streams.delivery import Delivery
    from streams.kafka_clients import PartitionCounts
    from streams.publishing import send_lines

    topics = settings.topics
    delivery = Delivery(settings, PartitionCounts(settings))
    counts: dict[str, Any] = {"lead_batches": 0, "leads": 0, "roster_changes": 0, "outcomes": 0}
    with progress_bar("publishing", total) as advance:

        def on_sent(event: "EventLine") -> None:
            counts[event.kind.value.replace(" ", "_")] += 1
            counts["leads"] += event.leads
            advance(event.size_bytes, event.leads)

        try:
            send_lines(events, delivery, topics, on_sent)
        except Failed as failure:
            raise Failed(f"{failure}; publish the same file again: nothing is done twice") from None
    if as_json:
        print_json(counts)
    else:
        note(
            f"published {counts['lead_batches']} lead batches with {counts['leads']} leads,"
            f" {counts['roster_changes']} roster changes, {counts['outcomes']} outcomes"
        )
