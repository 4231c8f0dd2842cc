"""Produce what Partidor produced, with nothing to compute: the limit for one process.

    python -m tests.benchmarks.raw '{"bootstrap_servers": ..., "sources": [...], ...}'

In: topics that hold what a dispatcher wrote. Out: the same records, of the same size and in the
same order within a partition, into another topic of as many partitions; on standard output how
long that took, as JSON. The records are read before the clock starts.
"""

import json
import sys
import time
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

RECORDS_MAX = 600_000
"""Kept in memory; they go out again and again until there are as many as wanted."""

Records = list[tuple[bytes, int, bytes]]


def written(servers: str, topics: list[str], partitions: int) -> Records:
    """(key, partition, value) of committed records, in about the order in which they were written.

    Topics take turns as they did within transactions: by their share of the whole.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"raw-{time.time_ns()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
        }
    )
    places = [TopicPartition(topic, number, 0) for topic in topics for number in range(partitions)]
    consumer.assign(places)
    found: dict[str, Records] = {topic: [] for topic in topics}
    ended = 0
    while ended < len(places):
        for message in consumer.consume(10_000, 1.0):
            if message.error():
                ended += 1
                continue
            found[message.topic()].append((message.key(), message.partition(), message.value()))
    consumer.close()
    placed = [
        (number / len(records), record)
        for records in found.values()
        for number, record in enumerate(records)
    ]
    placed.sort(key=lambda each: each[0])
    return [record for _, record in placed][:RECORDS_MAX]


def produce(options: dict[str, Any], records: Records) -> dict[str, float]:
    """Produce `records` of them, in transactions unless they are none; seconds it took."""
    transactional = options["per_transaction"] > 0
    configuration: dict[str, Any] = {
        "bootstrap.servers": options["bootstrap_servers"],
        "enable.idempotence": True,
        **options["client"],
    }
    if transactional:
        configuration["transactional.id"] = f"raw-{time.time_ns()}"
    producer = Producer(configuration)
    if transactional:
        producer.init_transactions()
    # The connection is there, and the partitions are known.
    _produce(producer, options["topic"], records[:2_000], 2_000 if transactional else 0)
    wanted = int(options["records"])
    began = time.perf_counter()
    left = wanted
    while left > 0:
        part = records[:left]
        _produce(producer, options["topic"], part, options["per_transaction"])
        left -= len(part)
    producer.flush()
    return {"seconds": time.perf_counter() - began, "records": wanted}


def _produce(producer: Producer, topic: str, records: Records, per_transaction: int) -> None:
    add = producer.produce
    for first in range(0, len(records), per_transaction or 10_000):
        if per_transaction:
            producer.begin_transaction()
        for key, partition, value in records[first : first + (per_transaction or 10_000)]:
            while True:
                try:
                    add(topic, value, key, partition)
                    break
                except BufferError:
                    producer.poll(0.05)
        if per_transaction:
            producer.commit_transaction()
        else:
            producer.poll(0)


def main(options: dict[str, Any]) -> None:
    """Read, wait for the word, produce, tell."""
    records = written(options["bootstrap_servers"], options["sources"], options["partitions"])
    assert records, "nothing to repeat: Partidor has to run first"
    total_bytes = sum(len(value) for _, _, value in records)
    print(json.dumps({"ready": len(records)}), flush=True)
    sys.stdin.readline()
    figures = produce(options, records)
    figures["record_bytes"] = total_bytes / len(records)
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
