"""What `decide` answers: decisions, which change a state, or a rejection, which leaves no trace."""

import msgspec

from dispatcher.events import BatchReceived, ChangeReceived, InputRef, RejectedLead
from dispatcher.roster import Roster
from dispatcher.state import ParkedBatch
from schemas.reasons import Reason


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What all decisions share.

    Attributes:
        state_version, roster_version: of the state after it.
        input, decided_at: the record that caused it, and its time.
    """

    channel: str
    state_version: int
    roster_version: int
    input: InputRef
    decided_at: str


class Dispatched(Decision, frozen=True, kw_only=True):
    """A batch was divided.

    Attributes:
        lead_ids, attributes: in order of dispatch; attributes are JSON objects as text.
        order: the rank that gets each lead.
        assigned: leads per rank, in order of rank; 0 for paused members.
        errors_before, errors_after: numerators over `roster.error_denominator`, by rank.
        rejected_leads: those of its event that became dead letters with it.
        released: whether it was parked before.
    """

    batch_id: str
    content_hash: str
    lead_ids: tuple[str, ...]
    attributes: tuple[str, ...]
    order: tuple[int, ...]
    assigned: tuple[int, ...]
    roster: Roster
    errors_before: tuple[int, ...]
    errors_after: tuple[int, ...]
    rejected_leads: tuple[RejectedLead, ...] = ()
    released: bool = False


class RosterSettled(Decision, frozen=True, kw_only=True):
    """A roster change was applied.

    Attributes:
        received: the change.
        roster, errors: after it.
        errors_before: by rank of the new roster, numerators over `denominator_before`.
        left: who left, with their error before, likewise.
    """

    received: ChangeReceived
    roster: Roster
    errors: tuple[int, ...]
    errors_before: tuple[int, ...]
    denominator_before: int
    left: tuple[tuple[str, int], ...]


class Parked(Decision, frozen=True, kw_only=True):
    """Nobody could take a batch."""

    batch: ParkedBatch
    rejected_leads: tuple[RejectedLead, ...] = ()


class Released(Decision, frozen=True, kw_only=True):
    """The oldest parked batch is let go; `Dispatched` follows."""

    batch: ParkedBatch


class DuplicateIgnored(Decision, frozen=True, kw_only=True):
    """A batch or change was seen before with the same content."""

    batch_id: str | None = None
    change_id: str | None = None
    original_state_version: int | None = None


class Rejected(msgspec.Struct, frozen=True):
    """The event becomes a dead letter. The state stays as it is."""

    received: BatchReceived | ChangeReceived
    reason: Reason
    detail: str
