"""What is sent while faults happen: a working day with everything in it, from a seed.

In: an installation, a seed. Out: events on the input topics, and a ledger of what was sent when.

- Random histories of many channels: batches of all sizes, rosters, corrections, parking and
  releasing, the same again, reused ids, bad leads, invalid events (``tests.reference.histories``).
- Pairs: a roster change of a channel and, as soon as that is acknowledged, a batch of the same
  channel. Such a batch has to be divided among the people after the change (R5).
- Poison: what is no event at all, or stands under another key or on another partition.
- Input written in transactions, committed and aborted ones: leads of the latter don't exist.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from random import Random
from typing import NamedTuple

from confluent_kafka import KafkaException

from schemas.partitioning import partition_of
from tests.reference import events, histories
from tests.support.bad_events import BAD_BATCHES, NO_EVENTS
from tests.support.installation import Installation
from tests.support.publisher import Publisher, encoded
from tests.support.records import Json

from .source import Source

CHANNELS = 12
PAIR_CHANNELS = 8
GENERATION_EVENTS = 2_000
REST_S = 60.0
BatchName = tuple[str, str]
"""Channel and batch_id."""


class Rates(NamedTuple):
    """What the load is made of.

    Attributes:
        events_per_s: Together; about six leads come with each.
        pairs, poison, transactions: Their shares of the events.
        opening_leads: In a batch for each partition, before all else.
        leads_max: Once so many leads were sent, only pairs follow, ten in a second: there is
            always somebody who waits.
        sticky: Whether some channels ask who had a person last: they wait while Redis is away.
    """

    events_per_s: float = 80.0
    pairs: float = 0.1
    poison: float = 0.02
    transactions: float = 0.03
    opening_leads: int = 0
    leads_max: int = 4_000
    sticky: bool = True


def _features(seed: int, rates: Rates) -> dict[str, bool]:
    """Every other history is of plain channels; the others have it all, some with persons too."""
    on = seed % 2 == 0
    sticky = rates.sticky and seed % 4 == 0
    return {"rules": on, "outcomes": on, "routes": on, "values": on, "sticky": sticky}


class Load:
    """A thread that publishes until `stop`.

    Attributes:
        sent_at: When each batch was sent first, monotonic seconds.
        needs: Per place of a batch record (topic, partition, offset) the last roster change of the
            channel that had been acknowledged when it was sent: the offset of its record.
        aborted: Batches that were only ever written in transactions that were aborted.
        leads: How many were sent.
        failures: What went wrong with the load itself.
    """

    def __init__(self, installation: Installation, seed: int, rates: Rates) -> None:
        """Starts nothing yet."""
        self._installation = installation
        self._rng = Random(seed)
        self._rates = rates
        self._publisher = Publisher(
            installation.bootstrap_servers, installation.topics, installation.partitions
        )
        self._partitions = installation.partitions
        self._heard_of = installation.partitions
        self._acknowledged: dict[str, int] = {}
        self._source = Source(installation)
        self._due: deque[Json] = deque()
        self._covering = list(_covering(installation.partitions))
        self._pairs = 0
        self._rests = 0
        self._poison = 0
        self._events = self._history(seed)
        self._stopping = threading.Event()
        self._flowing = threading.Event()
        self._flowing.set()
        self._resting = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.channels: set[str] = set()
        self.sent_at: dict[BatchName, float] = {}
        self.needs: dict[tuple[str, int, int], int] = {}
        self.aborted: set[BatchName] = set()
        self.leads = 0
        self.failures: list[str] = []

    def start(self) -> None:
        """Begin to publish."""
        if self._rates.opening_leads:
            self._send_batches("opening", self._rates.opening_leads)
        self._thread.start()

    def hold(self) -> None:
        """Publish nothing until `go_on`."""
        self._flowing.clear()

    def rest(self) -> None:
        """Publish nothing until `go_on`; what was sent is there, and no transaction is open.

        Every partition ends with a record of its own: behind an aborted transaction at its end
        there would be nothing to commit.
        """
        self.hold()
        assert self._resting.wait(REST_S), f"the load doesn't rest: {self.failures}"
        self._source.settle()
        self._rests += 1
        self._send_batches(f"rest-{self._rests}", 1)

    def go_on(self) -> None:
        """Publish again."""
        self._resting.clear()
        self._flowing.set()

    def hear_of(self, partitions: int) -> None:
        """The topics have so many: from the next event on it sends to them, and not before."""
        self._heard_of = partitions

    def _look_again(self) -> None:
        self._publisher.flush()
        self._publisher.use_partitions(self._heard_of)
        self._source.use_partitions(self._heard_of)
        self._partitions = self._heard_of
        # Offsets of other partitions: what is sent now isn't promised to come after those.
        self._acknowledged.clear()

    def stop(self) -> None:
        """End the load, and close every channel with a change and a batch behind it.

        Whatever was parked is released by that, and every partition has something written last.
        """
        self._stopping.set()
        self._flowing.set()
        if self._thread.is_alive():
            self._thread.join(120)
        assert not self._thread.is_alive(), "the load doesn't end"
        self._source.settle()
        channels = sorted(self.channels | set(self._covering))
        for channel in channels:
            fields = {"assignee_id": f"closing-{channel}", "weight": "1"}
            self._send(events.change("assignee_joined", "closing", channel, **fields))
        self._publisher.flush()
        for channel in channels:
            self._send(events.lead_batch("closing", 2, channel))
        self._publisher.flush()

    def abandon(self) -> None:
        """End the load without another word."""
        self._stopping.set()
        self._flowing.set()
        if self._thread.is_alive():
            self._thread.join(30)

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                if not self._flowing.is_set():
                    self._resting.set()
                    self._flowing.wait()
                self._turn()
        except Exception as error:  # noqa: BLE001 - told in the verdict
            self.failures.append(f"load: {type(error).__name__}: {error}")

    def _turn(self) -> None:
        self._publisher.serve()
        if self._heard_of != self._partitions:
            self._look_again()
        while self._due:
            self._send(self._due.popleft())
        if self.leads >= self._rates.leads_max:
            self._send_pair()
            time.sleep(0.1)
            return
        draw = self._rng.random()
        rates = self._rates
        if draw < rates.pairs:
            self._send_pair()
        elif draw < rates.pairs + rates.poison:
            self._send_poison()
        elif draw < rates.pairs + rates.poison + rates.transactions:
            self._send_transaction()
        else:
            self._send(next(self._events))
        # Uneven, as people are.
        time.sleep(self._rng.expovariate(rates.events_per_s))

    def _history(self, seed: int) -> Iterator[Json]:
        """Without end: new channels once those of a history had their day."""
        generation = 0
        while True:
            for event in histories.history(
                seed + 1_000_003 * generation,
                CHANNELS,
                GENERATION_EVENTS,
                leads_max=100,
                **_features(seed + generation, self._rates),
            ):
                channel = event.get("channel")
                if isinstance(channel, str) and channel.startswith("channel-"):
                    event["channel"] = f"{channel}-{generation}"
                if isinstance(target := event.get("routes_to"), str):
                    event["routes_to"] = f"{target}-{generation}"
                yield event
            generation += 1

    # -- what is sent

    def _send(self, event: Json) -> None:
        """One event to its topic, under its channel if it has one."""
        channel = event.get("channel")
        key = channel if isinstance(channel, str) else "nowhere"
        topic = self._publisher.topic_of(event)
        batch_id = event.get("batch_id")
        if key.startswith(("channel-", "pair-", "closing-")):
            self.channels.add(key)
        if isinstance(batch_id, str) and isinstance(event.get("leads"), list):
            self.sent_at.setdefault((key, batch_id), time.monotonic())
            self.leads += len(event["leads"])
        partition = partition_of(key.encode(), self._partitions)
        if topic != self._publisher.topics.roster_changes:
            stored = partial(self._batch_stored, (topic, partition), self._acknowledged.get(key))
        else:
            stored = partial(self._change_stored, key)
        self._publisher.send(topic, encoded(event), key.encode(), on_stored=stored)

    def _batch_stored(self, place: tuple[str, int], needs: int | None, offset: int) -> None:
        if needs is not None:
            self.needs[*place, offset] = needs

    def _change_stored(self, channel: str, offset: int) -> None:
        self._acknowledged[channel] = max(offset, self._acknowledged.get(channel, -1))

    def _send_batches(self, name: str, leads: int) -> None:
        """A roster and a batch for each partition, acknowledged."""
        for channel in self._covering:
            self._send(events.roster(name, {"R": "1"}, channel))
            self._send(events.lead_batch(name, leads, channel))
        self._publisher.flush()

    def _send_pair(self) -> None:
        """A change; its batch is due once it is acknowledged."""
        self._pairs += 1
        channel = f"pair-{self._rng.randrange(PAIR_CHANNELS)}"
        self.channels.add(channel)
        people = {f"P{self._pairs}": "1", f"Q{self._pairs}": "0.5"}
        change = events.roster(f"pair-{self._pairs}", people, channel)
        batch = events.lead_batch(f"pair-{self._pairs}", self._rng.randint(1, 12), channel)

        def stored(offset: int) -> None:
            self._change_stored(channel, offset)
            self._due.append(batch)

        topic = self._publisher.topics.roster_changes
        self._publisher.send(topic, encoded(change), channel.encode(), on_stored=stored)

    def _send_poison(self) -> None:
        self._poison += 1
        topics = self._publisher.topics
        topic = self._rng.choice(topics.inputs)
        partition = self._rng.randrange(self._partitions)
        key = f"pair-{self._rng.randrange(PAIR_CHANNELS)}".encode()
        kind = self._rng.randrange(4)
        if kind == 0:
            value = self._rng.choice(list(NO_EVENTS.values()))
        elif kind == 1:
            bad = self._rng.choice(BAD_BATCHES[:-1])
            good = events.lead_batch(f"poison-{self._poison}", 3, key.decode())
            event = {**good, **bad.changed}
            value = encoded({name: field for name, field in event.items() if field is not None})
        elif kind == 2:  # on any partition, so mostly on a wrong one
            value = encoded(events.lead_batch(f"poison-{self._poison}", 3, key.decode()))
        else:
            value = encoded(events.lead_batch(f"poison-{self._poison}", 3, "another-key"))
        self._publisher.send(topic, value, key, partition=partition)

    def _send_transaction(self) -> None:
        """A batch and a change in a transaction that is committed, or not."""
        self._pairs += 1
        channel = f"pair-{self._rng.randrange(PAIR_CHANNELS)}"
        self.channels.add(channel)
        batch_id = f"source-{self._pairs}"
        commit = self._rng.random() < 0.5
        if commit:
            self.sent_at[channel, batch_id] = time.monotonic()
        else:
            self.aborted.add((channel, batch_id))
        people = {f"S{self._pairs}": "1"}
        with suppress(KafkaException):  # then the broker aborts it
            self._source.write(
                [
                    events.roster(batch_id, people, channel),
                    events.lead_batch(batch_id, self._rng.randint(1, 12), channel),
                ],
                commit=commit,
            )


def _covering(partitions: int) -> Iterator[str]:
    """A channel for each partition."""
    covered: set[int] = set()
    for number in count():
        channel = f"closing-{number}"
        partition = partition_of(channel.encode(), partitions)
        if partition not in covered:
            covered.add(partition)
            yield channel
        if len(covered) == partitions:
            return
