"""Latency: from an event produced to its committed assignments in a consumer's hands.

A sender puts its clock into each batch's id, at a steady rate; a reader of committed assignments
takes the difference. Both are processes of their own on this machine, so there is one clock. The
first seconds don't count.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.partitioning import partition_of
from streams.local import LocalStack
from tests.support.dispatchers import CODE
from tests.support.installation import Installation
from tests.support.machine import LeftOut

from .contestants import Contestant
from .throughput import delete_topics
from .workload import CREATED_AT, Workload, load

WARM_S = 10.0
LAST_S = 20.0
QUIET_S = 5.0
WARM_UP_S = 90.0
POLL_S = 0.1
MARK = b'"batch_id":"t-'
CHANNELS = 20


class Pace(NamedTuple):
    """How much comes in."""

    leads_per_s: int
    leads_per_batch: int


WARM_UP_PACE = Pace(1_000, 1)
PACES = (Pace(50, 1), Pace(1_000, 1), Pace(20_000, 20))


class Latency(NamedTuple):
    """Milliseconds, of one round."""

    name: str
    pace: Pace
    p50: float
    p99: float
    p999: float
    leads: int


def measure(
    contestants: Sequence[Contestant],
    rounds: int,
    seconds: float,
    say: Callable[[str], None],
) -> list[Latency]:
    """Each contestant at each pace, on topics of its own, round by round."""
    found: list[Latency] = []
    with (
        LocalStack(performance=True) as stack,
        tempfile.TemporaryDirectory(prefix="partidor-benchmarks-") as scratch,
    ):
        _warm_up(stack, contestants, Path(scratch))
        for number in range(rounds):
            for pace in PACES:
                # Who comes first in one round comes last in the next.
                for contestant in contestants[:: -1 if number % 2 else 1]:
                    directory = Path(scratch, f"{number}-{len(found)}")
                    directory.mkdir()
                    with Installation(
                        stack.bootstrap_servers, stack.redis_url, directory
                    ) as installation:
                        try:
                            latency = _one(contestant, installation, pace, seconds, directory)
                        except LeftOut as left:
                            say(f"{contestant.name}: left out: {left.reason}; {left.remedy}")
                            continue
                        delete_topics(installation)
                    found.append(latency)
                    say(
                        f"{pace.leads_per_s}/s {contestant.name}: p50 {latency.p50:.1f}, "
                        f"p99 {latency.p99:.1f}, p99.9 {latency.p999:.1f} ms"
                    )
    return found


def _warm_up(stack: LocalStack, contestants: Sequence[Contestant], scratch: Path) -> None:
    """A broker that has just started is slow for a minute: its code is still being compiled."""
    directory = scratch / "warm-up"
    directory.mkdir()
    with Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation:
        with suppress(LeftOut):
            _one(contestants[0], installation, WARM_UP_PACE, WARM_UP_S, directory)
        delete_topics(installation)


def _one(
    contestant: Contestant,
    installation: Installation,
    pace: Pace,
    seconds: float,
    directory: Path,
) -> Latency:
    workload = Workload(leads=CHANNELS, batch_size=1, channels=CHANNELS)
    load(installation, workload)
    running = contestant.start(installation, workload, directory)
    common = {
        "bootstrap_servers": installation.bootstrap_servers,
        "input": installation.topics.lead_batches,
        "output": running.output,
        "partitions": installation.partitions,
        "seconds": WARM_S + seconds,
        "per_s": pace.leads_per_s / pace.leads_per_batch,
        "leads": pace.leads_per_batch,
        "warm_s": WARM_S,
    }
    try:
        reader = ends("read", common)
        assert reader.stdout is not None
        reader.stdout.readline()  # the first assignments are there: everything runs
        sender = ends("send", common)
        told, _ = sender.communicate(timeout=WARM_S + seconds + 60)
        sent = json.loads(told)
        waits, _ = reader.communicate(timeout=WARM_S + seconds + LAST_S + 60)
    finally:
        running.stop()
    took = sorted(json.loads(waits))
    assert len(took) == sent["counted"], f"{len(took)} of {sent['counted']} came"

    def quantile(share: float) -> float:
        return float(took[min(len(took) - 1, int(share * len(took)))])

    return Latency(contestant.name, pace, quantile(0.5), quantile(0.99), quantile(0.999), len(took))


def ends(what: str, options: dict[str, Any]) -> "subprocess.Popen[str]":
    """One end, `send` or `read`, as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.latency", what, json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": CODE},
    )


def send(options: dict[str, Any]) -> None:
    """Batches at a steady rate; prints how many leads of those that count were sent."""
    producer = Producer(
        {
            "bootstrap.servers": options["bootstrap_servers"],
            "linger.ms": 0,
            "enable.idempotence": True,
        }
    )
    producer.list_topics(options["input"], timeout=20)
    lead_numbers = range(options["leads"])
    channels = [f"channel-{number:05d}" for number in range(CHANNELS)]
    places = [partition_of(name.encode(), options["partitions"]) for name in channels]
    began_ns = time.time_ns()
    step_ns = int(1e9 / options["per_s"])
    counted = 0
    for number in range(int(options["per_s"] * options["seconds"])):
        while (wait_ns := began_ns + number * step_ns - time.time_ns()) > 0:
            producer.poll(0)
            time.sleep(min(wait_ns / 1e9, 0.01))
        leads = ",".join(
            f'{{"lead_id":"L{number}-{place}","attributes":{{"source":"web"}}}}'
            for place in lead_numbers
        )
        turn = number % CHANNELS
        now_ns = time.time_ns()
        warm = now_ns - began_ns < options["warm_s"] * 1e9
        counted += 0 if warm else options["leads"]
        stamp = 0 if warm else now_ns
        value = (
            f'{{"type":"lead_batch","schema_version":1,"batch_id":"t-{stamp}-{number}"'
            f',"channel":"{channels[turn]}","created_at":"{CREATED_AT}","leads":[{leads}]}}'
        )
        producer.produce(options["input"], value, channels[turn], places[turn])
    producer.flush()
    sys.stdout.write(json.dumps({"counted": counted}))


def read(options: dict[str, Any]) -> None:
    """Prints a line when the first assignments are there, then all latencies in milliseconds."""
    consumer = Consumer(
        {
            "bootstrap.servers": options["bootstrap_servers"],
            "group.id": f"latency-{time.time_ns()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.wait.max.ms": 100,
        }
    )
    consumer.assign(
        [TopicPartition(options["output"], number, 0) for number in range(options["partitions"])]
    )
    ready = 0
    took: list[float] = []
    ends_at = time.monotonic() + 120
    quiet_at = ends_at
    while time.monotonic() < min(ends_at, quiet_at):
        # Not more at once: that would wait until so many are there.
        messages = consumer.consume(1, POLL_S)
        if messages:
            messages += consumer.consume(2_000, 0)
        now_ns = time.time_ns()
        for message in messages:
            value = message.value()
            at = value.find(MARK)
            if at < 0:
                ready += 1
                if ready == CHANNELS:
                    sys.stdout.write("ready\n")
                    sys.stdout.flush()
                    ends_at = time.monotonic() + options["seconds"] + LAST_S
                continue
            sent_ns = int(value[at + len(MARK) :].split(b"-", 1)[0])
            if sent_ns:
                took.append((now_ns - sent_ns) / 1e6)
                quiet_at = time.monotonic() + QUIET_S
    consumer.close()
    sys.stdout.write(json.dumps(took))


if __name__ == "__main__":
    {"send": send, "read": read}[sys.argv[1]](json.loads(sys.argv[2]))
