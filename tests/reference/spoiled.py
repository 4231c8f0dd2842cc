"""Leads and events with something wrong in them, for the random histories."""

from __future__ import annotations

from random import Random

from .validation import Json

BAD_IDS: tuple[object, ...] = (
    "",
    "x" * 201,
    "line\nbreak",
    "nul\x00",
    "next\x85line",
    7,
    None,
    ["A"],
)

BAD_LEADS: tuple[object, ...] = (
    *({"lead_id": bad_id} for bad_id in BAD_IDS),
    {},
    "L1",
    None,
    [{"lead_id": "L1"}],
    {"lead_id": "attributes-list", "attributes": []},
    {"lead_id": "attributes-text", "attributes": "phone"},
    {"lead_id": "attributes-large", "attributes": {"notes": "n" * 16_384}},
    {"lead_id": "attributes-large-in-utf-8", "attributes": {"notes": "é" * 8_190}},
)

BAD_VALUES: dict[str, tuple[object, ...]] = {
    "type": ("lead_batches", "", None, 1),
    "schema_version": (0, -1, True, "1", 1.5, None),
    "channel": BAD_IDS,
    "batch_id": BAD_IDS,
    "change_id": BAD_IDS,
    "assignee_id": BAD_IDS,
    "created_at": (
        "",
        "2026-11-21",
        "2026-11-21T09:00:00",
        "2026-02-30T09:00:00Z",
        1795251600,
        None,
    ),
    "weight": (
        "-1",
        ".5",
        "1.",
        "0.1234567",
        "1000000.000001",
        "NaN",
        "Infinity",
        "1e3",
        " 1",
        "",
        1,
    ),
    "leads": (None, {}, "L1"),
    "amount": ("", "3 leads", "100000.000001", "-100001", "1.0000001", "--1", "inf", -3, None),
    "members": (
        None,
        {"assignee_id": "N", "weight": "1"},
        ["N"],
        [{"assignee_id": "N"}],
        [{"assignee_id": "N", "weight": "1"}, {"assignee_id": "N", "weight": "2"}],
        [{"assignee_id": "N", "weight": "1", "paused": "no"}],
    ),
    "reason": (7, ["moved"], False),
}
"""For each field, values it can't have."""


def bad_lead(rng: Random) -> object:
    """A lead that is none."""
    return rng.choice(BAD_LEADS)


def spoiled_event(rng: Random, event: Json) -> Json:
    """The event with one field missing or wrong."""
    name = rng.choice([name for name in BAD_VALUES if name in event])
    if rng.random() < 0.25 and name != "reason":
        return {key: value for key, value in event.items() if key != name}
    return {**event, name: rng.choice(BAD_VALUES[name])}
