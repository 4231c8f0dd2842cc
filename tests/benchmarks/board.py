"""How far behind the decisions the views are: from a decision's record to whoever listens.

A dispatcher and the views run; lead batches come at a steady rate. A listener to `/api/live` notes
when each state version of each channel is told; afterwards the decisions are read, and the times of
their records subtracted. All on this machine, so there is one clock; the first seconds don't count.
"""

import http.client
import json
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from streams.local import LocalStack
from tests.support.installation import Installation
from tests.views_process import ViewsProcess

from .contestants import Partidor, views_environment
from .latency import CHANNELS, WARM_S, Pace, ends
from .throughput import delete_topics
from .workload import Workload, load

PACES = (Pace(1_000, 10), Pace(50_000, 100))
SETTLE_S = 60.0


class Behind(NamedTuple):
    """One round.

    Attributes:
        p50_ms, p99_ms: from the decision's record to the listener.
        leads_per_s: that were decided in the time.
        decisions: that count.
        memory_mib: of the views at the end, with `leads` leads kept.
    """

    pace: Pace
    p50_ms: float
    p99_ms: float
    leads_per_s: float
    decisions: int
    leads: int
    memory_mib: float


class Listener:
    """Notes when which version of each channel is told."""

    def __init__(self, views: ViewsProcess) -> None:
        """Listens from now on, in a thread."""
        self.told: dict[str, list[tuple[int, float]]] = {}
        self._connection = http.client.HTTPConnection("127.0.0.1", views.port, timeout=60)
        self._connection.request("GET", "/api/live")
        self._response = self._connection.getresponse()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        with suppress(OSError, ValueError, AttributeError, http.client.HTTPException):
            while line := self._response.readline():
                now_ms = time.time_ns() / 1e6
                if line.startswith(b"data: "):
                    for channel, version in json.loads(line[6:])["state_versions"].items():
                        self.told.setdefault(channel, []).append((version, now_ms))

    def seen_at_ms(self, channel: str, version: int) -> float | None:
        """When a version, or a later one, was told first."""
        return next((at for told, at in self.told.get(channel, ()) if told >= version), None)

    def close(self) -> None:
        """Listen no more."""
        self._connection.close()


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> list[Behind]:
    """Each pace, on topics of its own, round by round."""
    found: list[Behind] = []
    with (
        LocalStack(performance=True) as stack,
        tempfile.TemporaryDirectory(prefix="partidor-benchmarks-") as scratch,
    ):
        for number in range(rounds):
            for pace in PACES:
                directory = Path(scratch, f"{number}-{pace.leads_per_s}")
                directory.mkdir()
                with Installation(
                    stack.bootstrap_servers, stack.redis_url, directory
                ) as installation:
                    behind = _one(installation, pace, seconds, directory)
                    delete_topics(installation)
                found.append(behind)
                say(
                    f"{pace.leads_per_s:,}/s: p50 {behind.p50_ms:.0f} ms, p99 {behind.p99_ms:.0f}"
                    f" ms, {behind.leads_per_s:,.0f} leads/s decided, {behind.leads:,} leads kept,"
                    f" {behind.memory_mib:.0f} MiB"
                )
    return found


def _one(installation: Installation, pace: Pace, seconds: float, directory: Path) -> Behind:
    load(installation, Workload(leads=CHANNELS, batch_size=1, channels=CHANNELS))
    running = Partidor().start(installation, Workload(), directory)
    environment = views_environment(installation, directory)
    try:
        with ViewsProcess(environment, directory / "views.log") as views:
            views.ready()
            listener = Listener(views)
            sender = ends(
                "send",
                {
                    "bootstrap_servers": installation.bootstrap_servers,
                    "input": installation.topics.lead_batches,
                    "partitions": installation.partitions,
                    "seconds": WARM_S + seconds,
                    "per_s": pace.leads_per_s / pace.leads_per_batch,
                    "leads": pace.leads_per_batch,
                    "warm_s": WARM_S,
                },
            )
            began_ms = time.time_ns() / 1e6
            sender.communicate(timeout=WARM_S + seconds + 120)
            memory_mib, leads = _settled(views)
            listener.close()
    finally:
        running.stop()
    return _behind(installation, listener, pace, began_ms + WARM_S * 1000, memory_mib, leads)


def _settled(views: ViewsProcess) -> tuple[float, int]:
    """Wait until nothing more comes; memory, and leads counted."""
    ends_at = time.monotonic() + SETTLE_S
    leads, before = 0, -1
    while leads != before and time.monotonic() < ends_at:
        before = leads
        time.sleep(2)
        listed = views.get("/api/channels?limit=1000").body["channels"]
        leads = sum(each["leads"] for each in listed)
    found = views.get("/api/operations").body
    return found["views"]["memory_bytes"] / 2**20, leads


def _behind(
    installation: Installation,
    listener: Listener,
    pace: Pace,
    from_ms: float,
    memory_mib: float,
    leads: int,
) -> Behind:
    waits, counted, last_ms = [], 0, from_ms
    for record in installation.read(installation.topics.decisions):
        decision = record.event
        if record.timestamp_ms < from_ms or decision["type"] != "batch_dispatched":
            continue
        at_ms = listener.seen_at_ms(decision["channel"], decision["state_version"])
        assert at_ms is not None, "a decision was never told"
        waits.append(at_ms - record.timestamp_ms)
        counted += decision["batch_size"]
        last_ms = max(last_ms, record.timestamp_ms)
    waits.sort()
    return Behind(
        pace,
        waits[len(waits) // 2],
        waits[int(0.99 * len(waits))],
        counted / max(1e-3, (last_ms - from_ms) / 1000),
        len(waits),
        leads,
        memory_mib,
    )
