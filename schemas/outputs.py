"""What goes out: lead assignments, decisions and, offline, dead letters.

One `lead_assigned` per lead on `leads.assignments`; one decision per decided input event on
`dispatch.decisions`. The dispatcher writes these bytes from parts (see `dispatcher.encoding`);
a test shows that they are what these models say.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from schemas.inputs import SchemaVersion
from schemas.reasons import Reason
from schemas.scalars import Decimal12, Id, PartOfWhole, Timestamp, Weight, WholeNumber

ParkedBecause = Literal[
    "nobody_active",
    "nobody_with_the_skills",
    "returned_by_everybody",
    "capacity_reached",
    "limit_reached",
]


ForcedBecause = Literal["owner", "by_hand", "moved"]


class OutputEvent(BaseModel):
    """What all output events share. Readers ignore fields that they don't know."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class InputReference(OutputEvent):
    """The input record that caused a decision. A file of events counts as partition 0."""

    topic: str
    partition: int
    offset: int


class LeadAssigned(OutputEvent):
    """One lead to one assignee. `assignment_id` is the idempotency key: the same on any replay."""

    type: Literal["lead_assigned"]
    schema_version: SchemaVersion
    assignment_id: str = Field(description="channel/state_version/lead_id")
    channel: Id
    batch_id: str
    lead_id: Id
    assignee_id: Id
    position: int = Field(ge=1, description="place in the batch, in order of dispatch, from 1")
    batch_size: int = Field(ge=1, description="leads dispatched from this batch")
    state_version: int = Field(ge=1)
    decided_at: Timestamp
    attributes: dict[str, Any]


class LimitInForce(OutputEvent):
    """How large a part of what an assignee gets may be leads of some kind, and is so far."""

    attribute: str
    value: str
    share_max: PartOfWhole
    matching: Decimal12 = Field(description="of such leads, since the limit was set")
    total: Decimal12 = Field(description="of all leads, since the limit was set")


class Share(OutputEvent):
    """What one assignee was due and got in a batch; amounts in leads, or in value."""

    assignee_id: Id
    weight: Weight
    paused: bool = False
    fair_share: Decimal12
    cumulative_error_before: Decimal12
    ideal: Decimal12 = Field(description="fair_share - cumulative_error_before")
    assigned: int = Field(ge=0)
    assigned_value: Decimal12 | None = Field(
        default=None,
        description="where leads are divided by value; then all amounts are in value",
    )
    cumulative_error_after: Decimal12
    cumulative_error_numerator: WholeNumber = Field(
        description="the exact error after the decision, over error_denominator"
    )
    limits: list[LimitInForce] | None = Field(default=None, description="after the decision")


class Group(OutputEvent):
    """Leads of a batch that ask the same, where not everybody may take everything."""

    required_skills: list[str]
    excluded: list[str] = Field(description="assignees who may not take them")
    leads: int = Field(ge=0)
    able: int = Field(ge=0, description="how many are active, have the skills, aren't excluded")
    capped: list[str] = Field(description="who would have passed their capacity with it")
    parked: int = Field(ge=0, description="leads that nobody could take")
    parked_because: ParkedBecause | None = None
    forced_to: str | None = Field(
        default=None, description="who had to get them, whoever was owed most"
    )
    forced_because: ForcedBecause | None = Field(
        default=None, description='"moved": due to who gets them alone, who is charged already'
    )
    lead_by_lead: bool | None = Field(
        default=None, description="some match a limit: each was divided as a batch of its own"
    )


class RoutedBatch(OutputEvent):
    """Leads of an assignee that went on to another channel; they have no `lead_assigned` here."""

    assignee_id: Id
    routes_to: Id = Field(description="the channel, which decides about them next")
    batch_id: Id = Field(description="of the lead batch that they went on in")
    leads: int = Field(ge=1)


class ReturnRuleInForce(OutputEvent):
    """What a channel does with a lead that comes back for a reason."""

    reason: str
    credited: bool
    dispatched_again: bool


class StickyRuleInForce(OutputEvent):
    """How the same person again goes to who had their last lead."""

    attributes: list[str]
    days: int
    without_register: Literal["wait", "dispatch"]


class RulesInForce(OutputEvent):
    """The rules of a channel."""

    time_zone: str
    required_skills: list[str]
    returns: list[ReturnRuleInForce] | None = None
    sticky: StickyRuleInForce | None = None
    dispatch_by: Literal["count", "value"] | None = None
    value_attribute: str | None = None


class Standing(OutputEvent):
    """Where a roster change leaves one assignee; amounts in leads."""

    assignee_id: Id
    weight: Weight
    paused: bool
    cumulative_error_before: Decimal12
    cumulative_error_after: Decimal12
    cumulative_error_numerator: WholeNumber
    skills: list[str] | None = None
    per_day: int | None = Field(default=None, description="leads at most in a day")
    open_max: int | None = Field(default=None, description="open leads at most at once")
    routes_to: Id | None = Field(default=None, description="the channel that their leads go on to")
    limits: list[LimitInForce] | None = None
    paused_until: Timestamp | None = None


class Leaver(OutputEvent):
    """Who left with this change; their error was settled among the others."""

    assignee_id: Id
    cumulative_error_before: Decimal12


class Decision(OutputEvent):
    """What all decisions share; `state_version` rises by one with each in a channel."""

    schema_version: SchemaVersion
    channel: Id
    state_version: int = Field(ge=1)
    roster_version: int = Field(ge=0)
    input: InputReference
    decided_at: Timestamp = Field(description="time of the input record that caused this")


