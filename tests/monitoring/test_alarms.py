"""Each alarm is made to fire by a real fault on a running stack, seen by a real Prometheus, and
clears afterwards. All times of the rules are shortened by the same factor; the table of what was
seen is kept in `artefacts/monitoring/`.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
import yaml

from dispatcher.state_records import channel_key
from schemas.partitioning import partition_of
from tests.monitoring.stack import FACTOR, Monitored
from tests.reference import events
from tests.support.prometheus import MONITORING

ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "monitoring"
_numbers = count()

Meanwhile = Callable[[], None]
Happening = AbstractContextManager[Meanwhile]


def nothing() -> None:
    """While the fault lasts, nothing else has to happen."""


def leads(stack: Monitored, batches: int = 1, channel: str = "web") -> None:
    """Publish batches of two."""
    stack.publisher.publish(
        events.lead_batch(f"batch-{next(_numbers)}", 2, channel) for _ in range(batches)
    )
    stack.publisher.serve()


@contextmanager
def held_still(stack: Monitored) -> Iterator[Meanwhile]:
    """The process keeps all it has and does nothing (SIGSTOP)."""
    stack.dispatcher.hold()
    try:
        yield nothing
    finally:
        stack.dispatcher.go_on()


@contextmanager
def stuck(stack: Monitored) -> Iterator[Meanwhile]:
    """A call within the loop doesn't return for seconds."""
    stack.stop()
    stack.dispatcher = stack.run(test_failpoint="after-consume:1:sleep=6")
    leads(stack)
    yield nothing


@contextmanager
def more_than_is_decided(stack: Monitored) -> Iterator[Meanwhile]:
    """Sources go on, no dispatcher does."""
    stack.stop()
    try:
        yield lambda: leads(stack, 40)
    finally:
        stack.start_again()


@contextmanager
def nobody_reads(stack: Monitored) -> Iterator[Meanwhile]:
    """One batch, and no dispatcher."""
    stack.stop()
    leads(stack)
    try:
        yield nothing
    finally:
        stack.start_again()


@contextmanager
def written_into_redis(stack: Monitored) -> Iterator[Meanwhile]:
    """Somebody moves errors in Redis, and a dispatcher starts from there."""
    channel = "moved"
    stack.process([events.roster("moved", {"A": "1", "B": "1"}, channel)])
    leads(stack, channel=channel)
    stack.wait_until_processed()
    stack.stop()
    key = stack.redis_key(partition_of(channel.encode(), stack.partitions))
    field = b"channels/" + channel_key(channel)
    record = json.loads(stack.redis.hget(key, field))
    for member, by in zip(record["members"], (5, -5), strict=True):
        member[3] = str(int(member[3]) + by * 2_000_000 * 10**12)
    stack.redis.hset(key, field, msgspec.json.encode(record))
    stack.start_again()
    leads(stack, channel=channel)
    try:
        yield nothing
    finally:
        leads(stack, 10, channel=channel)


@contextmanager
def one_slot_twice(stack: Monitored) -> Iterator[Meanwhile]:
    """A second process with the slot of the first."""
    # Only who has something to commit notices: each partition has a channel, whose ever it is.
    channels = {
        partition_of(channel.encode(), stack.partitions): channel
        for channel in (f"contested-{number}" for number in range(100))
    }
    assert len(channels) == stack.partitions
    for channel in channels.values():
        stack.publish([events.roster(channel, {"A": "1", "B": "2"}, channel)])
    second = stack.run(port=stack.ports[1])
    try:
        # Prometheus knows both as never fenced before the first lead comes: it sees what rises.
        stack.wait_until_scraped("partidor-second")

        def everywhere() -> None:
            for channel in channels.values():
                leads(stack, channel=channel)

        yield everywhere
    finally:
        second.stop()
        # Whichever is fenced three times first ends, and names the slot.
        if not stack.dispatcher.is_running:
            stack.start_again()


@contextmanager
def no_json(stack: Monitored) -> Iterator[Meanwhile]:
    """A source that sends something else."""
    stack.publisher.send(stack.topics.lead_batches, b"{", b"web")
    stack.publisher.flush()
    yield nothing


