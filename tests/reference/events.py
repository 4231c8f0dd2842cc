"""Input events for tests that want them by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .validation import Json

CREATED_AT = "2026-11-21T09:00:00Z"


def lead_batch(batch_id: str, leads: int | Iterable[object], channel: str = "web") -> Json:
    """A batch of so many leads L1, L2, ..., or of the lead ids or lead values given."""
    ids = [f"L{place}" for place in range(1, leads + 1)] if isinstance(leads, int) else leads
    return {
        "type": "lead_batch",
        "schema_version": 1,
        "batch_id": batch_id,
        "channel": channel,
        "created_at": CREATED_AT,
        "leads": [{"lead_id": lead} if isinstance(lead, str) else lead for lead in ids],
    }


def change(kind: str, change_id: str, channel: str = "web", **fields: object) -> Json:
    """A roster change of the given type."""
    return {
        "type": kind,
        "schema_version": 1,
        "change_id": change_id,
        "channel": channel,
        "created_at": CREATED_AT,
        **fields,
    }


def roster(change_id: str, weights: Mapping[str, str], channel: str = "web") -> Json:
    """A whole roster at once."""
    members = [{"assignee_id": name, "weight": weight} for name, weight in weights.items()]
    return change("roster_replaced", change_id, channel, members=members)


def correction(change_id: str, member: str, amount: str, counter: str | None = None) -> Json:
    """A correction, against another member or against all."""
    return change(
        "cumulative_error_corrected",
        change_id,
        assignee_id=member,
        amount=amount,
        counter_assignee_id=counter,
    )


def the_seeds_story() -> list[Json]:
    """100 and 50 leads for A 0.8, B 1, C 1.2; A leaves, D comes; 300 for B 1, C 1.1, D 0.5."""
    return [
        change("assignee_joined", "join-A", assignee_id="A", weight="0.8"),
        change("assignee_joined", "join-B", assignee_id="B", weight="1"),
        change("assignee_joined", "join-C", assignee_id="C", weight="1.2"),
        lead_batch("day-1-first", 100),
        lead_batch("day-1-second", 50),
        change("assignee_left", "leave-A", assignee_id="A"),
        change("weight_changed", "weight-C", assignee_id="C", weight="1.1"),
        change("assignee_joined", "join-D", assignee_id="D", weight="0.5"),
        lead_batch("day-2", 300),
    ]
