"""Answers for tests of the board: documents as the port says them, made up, without a broker."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from streams.views.answers_port import BadQuestion, Json, NotThere, Refused
from tests.reference import events
from tests.support.audit import decided, explained

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
                {"reason": "invalid_lead", "count": 3, "last_at": at(30),
                 "last_detail": "leads[4].lead_id: too long"},
                {"reason": "wrong_key", "count": 1, "last_at": at(90)},
            ],
            "total": 4,
            "error": None,
        },
        **changes,
    }  # fmt: skip


class SampleAnswers:
    """Answers from documents that tests may change; `refused` is raised by every question."""

    def __init__(self, names: list[str] | None = None, members: int = 12) -> None:
        """Channels by name, each with so many members."""
        self.summaries = {
            name: summary(name, n)
            for n, name in enumerate(["web", "phone"] if names is None else names)
        }
        self.member_ids = [f"agent-{n:02d}" for n in range(members)]
        self.shorts = shorts()
        self.operations_document = operations()
        self.refused: Refused | None = None
        self.version = 0
        self.asked: list[str] = []
        self._outputs, _ = decided(events.the_seeds_story())

    def stamp(self, channel: str | None) -> int:
        """Rises when a test says so."""
        return self.version

    def _ask(self, what: str, channel: str | None = None) -> None:
        self.asked.append(what)
        if self.refused is not None:
            raise self.refused
        if channel is not None and channel not in self.summaries:
            raise NotThere("no such channel")

    async def channels(self, after: str = "", limit: int = 50, find: str = "") -> Json:
        """In order of name."""
        self._ask("channels")
        named = sorted(name for name in self.summaries if find.casefold() in name.casefold())
        shown = [name for name in named if name > after]
        return {
            "channels": [self.summaries[name] for name in shown[:limit]],
            "next_after": shown[limit - 1] if len(shown) > limit else None,
            "total": len(self.summaries),
            "found": len(named),
            "partitions_here": [0, 1, 2, 3],
            "partition_count": 4,
        }

    async def channel(self, channel: str) -> Json:
        """A summary and more."""
        self._ask("channel", channel)
        return {
            **self.summaries[channel],
            "time_zone": "Australia/Melbourne",
            "rules": None,
            "duplicates_ignored": 2,
            "counted_from": {"state_version": 1, "decided_at": at(9000)},
            "roster_complete": True,
            "error_denominator": "3000000000000000000",
            "parked": [],
            "history": {
                "minutes": points(60, 1),
                "hours": points(48, 60),
                "days": points(60, 1440),
            },
            **self.summaries[channel].get("more", {}),
        }

    async def standings(self, channel: str, after: str = "", limit: int = 100) -> Json:
        """In order of assignee_id."""
        self._ask("standings", channel)
        found = [(n, name) for n, name in enumerate(self.member_ids) if name > after]
        return {
            "channel": channel,
            "state_version": 12,
            "error_denominator": "3000000000000000000",
            "standings": [member(name, n) for n, name in found[:limit]],
            "next_after": found[limit - 1][1] if len(found) > limit else None,
        }

    async def decisions(self, channel: str, before: int | None = None, limit: int = 50) -> Json:
        """Newest first."""
        self._ask("decisions", channel)
        found = [each for each in self.shorts if before is None or each["state_version"] < before]
        return {
            "channel": channel,
            "decisions": found[:limit],
            "next_before": found[limit - 1]["state_version"] if len(found) > limit else None,
        }

    async def decision(self, channel: str, state_version: int) -> Json:
        """As the dispatcher wrote it."""
        self._ask("decision", channel)
        for output in self._outputs:
            if output["type"] != "lead_assigned" and output["state_version"] == state_version:
                return output
        raise NotThere("no such decision")

    async def assignee(self, channel: str, assignee_id: str) -> Json:
        """A member and more."""
        self._ask("assignee", channel)
        if assignee_id not in self.member_ids:
            raise NotThere("no such assignee")
        found = self.summaries[channel]
        return {
            **member(assignee_id, self.member_ids.index(assignee_id)),
            "channel": channel,
            "error_denominator": "3000000000000000000",
            "promise": found["promise"],
            "is_member": True,
            "dispatch_by": found["dispatch_by"],
            "today_date": "2026-11-22",
            "time_zone": "UTC",
        }

    async def assignments(
        self, channel: str, assignee_id: str, before: int | None = None, limit: int = 50
    ) -> Json:
        """Newest first."""
        self._ask("assignments", channel)
        made = [
            {"assignment_id": f"{channel}/{n}/L{n}", "channel": channel, "lead_id": f"L{n}",
             "assignee_id": assignee_id, "batch_id": "day-1-first", "position": n % 100 + 1,
             "batch_size": 100, "state_version": n, "decided_at": at(200 - n)}
            for n in range(120, 0, -1) if before is None or n < before
        ]  # fmt: skip
        return {
            "channel": channel,
            "assignee_id": assignee_id,
            "assignments": made[:limit],
            "next_before": made[limit - 1]["state_version"] if len(made) > limit else None,
        }

    async def lead(self, lead_id: str, channel: str | None = None) -> Json:
        """Explained from a real log where it is there; `L17` has only an assignment."""
        self._ask("lead", channel)
        if not lead_id.isprintable():
            raise BadQuestion("not an id")
        found = [each for each in self._outputs if each.get("lead_id") == lead_id]
        assignments = [each for each in found if each["type"] == "lead_assigned"]
        if lead_id == "L17":
            assignments = (await self.assignments("web", "A"))["assignments"][:1]
        if not assignments:
            raise NotThere("nothing is known of this lead")
        outcomes = [
            {**each, "channel": "web", "credited": True, "dispatched_again": True}
            for each in self.shorts if each["type"] == "outcome_recorded"
        ]  # fmt: skip
        return {
            "lead_id": lead_id,
            "assigned": explained(self._outputs, lead_id) if lead_id != "L17" else [],
            "outcomes": outcomes[:1],
            "assignments": assignments,
        }

    async def operations(self) -> Json:
        """All is well."""
        self._ask("operations")
        return self.operations_document
