"""Why an input became a dead letter: each reason once, in the order in which they are tested.

The first that applies is given.
"""

from enum import StrEnum


class Reason(StrEnum):
    """The reasons of dead letters, in order of precedence."""

    TOO_LARGE = "too_large"
    NOT_JSON = "not_json"
    INVALID_EVENT = "invalid_event"
    WRONG_KEY = "wrong_key"
    WRONG_PARTITION = "wrong_partition"
    BATCH_ID_REUSED = "batch_id_reused"
    CHANGE_ID_REUSED = "change_id_reused"
    OUTCOME_ID_REUSED = "outcome_id_reused"
    LIMIT_EXCEEDED = "limit_exceeded"
    INVALID_LEAD = "invalid_lead"
    DUPLICATE_LEAD = "duplicate_lead"
    NOT_A_MEMBER = "not_a_member"
    ALREADY_A_MEMBER = "already_a_member"
    NO_COUNTERPARTY = "no_counterparty"
    ROSTER_VERSION_MISMATCH = "roster_version_mismatch"


MEANINGS: dict[Reason, str] = {
    Reason.TOO_LARGE: "the record's value is longer than the input limit, uncompressed",
    Reason.NOT_JSON: "the value is empty, not UTF-8, or not JSON",
    Reason.INVALID_EVENT: "not an event of this topic: a field is missing or wrong",
    Reason.WRONG_KEY: "the record's key is not the event's channel",
    Reason.WRONG_PARTITION: "the record is not on the partition of its key (murmur2)",
    Reason.BATCH_ID_REUSED: "the batch_id was used before for other leads",
    Reason.CHANGE_ID_REUSED: "the change_id was used before for another change",
    Reason.OUTCOME_ID_REUSED: "the outcome_id was used before for another outcome",
    Reason.LIMIT_EXCEEDED: "more leads, members, channels or parked leads than the settings allow",
    Reason.INVALID_LEAD: "this lead of the batch is not valid; the others were dispatched",
    Reason.DUPLICATE_LEAD: "the lead_id stands earlier in the same batch",
    Reason.NOT_A_MEMBER: "the assignee is not on the channel's roster",
    Reason.ALREADY_A_MEMBER: "the assignee is on the channel's roster already",
    Reason.NO_COUNTERPARTY: "nobody can take the counter-entry of the correction or return",
    Reason.ROSTER_VERSION_MISMATCH: "the roster has changed since the version that was expected",
}
