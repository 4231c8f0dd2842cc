"""A record of `dispatch.decisions`, read: the fields that standings are made of.

In: the bytes of a decision. Out: one of the structs below, by its `type`. What a decision is, is
defined by `schemas.outputs`; the structs hold the part of it that the views need, and a test shows
that both read the same. Fields that a reader doesn't know are skipped.
"""

from typing import Annotated, Any, Final

import msgspec

COUNT_MAX: Final = 2**53
"""Beyond that no dispatcher counts, and neither SQLite nor JavaScript can."""

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class ShareRead(msgspec.Struct, frozen=True):
    """A member in a decision: what they got (nothing at a roster change) and where that left them.

    Attributes:
        cumulative_error_numerator: after the decision, over its `error_denominator`.
        assigned_value: what the leads count, where they are divided by value.
    """

    assignee_id: str
    weight: str
    cumulative_error_numerator: str
    assigned: Count = 0
    paused: bool = False
    assigned_value: str | None = None


class DecisionRead(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all decisions share; a field that a type of decision doesn't have is None."""

    channel: str
    state_version: Count
    roster_version: Count
    decided_at: str
    batch_id: str | None = None
    batch_size: Count | None = None
    change_id: str | None = None
    change_type: str | None = None
    outcome_id: str | None = None
    outcome_type: str | None = None
    lead_id: str | None = None
    assignee_id: str | None = None
    to_assignee_id: str | None = None
    amount: str | None = None
    leads_parked: Count | None = None
    credited: bool | None = None
    dispatched_again: bool | None = None
    day: str | None = None
    changed_by: str | None = None
    reason: str | None = None


class BatchDispatched(DecisionRead, frozen=True, kw_only=True, tag="batch_dispatched"):
    """A batch was divided."""

    batch_id: str
    batch_size: Count
    shares: list[ShareRead]
    shares_complete: bool
    error_denominator: str
    released: bool | None = None


class RosterChanged(DecisionRead, frozen=True, kw_only=True, tag="roster_changed"):
    """A roster change was applied; everyone is listed."""

    change_id: str
    shares: list[ShareRead]
    error_denominator: str
    rules: dict[str, Any] | None = None


class BatchParked(DecisionRead, frozen=True, kw_only=True, tag="batch_parked"):
    """Nobody could take the batch."""

    batch_id: str
    batch_size: Count


class BatchReleased(DecisionRead, frozen=True, kw_only=True, tag="batch_released"):
    """A parked batch, or so many of its leads, is let go."""

    batch_id: str
    batch_size: Count


class DuplicateIgnored(DecisionRead, frozen=True, kw_only=True, tag="duplicate_ignored"):
    """A batch or change that was seen before."""


class DayBegan(DecisionRead, frozen=True, kw_only=True, tag="day_began"):
    """A day of the channel began."""


class OutcomeRecorded(DecisionRead, frozen=True, kw_only=True, tag="outcome_recorded"):
    """What became of a lead."""

    outcome_id: str
    outcome_type: str
    lead_id: str
    shares: list[ShareRead]
    shares_complete: bool
    error_denominator: str
    spread_by_weight: str | None = None
    unparked_batch_id: str | None = None


AnyDecisionRead = (
    BatchDispatched
    | RosterChanged
    | BatchParked
    | BatchReleased
    | DuplicateIgnored
    | DayBegan
    | OutcomeRecorded
)

_decoder: Final[msgspec.json.Decoder[AnyDecisionRead]] = msgspec.json.Decoder(AnyDecisionRead)


class Unreadable(ValueError):
    """Not a decision that this version knows."""


def read_decision(value: bytes | None) -> AnyDecisionRead:
    """The decision in a record's value. Raises Unreadable, without a word of the content."""
    if value is None:
        raise Unreadable("no value")
    try:
        return _decoder.decode(value)
    except msgspec.ValidationError as error:
        raise Unreadable(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None


def type_of(decision: AnyDecisionRead) -> str:
    """Its `type`, as it travels."""
    return str(decision.__struct_config__.tag)
