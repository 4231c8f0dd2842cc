"""The topics: one table that creating, checking and documenting them all read.

All but the dead letters have the same number of partitions, and a channel sits on the same
partition number in all of them (murmur2, see `schemas.partitioning`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 86_400_000

INPUT_BYTES_MAX: Final = 1024 * 1024
"""Default limit of an input's value, uncompressed; Kafka's own default for a record batch."""


ROSTER_BYTES_MAX: Final = 4 * 1024 * 1024
"""Default limit of a decision that lists everyone: ten thousand members with ids of 30 bytes."""


def output_bytes_max(
    input_bytes_max: int = INPUT_BYTES_MAX, roster_bytes_max: int = ROSTER_BYTES_MAX
) -> int:
    """What an output record may need (bytes): twice the input limit plus 64 KiB, or a whole roster.

    A dead letter carries its input whole, a parked batch is a little larger than its input, and
    decisions and states list everyone.
    """
    return max(2 * input_bytes_max, roster_bytes_max) + 64 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A row of the table.

    Attributes:
        retention_ms: None where compaction alone decides, and keeps the last value for ever.
        compacted: whether of each key the last value is kept, for as long as the retention says.
    """

    name: str
    key: str
    written_by: str
    read_by: str
    carries: str
    retention_ms: int | None
    copartitioned: bool = True
    holds_outputs: bool = True
    compacted: bool = False

    @property
    def cleanup_policy(self) -> str:
        """Kafka's `cleanup.policy`."""
        if self.retention_ms is None:
            return "compact"
        return "compact,delete" if self.compacted else "delete"

    def config(self, bytes_max: int | None = None) -> dict[str, str]:
        """The topic's settings in Kafka's own words; `bytes_max` of a record, None by default."""
        # An input topic takes a little more than the limit, so that what is over the limit
        # reaches the dispatcher and becomes a dead letter that somebody sees.
        bytes_max = output_bytes_max() if bytes_max is None else bytes_max
        settings = {
            "cleanup.policy": self.cleanup_policy,
            "max.message.bytes": str(bytes_max),
            "message.timestamp.type": "CreateTime",
        }
        if self.compacted or self.retention_ms is None:
            # What was replaced or removed, perhaps because somebody asked for it, goes by then.
            settings["max.compaction.lag.ms"] = str(COMPACTION_LAG_MAX_MS)
        if self.retention_ms is None:
            # A tombstone must outlive the longest pause of a Redis that still remembers (R8).
            settings["delete.retention.ms"] = str(DELETE_RETENTION_MS)
        else:
            settings["retention.ms"] = str(self.retention_ms)
        return settings


DELETE_RETENTION_MS: Final = 7 * DAY_MS
"""How long the changelog keeps tombstones; a Redis older than half of it is not believed (R8)."""

COMPACTION_LAG_MAX_MS: Final = 7 * DAY_MS
"""After how long at most a compacted topic lets go of what was replaced."""

LEAD_BATCHES: Final = Topic(
    name="leads.batches",
    key="channel",
    written_by="lead sources; dispatcher, what it routes",
    read_by="dispatcher",
    carries="lead batches",
    retention_ms=7 * DAY_MS,
    holds_outputs=False,
)
ROSTER_CHANGES: Final = Topic(
    name="roster.changes",
    key="channel",
    written_by="supervisors, HR, planner",
    read_by="dispatcher",
    carries="roster changes",
    retention_ms=30 * DAY_MS,
    holds_outputs=False,
)
LEAD_OUTCOMES: Final = Topic(
    name="leads.outcomes",
    key="channel",
    written_by="telephony systems, supervisors",
    read_by="dispatcher",
    carries="what became of leads: returned, closed, reassigned, assigned by hand, forgotten",
    retention_ms=30 * DAY_MS,
    holds_outputs=False,
)
ASSIGNMENTS: Final = Topic(
    name="leads.assignments",
    key="channel",
    written_by="dispatcher",
    read_by="telephony systems",
    carries="one assignment per lead",
    retention_ms=7 * DAY_MS,
)
DECISIONS: Final = Topic(
    name="dispatch.decisions",
    key="channel",
    written_by="dispatcher",
    read_by="views, audit, replay",
    carries="decisions: shares, errors before and after, why",
    retention_ms=90 * DAY_MS,
)
CHANGELOG: Final = Topic(
    name="dispatch.changelog",
    key="channel (and channel/... sub-keys)",
    written_by="dispatcher",
    read_by="dispatcher",
    carries="each channel's state",
    retention_ms=None,
)
REGISTER: Final = Topic(
    name="dispatch.register",
    key="channel/hash of a person",
    written_by="dispatcher",
    read_by="dispatcher",
    carries="who had a person's last lead, for channels that ask",
    retention_ms=120 * DAY_MS,
    compacted=True,
)
DEAD_LETTERS: Final = Topic(
    name="dispatch.dead-letters",
    key="as it came",
    written_by="dispatcher",
    read_by="operators",
    carries="inputs that can never be processed as they are",
    retention_ms=30 * DAY_MS,
    copartitioned=False,
)

TOPICS: Final = (
    LEAD_BATCHES,
    ROSTER_CHANGES,
    LEAD_OUTCOMES,
    ASSIGNMENTS,
    DECISIONS,
    CHANGELOG,
    REGISTER,
    DEAD_LETTERS,
)


@dataclass(frozen=True, slots=True)
class TopicNames:
    """The names in use: the table's, behind a prefix where a cluster holds two installations."""

    prefix: str = ""

    @property
    def lead_batches(self) -> str:
        """Where lead sources write."""
        return self.prefix + LEAD_BATCHES.name

    @property
    def roster_changes(self) -> str:
        """Where supervisors write."""
        return self.prefix + ROSTER_CHANGES.name

    @property
    def lead_outcomes(self) -> str:
        """Where telephony systems and supervisors write what became of leads."""
        return self.prefix + LEAD_OUTCOMES.name

    @property
    def inputs(self) -> tuple[str, str, str]:
        """What the dispatcher reads: lead batches, roster changes, outcomes."""
        return self.lead_batches, self.roster_changes, self.lead_outcomes

    @property
    def assignments(self) -> str:
        """Where telephony systems read."""
        return self.prefix + ASSIGNMENTS.name

    @property
    def decisions(self) -> str:
        """Where views and audit read."""
        return self.prefix + DECISIONS.name

    @property
    def changelog(self) -> str:
        """Where a dispatcher restores from."""
        return self.prefix + CHANGELOG.name

    @property
    def register(self) -> str:
        """Where a dispatcher finds who had a person's last lead, when Redis has lost it."""
        return self.prefix + REGISTER.name

    @property
    def dead_letters(self) -> str:
        """Where operators read."""
        return self.prefix + DEAD_LETTERS.name

    def table(self) -> Iterator[tuple[str, Topic]]:
        """Each name in use with its row."""
        for topic in TOPICS:
            yield self.prefix + topic.name, topic
