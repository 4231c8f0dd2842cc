"""The documents of the API as models: what `/api/openapi.json` says of them.

In: nothing. Out: JSON Schemas. The documents themselves are made in `documents`, `answers` and
`operations`; tests hold every answer against these models.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.scalars import Decimal12, Weight, WholeNumber


class Document(BaseModel):
    """Nothing stands in a document that isn't said here."""

    model_config = ConfigDict(extra="forbid")


class Error(Document):
    """Why a question has no answer."""

    error: str


class CountedFrom(Document):
    """The decision from which on something is counted."""

    state_version: int
    decided_at: str


class Promise(Document):
    """The bound of every cumulative error of the channel, in leads."""

    in_force: bool = Field(description="false in channels with rules: they have no bound")
    low: Decimal12
    high: Decimal12
    used: float = Field(description="0 none of it, 1 all of it, more is a breach")
    kept: bool
    corrected: bool = Field(description="a correction's effect isn't back inside the bound yet")
    members_most: int = Field(description="the most members at once since all errors were zero")
    somebody_was_paused: bool


class Extreme(Document):
    """Who is furthest from their fair share on one side."""

    assignee_id: str
    cumulative_error: Decimal12


class Today(Document):
    """A channel's day so far, in its time zone."""

    date: str
    time_zone: str
    batches: int
    leads: int


class Last(Document):
    """Over the last minute, hour and day, each rounded up to five seconds, a minute, an hour."""

    minute: int
    hour: int
    day: int


class Delay(Document):
    """From an event's record to its decision's, milliseconds."""

    last: int
    most_last_hour: int | None


class ChannelSummary(Document):
    """A channel in short."""

    channel: str
    partition: int
    state_version: int
    roster_version: int
    decided_at: str
    members: int
    active: int
    batches: int
    leads: int
    parked_batches: int
    parked_leads: int
    dispatch_by: Literal["count", "value"]
    has_rules: bool
    promise: Promise | None = Field(description="null where the log doesn't tell it")
    most_ahead: Extreme | None
    most_owed: Extreme | None
    today: Today
    leads_last: Last
    batches_last: Last
    leads_per_minute: list[int] = Field(description="of the last 60 minutes, oldest first")
    delay_ms: Delay | None


class Parked(Document):
    """Leads of a batch that wait."""

    batch_id: str
    leads: int


class Point(Document):
    """A minute, an hour, or a day of the channel's time zone."""

    begins: str = Field(alias="from", description="a time, or of a day its date")
    batches: int
    leads: int
    most_ahead: Decimal12 | None = Field(
        description="the largest cumulative error after any decision"
    )
    most_owed: Decimal12 | None = Field(description="the smallest")
    delay_ms_most: int | None


class History(Document):
    """Without holes, oldest first."""

    minutes: list[Point]
    hours: list[Point]
    days: list[Point]


class DecisionInShort(Document):
    """A decision in a list; what its type doesn't have is left out."""

    type: str
    state_version: int
    decided_at: str
    batch_id: str | None = None
    batch_size: int | None = None
    change_id: str | None = None
    change_type: str | None = None
    outcome_id: str | None = None
    outcome_type: str | None = None
    lead_id: str | None = None
    assignee_id: str | None = None
    to_assignee_id: str | None = None
    weight: str | None = None
    amount: str | None = None
    leads_parked: int | None = None
    members: int | None = None
    credited: bool | None = None
    dispatched_again: bool | None = None
    day: str | None = None
    changed_by: str | None = None
    reason: str | None = None


class Channel(ChannelSummary):
    """A channel; its members and decisions are asked for in pages."""

    time_zone: str
    rules: dict[str, Any] | None
    duplicates_ignored: int
    counted_from: CountedFrom
    roster_complete: bool
    error_denominator: WholeNumber
    parked: list[Parked] = Field(description="the 50 oldest")
    history: History
    last_decisions: list[DecisionInShort]


class Channels(Document):
    """A page of channels, in order of name."""

    channels: list[ChannelSummary]
    next_after: str | None = Field(description="`after` of the next page; null on the last one")
    total: int
    found: int = Field(description="those whose name contains what was looked for")
    partitions_here: list[int] = Field(description="that this process reads")
    partition_count: int


class MemberToday(Document):
    """What somebody got and was due on the channel's day."""

    leads: int
    fair_share: Decimal12
    value: Decimal12 | None = None


class Member(Document):
    """Where somebody stands: leads - fair_share + adjustment = cumulative_error."""

    assignee_id: str
    weight: Weight
    paused: bool
    leads: int
    value: Decimal12 | None = None
    fair_share: Decimal12
    cumulative_error: Decimal12 = Field(description="below zero: is owed")
    cumulative_error_numerator: WholeNumber
    adjustment: Decimal12 = Field(description="corrections, outcomes, errors of leavers")
    counted_from: CountedFrom
    today: MemberToday


