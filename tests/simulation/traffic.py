"""What lead sources and supervisors send in a run: random histories, repeats, poison."""

import json
from collections.abc import Callable
from random import Random

from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from tests.reference import histories
from tests.reference.validation import Json
from tests.support.expected import time_text
from tests.support.publisher import topic_of

from .checks import Checks
from .clockwork import Clockwork
from .kafka import Fate, Kafka
from .processes import EPOCH_MS

LEADS_MOST = 12
RULES_SHARE = 0.4
OUTCOMES_SHARE = 0.4
STICKY_SHARE = 0.3
VALUES_SHARE = 0.25
ROUTES_SHARE = 0.3
ROUTED_CHANNELS = 3
"""At least, where there are routes."""
TIME_ZONE = "Australia/Sydney"


class Traffic:
    """Sends the events of a history one by one, and poison between them."""

    def __init__(
        self, clockwork: Clockwork, kafka: Kafka, checks: Checks, topics: TopicNames
    ) -> None:
        self._clockwork = clockwork
        self._kafka = kafka
        self._checks = checks
        self._topics = topics
        number = clockwork.rng.random()
        self._rng = Random(number)
        # Apart, so that seeds without them are the runs that they were before there were any.
        self._routes = Random(f"routes of {number}").random() < ROUTES_SHARE
        self._values = Random(f"values of {number}").random() < VALUES_SHARE
        self._sources = 0
        self._open = 0
        self.sent = 0
        self.ended = True
        self.skew_ms = 0.0
        self.poison = 0.05
        self.transactional = 0.1

    def begin(self, events: int, channels: int, pause_ms: float) -> None:
        """Start sending; about so many events, so far apart."""
        history = histories.history(
            self._rng.randrange(1 << 30),
            channels=max(channels, ROUTED_CHANNELS) if self._routes else channels,
            events=events,
            leads_max=LEADS_MOST,
            members_max=6,
            parking=self._rng.choice((1, 5)),
            rules=self._rng.random() < RULES_SHARE,
            outcomes=self._rng.random() < OUTCOMES_SHARE,
            sticky=self._rng.random() < STICKY_SHARE,
            routes=self._routes,
            values=self._values,
        )
        self._pause_ms = pause_ms
        self.ended = False
        self._next(iter(history).__next__)

    def _next(self, take: Callable[[], Json]) -> None:
        if not self._kafka.up:
            self._clockwork.after(50.0, lambda: self._next(take))
            return
        try:
            event = take()
        except StopIteration:
            self.ended = True
            return
        if self._rng.random() < self.poison:
            self._send_poison(event)
        self.send(event)
        # Mostly one by one; sometimes a burst.
        pause_ms = self._rng.expovariate(1 / self._pause_ms) * self._rng.choice((0, 0.2, 1, 2.5))
        self._clockwork.after(pause_ms, lambda: self._next(take))

    @property
    def quiet(self) -> bool:
        """Whether everything is sent and acknowledged."""
        return self.ended and not self._open

    def send(self, event: Json, *, plain: bool = False) -> None:
        """One event, sometimes in a transaction of its source, sometimes after an aborted one."""
        event = self._in_time(event)
        channel = event.get("channel")
        key = channel.encode("utf-8", "replace") if isinstance(channel, str) else b"?"
        topic = topic_of(event, self._topics)
        value = json.dumps(event, ensure_ascii=self._rng.random() < 0.5).encode("utf-8", "replace")
        if plain or self._rng.random() >= self.transactional:
            self._append(topic, key, value, None)
            return
        if self._rng.random() < 0.4:
            # The first attempt is aborted: nobody must ever act upon it.
            self._in_transaction(topic, key, value, Fate.ABORTED)
        self._in_transaction(topic, key, value, Fate.COMMITTED)

    def _in_time(self, event: Json) -> Json:
        """Pauses end within the run, and so does a day."""
        if event.get("until") is not None:
            until_ms = int(EPOCH_MS + self._clockwork.now_ms + self._rng.choice((-500, 300, 4_000)))
            return {**event, "until": time_text(until_ms)}
        if event.get("type") == "channel_configured":
            return {**event, "time_zone": TIME_ZONE}
        return event

    def _in_transaction(self, topic: str, key: bytes, value: bytes, fate: Fate) -> None:
        self._sources += 1
        producer = -self._sources
        at = self._append(topic, key, value, producer)
        self._open += 1

        def end() -> None:
            log = self._kafka.logs[at[:2]]
            log.open[producer].decided = fate
            self._checks.acknowledged_ms[at] = self._clockwork.now_ms
            # The coordinator answers the source; the marker is written a moment later.
            self._clockwork.after(self._rng.uniform(0.1, 30), mark)

        def mark() -> None:
            if not self._kafka.up:
                self._clockwork.after(50.0, mark)
                return
            self._kafka.logs[at[:2]].mark(producer, fate)
            self._open -= 1

        self._clockwork.after(self._rng.uniform(0.5, 120), end)

    def _append(
        self, topic: str, key: bytes, value: bytes | None, producer: int | None, partition: int = -1
    ) -> tuple[str, int, int]:
        if partition < 0:
            partition = partition_of(key, self._kafka.topics[topic])
        timestamp_ms = int(EPOCH_MS + self._clockwork.now_ms + self.skew_ms)
        log = self._kafka.logs[topic, partition]
        offset = log.append(timestamp_ms, key, value, (), producer)
        at = (topic, partition, offset)
        self._checks.sent_ms[at] = self._clockwork.now_ms
        if producer is None:
            self._checks.acknowledged_ms[at] = self._clockwork.now_ms
        self.sent += 1
        return at

    def _send_poison(self, event: Json) -> None:
        topic = self._rng.choice(self._topics.inputs)
        key = str(event.get("channel")).encode("utf-8", "replace")
        value = json.dumps(event).encode()
        partitions = self._kafka.topics[topic]
        what = self._rng.randrange(5)
        if what == 0:
            self._append(topic, key, b"no JSON" if self._rng.random() < 0.5 else None, None)
        elif what == 1:
            self._append(topic, b"another key", value, None)
        elif what == 2:
            wrong = (partition_of(key, partitions) + 1) % partitions
            self._append(topic, key, value, None, wrong)
        elif what == 3:
            self._append(topic, key, b'{"type":"lead_batch","leads":' + b"[" * 300, None)
        else:
            self._append(topic, key, b"\xff\xfe" + value, None)
