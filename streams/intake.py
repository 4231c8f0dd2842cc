"""From bytes to an event that can be decided, or to the reason why it can't.

In: the value of an input record. Out: `BatchReceived`, `ChangeReceived`, `OutcomeReceived`, or
`Refused`.

What is valid is said by the pydantic models in `schemas.inputs` and nowhere else. Most records
are read without them, by `plain_batches`; whatever isn't plainly valid goes to the models, which
decide and say why.

Attributes are never decoded: their text passes through. For that to be safe the value has to be
UTF-8 throughout (tested once per record), and not nested without end (counted once per record).
"""

from typing import Final, cast

import msgspec
from pydantic import ValidationError

from dispatcher.events import (
    BatchReceived,
    ChangeReceived,
    InputRef,
    OutcomeReceived,
    RejectedLead,
    batch_content_hash,
    change_content_hash,
    outcome_content_hash,
)
from dispatcher.limits import Limits
from schemas.inputs import LEAD_OUTCOME, ROSTER_CHANGE, Lead, LeadBatchEnvelope
from schemas.reasons import Reason
from streams.plain_batches import plainly_flat, read_plain_batch

_OPENING_BRACE: Final = ord("{")
# As numbers: bytes in bytes are looked for several times as long.
_LINE_FEED: Final = ord("\n")
_CARRIAGE_RETURN: Final = ord("\r")


class Refused(Exception):
    """An input that can never be decided as it is: its reason, and what to do about it.

    `channel`, `batch_id`, `change_id`, `outcome_id` and `event_type` are what could be read of it.
    """

    def __init__(self, reason: Reason, detail: str, content: object = None) -> None:
        """`content` is the JSON value, where there was one."""
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        fields = content if isinstance(content, dict) else {}
        self.channel = _text_or_none(fields.get("channel"))
        self.batch_id = _text_or_none(fields.get("batch_id"))
        self.outcome_id = _text_or_none(fields.get("outcome_id"))
        self.change_id = _text_or_none(fields.get("change_id"))
        self.event_type = _text_or_none(fields.get("type"))


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


_decode_raw_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_raw_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode


def read_batch(
    value: bytes | None, limits: Limits, input_ref: InputRef, decided_at: str | None
) -> BatchReceived:
    """Read a record of `leads.batches`.

    Args:
        value: the record's value; None for a tombstone.
        limits: the sizes that are read at all.
        input_ref: where the record stands.
        decided_at: its time; None to take the event's own `created_at` (files).

    Raises Refused: too_large, not_json or invalid_event.
    """
    text = _checked_text(value, limits)
    plain = read_plain_batch(text, limits)
    if plain is None:
        return _read_batch_by_model(text, limits, input_ref, decided_at)
    return BatchReceived(
        plain.channel,
        plain.batch_id,
        plain.created_at,
        plain.lead_ids,
        plain.attributes,
        (),
        batch_content_hash(plain.lead_ids),
        decided_at or plain.created_at,
        input_ref,
    )


def read_change(
    value: bytes | None, limits: Limits, input_ref: InputRef, decided_at: str | None
) -> ChangeReceived:
    """Read a record of `roster.changes`; arguments and errors as `read_batch`."""
    text = _checked_text(value, limits)
    content = {name: _value(raw) for name, raw in _raw_fields(text, limits).items()}
    try:
        change = ROSTER_CHANGE.validate_python(content)
    except ValidationError as error:
        raise Refused(Reason.INVALID_EVENT, explain(error), content) from None
    return ChangeReceived(
        change, change_content_hash(change), decided_at or change.created_at, input_ref
    )


def read_outcome(
    value: bytes | None, limits: Limits, input_ref: InputRef, decided_at: str | None
) -> OutcomeReceived:
    """Read a record of `leads.outcomes`; arguments and errors as `read_batch`."""
    text = _checked_text(value, limits)
    raw_fields = _raw_fields(text, limits)
    given = bytes(raw_fields.get("attributes", b"{}"))
    if given[0] == _OPENING_BRACE:
        # As in a batch: an object is all that the model asks, so none of it has to be decoded.
        raw_fields.pop("attributes", None)
    content = {name: _value(raw) for name, raw in raw_fields.items()}
    try:
        outcome = LEAD_OUTCOME.validate_python(content)
    except ValidationError as error:
        raise Refused(Reason.INVALID_EVENT, explain(error), content) from None
    if len(given) > limits.attributes_bytes_max:
        most = limits.attributes_bytes_max
        raise Refused(
            Reason.INVALID_EVENT, f"attributes: {len(given)} bytes; at most {most}", content
        )
    return OutcomeReceived(
        outcome,
        given.decode(),
        outcome_content_hash(outcome),
        decided_at or outcome.created_at,
        input_ref,
    )


def explain(error: ValidationError) -> str:
    """The first few complaints of a model, each with the field it is about, without the values.

    Values may be personal data, and a detail travels in a header and a log.
    """
    complaints = error.errors(include_url=False, include_input=False, include_context=False)
    shown = [
        ".".join(str(part) for part in complaint["loc"]) + ": " + complaint["msg"]
        if complaint["loc"]
        else complaint["msg"]
        for complaint in complaints[:3]
    ]
    more = len(complaints) - len(shown)
    return "; ".join(shown) + (f"; and {more} more" if more > 0 else "")


