"""What `decide` is asked about: an input event that has been read and found valid by itself."""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from schemas.inputs import LeadOutcome, RosterChange
from schemas.reasons import Reason

_ADDED_LATER: Final[dict[str, Any]] = {
    "until": None,
    "open_max": None,
    "returns": [],
    "sticky": None,
    "dispatch_by": "count",
    "value_attribute": None,
}
"""Fields that came later, with their defaults: a change without them keeps its content."""


class InputRef(msgspec.Struct, frozen=True, gc=False):
    """Where an input record stands. A file of events counts as partition 0, offset = line - 1."""

    topic: str
    partition: int
    offset: int


class RejectedLead(msgspec.Struct, frozen=True):
    """A lead that can't be dispatched, though its batch can.

    Attributes:
        place: in the event, from 1.
        raw: the lead's JSON as it came; None where that is only in the record.
    """

    place: int
    reason: Reason
    detail: str
    raw: bytes | None


class BatchReceived(msgspec.Struct, frozen=True, gc=False):
    """A lead batch whose envelope is valid.

    Attributes:
        lead_ids, attributes: of the leads that can be dispatched, in the order of the event;
            attributes are JSON objects as text, never decoded.
        rejected_leads: the others.
        decided_at: the time of the input record, RFC 3339.
        created_at: as the source wrote it.
        owners: the lead register, where it was asked for and answered.
    """

    channel: str
    batch_id: str
    created_at: str
    lead_ids: Sequence[str]
    attributes: Sequence[str]
    rejected_leads: tuple[RejectedLead, ...]
    content_hash: str
    decided_at: str
    input: InputRef
    owners: Any = None

    @property
    def leads_in_event(self) -> int:
        """Valid or not."""
        return len(self.lead_ids) + len(self.rejected_leads)


class ChangeReceived(msgspec.Struct, frozen=True):
    """A valid roster change."""

    change: RosterChange
    content_hash: str
    decided_at: str
    input: InputRef

    @property
    def channel(self) -> str:
        """The channel whose roster it changes."""
        return self.change.channel


class OutcomeReceived(msgspec.Struct, frozen=True):
    """A valid outcome.

    Attributes:
        attributes: of its lead, a JSON object as text, never decoded.
    """

    outcome: LeadOutcome
    attributes: str
    content_hash: str
    decided_at: str
    input: InputRef

    @property
    def channel(self) -> str:
        """The channel that its lead came in."""
        return self.outcome.channel


class TimerDue(msgspec.Struct, frozen=True):
    """The first timer of a channel is due.

    Attributes:
        now_ms: the time, milliseconds since 1970; at or after that of the timer.
    """

    channel: str
    now_ms: int


def batch_content_hash(lead_ids: Sequence[str]) -> str:
    """The content of a batch as R10 compares it: its sequence of lead_ids, 128 bits in hex.

    Ids hold no control characters, so a line break can't be part of one.
    """
    return hashlib.sha256("\n".join(lead_ids).encode()).hexdigest()[:32]


def change_content_hash(change: RosterChange) -> str:
    """The content of a change as R10 compares it: all but `created_at`, 128 bits in hex."""
    content = change.model_dump(mode="json", exclude={"created_at"})
    for name, default in _ADDED_LATER.items():
        if content.get(name, ...) == default:
            del content[name]
    return _hash_of(content)


def outcome_content_hash(outcome: LeadOutcome) -> str:
    """The content of an outcome as R10 compares it: all but `created_at` and `attributes`."""
    return _hash_of(outcome.model_dump(mode="json", exclude={"created_at", "attributes"}))


def _hash_of(content: dict[str, Any]) -> str:
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:32]
