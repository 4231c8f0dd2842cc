"""What `decide` answers: decisions, which change a state, or a rejection, which leaves no trace."""

from typing import NamedTuple

import msgspec

from dispatcher.division import Group
from dispatcher.eligibility import Eligibility, Sticky
from dispatcher.events import (
    BatchReceived,
    ChangeReceived,
    InputRef,
    OutcomeReceived,
    RejectedLead,
)
from dispatcher.parking import ParkedBatch, Parking
from dispatcher.roster import Roster
from dispatcher.share_limits import LimitsOf
from schemas.reasons import Reason


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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


class RoutedBatch(NamedTuple):
    """Leads that go on to another channel.

    Attributes:
        leads: how many.
        value: the `lead_batch`, as JSON.
    """

    assignee_id: str
    routes_to: str
    batch_id: str
    leads: int
    value: bytes


class Dispatched(Decision, frozen=True, kw_only=True):
    """A batch was divided.

    Attributes:
        lead_ids, attributes: in order of dispatch; attributes are JSON objects as text.
        order: the rank that gets each lead.
        assigned: leads per rank, in order of rank; 0 for paused members.
        errors_before, errors_after: numerators over `roster.error_denominator`, by rank.
        rejected_leads: those of its event that became dead letters with it.
        parking_after: what waits after it; None where nothing was parked or released.
        released: whether it was parked before.
        accrued: where not everybody may take everything, what each was due, numerators over
            `roster.error_denominator`, by rank; None elsewhere: fair shares follow from weights.
        groups: likewise, how its leads were grouped.
        sticky: the channel's rule, if it has one: then the register remembers who got what.
        owners_unknown: whether the register would have been asked, and was away.
        of_outcome: whether it is a lead that an outcome sent out, under an id of its own.
        routed: the batches in which leads of routed assignees go on; see `routing`.
        assigned_value: what the leads of each count, millionths, by rank; None where each counts
            one. Then fair shares and errors are in value too.
        largest_value: of its leads, likewise.
        limits_after: of assignees after it; None where there are none.
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
    parking_after: Parking | None = None
    released: bool = False
    accrued: tuple[int, ...] | None = None
    groups: tuple[Group, ...] = ()
    of_outcome: bool = False
    sticky: Sticky | None = None
    owners_unknown: bool = False
    routed: tuple[RoutedBatch, ...] = ()
    assigned_value: tuple[int, ...] | None = None
    largest_value: int | None = None
    limits_after: tuple[LimitsOf, ...] | None = None


class RosterSettled(Decision, frozen=True, kw_only=True):
    """A roster change was applied.

    Attributes:
        received: the change.
        roster, errors: after it.
        errors_before: by rank of the new roster, numerators over `denominator_before`.
        left: who left, with their error before, likewise.
        eligibility: who may take what after it; None for everybody everything.
        by_timer: whether it happened by itself; its input is then the record that set the timer.
    """

    received: ChangeReceived
    roster: Roster
    errors: tuple[int, ...]
    errors_before: tuple[int, ...]
    denominator_before: int
    left: tuple[tuple[str, int], ...]
    eligibility: Eligibility | None = None
    by_timer: bool = False


class DayBegan(Decision, frozen=True, kw_only=True):
    """A day of a channel ended, and with it the counts of leads that day.

    Attributes:
        day: that begins, as in "2026-11-22".
        ends_at_ms: when it ends, milliseconds since 1970; None where calendars end.
    """

    day: str
    ends_at_ms: int | None
    eligibility: Eligibility


class Parked(Decision, frozen=True, kw_only=True):
    """Nobody could take a batch.

    Attributes:
        leads: how many wait.
        entries: they, by what they ask; one without leads for an empty batch.
        groups: likewise, with why; empty where everybody may take everything.
    """

    batch_id: str
    content_hash: str
    leads: int
    entries: tuple[ParkedBatch, ...]
    roster: Roster
    groups: tuple[Group, ...] = ()
    rejected_leads: tuple[RejectedLead, ...] = ()


class Released(Decision, frozen=True, kw_only=True):
    """The oldest leads that somebody may take are let go; `Dispatched` follows.

    Attributes:
        batch: their entry as it was parked.
        leads: how many of its leads go.
    """

    batch: ParkedBatch
    leads: int


class OutcomeRecorded(Decision, frozen=True, kw_only=True):
    """What became of a lead. If it goes to somebody by that, `Dispatched` or `Parked` follows.

    Attributes:
        received: the outcome.
        errors_before, errors: by rank, numerators over `roster.error_denominator`.
        spread_units: what was added to the errors of all active members, by weight; 10^-12 leads
            or value.
        lead_value: of the lead, millionths, where leads count by value and it matters.
        credited, dispatched_again: of a lead that was returned; None for other outcomes.
        eligibility: with the open leads after it.
        parking: without the lead, if it waited.
        unparked_batch_id: the batch in which it did.
    """

    received: OutcomeReceived
    roster: Roster
    errors_before: tuple[int, ...]
    errors: tuple[int, ...]
    spread_units: int
    credited: bool | None
    dispatched_again: bool | None
    eligibility: Eligibility | None
    parking: Parking
    unparked_batch_id: str | None = None
    lead_value: int | None = None


class DuplicateIgnored(Decision, frozen=True, kw_only=True):
    """A batch, change or outcome was seen before with the same content."""

    batch_id: str | None = None
    change_id: str | None = None
    outcome_id: str | None = None
    original_state_version: int | None = None


class Rejected(msgspec.Struct, frozen=True):
    """The event becomes a dead letter. The state stays as it is."""

    received: BatchReceived | ChangeReceived | OutcomeReceived
    reason: Reason
    detail: str