def _checked_text(value: bytes | None, limits: Limits) -> bytes:
    """The value, found to be UTF-8 of a bearable size, on one line."""
    if value is None:
        raise Refused(Reason.NOT_JSON, "the record has no value")
    if len(value) > limits.input_bytes_max:
        raise Refused(
            Reason.TOO_LARGE,
            f"{len(value)} bytes uncompressed, at most {limits.input_bytes_max}; send less at once",
        )
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise Refused(Reason.NOT_JSON, f"not UTF-8 at byte {error.start}") from None
    if _LINE_FEED in value or _CARRIAGE_RETURN in value:
        # Attributes pass through as they are, and an output event has to stay on one line.
        try:
            return msgspec.json.format(value, indent=-1)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused(Reason.NOT_JSON, f"not JSON: {error}") from None
    return value


def _raw_fields(text: bytes, limits: Limits) -> dict[str, msgspec.Raw]:
    """The fields of a JSON object, each still as JSON: what is not known is never decoded.

    Raises Refused: not_json for what isn't JSON or nests too deep, invalid_event for what is
    JSON but no object.
    """
    if not plainly_flat(text, limits.nesting_max) and _nesting(text) > limits.nesting_max:
        raise Refused(Reason.NOT_JSON, f"nested deeper than {limits.nesting_max} levels")
    try:
        return _decode_raw_fields(text)
    except msgspec.ValidationError:
        raise Refused(Reason.INVALID_EVENT, "not a JSON object") from None
    except msgspec.DecodeError as error:
        raise Refused(Reason.NOT_JSON, f"not JSON: {error}") from None


def _value(raw: msgspec.Raw) -> object:
    """A JSON value; one that no event can hold, such as 1e999, is an object no model accepts."""
    try:
        return cast("object", _decode_any(raw))
    except msgspec.DecodeError:
        return object()


def _nesting(text: bytes) -> int:
    """How deep arrays and objects stand in one another; brackets in strings don't count."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest


def _read_batch_by_model(
    text: bytes, limits: Limits, input_ref: InputRef, decided_at: str | None
) -> BatchReceived:
    """The definition itself: the envelope first, then each lead on its own."""
    raw_fields = _raw_fields(text, limits)
    raw_leads = _raw_items(raw_fields.pop("leads", None))
    content = {name: _value(raw) for name, raw in raw_fields.items()}
    if raw_leads is not None:
        content["leads"] = raw_leads
    try:
        envelope = LeadBatchEnvelope.model_validate(content)
    except ValidationError as error:
        raise Refused(Reason.INVALID_EVENT, explain(error), content) from None
    lead_ids: list[str] = []
    attributes: list[str] = []
    rejected: list[RejectedLead] = []
    sequence: list[str] = []
    seen: dict[str, int] = {}
    for place, raw in enumerate(cast("list[msgspec.Raw]", envelope.leads), start=1):
        lead = _lead_fields(raw)
        sequence.append(_identity(lead, raw))
        try:
            lead_id, given = _judged(lead, seen, limits)
        except _BadLead as bad:
            rejected.append(RejectedLead(place, bad.reason, bad.detail, bytes(raw)))
            continue
        seen[lead_id] = place
        lead_ids.append(lead_id)
        attributes.append(given.decode())
    return BatchReceived(
        envelope.channel,
        envelope.batch_id,
        envelope.created_at,
        lead_ids,
        attributes,
        tuple(rejected),
        batch_content_hash(sequence),
        decided_at or envelope.created_at,
        input_ref,
    )


def _raw_items(raw: msgspec.Raw | None) -> list[msgspec.Raw] | None:
    """The items of a JSON array, each still as JSON; None where there is no array."""
    if raw is None:
        return None
    try:
        return _decode_raw_items(raw)
    except msgspec.DecodeError:
        return None


def _lead_fields(raw: msgspec.Raw) -> dict[str, msgspec.Raw] | None:
    """The fields of a lead, each still as JSON; None for what is no object."""
    try:
        return _decode_raw_fields(raw)
    except msgspec.DecodeError:
        return None


class _BadLead(Exception):
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def _judged(
    fields: dict[str, msgspec.Raw] | None, seen: dict[str, int], limits: Limits
) -> tuple[str, bytes]:
    """The lead's id and attributes. Raises _BadLead: invalid_lead or duplicate_lead."""
    if fields is None:
        raise _BadLead(Reason.INVALID_LEAD, "not a JSON object")
    content = {name: _value(raw) for name, raw in fields.items() if name == "lead_id"}
    given = b"{}"
    if "attributes" in fields:
        given = bytes(fields["attributes"])
        # An object is all that the model asks of attributes, so none of it has to be decoded.
        is_object = given[0] == _OPENING_BRACE
        content["attributes"] = {} if is_object else _value(fields["attributes"])
    try:
        valid = Lead.model_validate(content)
    except ValidationError as error:
        raise _BadLead(Reason.INVALID_LEAD, explain(error)) from None
    if len(given) > limits.attributes_bytes_max:
        raise _BadLead(
            Reason.INVALID_LEAD,
            f"attributes: {len(given)} bytes; at most {limits.attributes_bytes_max}",
        )
    if valid.lead_id in seen:
        raise _BadLead(
            Reason.DUPLICATE_LEAD,
            f"the same lead_id stands at place {seen[valid.lead_id]} of this batch",
        )
    return valid.lead_id, given


def lead_identity(raw: msgspec.Raw) -> str:
    """What stands for a lead, as JSON, in the content of its batch (R10)."""
    return _identity(_lead_fields(raw), raw)


def _identity(fields: dict[str, msgspec.Raw] | None, raw: msgspec.Raw) -> str:
    """What stands for a lead in the content of its batch: its id, or the JSON of what has none."""
    lead_id = _value(fields["lead_id"]) if fields and "lead_id" in fields else None
    if isinstance(lead_id, str) and "\n" not in lead_id and "\x00" not in lead_id:
        return lead_id
    return "\x00" + bytes(raw).decode()
