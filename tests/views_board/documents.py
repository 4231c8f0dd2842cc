"""Documents as the answers have them, made up."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.views.answers_port import Json

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
HOSTILE = (
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "..",
    "a/b?c=d&e#f",
    "שלום עולם",
    "\u202eright to left",
    "{{ 7 * 7 }}{who}%s",
    "🦆" * 50,
    "x" * 200,
)


def at(minutes: float = 0) -> str:
    """So many minutes before now."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def promise(**changes: Any) -> Json:
    """A promise that is kept."""
    return {
        "in_force": True,
        "low": "-1.928968253968",
        "high": "0.900000000000",
        "used": 0.62,
        "kept": True,
        "corrected": False,
        "members_most": 10,
        "somebody_was_paused": False,
        **changes,
    }


def summary(name: str = "web", number: int = 3, **changes: Any) -> Json:
    """A channel in the list; `number` makes them differ."""
    rates = [int(6 + 5 * math.sin(minute / 7 + number)) for minute in range(60)]
    return {
        "channel": name,
        "partition": number % 4,
        "state_version": 12 + number,
        "roster_version": 4,
        "decided_at": at(1),
        "members": 10,
        "active": 9,
        "batches": 100 + number,
        "leads": 2345 + 37 * number,
        "parked_batches": 0,
        "parked_leads": 0,
        "dispatch_by": "count",
        "has_rules": False,
        "promise": promise(),
        "most_ahead": {"assignee_id": "A", "cumulative_error": "0.500000000000"},
        "most_owed": {"assignee_id": "B", "cumulative_error": "-1.196000000000"},
        "today": {"date": "2026-11-22", "time_zone": "UTC", "batches": 10, "leads": 900 + number},
        "leads_last": {"minute": rates[-1], "hour": sum(rates), "day": 900 + number},
        "batches_last": {"minute": 1, "hour": 10, "day": 30},
        "leads_per_minute": rates,
        "delay_ms": {"last": 14, "most_last_hour": 80},
        **changes,
    }


def points(many: int, minutes: int) -> list[Json]:
    """A history with holes in it."""
    made = []
    for place in range(many):
        quiet = place % 11 == 3
        made.append(
            {
                "from": at((many - place) * minutes),
                "batches": 0 if quiet else 3,
                "leads": 0 if quiet else int(40 + 30 * math.sin(place / 5)),
                "most_ahead": None if quiet else f"{0.5 + 0.3 * math.sin(place):.12f}",
                "most_owed": None if quiet else f"{-0.9 + 0.6 * math.cos(place):.12f}",
                "delay_ms_most": None if quiet else 12 + place,
            }
        )
    return made


def member(name: str, number: int = 0, **changes: Any) -> Json:
    """Somebody on the roster."""
    error = 0.8 * math.sin(number)
    return {
        "assignee_id": name,
        "weight": f"{0.8 + number % 5 / 10:.1f}",
        "paused": number % 9 == 7,
        "leads": 120 + number,
        "fair_share": f"{120 + number - error:.12f}",
        "cumulative_error": f"{error:.12f}",
        "cumulative_error_numerator": str(int(error * 10**18)),
        "adjustment": "0.000000000000",
        "counted_from": {"state_version": 1, "decided_at": at(9000)},
        "today": {"leads": 3 + number % 4, "fair_share": f"{2.5 + number % 4:.12f}"},
        **changes,
    }


SHORTS: list[Json] = [
    {"type": "batch_dispatched", "batch_id": "web-1", "batch_size": 100, "members": 3},
    {"type": "roster_changed", "change_id": "c1", "change_type": "assignee_joined",
     "assignee_id": "B", "weight": "1.2", "members": 3},
    {"type": "roster_changed", "change_id": "c2", "change_type": "roster_replaced", "members": 3,
     "changed_by": "supervisor-7", "reason": "the web team"},
    {"type": "roster_changed", "change_id": "c3", "change_type": "cumulative_error_corrected",
     "assignee_id": "A", "amount": "-0.5", "changed_by": "supervisor-7", "reason": "swapped"},
    {"type": "batch_parked", "batch_id": "web-2", "batch_size": 12, "leads_parked": 12},
    {"type": "batch_released", "batch_id": "web-2", "batch_size": 12},
    {"type": "duplicate_ignored", "batch_id": "web-1"},
    {"type": "day_began", "day": "2026-11-22"},
    {"type": "outcome_recorded", "outcome_id": "o1", "outcome_type": "lead_returned",
     "lead_id": "L17", "assignee_id": "A", "reason": "busy"},
    {"type": "outcome_recorded", "outcome_id": "o2", "outcome_type": "lead_reassigned",
     "lead_id": "L17", "assignee_id": "A", "to_assignee_id": "B"},
]  # fmt: skip
"""Every kind of decision in short, without where it stands."""


def shorts(many: int = 30) -> list[Json]:
    """Decisions in short, newest first."""
    return [
        {**SHORTS[number % len(SHORTS)], "state_version": number, "decided_at": at(60 - number)}
        for number in range(many, 0, -1)
    ]


def operations(**changes: Any) -> Json:
    """All is well, but for a few dead letters."""
    rows = [{"partition": n, "caught_up": n != 1, "next_offset": 1000, "end_offset": 1000 + n,
             "channels": 12, "unreadable": 0, "gaps": 0} for n in range(4)]  # fmt: skip
    lag = [{"topic": topic, "partition": n, "lag": n * 7, "delay_seconds": 0.4 if n else None,
            "owner": "partidor-a-1" if n < 3 else None, "state": "running" if n < 3 else None}
           for topic in ("leads.batches", "roster.changes") for n in range(4)]  # fmt: skip
    return {
        "caught_up": True,
        "generated_at": at(),
        "views": {"memory_bytes": 98_765_432, "started_at": at(500), "partitions": rows},
        "delay_ms": {"p50": 12, "p99": 80, "decisions": 5400},
        "delay_per_minute": [
            {"from": at(60 - n), "p50": None if n % 13 == 5 else 10 + n % 4,
             "p99": None if n % 13 == 5 else 50 + n % 17 * 3, "decisions": 10}
            for n in range(60)
        ],
        "lag": {"rows": lag, "why_unknown": None, "asked_at": at(), "error": None},
        "dispatchers": {
            "rows": [
                {"slot": "a-1", "host": "dispatch-1", "pid": 4711, "updated_at": at(),
                 "partitions": {"0": "running", "1": "running", "2": "restoring"},
                 "started_at": at(400), "leads": 123456,
                 "restores": [{"partition": 2, "source": "changelog", "seconds": 1.25,
                               "at": at(5)}]},
            ],
            "error": None,
        },
        "dead_letters": {
            "by_reason": [
                {"reason": "invalid_lead", "count": 3, "last_at": at(30)},
                {"reason": "wrong_key", "count": 1, "last_at": at(90)},
            ],
            "total": 4,
            "error": None,
        },
        **changes,
    }  # fmt: skip
