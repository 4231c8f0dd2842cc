"""Is it moving? Lag, delays, dispatchers, dead letters, and how the views themselves are.

In: what this process counts; Kafka and Redis, asked in a thread and no more often than every few
seconds, however many look. Out: one document. What can't be asked says why, and the rest is there.
"""

import asyncio
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from dispatcher.times import timestamp_text
from streams.failure import Failed
from streams.lag import partition_lags
from streams.settings import Settings
from streams.state_reader import RestoreSeen, StateReader
from streams.views.activity import MINUTE_MS
from streams.views.answers_port import Json
from streams.views.delays import Delays, quantile, together
from streams.views.partitions import PartitionStandings
from streams.views.reading import ViewsReader

ASKED_AGAIN_MS: Final = 2_000
ANSWER_WAIT_S: Final = 0.5
"""A page waits no longer for Kafka and Redis."""
SILENT_MS: Final = 3_000
MINUTES_SHOWN: Final = 60
NOT_YET: Final = "no answer yet"


class Operations:
    """The document, and what it remembers between two questions."""

    def __init__(self, settings: Settings, reader: ViewsReader, started_at_ms: int) -> None:
        """`started_at_ms` since 1970."""
        self._settings = settings
        self._reader = reader
        self._started_at_ms = started_at_ms
        self._asking: asyncio.Task[None] | None = None
        self._asked_at_ms = 0
        self._lag: Json = {"rows": [], "why_unknown": None, "asked_at": None, "error": NOT_YET}
        self._dispatchers: Json = {"rows": [], "error": NOT_YET}

    async def document(self, now_ms: int) -> Json:
        """How everything is at a time (milliseconds since 1970)."""
        await self._ask(now_ms)
        views = self._reader.views
        delays = [held.delays for held in views.partitions.values()]
        return {
            "caught_up": views.caught_up,
            "generated_at": timestamp_text(now_ms),
            "views": self._views_document(),
            **_delays_document(delays, now_ms),
            "lag": self._lag,
            "dispatchers": self._dispatchers,
            "dead_letters": self._dead_letters(),
        }

    async def _ask(self, now_ms: int) -> None:
        """Ask again if it is time, and wait a moment for the answer: the next look has it else."""
        if self._asking is None and now_ms - self._asked_at_ms >= ASKED_AGAIN_MS:
            self._asked_at_ms = now_ms
            self._asking = asyncio.create_task(self._answered(now_ms))
        if self._asking is None:
            return
        _, waiting = await asyncio.wait({self._asking}, timeout=ANSWER_WAIT_S)
        if waiting and now_ms - self._asked_at_ms > SILENT_MS:
            silent = f"no answer for {(now_ms - self._asked_at_ms) / 1000:.0f} s"
            self._lag = {**self._lag, "error": self._lag["error"] or silent}

    async def _answered(self, now_ms: int) -> None:
        try:
            self._lag, self._dispatchers = await asyncio.gather(
                asyncio.to_thread(_lag, self._settings, now_ms),
                asyncio.to_thread(_dispatchers, self._settings),
            )
        finally:
            self._asking = None

    def _views_document(self) -> Json:
        views = self._reader.views
        leads = self._reader.followers[0]
        return {
            "memory_bytes": memory_bytes(),
            "started_at": timestamp_text(self._started_at_ms),
            "partitions": [
                partition_document(views.partitions[n]) for n in sorted(views.partitions)
            ],
            "assignments": {
                "caught_up": leads.caught_up,
                "error": leads.error,
                "unreadable": self._reader.leads.unreadable,
            },
        }

    def _dead_letters(self) -> Json:
        by_reason = self._reader.refusals.by_reason()
        most_first = sorted(by_reason.items(), key=lambda item: (-item[1].letters, item[0]))
        return {
            "by_reason": [
                {
                    "reason": reason,
                    "count": refused.letters,
                    "last_at": timestamp_text(refused.last_at_ms),
                }
                for reason, refused in most_first
            ],
            "total": sum(refused.letters for refused in by_reason.values()),
            "error": self._reader.followers[1].error,
        }


def partition_document(held: PartitionStandings) -> Json:
    """How far a partition of the decisions is counted."""
    return {
        "partition": held.number,
        "caught_up": held.caught_up,
        "next_offset": held.next_offset or 0,
        "end_offset": held.end_offset,
        "channels": len(held.channels),
        "unreadable": held.unreadable,
        "gaps": held.gaps,
    }


def memory_bytes() -> int:
    """What this process has in memory; the most that it ever had where that can't be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def _delays_document(delays: Iterable[Delays], now_ms: int) -> Json:
    found, last = list(delays), now_ms // MINUTE_MS
    minutes = range(last - MINUTES_SHOWN + 1, last + 1)
    whole = together(found, minutes[0], last)
    return {
        "delay_ms": _quantiles(whole) if whole else None,
        "delay_per_minute": [
            {
                "from": timestamp_text(minute * MINUTE_MS),
                **_quantiles(together(found, minute, minute)),
            }
            for minute in minutes
        ],
    }


def _quantiles(counted: Any) -> Json:
    return {
        "p50": quantile(counted, 0.5),
        "p99": quantile(counted, 0.99),
        "decisions": counted.total(),
    }


def _asked(ask: Callable[[], Json], missing: Json) -> Json:
    try:
        return {**ask(), "error": None}
    except Failed as failure:
        return {**missing, "error": str(failure)}


def _lag(settings: Settings, now_ms: int) -> Json:
    def ask() -> Json:
        rows, why_unknown = partition_lags(settings, now_ms)
        return {"rows": [msgspec.to_builtins(row) for row in rows], "why_unknown": why_unknown}

    found = _asked(ask, {"rows": [], "why_unknown": None})
    return {**found, "asked_at": timestamp_text(now_ms)}


def _restore(seen: RestoreSeen) -> Json:
    found: Json = msgspec.to_builtins(seen)
    at = timestamp_text(found.pop("at_ms"))
    return {**found, "at": at}


def _dispatchers(settings: Settings) -> Json:
    def ask() -> Json:
        rows = []
        for status in StateReader(settings).statuses():
            row = {
                "slot": status.slot,
                "host": status.host,
                "pid": status.pid,
                "updated_at": timestamp_text(status.updated_at_ms),
                "partitions": status.partitions,
                "leads": status.leads_dispatched,
                "redis": status.redis,
                "restores": [_restore(each) for each in status.restores],
            }
            if status.started_at_ms is not None:
                row["started_at"] = timestamp_text(status.started_at_ms)
            rows.append(row)
        return {"rows": sorted(rows, key=lambda row: str(row["slot"]))}

    return _asked(ask, {"rows": []})
