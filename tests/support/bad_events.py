"""Everything that may stand in an input topic and shouldn't, with the reason that it is given."""

from typing import NamedTuple

from .records import Json


class Bad(NamedTuple):
    """A bad event: what is wrong with it, and a part of what is said about it."""

    what: str
    reason: str
    changed: Json
    """Fields in place of those of a good event; None leaves the field out."""
    detail: str = ""


BAD_BATCHES = (
    Bad("an unknown type", "invalid_event", {"type": "leads"}, "type"),
    Bad("no batch_id", "invalid_event", {"batch_id": None}, "batch_id"),
    Bad("no leads", "invalid_event", {"leads": None}, "leads"),
    Bad("leads that are no list", "invalid_event", {"leads": {"lead_id": "L1"}}, "leads"),
    Bad("a number for an id", "invalid_event", {"batch_id": 7}, "batch_id"),
    Bad("an empty id", "invalid_event", {"batch_id": ""}, "batch_id"),
    Bad("an id of 201 characters", "invalid_event", {"batch_id": "x" * 201}, "batch_id"),
    Bad("control characters", "invalid_event", {"batch_id": "a\nb"}, "control characters"),
    Bad("no time", "invalid_event", {"created_at": "yesterday"}, "created_at"),
    Bad("no version", "invalid_event", {"schema_version": "1"}, "schema_version"),
    Bad("an empty channel", "invalid_event", {"channel": ""}, "channel"),
    Bad("a roster change", "invalid_event", {"type": "assignee_left"}, "type"),
    Bad(
        "too many leads", "limit_exceeded", {"leads": [{"lead_id": f"{n}"} for n in range(10_001)]}
    ),
)
BAD_CHANGES = (
    Bad("an unknown type", "invalid_event", {"type": "assignee_married"}, "assignee_married"),
    Bad("a batch", "invalid_event", {"type": "lead_batch", "leads": []}, "lead_batch"),
    Bad("no assignee", "invalid_event", {"assignee_id": None}, "assignee_id"),
    Bad("a weight that is a number", "invalid_event", {"weight": 1}, "weight"),
    Bad("a weight of NaN", "invalid_event", {"weight": "NaN"}, "weight"),
    Bad("an infinite weight", "invalid_event", {"weight": "Infinity"}, "weight"),
    Bad("a negative weight", "invalid_event", {"weight": "-1"}, "weight"),
    Bad("seven decimals", "invalid_event", {"weight": "0.1234567"}, "6 decimals"),
    Bad("a weight over a million", "invalid_event", {"weight": "1000000.000001"}, "1,000,000"),
    Bad("an empty id", "invalid_event", {"assignee_id": ""}, "assignee_id"),
    Bad("a member who joins", "already_a_member", {"assignee_id": "A"}),
    Bad("a stranger who leaves", "not_a_member", {"type": "assignee_left"}),
    Bad("a stranger who pauses", "not_a_member", {"type": "assignee_paused"}),
    Bad(
        "a correction against a stranger",
        "no_counterparty",
        {
            "type": "cumulative_error_corrected",
            "assignee_id": "A",
            "amount": "1",
            "counter_assignee_id": "nobody",
        },
    ),
    Bad(
        "another roster than expected",
        "roster_version_mismatch",
        {"type": "roster_replaced", "members": [], "expected_roster_version": 7},
    ),
    Bad(
        "a roster with somebody twice",
        "invalid_event",
        {"type": "roster_replaced", "members": [{"assignee_id": "A", "weight": "1"}] * 2},
        "twice",
    ),
    Bad(
        "a roster of 10,001",
        "limit_exceeded",
        {
            "type": "roster_replaced",
            "members": [{"assignee_id": f"{n}", "weight": "1"} for n in range(10_001)],
        },
    ),
)

NO_EVENTS = {
    "nothing": None,
    "no bytes": b"",
    "not UTF-8": b'{"type":"lead_batch","batch_id":"\xff\xfe"}',
    "not JSON": b"lead_batch;b1;web",
    "half of an event": b'{"type":"lead_batch","schema_version":1,"batch_id":"b',
    "NaN": b'{"type":"assignee_joined","schema_version":1,"weight":NaN}',
    "half of a character": b'{"type":"\\ud800"}',
}
"""Values that are no JSON text at all."""

BAD_LEADS: dict[str, tuple[object, str]] = {
    "no object": ("L2", "invalid_lead"),
    "no id": ({}, "invalid_lead"),
    "an empty id": ({"lead_id": ""}, "invalid_lead"),
    "an id of 201 characters": ({"lead_id": "x" * 201}, "invalid_lead"),
    "control characters": ({"lead_id": "L\u0000"}, "invalid_lead"),
    "attributes that are no object": ({"lead_id": "X", "attributes": []}, "invalid_lead"),
    "attributes over 16 KiB": (
        {"lead_id": "X", "attributes": {"notes": "n" * 16 * 1024}},
        "invalid_lead",
    ),
    "the same lead again": ({"lead_id": "L1", "attributes": {"again": True}}, "duplicate_lead"),
}
"""Leads that are none, each with its reason, to stand behind a lead `L1`."""
