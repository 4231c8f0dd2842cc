"""What comes in: lead batches on `leads.batches`, roster changes on `roster.changes`.

These models are the only definition of the input events. Unknown fields are ignored, so that
a source may send more than this version knows; nothing is coerced ("1" is no number, 1 no text).
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.scalars import Amount, Id, Timestamp, Weight
from schemas.time_zones import TimeZone

CAPACITY_MAX: Final = 1_000_000
SKILLS_MAX: Final = 100
SKILL_ATTRIBUTES_MAX: Final = 20

SchemaVersion = Annotated[int, Field(ge=1, strict=True)]
"""Rises only with optional fields, so every version from 1 on can be read."""


class InputEvent(BaseModel):
    """What all input events share."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Lead(InputEvent):
    """One sales contact. `attributes` pass through unread; personal data stands only there."""

    lead_id: Id
    attributes: dict[str, Any] = Field(default_factory=dict)


class LeadBatch(InputEvent):
    """The leads that arrive in one event. An empty batch is valid."""

    type: Literal["lead_batch"]
    schema_version: SchemaVersion
    batch_id: Id
    channel: Id
    created_at: Timestamp
    leads: list[Lead]


class LeadBatchEnvelope(InputEvent):
    """A lead batch whose leads are still to be judged one by one.

    An invalid lead is a dead letter of its own; the others of its batch are dispatched.
    """

    type: Literal["lead_batch"]
    schema_version: SchemaVersion
    batch_id: Id
    channel: Id
    created_at: Timestamp
    leads: list[Any]


class RosterChangeEvent(InputEvent):
    """What all roster changes share. `changed_by` and `reason` are kept in the decision."""

    schema_version: SchemaVersion
    change_id: Id
    channel: Id
    created_at: Timestamp
    changed_by: str | None = Field(default=None, max_length=1_000)
    reason: str | None = Field(default=None, max_length=1_000)


class AssigneeJoined(RosterChangeEvent):
    """A newcomer with cumulative error 0."""

    type: Literal["assignee_joined"]
    assignee_id: Id
    weight: Weight


class AssigneeLeft(RosterChangeEvent):
    """Leaves; what they were owed or ahead is settled among those who stay."""

    type: Literal["assignee_left"]
    assignee_id: Id


class WeightChanged(RosterChangeEvent):
    """Another weight from now on; the cumulative error is carried over."""

    type: Literal["weight_changed"]
    assignee_id: Id
    weight: Weight


class AssigneePaused(RosterChangeEvent):
    """Gets no leads, and the cumulative error stays as it is, until resumed.

    With `until` that happens by itself; a later pause without it takes that back.
    """

    type: Literal["assignee_paused"]
    assignee_id: Id
    until: Timestamp | None = None


class AssigneeResumed(RosterChangeEvent):
    """Takes part again."""

    type: Literal["assignee_resumed"]
    assignee_id: Id


class RosterMember(InputEvent):
    """A row of a whole roster. `paused` left out keeps the presence of who stays."""

    assignee_id: Id
    weight: Weight
    paused: bool | None = None


class RosterReplaced(RosterChangeEvent):
    """The whole roster at once: leavers, then weights, then joins.

    With `expected_roster_version` it is refused unless the roster still has that version.
    """

    type: Literal["roster_replaced"]
    members: list[RosterMember]
    expected_roster_version: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _each_member_once(self) -> Self:
        seen: set[str] = set()
        for member in self.members:
            if member.assignee_id in seen:
                raise ValueError(f"assignee {member.assignee_id!r} stands in members twice")
            seen.add(member.assignee_id)
        return self


class CumulativeErrorCorrected(RosterChangeEvent):
    """`amount` leads are added to the cumulative error of `assignee_id`.

    The counter-entry goes to `counter_assignee_id`, or is spread by weight over the roster.
    """

    type: Literal["cumulative_error_corrected"]
    assignee_id: Id
    amount: Amount
    counter_assignee_id: Id | None = None


class CapacityChanged(RosterChangeEvent):
    """How many leads an assignee takes in a day of the channel; left out or null: any number.

    What would go over it is parked.
    """

    type: Literal["capacity_changed"]
    assignee_id: Id
    per_day: int | None = Field(default=None, ge=0, le=CAPACITY_MAX)


class SkillsChanged(RosterChangeEvent):
    """All skills of an assignee: texts such as "language=vi", as a lead may require them."""

    type: Literal["skills_changed"]
    assignee_id: Id
    skills: list[Id] = Field(max_length=SKILLS_MAX)


class ChannelConfigured(RosterChangeEvent):
    """The rules of a channel, all of them at once; what is left out has its default."""

    type: Literal["channel_configured"]
    time_zone: TimeZone = "UTC"
    required_skills: list[Id] = Field(
        default_factory=list,
        max_length=SKILL_ATTRIBUTES_MAX,
        description='names of attributes: a lead with {"language":"vi"} requires "language=vi"',
    )


RosterChange = Annotated[
    AssigneeJoined
    | AssigneeLeft
    | WeightChanged
    | AssigneePaused
    | AssigneeResumed
    | RosterReplaced
    | CumulativeErrorCorrected
    | CapacityChanged
    | SkillsChanged
    | ChannelConfigured,
    Field(discriminator="type"),
]
ROSTER_CHANGE: TypeAdapter[RosterChange] = TypeAdapter(RosterChange)
"""Validates any roster change by its `type`."""
