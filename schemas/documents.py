"""The published documents: JSON Schema per event, and an AsyncAPI 3.1 document of the topics.

They are made from the models and the topics table; `schemas/published/` holds the result, so that
it can be read and fetched without running anything. A test shows that it is up to date.
"""

from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from schemas import inputs, outputs
from schemas.inputs import LeadOutcome, RosterChange
from schemas.outputs import AnyDecision
from schemas.topics import (
    ASSIGNMENTS,
    CHANGELOG,
    DEAD_LETTERS,
    DECISIONS,
    LEAD_BATCHES,
    LEAD_OUTCOMES,
    REGISTER,
    ROSTER_CHANGES,
    TOPICS,
    Topic,
)

ASYNCAPI_VERSION: Final = "3.1.0"
JSON_SCHEMA_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

EVENTS: Final[dict[str, type[BaseModel]]] = {
    "lead_batch": inputs.LeadBatch,
    "assignee_joined": inputs.AssigneeJoined,
    "assignee_left": inputs.AssigneeLeft,
    "weight_changed": inputs.WeightChanged,
    "assignee_paused": inputs.AssigneePaused,
    "assignee_resumed": inputs.AssigneeResumed,
    "roster_replaced": inputs.RosterReplaced,
    "cumulative_error_corrected": inputs.CumulativeErrorCorrected,
    "channel_configured": inputs.ChannelConfigured,
    "capacity_changed": inputs.CapacityChanged,
    "skills_changed": inputs.SkillsChanged,
    "assignee_routed": inputs.AssigneeRouted,
    "limits_changed": inputs.LimitsChanged,
    "lead_returned": inputs.LeadReturned,
    "lead_closed": inputs.LeadClosed,
    "lead_reassigned": inputs.LeadReassigned,
    "lead_assigned_manually": inputs.LeadAssignedManually,
    "lead_forgotten": inputs.LeadForgotten,
    "lead_assigned": outputs.LeadAssigned,
    "batch_dispatched": outputs.BatchDispatched,
    "roster_changed": outputs.RosterChanged,
    "batch_parked": outputs.BatchParked,
    "batch_released": outputs.BatchReleased,
    "duplicate_ignored": outputs.DuplicateIgnored,
    "day_began": outputs.DayBegan,
    "outcome_recorded": outputs.OutcomeRecorded,
    "dead_letter": outputs.DeadLetter,
}
"""Every event by its `type`."""

EVENTS_ON: Final[dict[str, tuple[str, ...]]] = {
    LEAD_BATCHES.name: ("lead_batch",),
    ROSTER_CHANGES.name: (
        "assignee_joined",
        "assignee_left",
        "weight_changed",
        "assignee_paused",
        "assignee_resumed",
        "roster_replaced",
        "cumulative_error_corrected",
        "channel_configured",
        "capacity_changed",
        "skills_changed",
        "assignee_routed",
        "limits_changed",
    ),
    LEAD_OUTCOMES.name: (
        "lead_returned",
        "lead_closed",
        "lead_reassigned",
        "lead_assigned_manually",
        "lead_forgotten",
    ),
    ASSIGNMENTS.name: ("lead_assigned",),
    DECISIONS.name: (
        "batch_dispatched",
        "roster_changed",
        "batch_parked",
        "batch_released",
        "duplicate_ignored",
        "day_began",
        "outcome_recorded",
    ),
    # Not for others to read or write: their own format, and the original bytes.
    CHANGELOG.name: (),
    REGISTER.name: (),
    DEAD_LETTERS.name: (),
}
"""Which events travel on which topic."""

READ_BY_THE_DISPATCHER: Final = (LEAD_BATCHES, ROSTER_CHANGES, LEAD_OUTCOMES)


def json_schema(event_type: str) -> dict[str, Any]:
    """The JSON Schema of an event. Raises KeyError for a type that there isn't."""
    schema = EVENTS[event_type].model_json_schema()
    return {"$schema": JSON_SCHEMA_DIALECT, **schema}


def json_schemas() -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, schema) of every event, and of the unions on the topics that carry several."""
    for event_type in EVENTS:
        yield event_type, json_schema(event_type)
    unions: tuple[tuple[str, Any], ...] = (
        ("roster_change", RosterChange),
        ("lead_outcome", LeadOutcome),
        ("decision", AnyDecision),
    )
    for name, union in unions:
        adapter: TypeAdapter[Any] = TypeAdapter(union)
        yield name, {"$schema": JSON_SCHEMA_DIALECT, **adapter.json_schema()}


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document: topics as channels, who sends and who receives, every message."""
    return {
        "asyncapi": ASYNCAPI_VERSION,
        "info": {
            "title": "Partidor",
            "version": "1",
            "description": "Lead batches, roster changes and outcomes in, one assignment per "
            "lead out. Values are JSON in UTF-8; the key is the channel, partitioned by murmur2. "
            "Readers of outputs read committed, and ignore fields that they don't know.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": {
            _operation_name(topic): {
                "action": "receive" if topic in READ_BY_THE_DISPATCHER else "send",
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "summary": f"{topic.carries}; written by {topic.written_by}, "
                f"read by {topic.read_by}",
            }
            for topic in TOPICS
        },
        "components": {
            "messages": {
                event_type: {
                    "name": event_type,
                    "title": model.__name__,
                    "summary": (model.__doc__ or "").strip().splitlines()[0],
                    "payload": {
                        "schemaFormat": "application/schema+json;version=draft-2020-12",
                        "schema": json_schema(event_type),
                    },
                }
                for event_type, model in EVENTS.items()
            }
        },
    }


def _operation_name(topic: Topic) -> str:
    return topic.name.replace(".", "_").replace("-", "_")


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": f"Key: {topic.key}. Written by {topic.written_by}; read by {topic.read_by}.",
        "messages": {
            event_type: {"$ref": f"#/components/messages/{event_type}"}
            for event_type in EVENTS_ON[topic.name]
        },
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "topicConfiguration": {
                    "cleanup.policy": topic.cleanup_policy.split(","),
                    **(
                        {"retention.ms": topic.retention_ms}
                        if topic.retention_ms is not None
                        else {}
                    ),
                },
                "bindingVersion": "0.5.0",
            }
        },
    }
