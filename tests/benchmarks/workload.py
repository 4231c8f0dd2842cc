"""What every contestant is given: rosters and lead batches, acknowledged before the clock starts.

All contestants read the same input topic, and write one event for each lead with the same fields.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from schemas.partitioning import partition_of
from tests.support.installation import Installation

CREATED_AT = "2026-11-21T09:00:00Z"


@dataclass(frozen=True)
class Workload:
    """What is put into the input topic.

    Attributes:
        leads: in all, and how many are in a batch.
        channels: they take turns, batch by batch.
        members: of each channel's roster.
        decimals: of a weight. With one, errors come back after a few batches; with six, never.
        attributes_bytes: of each lead, as JSON.
    """

    leads: int = 1_000_000
    batch_size: int = 100
    channels: int = 20
    members: int = 10
    decimals: int = 1
    attributes_bytes: int = 36
    partitions: int = 4

    @property
    def batches(self) -> int:
        """How many input records there are."""
        return self.leads // self.batch_size

    def channel(self, number: int) -> str:
        """The name of a channel."""
        return f"channel-{number:05d}"

    def weight(self, channel: int, member: int) -> str:
        """Of a member, from 0.5 to 1.5."""
        steps = 10**self.decimals
        units = steps // 2 + (channel * 7_919 + member * 104_729) % steps
        return f"{units / steps:.{self.decimals}f}"

    def rosters(self) -> Iterator[tuple[str, bytes]]:
        """(channel, event) for each channel."""
        for number in range(self.channels):
            members = [
                {"assignee_id": f"agent-{member:05d}", "weight": self.weight(number, member)}
                for member in range(self.members)
            ]
            yield self._event(number, "roster_replaced", change_id="first", members=members)

    def batch_events(self) -> Iterator[tuple[str, bytes]]:
        """(channel, event) for each batch, in order."""
        attributes = self._attributes()
        for number in range(self.batches):
            first = number * self.batch_size
            leads = [
                {"lead_id": f"L{first + place:09d}", "attributes": attributes}
                for place in range(self.batch_size)
            ]
            yield self._event(
                number % self.channels, "lead_batch", batch_id=f"b-{number:09d}", leads=leads
            )

    def _attributes(self) -> dict[str, str]:
        if not self.attributes_bytes:
            return {}
        attributes = {"source": "web", "postcode": "3000"}
        missing = self.attributes_bytes - len(json.dumps(attributes, separators=(",", ":")))
        if missing > 0:
            attributes["note"] = "x" * max(0, missing - len(',"note":""'))
        return attributes

    def _event(self, channel: int, kind: str, **fields: object) -> tuple[str, bytes]:
        name = self.channel(channel)
        event = {"type": kind, "schema_version": 1, "channel": name, "created_at": CREATED_AT}
        return name, json.dumps({**event, **fields}, separators=(",", ":")).encode()


def load(installation: Installation, workload: Workload) -> None:
    """Publish rosters, then batches; all of it is acknowledged on return."""
    producer = Producer(
        {
            "bootstrap.servers": installation.bootstrap_servers,
            "linger.ms": 20,
            "compression.type": "lz4",
            "enable.idempotence": True,
        }
    )
    for topic, events in (
        (installation.topics.roster_changes, workload.rosters()),
        (installation.topics.lead_batches, workload.batch_events()),
    ):
        for channel, value in events:
            send(producer, topic, channel, value, workload.partitions)
        producer.flush()


def send(producer: Producer, topic: str, channel: str, value: bytes, partitions: int) -> None:
    """Produce a record to its channel's partition; a full queue is waited for."""
    key = channel.encode()
    partition = partition_of(key, partitions)
    while True:
        try:
            producer.produce(topic, value, key, partition)
            return
        except BufferError:
            producer.poll(0.05)
            time.sleep(0)
