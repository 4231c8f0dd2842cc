"""How fast one dispatcher is, beside producing the same bytes in transactions with nothing to do.

Reported, not asserted: the machine is shared and noisy, so what counts is the ratio of things run
side by side, as medians over rounds. The work: 4 partitions, 20 channels, 10 members each, batches
of 100 leads, exactly once; input is there before the clock starts. What is measured is the time
from the first committed assignment to the last, and that each is there once.
"""

import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.partitioning import partition_of
from streams.local import LocalStack
from tests.support.installation import Installation

ROUNDS = 3
LEADS = 500_000
BATCH = 100
CHANNELS = 20
MEMBERS = 10
NOW = "2026-11-21T09:00:00Z"


@dataclass(frozen=True)
class Measured:
    """A run: leads a second from the first commit to the last, and bytes per assignment."""

    leads_per_s: float
    bytes_per_lead: float


def load(installation: Installation) -> None:
    """Rosters and batches, acknowledged."""
    producer = Producer(
        {
            "bootstrap.servers": installation.bootstrap_servers,
            "linger.ms": 20,
            "compression.type": "lz4",
        }
    )

    def send(topic: str, channel: str, event: dict[str, object]) -> None:
        event = {"schema_version": 1, "channel": channel, "created_at": NOW, **event}
        key = channel.encode()
        value = json.dumps(event, separators=(",", ":")).encode()
        while True:
            try:
                producer.produce(topic, value, key, partition_of(key, installation.partitions))
                return
            except BufferError:
                producer.poll(0.1)

    for number in range(CHANNELS):
        for member in range(MEMBERS):
            join = {"type": "assignee_joined", "change_id": f"c{member}", "weight": "1.2"}
            join |= {
                "assignee_id": f"agent-{member:02d}",
                "weight": f"{0.8 + member % 3 * 0.2:.1f}",
            }
            send(installation.topics.roster_changes, f"channel-{number:02d}", join)
    producer.flush()
    for number in range(LEADS // BATCH):
        leads = [
            {"lead_id": f"L{number}-{k}", "attributes": {"source": "web", "postcode": "3000"}}
            for k in range(BATCH)
        ]
        batch = {"type": "lead_batch", "batch_id": f"b-{number:08d}", "leads": leads}
        send(installation.topics.lead_batches, f"channel-{number % CHANNELS:02d}", batch)
    producer.flush()


def read_all(bootstrap_servers: str, topic: str, partitions: int, count: int) -> Measured:
    """Read committed until `count` assignments are there; each once."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"benchmark-{time.time_ns()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    seen: set[int] = set()
    total_bytes = 0
    first = last = 0.0
    deadline = time.monotonic() + 300
    while len(seen) < count and time.monotonic() < deadline:
        for message in consumer.consume(10_000, 0.2):
            assert message.error() is None, message.error()
            value = message.value()
            total_bytes += len(value)
            seen.add(hash(value))
            last = time.perf_counter()
            first = first or last
    consumer.close()
    assert count == len(seen), "an assignment is missing, or there twice"
    return Measured(count / (last - first), total_bytes / count)


def run_partidor(installation: Installation) -> Measured:
    """One dispatcher over the loaded topics."""
    dispatcher = installation.start()
    try:
        return read_all(
            installation.bootstrap_servers,
            installation.topics.assignments,
            installation.partitions,
            LEADS,
        )
    finally:
        dispatcher.stop()


def run_raw(installation: Installation, size: int) -> float:
    """The same number of records of the same size, in transactions of 10,000; leads a second."""
    producer = Producer(
        {
            "bootstrap.servers": installation.bootstrap_servers,
            "transactional.id": f"raw-{time.time_ns()}",
            "linger.ms": 5,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
            "retry.backoff.ms": 10,
        }
    )
    producer.init_transactions()
    topic = installation.topics.dead_letters  # any that nobody reads here
    pad = b"x" * (size - 40)
    began = time.perf_counter()
    for start in range(0, LEADS, 10_000):
        producer.begin_transaction()
        for number in range(start, start + 10_000):
            value = b'{"assignment_id":"%014d","pad":"%b"}' % (number, pad)
            producer.produce(topic, value, b"channel-01", number % installation.partitions)
        producer.commit_transaction()
    return LEADS / (time.perf_counter() - began)


@pytest.mark.timeout(1_500)
def test_throughput_beside_raw_transactional_produce(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Medians over rounds of both, in turn, on one broker."""
    ours: list[float] = []
    raw: list[float] = []
    size = 0.0
    with LocalStack(performance=True) as stack:
        for number in range(ROUNDS):
            directory = tmp_path / str(number)
            directory.mkdir()
            with Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation:
                load(installation)
                measured = run_partidor(installation)
                size = measured.bytes_per_lead
                ours.append(measured.leads_per_s)
                raw.append(run_raw(installation, int(size)))
    ratios = [a / b for a, b in zip(ours, raw, strict=True)]
    rows = [("partidor run, one process", ours), ("raw transactional produce", raw)]
    with capfd.disabled():
        print(f"\n{LEADS} leads in batches of {BATCH}, {size:.0f} bytes each, {ROUNDS} rounds")
        for name, figures in rows:
            median, low, high = statistics.median(figures), min(figures), max(figures)
            print(f"{name:<28} {median:>9,.0f} leads/s   ({low:,.0f} to {high:,.0f})")
        print(f"{'ratio':<28} {statistics.median(ratios):>9.2f}")
    assert size > 0
