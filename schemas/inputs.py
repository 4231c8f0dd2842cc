"""What comes in: lead batches, roster changes, and what became of leads (outcomes), a topic each.

These models are the only definition of the input events. Unknown fields are ignored, so that
a source may send more than this version knows; nothing is coerced ("1" is no number, 1 no text).
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from schemas.scalars import Amount, Id, PartOfWhole, Timestamp, Weight
from schemas.time_zones import TimeZone

CAPACITY_MAX: Final = 1_000_000
SKILLS_MAX: Final = 100
SKILL_ATTRIBUTES_MAX: Final = 20
RETURN_RULES_MAX: Final = 100
LIMITS_MAX: Final = 20
ANY_REASON: Final = "*"
STICKY_ATTRIBUTES_MAX: Final = 5
PERSONS_MAX: Final = 100
STICKY_DAYS_MAX: Final = 90

SchemaVersion = Annotated[int, Field(ge=1, strict=True)]
"""Rises only with optional fields, so every version from 1 on can be read."""


class InputEvent(BaseModel):
    """What all input events share."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class Lead(InputEvent):
    """One sales contact. `attributes` pass through unread; personal data stands only there."""

    lead_id: Id
    attributes: dict[str, Any] = Field(default_factory=dict)


class RoutedFrom(InputEvent):
    """The decision that sent a batch on; it stands in the channel above."""

    channel: Id
    batch_id: str
    state_version: int = Field(ge=1)


class LeadBatch(InputEvent):
    """The leads that arrive in one event. An empty batch is valid.

    `routed_from` stands in those that the dispatcher sent on; nothing is decided by it.
    """

    type: Literal["lead_batch"]
    schema_version: SchemaVersion
    batch_id: Id
    channel: Id
    created_at: Timestamp
    leads: list[Lead]
    routed_from: RoutedFrom | None = None


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
    """How many leads an assignee takes in a day of the channel, and how many may be open at once.

    Both at once; left out or null: any number. What would go over it is parked. A lead is open
    from its assignment until an outcome says that it was closed, returned or reassigned.
    """

    type: Literal["capacity_changed"]
    assignee_id: Id
    per_day: int | None = Field(default=None, ge=0, le=CAPACITY_MAX)
    open_max: int | None = Field(default=None, ge=0, le=CAPACITY_MAX)


class SkillsChanged(RosterChangeEvent):
    """All skills of an assignee: texts such as "language=vi", as a lead may require them."""

    type: Literal["skills_changed"]
    assignee_id: Id
    skills: list[Id] = Field(max_length=SKILLS_MAX)


class AssigneeRouted(RosterChangeEvent):
    """What an assignee gets goes on to another channel, as lead batches, and is divided there.

    Left out or null: they receive leads themselves again. A route only leads deeper, to a channel
    with more "/" in its name, so no chain of routes can ever come back to where it began.
    """

    type: Literal["assignee_routed"]
    assignee_id: Id
    routes_to: Id | None = Field(
        default=None, description='a channel with more "/" in its name, as "web/carlton" for "web"'
    )

    @model_validator(mode="after")
    def _deeper(self) -> Self:
        if self.routes_to is not None and self.routes_to.count("/") <= self.channel.count("/"):
            raise ValueError(
                "routes_to has to lie deeper than the channel, so that no route comes back: name a "
                'channel with more "/" in it, as "web/carlton" for "web"'
            )
        return self


class ShareLimit(InputEvent):
    """Leads whose `attribute` is `value` are at most so large a part of what an assignee gets.

    As in "at most half of the value may be investment loans". Where leads are not divided by
    value, each counts 1. A list in the attribute counts with each of its values.
    """

    attribute: Id
    value: Id
    share_max: PartOfWhole


class LimitsChanged(RosterChangeEvent):
    """All limits of an assignee, by what leads are about; an empty list: none.

    What an assignee got is counted from when the limit was set; one that is there already, for the
    same attribute and value, goes on counting.
    """

    type: Literal["limits_changed"]
    assignee_id: Id
    limits: list[ShareLimit] = Field(max_length=LIMITS_MAX)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        seen: set[tuple[str, str]] = set()
        for limit in self.limits:
            if (limit.attribute, limit.value) in seen:
                raise ValueError(f"{limit.attribute!r} with {limit.value!r} stands in limits twice")
            seen.add((limit.attribute, limit.value))
        return self


class ReturnRule(InputEvent):
    """What a channel does with a lead that comes back for a reason.

    Credited: it does not count as received. Not dispatched again: it is closed.
    """

    reason: Id = Field(description='as in `lead_returned`; "*" for any that has no rule')
    credited: bool = False
    dispatched_again: bool = True


