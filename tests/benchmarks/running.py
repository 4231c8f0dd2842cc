"""One contestant over a loaded input: leads a second, at what cost, and is all of it there.

The clock runs from the moment when the group has committed the first part of the input (whatever a
contestant needs to get warm) and each of its processes or threads has its share of the partitions,
to its last commit; so start, restore and rebalance are not in it. (They are if half of the input is
done before the last one has joined: too little input for several processes.)
Then the output is read as committed, and has to hold each lead of what was committed exactly once.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from tests.support.installation import Installation

from .contestants import Contestant
from .workload import Workload

LOOK_S = 0.02
ANSWER_S = 20.0
START_S_MAX = 120.0
STALLED_S_MAX = 60.0
JOINED_LATEST = 0.5


class Rate(NamedTuple):
    """What a run came to.

    Attributes:
        leads_per_s: From warm to the last commit.
        leads: How many that was over.
        client_cores, broker_cores: Processor time of its processes and of the broker, by second.
        record_bytes: Of an assignment, on average.
    """

    leads_per_s: float
    leads: int
    client_cores: float
    broker_cores: float
    record_bytes: float


class _Moment(NamedTuple):
    at_s: float
    batches: int
    client_s: float
    broker_s: float


def run(
    contestant: Contestant,
    installation: Installation,
    workload: Workload,
    directory: Path,
    broker_pid: int,
) -> Rate:
    """Run a contestant over the loaded input. Raises LeftOut, or AssertionError."""
    running = contestant.start(installation, workload, directory)
    places = installation.places(installation.topics.lead_batches)
    # Uncommitted: pending offsets aren't told, and while there are any the question isn't put off.
    offsets = Consumer(
        {
            "bootstrap.servers": installation.bootstrap_servers,
            "group.id": running.group,  # asked for, never joined
            "isolation.level": "read_uncommitted",
        }
    )
    asked = [TopicPartition(*place) for place in places]
    warm = int(workload.batches * contestant.warm_share)

    def batches() -> int:
        return sum(max(place.offset, 0) for place in offsets.committed(asked, ANSWER_S))

    admin = AdminClient({"bootstrap.servers": installation.bootstrap_servers})

    def all_joined() -> bool:
        if contestant.members == 1:
            return True
        group = admin.describe_consumer_groups([running.group])[running.group].result(ANSWER_S)
        owners = [member for member in group.members if member.assignment.topic_partitions]
        return len(owners) >= min(contestant.members, workload.partitions)

    def moment(done: int) -> _Moment:
        return _Moment(time.perf_counter(), done, _used(running.pids), _used([broker_pid]))

    first: _Moment | None = None
    last: _Moment | None = None
    changed_at = time.perf_counter()
    try:
        while True:
            done = batches()
            now = time.perf_counter()
            if first is None:
                if done >= max(warm, 1) and (
                    done >= JOINED_LATEST * workload.batches or all_joined()
                ):
                    first = last = moment(done)
                assert now - changed_at < START_S_MAX, f"{contestant.name} does not start"
            elif last is not None and done > last.batches:
                last = moment(done)
                changed_at = now
                if done >= workload.batches or now - first.at_s > contestant.measured_s_max:
                    break
            assert now - changed_at < STALLED_S_MAX + START_S_MAX, f"{contestant.name} stands still"
            running.check()
            time.sleep(LOOK_S)
    finally:
        running.stop()
    expected = batches()
    offsets.close()
    assert expected >= last.batches
    found, record_bytes = assignments(
        installation.bootstrap_servers, running.output, workload.partitions
    )
    wanted = expected * workload.batch_size
    assert found == wanted, (
        f"{contestant.name}: {found} different leads, {wanted} expected; {running.log_tail()}"
    )
    seconds = last.at_s - first.at_s
    leads = (last.batches - first.batches) * workload.batch_size
    return Rate(
        leads / seconds,
        leads,
        (last.client_s - first.client_s) / seconds,
        (last.broker_s - first.broker_s) / seconds,
        record_bytes,
    )


def _used(pids: Sequence[int]) -> float:
    """Processor seconds of processes and their children."""
    total = 0.0
    for pid in pids:
        try:
            process = psutil.Process(pid)
            for each in (process, *process.children(recursive=True)):
                times = each.cpu_times()
                total += times.user + times.system
        except psutil.NoSuchProcess:
            continue
    return total


class _Assigned(msgspec.Struct):
    assignment_id: str


def assignments(servers: str, topic: str, partitions: int) -> tuple[int, float]:
    """How many different assignments a topic holds, committed, and their size; none twice."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"count-{time.time_ns()}",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    decode = msgspec.json.Decoder(_Assigned).decode
    seen: set[int] = set()
    records = ended = total_bytes = 0
    while ended < partitions:
        for message in consumer.consume(10_000, 1.0):
            if message.error():
                ended += 1
                continue
            value = message.value()
            records += 1
            total_bytes += len(value)
            seen.add(hash(decode(value).assignment_id))
    consumer.close()
    assert len(seen) == records, f"{records - len(seen)} assignments are there twice"
    return len(seen), total_bytes / max(1, records)