class BatchDispatched(Decision):
    """A batch was divided: everyone's share, errors before and after."""

    type: Literal["batch_dispatched"]
    batch_id: str
    batch_size: int = Field(ge=0)
    content_hash: str = Field(description="of the batch's sequence of lead_ids")
    shares: list[Share]
    shares_complete: bool = Field(description="false: only those who received leads are listed")
    error_denominator: WholeNumber
    released: bool | None = Field(
        default=None, description="in channels with rules: whether its leads were parked before"
    )
    leads_parked: int | None = Field(
        default=None, ge=0, description="in channels with rules: those that nobody could take"
    )
    groups: list[Group] | None = Field(default=None, description="in channels with rules")
    groups_complete: bool | None = Field(
        default=None, description="false: further groups would have made the decision too long"
    )
    owners_unknown: bool | None = Field(
        default=None, description="true: the register of owners was away, and nobody waited for it"
    )
    routed: list[RoutedBatch] | None = Field(
        default=None, description="leads of assignees that are channels themselves"
    )


class RosterChanged(Decision):
    """A roster change was applied; everyone's standing after it."""

    type: Literal["roster_changed"]
    change_id: str
    change_type: str
    assignee_id: Id | None = None
    amount: str | None = None
    counter_assignee_id: Id | None = None
    changed_by: str | None = None
    reason: str | None = None
    content_hash: str
    left: list[Leaver] = Field(default_factory=list)
    by_timer: bool | None = Field(
        default=None, description="it happened by itself; its input is what set the timer"
    )
    rules: RulesInForce | None = Field(default=None, description="in channels with rules")
    shares: list[Standing]
    shares_complete: Literal[True] = True
    error_denominator: WholeNumber


class BatchParked(Decision):
    """Nobody could take the batch; it waits in the channel, oldest first."""

    type: Literal["batch_parked"]
    batch_id: str
    batch_size: int = Field(ge=0)
    content_hash: str
    groups: list[Group] | None = Field(default=None, description="in channels with rules")
    groups_complete: bool | None = Field(
        default=None, description="false: further groups would have made the decision too long"
    )


class BatchReleased(Decision):
    """A parked batch, or some of its leads, is let go; the `batch_dispatched` of them follows."""

    type: Literal["batch_released"]
    batch_id: str
    batch_size: int = Field(ge=0, description="leads that are let go")
    parked_input: InputReference
    still_parked: int | None = Field(default=None, description="leads that asked the same and stay")


class DuplicateIgnored(Decision):
    """A batch, change or outcome that was seen before, with the same content."""

    type: Literal["duplicate_ignored"]
    batch_id: str | None = None
    change_id: str | None = None
    outcome_id: str | None = None
    original_state_version: int | None = Field(
        default=None, description="the decision that it repeats; absent while that is parked"
    )


class DayBegan(Decision):
    """A day of the channel began, in its time zone; leads of a day count from 0 again."""

    type: Literal["day_began"]
    day: str = Field(description='as in "2026-11-22"')
    day_ends_at: Timestamp | None = None


class OutcomeShare(OutputEvent):
    """Where an outcome leaves one assignee; amounts in leads."""

    assignee_id: Id
    weight: Weight
    paused: bool
    cumulative_error_before: Decimal12
    cumulative_error_after: Decimal12
    cumulative_error_numerator: WholeNumber
    open_leads: int | None = Field(default=None, description="after it, in channels with rules")
    limits: list[LimitInForce] | None = Field(default=None, description="after it")


class OutcomeRecorded(Decision):
    """What became of a lead, and what that does to cumulative errors and open leads.

    If the lead goes to somebody else by it, the `batch_dispatched` or `batch_parked` of that one
    lead follows.
    """

    type: Literal["outcome_recorded"]
    outcome_id: str
    outcome_type: str
    lead_id: Id
    assignee_id: Id
    to_assignee_id: Id | None = None
    changed_by: str | None = None
    reason: str | None = None
    content_hash: str
    credited: bool | None = Field(default=None, description="of a lead returned")
    dispatched_again: bool | None = Field(default=None, description="of a lead returned")
    unparked_batch_id: str | None = Field(
        default=None, description="the batch in which the lead was parked until then"
    )
    lead_value: Decimal12 | None = Field(
        default=None, description="what the lead counts, where leads are divided by value"
    )
    spread_by_weight: Decimal12 | None = Field(
        default=None, description="leads added to the errors of all active members, by weight"
    )
    shares: list[OutcomeShare]
    shares_complete: bool = Field(
        description="false: only whom it is about is listed; others moved by weight alone"
    )
    error_denominator: WholeNumber


AnyDecision = Annotated[
    BatchDispatched
    | RosterChanged
    | BatchParked
    | BatchReleased
    | DuplicateIgnored
    | DayBegan
    | OutcomeRecorded,
    Field(discriminator="type"),
]
DECISION: TypeAdapter[AnyDecision] = TypeAdapter(AnyDecision)
"""Validates any decision by its `type`."""


class DeadLetter(OutputEvent):
    """What a dead letter is in a file: on Kafka the original bytes travel instead."""

    type: Literal["dead_letter"]
    schema_version: SchemaVersion
    reason: Reason
    detail: str
    line: int = Field(ge=1)
    channel: str | None = None
    batch_id: str | None = None
    position: int | None = Field(default=None, ge=1, description="place in the event, from 1")
    change_id: str | None = None
    outcome_id: str | None = None