class StickyRule(InputEvent):
    """The same person again goes to who had their last lead, if that was not too long ago.

    Without its register (Redis is away) a channel waits, or dispatches to whoever is owed most.
    """

    attributes: list[Id] = Field(
        min_length=1,
        max_length=STICKY_ATTRIBUTES_MAX,
        description='that a person is known by, such as "phone"; the first counts most',
    )
    days: int = Field(ge=1, le=STICKY_DAYS_MAX)
    without_register: Literal["wait", "dispatch"] = "wait"


class ChannelConfigured(RosterChangeEvent):
    """The rules of a channel, all of them at once; what is left out has its default."""

    type: Literal["channel_configured"]
    time_zone: TimeZone = "UTC"
    required_skills: list[Id] = Field(
        default_factory=list,
        max_length=SKILL_ATTRIBUTES_MAX,
        description='names of attributes: a lead with {"language":"vi"} requires "language=vi"',
    )
    returns: list[ReturnRule] = Field(
        default_factory=list,
        max_length=RETURN_RULES_MAX,
        description="without a rule a lead that comes back is not credited, and dispatched again",
    )
    sticky: StickyRule | None = None
    dispatch_by: Literal["count", "value"] = Field(
        default="count", description="whether leads count one each, or what an attribute says"
    )
    value_attribute: Id | None = Field(
        default=None,
        description="with dispatch_by value: the attribute that says what a lead counts",
    )

    @model_validator(mode="after")
    def _by_which_value(self) -> Self:
        if (self.dispatch_by == "value") != (self.value_attribute is not None):
            raise ValueError('"dispatch_by":"value" and value_attribute go together')
        return self

    @model_validator(mode="after")
    def _each_reason_once(self) -> Self:
        seen: set[str] = set()
        for rule in self.returns:
            if rule.reason in seen:
                raise ValueError(f"reason {rule.reason!r} stands in returns twice")
            seen.add(rule.reason)
        return self


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
    | AssigneeRouted
    | LimitsChanged
    | ChannelConfigured,
    Field(discriminator="type"),
]
ROSTER_CHANGE: TypeAdapter[RosterChange] = TypeAdapter(RosterChange)
"""Validates any roster change by its `type`."""


class LeadOutcomeEvent(InputEvent):
    """What all outcomes share. `changed_by` and `reason` are kept in the decision."""

    schema_version: SchemaVersion
    outcome_id: Id
    channel: Id
    created_at: Timestamp
    lead_id: Id
    assignee_id: Id
    changed_by: str | None = Field(default=None, max_length=1_000)
    reason: str | None = Field(default=None, max_length=1_000)


class LeadReturned(LeadOutcomeEvent):
    """`assignee_id` gave the lead back; the channel's rule for the reason says what follows.

    `attributes` go out with the lead if it is dispatched again: they were not kept.
    """

    type: Literal["lead_returned"]
    reason: Id
    attributes: dict[str, Any] = Field(default_factory=dict)


class LeadClosed(LeadOutcomeEvent):
    """`assignee_id` is done with the lead: it isn't open any more."""

    type: Literal["lead_closed"]


class LeadReassigned(LeadOutcomeEvent):
    """The lead moves from `assignee_id` to `to_assignee_id`, and so does what it counts."""

    type: Literal["lead_reassigned"]
    to_assignee_id: Id
    attributes: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _to_another(self) -> Self:
        if self.to_assignee_id == self.assignee_id:
            raise ValueError("to_assignee_id is who has the lead already")
        return self


class LeadAssignedManually(LeadOutcomeEvent):
    """A supervisor gives the lead to `assignee_id`, whatever skills and capacity say.

    A lead of that id which is parked leaves the queue; its attributes then are those it came with.
    """

    type: Literal["lead_assigned_manually"]
    attributes: dict[str, Any] = Field(default_factory=dict)


PersonKey = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
"""What the lead register knows a person by: 128 bits of a hash, in hex."""


class LeadForgotten(LeadOutcomeEvent):
    """Whose lead it is wants nothing of it kept: if it waits, it leaves the queue for good.

    Nothing else changes: what it counted for its assignee stays counted. Of leads with that id the
    oldest that waits goes. The register forgets who had the leads of `persons`.
    """

    type: Literal["lead_forgotten"]
    assignee_id: Id = Field(default="-", description="nobody: it isn't about who has it")
    persons: list[PersonKey] = Field(
        default_factory=list,
        max_length=PERSONS_MAX,
        description="keys of the lead register: no attribute, and no value of one",
    )


LeadOutcome = Annotated[
    LeadReturned | LeadClosed | LeadReassigned | LeadAssignedManually | LeadForgotten,
    Field(discriminator="type"),
]
OUTCOME_TYPES: Final = frozenset(
    {
        "lead_returned",
        "lead_closed",
        "lead_reassigned",
        "lead_assigned_manually",
        "lead_forgotten",
    }
)
LEAD_OUTCOME: TypeAdapter[LeadOutcome] = TypeAdapter(LeadOutcome)
"""Validates any outcome by its `type`."""
