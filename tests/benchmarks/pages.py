"""How large the board's pages are and how long they take, with many channels of many members.

A real dispatcher divides a few batches in each of 1,000 channels of 100 members; the views read
what it wrote. Each page is then asked for again and again, by one who asks and waits.
"""

import http.client
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from streams.local import LocalStack
from tests.support.installation import Installation
from tests.views_process import ViewsProcess

from .contestants import Partidor, views_environment
from .workload import Workload, load

CHANNELS = 1_000
MEMBERS = 100
BATCHES = 5
LEADS_PER_BATCH = 20
ASKED = 50
PATIENCE_S = 120.0


class PageCost(NamedTuple):
    """One page; milliseconds over all times that it was asked for."""

    path: str
    kilobytes: float
    compressed_kilobytes: float
    median_ms: float
    p95_ms: float


def measure(asked: int = ASKED) -> tuple[list[PageCost], float]:
    """Every page, and the memory of the views in MiB."""
    workload = Workload(
        leads=CHANNELS * BATCHES * LEADS_PER_BATCH,
        batch_size=LEADS_PER_BATCH,
        channels=CHANNELS,
        members=MEMBERS,
    )
    with (
        LocalStack(performance=True) as stack,
        tempfile.TemporaryDirectory(prefix="partidor-benchmarks-") as scratch,
        Installation(stack.bootstrap_servers, stack.redis_url, Path(scratch)) as installation,
    ):
        load(installation, workload)
        running = Partidor().start(installation, workload, Path(scratch))
        environment = views_environment(installation, Path(scratch))
        try:
            with ViewsProcess(environment, Path(scratch, "views.log")) as views:
                _wait(views, workload)
                found = [_cost(views, path, asked) for path in paths(workload)]
                operations = views.get("/api/operations").body
                return found, operations["views"]["memory_bytes"] / 2**20
        finally:
            running.stop()


def paths(workload: Workload) -> list[str]:
    """The pages, and the answers of the API that they are made of."""
    channel, lead = workload.channel(500), f"L{500 * LEADS_PER_BATCH + 7:09d}"
    return [
        "/",
        "/?find=channel-00",
        f"/channel?name={channel}",
        f"/assignee?channel={channel}&name=agent-00007",
        f"/lead?id={lead}",
        f"/decision?channel={channel}&version=2",
        "/operations",
        "/api/channels?limit=50",
        "/api/channels?limit=1000",
        f"/api/channels/{channel}",
        f"/api/channels/{channel}/standings",
        f"/api/leads/{lead}",
    ]


def _wait(views: ViewsProcess, workload: Workload) -> None:
    """Until every lead is counted, and kept."""
    views.ready()
    views.until(
        "/api/channels?limit=1000",
        lambda answer: (
            answer.status == 200
            and sum(each["leads"] for each in answer.body["channels"]) == workload.leads
        ),
        PATIENCE_S,
    )
    last = f"L{workload.leads - 1:09d}"
    views.until(f"/api/leads/{last}", lambda answer: answer.status == 200, PATIENCE_S)


def _cost(views: ViewsProcess, path: str, asked: int) -> PageCost:
    connection = http.client.HTTPConnection("127.0.0.1", views.port, timeout=60)
    plain = len(_asked(connection, path, "identity"))
    compressed = len(_asked(connection, path, "gzip"))
    took_ms = []
    for _ in range(asked):
        began = time.perf_counter()
        _asked(connection, path, "gzip")
        took_ms.append((time.perf_counter() - began) * 1000)
    connection.close()
    took_ms.sort()
    return PageCost(
        path,
        plain / 1000,
        compressed / 1000,
        statistics.median(took_ms),
        took_ms[int(0.95 * len(took_ms))],
    )


def _asked(connection: http.client.HTTPConnection, path: str, encoding: str) -> bytes:
    headers = {"Accept-Encoding": encoding, "Accept": "text/html"}
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200, (path, response.status, body[:200])
    return body
