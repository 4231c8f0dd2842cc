"""How long it takes to go on: takeover after `kill -9`, and restores from a wiped Redis.

Reported, not asserted. A takeover waits for the session time-out of the killed process, for the
broker to end its open transaction (transaction time-out, then the next sweep), and for the restore;
a rebalance in between. All are settings: the table states them, for the defaults and for the
quickest that we recommend. The broker sweeps every 10 s by default, here as said.
"""

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.local import LocalStack
from tests.reference import events
from tests.support.installation import Installation
from tests.support.traffic import one_batch_each, rosters
from tests.support.waiting import wait_until

CHANNELS = 16
TAKEOVERS = 8
STATES = (10_000, 100_000)


class Way(NamedTuple):
    """Time-outs to compare, milliseconds."""

    name: str
    session_timeout_ms: int
    transaction_timeout_ms: int
    sweep_ms: int


WAYS = (
    Way("defaults", 10_000, 10_000, 10_000),
    Way("recommended for a quick takeover", 6_000, 3_000, 1_000),
)


def takeovers(way: Way, directory: Path) -> Iterator[float]:
    """Seconds from a `kill -9` under load to the last assignment of what was sent right after."""
    properties = {
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": str(way.sweep_ms),
    }
    with (
        LocalStack(kafka_properties=properties) as stack,
        Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation,
    ):
        settings = {
            "session_timeout_ms": way.session_timeout_ms,
            "transaction_timeout_ms": way.transaction_timeout_ms,
        }
        installation.publish(rosters(CHANNELS))
        processes = [installation.start(slot, **settings) for slot in ("one", "two")]
        for number in range(TAKEOVERS):
            wait_until(
                lambda: all(len(process.restored()) >= 2 for process in processes), "both work"
            )
            for batch in range(40):
                installation.publisher.publish(
                    one_batch_each(CHANNELS, f"before-{number}-{batch}", 5)
                )
            killed = processes.pop(0)
            killed.kill()
            began = time.monotonic()
            installation.process(one_batch_each(CHANNELS, f"after-{number}", 5))
            yield time.monotonic() - began
            processes.append(installation.start(killed.slot, **settings))


@pytest.mark.timeout(1_500)
def test_takeover_after_a_kill(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Median and worst, with the time-outs that they come from."""
    lines = []
    for number, way in enumerate(WAYS):
        directory = tmp_path / str(number)
        directory.mkdir()
        seconds = list(takeovers(way, directory))
        lines.append(
            f"{way.name:<34} {statistics.median(seconds):6.1f} s median {max(seconds):6.1f} s worst"
            f"   session {way.session_timeout_ms} ms, transaction {way.transaction_timeout_ms} ms,"
            f" sweep {way.sweep_ms} ms, {len(seconds)} kills"
        )
    with capfd.disabled():
        print("\ntakeover after kill -9 of one of two dispatchers under load")
        print("\n".join(lines))


@pytest.mark.timeout(1_500)
@pytest.mark.parametrize("channels", STATES)
def test_restore_without_a_copy(
    channels: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """All channels from the changelog after FLUSHALL, and from Redis; a roster of four each."""
    with (
        LocalStack(performance=True) as stack,
        Installation(stack.bootstrap_servers, stack.redis_url, tmp_path) as installation,
    ):
        limit = {"limits__channels_per_partition_max": channels}
        first = installation.started(**limit)
        weights = {"A": "0.8", "B": "1", "C": "1.2", "D": "0.5"}
        installation.publisher.publish(
            events.roster("first", weights, f"channel-{number}") for number in range(channels)
        )
        installation.publisher.publish(one_batch_each(channels, "first", 2))
        installation.wait_until_processed(600)
        assert first.stop() == 0
        took = {}
        for source in ("redis", "changelog"):
            if source == "changelog":
                installation.flush_redis()
            process = installation.start(**limit)
            installation.wait_until_restored(process, installation.partitions, 600)
            lines = process.log("restored")
            assert {line["source"] for line in lines} == {source}
            assert sum(line["channels"] for line in lines) == channels
            took[source] = max(line["seconds"] for line in lines)
            assert process.stop() == 0
    with capfd.disabled():
        per = channels / 10_000
        print(
            f"\nrestore of {channels:,} channels: "
            + "; ".join(
                f"from {source} {seconds:.1f} s ({seconds / per:.2f} s per 10,000)"
                for source, seconds in took.items()
            )
        )
