"""Where the leads of an assignee that is a channel itself go on to: the cascade.

In: a division. Out: the lead batches in which leads of routed assignees go on, to be written in the
same transaction as the decision; the channel that they go to divides them by its own roster.

- Nothing else changes by a route: who gets how many leads, and in which order, is decided as for
  anybody. What goes on has no `lead_assigned` here; it gets one where its way ends.
- A route only leads deeper (see `schemas.inputs.AssigneeRouted`), so every way ends.
- R10 A batch is named after the decision that sent it on, so no two have one id, and the same
  decision never makes another one.
- A batch keeps to the limits of an input; what is over goes on in several, `...`, `....2`, `....3`.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec

from dispatcher.decisions import Decision, Dispatched, RoutedBatch
from dispatcher.json_texts import json_text
from dispatcher.limits import Limits
from schemas.scalars import ID_LENGTH_MAX

RECORD_BYTES: Final = 4_096
"""Room for what is no lead: a topic that takes just the limit takes the whole record, too."""

_PART_LENGTH_MAX: Final = 8
"""Of ".2" and so on."""

_DIGEST_LENGTH: Final = 32
_AMBIGUOUS: Final = re.compile(r"(?:^|/)[0-9]+/|\.[0-9]+$")
"""Of assignees whose batches could have the id of another channel's, or of another part."""

_encode = msgspec.json.Encoder().encode

D = TypeVar("D", bound=Decision)


def with_routed_batches(decision: D, limits: Limits) -> D:
    """The decision with the batches that go on by it; as it is where none does."""
    if not isinstance(decision, Dispatched) or not decision.roster.routes:
        return decision
    return msgspec.structs.replace(decision, routed=tuple(_routed(decision, limits)))


def routed_batch_id(channel: str, state_version: int, assignee_id: str) -> str:
    """The id of the first batch that a decision sends on for an assignee.

    Shortened with a hash where it would be too long, or where another one could read the same.
    """
    name = f"{channel}/{state_version}/{assignee_id}"
    if len(name) <= ID_LENGTH_MAX - _PART_LENGTH_MAX and not _AMBIGUOUS.search(assignee_id):
        return name
    # Ids hold no control characters.
    content = f"{channel}\n{state_version}\n{assignee_id}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[:150]}~{digest}"


def routed_text(batches: Sequence[RoutedBatch]) -> str:
    """How a decision says it, as the last of its fields; nothing where nothing goes on."""
    if not batches:
        return ""
    rows = [
        {
            "assignee_id": batch.assignee_id,
            "routes_to": batch.routes_to,
            "batch_id": batch.batch_id,
            "leads": batch.leads,
        }
        for batch in batches
    ]
    return f',"routed":{_encode(rows).decode()}'


def _routed(decision: Dispatched, limits: Limits) -> Iterator[RoutedBatch]:
    """In order of rank; leads in order of dispatch."""
    roster = decision.roster
    places: dict[int, list[int]] = {}
    for place, rank in enumerate(decision.order):
        if rank in roster.routes:
            places.setdefault(rank, []).append(place)
    for rank in sorted(places):
        assignee_id, channel = roster.members[rank].assignee_id, roster.routes[rank]
        first_id = routed_batch_id(decision.channel, decision.state_version, assignee_id)
        leads = [_lead(decision, place) for place in places[rank]]
        for number, part in enumerate(_parts(leads, limits), start=1):
            batch_id = first_id if number == 1 else f"{first_id}.{number}"
            value = _value(decision, channel, batch_id, part)
            yield RoutedBatch(assignee_id, channel, batch_id, len(part), value)


def _lead(decision: Dispatched, place: int) -> bytes:
    lead_id, attributes = decision.lead_ids[place], decision.attributes[place]
    # Left out, they are read faster.
    given = "" if attributes == "{}" else f',"attributes":{attributes}'
    return f'{{"lead_id":{json_text(lead_id)}{given}}}'.encode()


def _parts(leads: list[bytes], limits: Limits) -> Iterator[list[bytes]]:
    """As many together as an input may hold; one at least."""
    bytes_max = limits.input_bytes_max - RECORD_BYTES
    part: list[bytes] = []
    size = 0
    for lead in leads:
        size += len(lead) + 1
        if part and (size > bytes_max or len(part) == limits.leads_per_batch_max):
            yield part
            part, size = [], len(lead) + 1
        part.append(lead)
    yield part


def _value(decision: Dispatched, channel: str, batch_id: str, leads: list[bytes]) -> bytes:
    head = (
        f'{{"type":"lead_batch","schema_version":1,"batch_id":{json_text(batch_id)}'
        f',"channel":{json_text(channel)},"created_at":"{decision.decided_at}"'
        f',"routed_from":{{"channel":{json_text(decision.channel)}'
        f',"batch_id":{json_text(decision.batch_id)}'
        f',"state_version":{decision.state_version}}},"leads":['
    )
    return b"%b%b]}" % (head.encode(), b",".join(leads))