@contextmanager
def nobody_there(stack: Monitored) -> Iterator[Meanwhile]:
    """Leads for a channel without anybody."""
    channel = f"nobody-{next(_numbers)}"
    leads(stack, channel=channel)
    try:
        yield nothing
    finally:
        stack.publish([events.roster("somebody", {"A": "1"}, channel)])


@contextmanager
def without_redis(stack: Monitored) -> Iterator[Meanwhile]:
    """Redis stands still."""
    stack.redis_server.pause()
    try:
        yield lambda: leads(stack)
    finally:
        stack.redis_server.resume()


@contextmanager
def offsets_that_nobody_can_tell(stack: Monitored) -> Iterator[Meanwhile]:
    """A restore that has to wait for somebody's transaction."""
    stack.stop()
    with stack.unstable_offsets():
        stack.dispatcher = stack.start("0", metrics_port=stack.ports[0])
        yield nothing


@contextmanager
def killed(stack: Monitored) -> Iterator[Meanwhile]:
    """All dispatchers, by SIGKILL."""
    stack.dispatcher.kill()
    try:
        yield nothing
    finally:
        stack.start_again()


@contextmanager
def left_open(stack: Monitored) -> Iterator[Meanwhile]:
    """A source's transaction on an input topic."""
    with stack.hanging_transaction(stack.topics.lead_batches, 1):
        yield nothing


@contextmanager
def unwatched(stack: Monitored) -> Iterator[Meanwhile]:
    """`partidor lag --serve` has ended."""
    stack.unwatch()
    try:
        yield nothing
    finally:
        stack.watch()


class Case(NamedTuple):
    """An alarm, and what makes it fire."""

    alarm: str
    fault: Callable[[Monitored], Happening]


CASES = (
    Case("PartidorDispatcherDown", held_still),
    Case("PartidorLoopStuck", stuck),
    Case("PartidorLagRising", more_than_is_decided),
    Case("PartidorDelayOverTarget", nobody_reads),
    Case("PartidorBoundBreached", written_into_redis),
    Case("PartidorFenced", one_slot_twice),
    Case("PartidorDeadLetters", no_json),
    Case("PartidorParkedTooLong", nobody_there),
    Case("PartidorRedisDown", without_redis),
    Case("PartidorRestoreTooLong", offsets_that_nobody_can_tell),
    Case("PartidorNoPartitionOwner", killed),
    Case("PartidorHangingTransaction", left_open),
    Case("PartidorGroupUnseen", unwatched),
)


@pytest.mark.parametrize("case", CASES, ids=[case.alarm for case in CASES])
def test_an_alarm_fires_by_a_real_fault_and_clears(
    monitored: Monitored, case: Case, say: Callable[[str], None]
) -> None:
    """Nothing fires before; afterwards nothing does any more."""
    monitored.wait_until_nothing_fires()
    with case.fault(monitored) as meanwhile:
        fired_s = monitored.until_firing(case.alarm, meanwhile)
    cleared_s = monitored.until_clear(case.alarm)
    what = (case.fault.__doc__ or "").strip().rstrip(".")
    keep({"alarm": case.alarm, "fault": what, "fires_s": fired_s, "clears_s": cleared_s})
    say(f"{case.alarm}: {what}: fires after {fired_s:.1f} s, clears after {cleared_s:.1f} s")


def keep(row: dict[str, object]) -> None:
    """Keep what was seen, as a line of JSON."""
    ARTEFACTS.mkdir(parents=True, exist_ok=True)
    path = ARTEFACTS / f"{row['alarm']}.json"
    path.write_text(json.dumps({**row, "times_shortened_by": FACTOR}) + "\n")


def test_every_alarm_has_a_fault_that_fires_it() -> None:
    """And each has a text that says what to do."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    alarms = {
        rule["alert"]: rule
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    assert alarms.keys() == {case.alarm for case in CASES}
    for rule in alarms.values():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert len(rule["annotations"]["runbook"]) > 100
