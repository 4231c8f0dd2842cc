"""The quick reading of a lead batch: what is plainly valid, and nothing else.

In: the JSON text of a record. Out: its fields, or None: then the models have to judge (`intake`).

What is valid is said by the pydantic models alone; they cost many times as much as the rest of the
work on a lead. Here a record is read by `msgspec` into plain structs, and a few tests, each over
all leads in one call, find whether the models would accept every one of them as it is. In doubt:
None. A test holds both ways against each other.

Attributes are never decoded: their text passes through.
"""

from functools import lru_cache
from typing import Final

import msgspec

from dispatcher.limits import Limits
from schemas.scalars import ID_LENGTH_MAX, is_timestamp

_NO_ATTRIBUTES: Final = msgspec.Raw(b"{}")
_CHARACTER_BYTES_MAX: Final = 4
# As numbers: bytes in bytes are looked for several times as long.
_BACKSLASH: Final = ord("\\")
_DELETE: Final = 0x7F


class _Lead(msgspec.Struct, gc=False):
    lead_id: str
    attributes: msgspec.Raw = _NO_ATTRIBUTES


class _Batch(msgspec.Struct, gc=False):
    type: str
    schema_version: int
    batch_id: str
    channel: str
    created_at: str
    leads: list[_Lead]


class PlainBatch(msgspec.Struct, frozen=True, gc=False):
    """A batch of which everything is valid; attributes are JSON objects as text."""

    channel: str
    batch_id: str
    created_at: str
    lead_ids: list[str]
    attributes: list[str]


_decode = msgspec.json.Decoder(_Batch).decode


def read_plain_batch(text: bytes, limits: Limits) -> PlainBatch | None:
    """The batch if it is plainly valid, else None; `text` is UTF-8."""
    try:
        batch = _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not (
        batch.type == "lead_batch" and batch.schema_version >= 1 and _is_time(batch.created_at)
    ):
        return None
    if len(batch.leads) == 1 and (plain := _read_single(batch, text, limits)) is not None:
        return plain
    lead_ids = [lead.lead_id for lead in batch.leads]
    attributes = _texts([lead.attributes for lead in batch.leads])
    if (
        attributes is not None
        and len(set(lead_ids)) == len(lead_ids)
        and _ids_valid([batch.channel, batch.batch_id, *lead_ids], text)
        and _bearable(attributes, text, limits)
    ):
        return PlainBatch(batch.channel, batch.batch_id, batch.created_at, lead_ids, attributes)
    return None


def _read_single(batch: _Batch, text: bytes, limits: Limits) -> PlainBatch | None:
    """A short batch of one lead, in half the time; None: as others."""
    (lead,) = batch.leads
    attributes = str(lead.attributes, "utf-8")
    if (
        0 < len(batch.channel) <= ID_LENGTH_MAX
        and 0 < len(batch.batch_id) <= ID_LENGTH_MAX
        and 0 < len(lead.lead_id) <= ID_LENGTH_MAX
        and attributes[0] == "{"
        and len(text) <= limits.attributes_bytes_max
        and _free_of_controls(text)
        and plainly_flat(text, limits.nesting_max)
    ):
        return PlainBatch(
            batch.channel, batch.batch_id, batch.created_at, [lead.lead_id], [attributes]
        )
    return None


def _texts(raws: list[msgspec.Raw]) -> list[str] | None:
    """Each value's text, if all of them are JSON objects."""
    if not raws:
        return []
    # NUL stands nowhere in JSON.
    joined = b"\x00".join(raws).decode()
    if joined[0] != "{" or joined.count("\x00{") != len(raws) - 1:
        return None
    return joined.split("\x00")


def _ids_valid(ids: list[str], text: bytes) -> bool:
    """Whether all have a length that they may have, and none holds a control character."""
    lengths = list(map(len, ids))
    if min(lengths) == 0 or max(lengths) > ID_LENGTH_MAX:
        return False
    return _free_of_controls(text) or "".join(ids).isprintable()


def _free_of_controls(text: bytes) -> bool:
    """Whether no string in it can hold a control character.

    In JSON they stand as escapes, but for DEL and those beyond ASCII.
    """
    return _BACKSLASH not in text and text.isascii() and _DELETE not in text


def _bearable(attributes: list[str], text: bytes, limits: Limits) -> bool:
    """Whether no attributes are too long, and nothing is nested too deep."""
    bytes_max = limits.attributes_bytes_max
    if len(text) > bytes_max and attributes:
        most = max(map(len, attributes))
        if most > (bytes_max if text.isascii() else bytes_max // _CHARACTER_BYTES_MAX):
            return False
    # Each lead is an object, and so are its attributes unless they were left out or are empty: of
    # all these three at most stand in one another, the event, a lead, its attributes. In an empty
    # object nothing stands, so it adds one level at most, wherever and however many there are.
    empty = attributes.count("{}")
    objects_known = 1 + 2 * len(attributes) - empty + (text.count(b"{}") if empty else 0)
    return plainly_flat(text, limits.nesting_max - 4, objects_known)


def plainly_flat(text: bytes, nesting_max: int, objects_known: int = 0) -> bool:
    """Whether there are too few brackets to nest deeper than allowed."""
    # To take them out jumps from one to the next; to count them looks at every byte, and takes
    # four times as long.
    brackets = len(text) - len(text.replace(b"{", b"").replace(b"[", b""))
    return brackets - objects_known <= nesting_max


@lru_cache(maxsize=4_096)
def _is_time(text: str) -> bool:
    """Whether the text is a time; many batches share one."""
    return is_timestamp(text)
