"""Assignees that are channels, literally: what they are given goes on as a batch."""

from __future__ import annotations

from collections.abc import Sequence

from .state import State
from .validation import Json


def sent_on(state: State, assignments: Sequence[Json], decision: Json) -> list[Json]:
    """Everything that goes out: assignments of people, batches of channels, the decision last.

    ``assignments`` are as if everybody received their leads; the decision learns what went on.
    """
    batches, rows = [], []
    for name in state.ranked():
        target = state.members[name].routes_to
        theirs = [each for each in assignments if each["assignee_id"] == name]
        if target is None or not theirs:
            continue
        batch = {
            "type": "lead_batch",
            "schema_version": 1,
            "batch_id": f"{state.channel}/{decision['state_version']}/{name}",
            "channel": target,
            "created_at": decision["decided_at"],
            "routed_from": {
                "channel": state.channel,
                "batch_id": decision["batch_id"],
                "state_version": decision["state_version"],
            },
            "leads": [_lead(each) for each in theirs],
        }
        batches.append(batch)
        rows.append(
            {
                "assignee_id": name,
                "routes_to": target,
                "batch_id": batch["batch_id"],
                "leads": len(theirs),
            }
        )
    people = [each for each in assignments if state.members[each["assignee_id"]].routes_to is None]
    return [*people, *batches, {**decision, "routed": rows or None}]


def _lead(assignment: Json) -> Json:
    lead = {"lead_id": assignment["lead_id"]}
    if assignment["attributes"]:
        lead["attributes"] = assignment["attributes"]
    return lead
