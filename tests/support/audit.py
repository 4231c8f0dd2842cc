"""Histories decided offline, and both questions asked of what came out."""

import json
from collections.abc import Iterable, Sequence
from fractions import Fraction

from dispatcher.limits import Limits
from streams.audit.explaining import Inquiry
from streams.audit.statements import Statement, StatementWriter
from streams.replay import Replay
from tests.reference import events

from .records import Json


def decided(events: Iterable[Json]) -> tuple[list[Json], Replay]:
    """Every output event of a history, in order, and the channels as they stand after it."""
    replay = Replay(Limits())
    lines = [json.dumps(event).encode() for event in events]
    return [json.loads(output) for output in replay.lines(lines)], replay


def explained(outputs: Iterable[Json], lead_id: str, channel: str | None = None) -> list[Json]:
    """Each time that a lead was assigned."""
    inquiry = Inquiry(lead_id, channel)
    for output in outputs:
        value = json.dumps(output).encode()
        takes = {"lead_assigned": inquiry.assignment, "lead_batch": inquiry.batch}
        takes.get(output["type"], inquiry.decision)(value)
    inquiry.finish()
    return inquiry.explanations


def stated(
    outputs: Iterable[Json],
    assignee_id: str,
    channel: str = "web",
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Statement:
    """The statement of a member."""
    writer = StatementWriter(channel, assignee_id, from_ms, to_ms)
    for output in outputs:
        writer.decision(json.dumps(output).encode())
    return writer.finish()


def listed(outputs: Iterable[Json], channel: str) -> list[str]:
    """Everybody whom a decision of a channel lists."""
    return sorted(
        {
            row["assignee_id"]
            for output in outputs
            if output.get("channel") == channel
            for row in output.get("shares", ())
        }
    )


def errors(replay: Replay, channel: str) -> dict[str, Fraction]:
    """The exact errors of a channel's members."""
    state = replay.states[channel]
    return {
        member.assignee_id: Fraction(error, state.roster.error_denominator)
        for member, error in zip(state.roster.members, state.errors, strict=True)
    }


def dispatched(outputs: Sequence[Json]) -> list[Json]:
    """The decisions on batches that went out."""
    return [output for output in outputs if output["type"] == "batch_dispatched"]


def given_back() -> list[Json]:
    """A and B of equal weight get a lead each; B gives x back, and is the one who is owed."""
    roster = events.roster("r", {"A": "1", "B": "1"})
    outputs, _ = decided([roster, events.lead_batch("b1", ["x", "y"])])
    head = {"schema_version": 1, "channel": "web", "roster_version": 1}
    head |= {"decided_at": "2026-11-22T09:00:00Z", "error_denominator": "2000000000000000000"}
    rows = [_row("A", "0.000000000000", HALF), _row("B", "0.000000000000", "-0.500000000000")]
    returned = {
        **head, "type": "outcome_recorded", "state_version": 4, "outcome_id": "o1",
        "outcome_type": "lead_returned", "lead_id": "x", "assignee_id": "B", "credited": True,
        "dispatched_again": True, "spread_by_weight": "1.000000000000", "shares": rows,
        "shares_complete": True,
    }  # fmt: skip
    assigned = {
        **outputs[1], "lead_id": "x", "assignee_id": "B", "position": 1, "batch_size": 1,
        "state_version": 5, "batch_id": "b1",
    }  # fmt: skip
    shares = [
        _row("A", HALF, "0.000000000000")
        | {"fair_share": HALF, "ideal": "0.000000000000", "assigned": 0},
        _row("B", "-0.500000000000", "0.000000000000")
        | {"fair_share": HALF, "ideal": "1.000000000000", "assigned": 1},
    ]
    again = {
        **head, "type": "batch_dispatched", "state_version": 5, "batch_id": "b1", "batch_size": 1,
        "content_hash": "", "shares": shares, "shares_complete": True,
    }  # fmt: skip
    unheard_of = {**head, "type": "moon_rose", "state_version": 3}
    return [*outputs, unheard_of, returned, assigned, again]


HALF = "0.500000000000"


def _row(assignee_id: str, before: str, after: str) -> Json:
    return {
        "assignee_id": assignee_id,
        "weight": "1",
        "paused": False,
        "cumulative_error_before": before,
        "cumulative_error_after": after,
        "cumulative_error_numerator": str(int(Fraction(after) * 2 * 10**18)),
    }
