"""Leads from a CSV file: any columns; `lead_id`, if there is one, is the lead's id.

In: a table. Out: lead ids, and lead batches as the events that travel, valid by `streams.intake`.

Where there is no `lead_id`, a lead's id is made of its row number and its content, so that the
same file always gives the same ids, and a changed one doesn't.
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from dispatcher.events import BatchReceived, batch_content_hash
from dispatcher.limits import Limits
from streams.csv_tables import Table
from streams.failure import Failed
from streams.intake import Refused
from streams.replay import Replay

LEAD_ID_COLUMN: Final = "lead_id"
_encode = msgspec.json.Encoder().encode


class BatchEvent(NamedTuple):
    """A lead batch as it travels, and how many leads it holds."""

    value: bytes
    leads: int


def lead_ids(table: Table) -> list[str]:
    """The id of each row's lead, in order. Raises Failed when two rows have the same."""
    at = table.column(LEAD_ID_COLUMN)
    if at is None:
        return [_made_id(row.number, row.cells) for row in table.rows]
    ids = [row.cells[at] for row in table.rows]
    seen: dict[str, int] = {}
    for lead_id, row in zip(ids, table.rows, strict=True):
        if lead_id in seen:
            raise table.failure(row, f"lead_id {lead_id!r} stands in row {seen[lead_id]} already")
        seen[lead_id] = row.number
    return ids


def _made_id(row_number: int, cells: Sequence[str]) -> str:
    content = hashlib.sha256(_encode(list(cells))).hexdigest()
    return f"row-{row_number}-{content[:16]}"


def default_batch_id(ids: Sequence[str]) -> str:
    """A batch's name made of its leads: the same leads again are the same batch (R10)."""
    return f"leads-{batch_content_hash(ids)[:16]}"


def batch_event(
    channel: str, batch_id: str, created_at: str, leads: Sequence[tuple[str, bytes]]
) -> bytes:
    """The JSON of a lead batch; attributes are JSON objects."""
    return _encode(
        {
            "type": "lead_batch",
            "schema_version": 1,
            "batch_id": batch_id,
            "channel": channel,
            "created_at": created_at,
            "leads": [
                {"lead_id": lead_id, "attributes": msgspec.Raw(attributes)}
                for lead_id, attributes in leads
            ],
        }
    )


def valid_batch(table: Table, value: bytes, first_row: int, limits: Limits) -> BatchReceived:
    """Read a batch that was made of rows from index `first_row` on, as the dispatcher will.

    Raises Failed when it would be a dead letter, in whole or in part.
    """
    try:
        event = Replay(limits).read(value, 1)
    except Refused as refusal:
        raise Failed(f"{table.name}: {refusal.detail}") from None
    if not isinstance(event, BatchReceived):
        raise AssertionError("a lead batch was read as a roster change")
    if event.rejected_leads:
        bad = event.rejected_leads[0]
        more = len(event.rejected_leads) - 1
        also = f"; and {more} more rows" if more else ""
        raise table.failure(table.rows[first_row + bad.place - 1], bad.detail + also)
    if event.leads_in_event > limits.leads_per_batch_max:
        raise Failed(
            f"{table.name}: {event.leads_in_event} leads; at most {limits.leads_per_batch_max}"
            " in a batch (PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX)"
        )
    return event


def batch_events(
    table: Table, channel: str, batch_id: str | None, created_at: str, limits: Limits
) -> list[BatchEvent]:
    """The table as lead batches, every column but `lead_id` an attribute of the lead.

    A table over the limits of one batch becomes several, cut greedily and so always in the same
    places: the first has the id itself, the others `id.2`, `id.3`, ... Raises Failed.
    """
    ids = lead_ids(table)
    name = default_batch_id(ids) if batch_id is None else batch_id
    leads = list(zip(ids, _attributes(table), strict=True))
    events = []
    for part, (start, end) in enumerate(_cuts(leads, channel, name, limits), start=1):
        part_id = name if part == 1 else f"{name}.{part}"
        value = batch_event(channel, part_id, created_at, leads[start:end])
        valid_batch(table, value, start, limits)
        events.append(BatchEvent(value, end - start))
    return events


def _attributes(table: Table) -> Iterator[bytes]:
    at = table.column(LEAD_ID_COLUMN)
    names = [name.strip() for name in table.header]
    columns = [place for place in range(len(names)) if place != at]
    for place in columns:
        if not names[place]:
            raise Failed(f"{table.name}: column {place + 1} has no name")
        if names.index(names[place]) != place:
            raise Failed(f"{table.name}: two columns are called {names[place]!r}")
    for row in table.rows:
        yield _encode({names[place]: row.cells[place] for place in columns})


def _cuts(
    leads: Sequence[tuple[str, bytes]], channel: str, batch_id: str, limits: Limits
) -> Iterator[tuple[int, int]]:
    """Where batches begin and end, so that each is within the limits; an empty table is one."""
    # The envelope with a part's number and a time of any length, and what JSON adds to a lead.
    envelope_bytes = len(batch_event(channel, batch_id, "", ())) + 100
    start, size_bytes = 0, envelope_bytes
    for at, (lead_id, attributes) in enumerate(leads):
        lead_bytes = len(_encode(lead_id)) + len(attributes) + len('{"lead_id":,"attributes":},')
        full = at - start == limits.leads_per_batch_max
        if at > start and (full or size_bytes + lead_bytes > limits.input_bytes_max):
            yield start, at
            start, size_bytes = at, envelope_bytes
        size_bytes += lead_bytes
    yield start, len(leads)
