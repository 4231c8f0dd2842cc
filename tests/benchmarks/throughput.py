"""Throughput: everyone on the same input in turn, several rounds; medians, ratios, cost.

In each round the input is new, and everybody reads it; the raw producers repeat what Partidor wrote
in that round. So what differs between two of a round is who they are, and little of the machine.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from streams.local import LocalStack
from tests.support.dispatchers import CODE
from tests.support.installation import Installation
from tests.support.machine import LeftOut

from .contestants import LIBRDKAFKA, Contestant, Partidor
from .running import run
from .workload import Workload, load

# The processes and threads of a contestant start together and are given their shares together, as
# with Kafka's own setting (3 s): else the first has done half before the last has any.
TOGETHER = {"group.initial.rebalance.delay.ms": "2000"}
PER_TRANSACTION = 10_000
RAW_LEADS_MAX = 2_000_000


class Row(NamedTuple):
    """What one of them came to, round by round.

    Attributes:
        name: Whose.
        leads_per_s, client_cores, broker_cores: One figure a round.
        record_bytes: Of what it wrote, on average.
        left_out: Why it did not take part; else empty.
    """

    name: str
    leads_per_s: list[float]
    client_cores: list[float]
    broker_cores: list[float]
    record_bytes: float
    left_out: str = ""

    @property
    def median(self) -> float:
        """Leads a second."""
        return statistics.median(self.leads_per_s) if self.leads_per_s else 0.0


def measure(
    workload: Workload,
    contestants: Sequence[Contestant],
    rounds: int,
    say: Callable[[str], None],
    *,
    raw: bool = True,
) -> list[Row]:
    """Rounds over all; the raw producers first in the table, after Partidor in a round."""
    rows: dict[str, Row] = {}

    def note(name: str, rate: float, client: float, broker: float, size: float) -> None:
        row = rows.setdefault(name, Row(name, [], [], [], size))
        row.leads_per_s.append(rate)
        row.client_cores.append(client)
        row.broker_cores.append(broker)
        say(f"{name}: {rate:,.0f} leads/s, client {client:.2f} and broker {broker:.2f} cores")

    with (
        LocalStack(kafka_properties=TOGETHER, performance=True) as stack,
        tempfile.TemporaryDirectory(prefix="partidor-benchmarks-") as scratch,
    ):
        for number in range(rounds):
            directory = Path(scratch, str(number))
            directory.mkdir()
            with Installation(
                stack.bootstrap_servers,
                stack.redis_url,
                directory,
                partitions=workload.partitions,
            ) as installation:
                load(installation, workload)
                say(f"round {number + 1}: {workload.leads:,} leads are there")
                for contestant in contestants[:: -1 if number % 2 else 1]:
                    if contestant.name in rows and rows[contestant.name].left_out:
                        continue
                    try:
                        rate = run(contestant, installation, workload, directory, stack.kafka.pid)
                    except LeftOut as left:
                        reason = f"{left.reason}; {left.remedy}"
                        rows[contestant.name] = Row(contestant.name, [], [], [], 0.0, reason)
                        say(f"{contestant.name}: left out: {reason}")
                        continue
                    note(
                        contestant.name,
                        rate.leads_per_s,
                        rate.client_cores,
                        rate.broker_cores,
                        rate.record_bytes,
                    )
                if raw and any(isinstance(each, Partidor) for each in contestants):
                    for name, per_transaction in RAW.items():
                        rate = _raw(installation, workload, per_transaction)
                        note(name, rate, 0.0, 0.0, 0.0)
                delete_topics(installation)
    return list(rows.values())


RAW = {"raw produce": 0, "raw transactional produce": PER_TRANSACTION}


def _raw(installation: Installation, workload: Workload, per_transaction: int) -> float:
    """Leads a second, of as many records a lead as Partidor wrote."""
    topics = installation.topics
    target = f"{installation.name}.raw-{per_transaction}"
    installation.create_topic(target)
    leads = min(workload.leads, RAW_LEADS_MAX)
    options: dict[str, Any] = {
        "bootstrap_servers": installation.bootstrap_servers,
        "sources": [topics.assignments, topics.decisions, topics.changelog],
        "topic": target,
        "partitions": workload.partitions,
        "per_transaction": per_transaction,
        "records": leads + leads // workload.batch_size,
        "client": dict(LIBRDKAFKA),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.raw", json.dumps(options)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": CODE},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    json.loads(process.stdout.readline())
    process.stdin.write("\n")
    process.stdin.flush()
    figures = json.loads(process.stdout.readline())
    process.wait()
    return leads / float(figures["seconds"])


def delete_topics(installation: Installation) -> None:
    """Make room: a round writes gigabytes."""
    names = [
        name
        for name in installation.admin.list_topics(timeout=20).topics
        if name.startswith(installation.name)
    ]
    for future in installation.admin.delete_topics(names).values():
        future.result(60)