class Standings(Document):
    """A page of members, in order of assignee_id."""

    channel: str
    state_version: int
    error_denominator: WholeNumber
    standings: list[Member]
    next_after: str | None


class Decisions(Document):
    """A page of decisions, newest first."""

    channel: str
    decisions: list[DecisionInShort]
    next_before: int | None = Field(description="`before` of the next page; null on the last one")


class Decision(BaseModel):
    """A decision as it stands in Kafka; see the published schemas of decisions."""

    model_config = ConfigDict(extra="allow")

    type: str
    channel: str
    state_version: int
    decided_at: str


class Assignee(Document):
    """A member, or who was one: then only what they received is there."""

    channel: str
    assignee_id: str
    is_member: bool
    error_denominator: WholeNumber
    promise: Promise | None
    dispatch_by: Literal["count", "value"]
    today_date: str
    time_zone: str
    weight: Weight | None = None
    paused: bool | None = None
    leads: int | None = None
    value: Decimal12 | None = None
    fair_share: Decimal12 | None = None
    cumulative_error: Decimal12 | None = None
    cumulative_error_numerator: WholeNumber | None = None
    adjustment: Decimal12 | None = None
    counted_from: CountedFrom | None = None
    today: MemberToday | None = None


class Assignment(Document):
    """A lead that somebody got."""

    assignment_id: str
    offset: int = Field(description="of its record")
    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: int
    batch_size: int
    state_version: int
    decided_at: str
    attributes: dict[str, Any] | None = Field(
        default=None, description="only if the views are told to serve them"
    )


class Assignments(Document):
    """A page of assignments, newest first."""

    channel: str
    assignee_id: str
    assignments: list[Assignment]
    next_before: int | None


class Lead(Document):
    """A lead: who got it and why."""

    lead_id: str
    assigned: list[dict[str, Any]] = Field(description="as `partidor explain --json` tells it")
    outcomes: list[dict[str, Any]]
    assignments: list[Assignment]


class ViewsPartition(Document):
    """How far a partition of the decisions is counted."""

    partition: int
    caught_up: bool
    next_offset: int
    end_offset: int
    channels: int
    unreadable: int
    gaps: int


class ViewsAssignments(Document):
    """How the reading of assignments is."""

    caught_up: bool
    error: str | None
    unreadable: int


class ViewsState(Document):
    """This process."""

    memory_bytes: int
    started_at: str
    partitions: list[ViewsPartition]
    assignments: ViewsAssignments


class Quantiles(Document):
    """From event to decision, milliseconds, within 5 %."""

    p50: int | None
    p99: int | None
    decisions: int


class MinuteQuantiles(Quantiles):
    """Of one minute."""

    begins: str = Field(alias="from")


class LagRow(Document):
    """A partition of an input topic."""

    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int
    delay_seconds: float | None
    owner: str | None
    host: str | None
    state: str | None


class Lag(Document):
    """How far behind the dispatchers are."""

    rows: list[LagRow]
    why_unknown: str | None
    asked_at: str | None
    error: str | None


class Restore(Document):
    """A partition that a dispatcher restored."""

    partition: int
    source: Literal["redis", "changelog", "memory"]
    seconds: float
    at: str
    channels: int
    changelog_records: int


class Dispatcher(Document):
    """What a dispatcher says of itself."""

    slot: str
    host: str
    pid: int
    updated_at: str
    started_at: str | None = None
    partitions: dict[str, str]
    leads: int = Field(description="dispatched since it started")
    redis: Literal["up", "away"] = Field(description="as it sees it")
    restores: list[Restore] = Field(description="the last of them")


class Dispatchers(Document):
    """All that said something lately."""

    rows: list[Dispatcher]
    error: str | None


class DeadLetterReason(Document):
    """Dead letters of one reason."""

    reason: str
    count: int
    last_at: str


class DeadLetters(Document):
    """All that the topic has."""

    by_reason: list[DeadLetterReason]
    total: int
    error: str | None


class Operations(Document):
    """Is it moving?"""

    caught_up: bool
    generated_at: str
    views: ViewsState
    delay_ms: Quantiles | None
    delay_per_minute: list[MinuteQuantiles]
    lag: Lag
    dispatchers: Dispatchers
    dead_letters: DeadLetters


class Health(Document):
    """Whether everything that this process reads is caught up."""

    status: Literal["ok", "catching up"]
    partitions: list[ViewsPartition]
