"""Dead letters on Kafka: the original bytes, and in headers why and where from (R11).

In: an input record and a reason. Out: the record for `dispatch.dead-letters`. Value, key and
headers are those of the input; ours are strings under `partidor.error.`. A dead-lettered lead
travels as a batch of that lead alone, under the id of its batch, "~", and its place in the event,
so that it can be mended and sent again. What is too large even for the dead-letter topic leaves
where it stood, how long it was, and its SHA-256.
"""

import hashlib
from typing import Final

import msgspec

from dispatcher.events import BatchReceived, RejectedLead
from schemas.reasons import Reason
from schemas.scalars import ID_LENGTH_MAX
from streams.broker import Headers, InputRecord
from streams.transactions import Output

HEADER_PREFIX: Final = "partidor.error."
DETAIL_LENGTH_MAX: Final = 1_000
HEADERS_BYTES: Final = 4_096
"""What our headers may add to a record."""
_encode = msgspec.json.Encoder().encode


def dead_letter(
    record: InputRecord,
    reason: Reason,
    detail: str,
    *,
    topic: str,
    partition_count: int,
    bytes_max: int,
    value: bytes | None = None,
    state_version: int | None = None,
) -> Output:
    """The dead letter of a record, or of a part of it if `value` is given.

    Args:
        state_version: of the channel when it was refused; None for what could not even be read.
        topic, partition_count: of the dead-letter topic.
        bytes_max: what it takes in one record.
    """
    # What came back and failed again carries only the newest reason.
    own = [header for header in record.headers if not header[0].startswith(HEADER_PREFIX)]
    ours = _error_headers(record, reason, detail, state_version)
    headers = [*own, *ours]
    key = record.key
    content = record.value if value is None else value
    size = len(key or b"") + len(content or b"") + HEADERS_BYTES + _size(own)
    if size > bytes_max:
        content = _encode(
            {
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "value_bytes": len(content or b""),
                "value_sha256": hashlib.sha256(content or b"").hexdigest(),
            }
        )
        headers = ours
        key = key if key is None or len(key) <= HEADERS_BYTES else None
    return Output(topic, record.partition % partition_count, [(key, content)], headers)


class _Leads(msgspec.Struct):
    leads: list[msgspec.Raw]


_decode_leads = msgspec.json.Decoder(_Leads).decode


def lead_in(value: bytes | None, place: int) -> bytes:
    """A lead of a batch as it came, by its place from 1; the record was read before."""
    return bytes(_decode_leads(value or b"").leads[place - 1])


def lead_value(event: BatchReceived, lead: RejectedLead, raw: bytes) -> bytes:
    """A batch of one dead-lettered lead, as it could be sent again; `raw` is the lead's JSON."""
    head = _encode(
        {
            "type": "lead_batch",
            "schema_version": 1,
            "batch_id": lead_batch_id(event.batch_id, lead.place),
            "channel": event.channel,
            "created_at": event.created_at,
        }
    )
    return head[:-1] + b',"leads":[' + raw + b"]}"


def lead_batch_id(batch_id: str, place: int) -> str:
    """The id of the batch that a dead-lettered lead travels in."""
    derived = f"{batch_id}~{place}"
    if len(derived) <= ID_LENGTH_MAX:
        return derived
    digest = hashlib.sha256(batch_id.encode()).hexdigest()[:32]
    return f"{batch_id[:150]}~{digest}~{place}"


def _error_headers(
    record: InputRecord, reason: Reason, detail: str, state_version: int | None
) -> list[tuple[str, bytes | None]]:
    fields = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "timestamp": str(record.timestamp_ms),
        "reason": str(reason),
        "detail": detail[:DETAIL_LENGTH_MAX],
    }
    if state_version is not None:
        fields["state_version"] = str(state_version)
    return [(HEADER_PREFIX + name, text.encode()) for name, text in fields.items()]


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value or b"") + 16 for name, value in headers)
