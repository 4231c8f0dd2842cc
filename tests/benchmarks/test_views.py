"""How fast the views are: from their start to serving, and decisions counted a second.

Reported, not asserted: the machine is shared and noisy. The work: 4 partitions, 20 channels of 10
members each, batches of 100 leads; the decisions are there before the clock starts.
"""

import json
import statistics
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.limits import Limits
from streams.local import LocalStack
from streams.replay import Replay
from tests.views_process import DecisionTopic, ViewsProcess

ROUNDS = 3
CHANNELS = 20
MEMBERS = 10
BATCH = 100
DECISIONS = 30_000
NOW = "2026-11-21T09:00:00Z"


def decisions() -> Iterator[bytes]:
    """Rosters, then batches of all channels in turn."""
    head = {"schema_version": 1, "created_at": NOW}
    replay = Replay(Limits())
    line = 0
    for number in range(DECISIONS // CHANNELS):
        for channel in (f"channel-{n:02}" for n in range(CHANNELS)):
            event: dict[str, object] = {**head, "channel": channel}
            if number < MEMBERS:
                weight = str(1 + number % 3)
                event |= {"type": "assignee_joined", "change_id": f"c{number}", "weight": weight}
                event["assignee_id"] = f"assignee-{number}"
            else:
                leads = [{"lead_id": f"{number}-{n}", "attributes": {}} for n in range(BATCH)]
                event |= {"type": "lead_batch", "batch_id": f"b{number}", "leads": leads}
            line += 1
            yield replay.outputs(json.dumps(event).encode(), line)[-1]


def seconds_to_serve(views: ViewsProcess, began: float) -> tuple[float, float]:
    """From `began` until it answers at all, and until all partitions are caught up."""
    views.until("/healthz", lambda _: True)
    answered = time.perf_counter() - began
    views.ready(300.0)
    return answered, time.perf_counter() - began


@pytest.mark.timeout(900)
def test_from_start_to_serving(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With nothing, with a snapshot, and with all decisions to count; medians over rounds."""
    empty: list[float] = []
    counting: list[float] = []
    again: list[float] = []
    with LocalStack(performance=True) as stack:
        name = f"views-{uuid.uuid4().hex[:8]}"
        topic = DecisionTopic(stack.bootstrap_servers, f"{name}.", partitions=4)
        nothing = DecisionTopic(stack.bootstrap_servers, f"{name}.nothing.", partitions=4)
        topic.writer().committed(decisions(), 2_000)
        for number in range(ROUNDS):
            for of, kept in ((nothing, [empty]), (topic, [counting, again])):
                directory = tmp_path / f"{number}-{of is topic}"
                directory.mkdir()
                own = f"{name}-{number}-{of is topic}"
                began = time.perf_counter()
                with ViewsProcess(of.environment(own, directory), directory / "log") as views:
                    for times in kept:
                        times.append(seconds_to_serve(views, began)[1])
                        assert views.stop() == 0
                        began = time.perf_counter()
                        views.start()
    rate = DECISIONS / (statistics.median(counting) - statistics.median(empty))
    with capfd.disabled():
        print(f"\n{DECISIONS:,} decisions of {MEMBERS} members, {ROUNDS} rounds; seconds to serve")
        rows = (("nothing to count", empty), ("all to count", counting), ("a snapshot", again))
        for what, times in rows:
            low, high = min(times), max(times)
            print(f"{what:<20} {statistics.median(times):>6.1f}   ({low:.1f} to {high:.1f})")
        print(f"{'counted':<20} {rate:>6,.0f} decisions/s ({rate * BATCH:,.0f} leads/s)")
