"""A reader of assignments and decisions while faults happen: what a telephony system would see.

It reads what is committed, from a thread of its own, and keeps of each record where it stood, what
it was and when it came. What it saw once has to be there for ever.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import cast
from zlib import crc32

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition

from tests.support.installation import Installation
from tests.support.records import Record
from tests.support.waiting import wait_until

from .load import BatchName

At = tuple[str, int, int]
PROBLEMS_MAX = 3
QUIET_S = 5.0
LIFE_S = 15.0


class Watcher:
    """Reads until `stop`.

    Attributes:
        leads: How many assignments it has seen.
        seen_at: When the last assignment of each batch came, monotonic seconds.
    """

    def __init__(self, installation: Installation) -> None:
        """Starts at once."""
        self._topics = (installation.topics.assignments, installation.topics.decisions)
        self._seen: dict[At, int] = {}
        self._different: Counter[At] = Counter()
        self._failures: list[str] = []
        self._stopping = threading.Event()
        self.leads = 0
        self.seen_at: dict[BatchName, float] = {}
        self._bootstrap_servers = installation.bootstrap_servers
        self._next = {
            (topic, number): OFFSET_BEGINNING
            for topic in self._topics
            for number in range(installation.partitions)
        }
        self._more = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def use_partitions(self, partitions: int) -> None:
        """The topics have so many now; it reads the new ones from their beginning."""
        places = [(topic, number) for topic in self._topics for number in range(partitions)]
        self._next = {place: self._next.get(place, OFFSET_BEGINNING) for place in places}
        self._more.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            consumer = self._reading()
            try:
                self._read(consumer)
            except Exception as error:  # noqa: BLE001 - told in the verdict
                self._failures.append(f"{type(error).__name__}: {error}")
            consumer.close()

    def _reading(self) -> Consumer:
        """A client that reads from where the one before it had come to."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "metadata.recovery.strategy": "none",
                "group.id": "watcher",  # asked for, never joined
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                # A question about the beginning that failed while leaders change would end it.
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,  # brokers come and go here
            }
        )
        consumer.assign([TopicPartition(*place, at) for place, at in self._next.items()])
        return consumer

    def _read(self, consumer: Consumer) -> None:
        """Read until nothing came for a while, and not for long.

        A client that lost a leader may never fetch from it again: that looks as if nothing came.
        """
        quiet_at = time.monotonic() + QUIET_S
        ends_at = time.monotonic() + LIFE_S
        self._more.clear()
        while not self._stopping.is_set() and time.monotonic() < min(quiet_at, ends_at):
            if self._more.is_set():
                return
            if messages := consumer.consume(1_000, 0.05):
                quiet_at = time.monotonic() + QUIET_S
            for message in messages:
                self._take(message)

    def _take(self, message: Message) -> None:
        if message.error() is not None:
            return  # a broker is away; the client goes on by itself
        now = time.monotonic()
        topic = cast("str", message.topic())
        at = (topic, cast("int", message.partition()), cast("int", message.offset()))
        self._next[at[:2]] = at[2] + 1
        value = message.value() or b""
        checksum = crc32(value)
        if at in self._seen:
            self._different[at] += self._seen[at] != checksum
            return
        self._seen[at] = checksum
        if topic == self._topics[0]:
            event = json.loads(value)
            self.seen_at[event["channel"], event["batch_id"]] = now
            self.leads += 1

    def problems(self, records: Iterable[Record], timeout_s: float = 20.0) -> list[str]:
        """What it saw against what is there now, while nothing new comes. It may catch up first."""
        there = {record.at: crc32(record.value or b"") for record in records}
        found: list[str] = []
        try:
            wait_until(lambda: there.keys() <= self._seen.keys(), "", timeout_s)
        except AssertionError:
            missed = [at for at in there if at not in self._seen]
            found.append(f"reader: never saw {len(missed)} records, {missed[:PROBLEMS_MAX]}")
        seen = dict(self._seen)
        gone = [at for at in seen if at not in there]
        changed = [at for at, value in seen.items() if there.get(at, value) != value]
        if gone:
            found.append(f"reader: {len(gone)} records are gone, {sorted(gone)[:PROBLEMS_MAX]}")
        different = +self._different
        if changed or different:
            found.append(f"reader: records changed, {changed[:PROBLEMS_MAX]} {different}")
        return found + [f"reader: {text}" for text in self._failures[:PROBLEMS_MAX]]

    def stop(self) -> None:
        """End it; nothing if it has ended."""
        self._stopping.set()
        self._thread.join(30)
