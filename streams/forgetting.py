"""A person's lead: where anything of it is, and what can be done that it isn't (`partidor forget`).

In: a lead_id, channels, what else the person is known by. Out: where the lead is; the events that
make the dispatchers forget it; what is left on logs, and until when it is kept.

- What is *live* (what a dispatcher, Redis or the register could still use) is erased by
  `lead_forgotten`: only the dispatcher writes states and the register.
- What stands on a *log* can't be taken out of it: Kafka deletes whole segments from a log's
  beginning, or compacts. So it is told where it stands, and when the topic lets go of it: a segment
  is deleted once its newest record is older than `retention.ms`, and one is closed after
  `segment.ms` at the latest; so the two together bound it.
- The lead's id is no personal data by contract, and stays in decisions. What is read here is not
  logged.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.register import person_keys, record_key
from dispatcher.state import ChannelState
from dispatcher.state_records import APPLIED_OFFSETS_KEY, channel_of, read_state
from dispatcher.store import record_key_of
from dispatcher.times import timestamp_text
from schemas.partitioning import partition_of
from streams.delivery import Delivery
from streams.failure import Failed
from streams.kafka_clients import (
    admin_client,
    committed_offsets,
    first_offsets,
    high_watermarks,
    partition_counts,
)
from streams.partition_log import LogRecord, PartitionLog
from streams.publishing import event_lines, send_lines
from streams.settings import Settings
from streams.state_reader import StateReader
from streams.topic_admin import topic_configs

POLL_S: Final = 0.2
_encode = msgspec.json.Encoder().encode


class Trace(NamedTuple):
    """A record that holds the lead, with attributes or what else a source wrote.

    Attributes:
        kept_until: the latest time at which the topic lets go of it; None where nothing bounds it.
        certain: False for a dead letter that can't be read, and has the id in it.
    """

    topic: str
    partition: int
    offset: int
    channel: str
    kept_until: str | None
    certain: bool

    def as_object(self) -> dict[str, Any]:
        """As JSON shows it."""
        return self._asdict()


class Live(NamedTuple):
    """What could still be used.

    Attributes:
        waiting: how many leads of that id wait, by channel: in the changelog.
        in_redis: likewise, in Redis; None where Redis can't be asked.
        persons: keys of the register that it still holds, by channel.
    """

    waiting: dict[str, int]
    in_redis: dict[str, int] | None
    persons: dict[str, list[str]]

    @property
    def is_nothing(self) -> bool:
        """Whether all is forgotten."""
        return not self.waiting and not self.in_redis and not self.persons


class Found(NamedTuple):
    """Where a lead is."""

    live: Live
    traces: list[Trace]

    @property
    def channels(self) -> list[str]:
        """In which it was seen."""
        named = {trace.channel for trace in self.traces} | self.live.waiting.keys()
        return sorted(named | self.live.persons.keys() - {""})


class _Lead(msgspec.Struct):
    lead_id: str = ""
    attributes: msgspec.Raw = msgspec.Raw(b"{}")


class _Names(msgspec.Struct):
    type: str = ""
    lead_id: str = ""
    attributes: msgspec.Raw = msgspec.Raw(b"{}")
    leads: list[_Lead] = []
    channel: str = ""


class _ParkedNames(msgspec.Struct):
    leads: list[tuple[str, msgspec.Raw]]


_decode_names = msgspec.json.Decoder(_Names).decode
_decode_parked = msgspec.json.Decoder(_ParkedNames).decode


class Search:
    """Everything that is kept, looked through for one lead and for the person whose it is."""

    def __init__(
        self,
        settings: Settings,
        lead_id: str,
        channels: Collection[str],
        person: Mapping[str, str],
    ) -> None:
        """`channels` none: all; `person`: attributes that name them, beside those of the lead."""
        self._settings = settings
        self._lead_id = lead_id
        self._channels = frozenset(channels)
        self._person = _encode(dict(person)).decode()
        self._admin = admin_client(settings)
        names = settings.topics
        self._topics = [
            *names.inputs, names.assignments, names.dead_letters, names.changelog, names.register,
        ]  # fmt: skip
        self._counts = partition_counts(self._admin, settings, self._topics)
        self._kept_ms = {
            topic: _kept_ms(config)
            for topic, config in topic_configs(self._admin, settings, self._topics).items()
        }
        self._attributes: dict[str, set[str]] = {}
        self._states: dict[str, ChannelState] = {}

    def found(self) -> Found:
        """Look once through all of it. Raises Failed."""
        names = self._settings.topics
        traces: list[Trace] = []
        self._attributes.clear()
        for topic in (*names.inputs, names.assignments, names.dead_letters):
            traces += self._on(topic)
        waiting, parked = self._in_changelog()
        persons, owners = self._in_register()
        return Found(Live(waiting, self._in_redis(waiting), persons), traces + parked + owners)

    def _wants(self, channel: str) -> bool:
        return not self._channels or channel in self._channels

    def _records(self, topic: str) -> Iterator[tuple[int, LogRecord]]:
        places = [(topic, partition) for partition in range(self._counts[topic])]
        starts = first_offsets(self._admin, self._settings, places)
        ends = high_watermarks(self._admin, self._settings, places)
        with PartitionLog(self._settings, topic) as log:
            for place in places:
                for record in log.read(place[1], starts[place], ends[place]):
                    yield place[1], record

    def _trace(
        self, topic: str, partition: int, record: LogRecord, channel: str, *, certain: bool = True
    ) -> Trace:
        kept_ms = self._kept_ms[topic]
        until = None if kept_ms is None else timestamp_text(record.timestamp_ms + kept_ms)
        return Trace(topic, partition, record.offset, channel, until, certain)

    def _on(self, topic: str) -> Iterator[Trace]:
        for partition, record in self._records(topic):
            value = record.value or b""
            key = (record.key or b"").decode(errors="replace")
            try:
                names = _decode_names(value)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                # Somebody's own format; only dead letters can be so for long.
                if self._lead_id.encode() in value and self._wants(key):
                    yield self._trace(topic, partition, record, key, certain=False)
                continue
            held = [_Lead(names.lead_id, names.attributes), *names.leads]
            if names.type == "lead_forgotten":
                continue  # it names the lead, and holds nothing of it
            texts = {
                bytes(each.attributes).decode() for each in held if each.lead_id == self._lead_id
            }
            channel = names.channel or key
            if texts and self._wants(channel):
                self._attributes.setdefault(channel, set()).update(texts)
                yield self._trace(topic, partition, record, channel)

    def _in_changelog(self) -> tuple[dict[str, int], list[Trace]]:
        """What waits now, and records that compaction hasn't taken away yet."""
        topic = self._settings.topics.changelog
        kept: dict[bytes, tuple[int, LogRecord]] = {}
        older: list[Trace] = []
        for partition, record in self._records(topic):
            key = record.key or b""
            before = kept.get(key)
            if before is not None and self._parked(key, before[1].value):
                older.append(self._trace(topic, *before, channel_of(key)))
            kept[key] = (partition, record)
        waiting: dict[str, int] = {}
        grouped: dict[str, dict[bytes, bytes]] = {}
        for key, (_, record) in kept.items():
            if record.value is None or key == APPLIED_OFFSETS_KEY:
                continue
            channel = channel_of(key)
            if self._wants(channel):
                grouped.setdefault(channel, {})[key] = record.value
            if count := self._parked(key, record.value):
                waiting[channel] = waiting.get(channel, 0) + count
        self._states = {channel: read_state(records) for channel, records in grouped.items()}
        return waiting, older

    def _parked(self, key: bytes, value: bytes | None) -> int:
        """How many leads of that id a record of what waits holds."""
        if value is None or b"/parked/" not in key or not self._wants(channel_of(key)):
            return 0
        channel = channel_of(key)
        found = [
            bytes(attributes).decode()
            for lead_id, attributes in _decode_parked(value).leads
            if lead_id == self._lead_id
        ]
        if found:
            self._attributes.setdefault(channel, set()).update(found)
        return len(found)

    def person_keys(self) -> dict[str, set[str]]:
        """What the register knows the person by, in channels that ask for it."""
        keys: dict[str, set[str]] = {}
        for channel, state in self._states.items():
            eligibility = state.eligibility
            sticky = eligibility.rules.sticky if eligibility else None
            if sticky is None:
                continue
            for text in {self._person, *self._attributes.get(channel, ())}:
                keys.setdefault(channel, set()).update(
                    person_keys(channel, text, sticky.attributes)
                )
        return keys

    def _in_register(self) -> tuple[dict[str, list[str]], list[Trace]]:
        """Keys that still have an owner, and records that compaction hasn't taken away yet."""
        topic = self._settings.topics.register
        wanted = {
            record_key(channel, key): (channel, key)
            for channel, keys in self.person_keys().items()
            for key in keys
        }
        last: dict[bytes, tuple[int, LogRecord]] = {}
        traces: list[Trace] = []
        for partition, record in self._records(topic) if wanted else ():
            key = record.key or b""
            if key not in wanted:
                continue
            if key in last and last[key][1].value is not None:
                traces.append(self._trace(topic, *last[key], wanted[key][0]))
            last[key] = (partition, record)
        live: dict[str, list[str]] = {}
        for name, (_, record) in last.items():
            if record.value is not None:
                channel, person = wanted[name]
                live.setdefault(channel, []).append(person)
        return live, traces

    def _in_redis(self, waiting: Iterable[str]) -> dict[str, int] | None:
        """What waits there; partitions of channels that were named or have it waiting."""
        count = self._counts[self._settings.topics.changelog]
        channels = self._channels or set(self._states) | set(waiting)
        found: dict[str, int] = {}
        try:
            reader = StateReader(self._settings)
            for partition in sorted({partition_of(each.encode(), count) for each in channels}):
                for part in reader.points_and_fields(partition):
                    for name, value in part.items() if isinstance(part, Mapping) else ():
                        key = record_key_of(name)
                        if key is not None and (leads := self._parked(key, value)):
                            channel = channel_of(key)
                            found[channel] = found.get(channel, 0) + leads
        except Failed:
            return None
        return found


def _kept_ms(config: Mapping[str, str]) -> int | None:
    """The longest that a record can stay; None where nothing bounds that."""
    segment_ms = int(config.get("segment.ms", "0"))
    policy = config.get("cleanup.policy", "delete")
    bounds = []
    if "delete" in policy and int(config.get("retention.ms", "-1")) >= 0:
        bounds.append(int(config["retention.ms"]) + segment_ms)
    lag_ms = int(config.get("max.compaction.lag.ms", str(2**63 - 1)))
    if "compact" in policy and lag_ms < 2**62:
        bounds.append(lag_ms)
    return min(bounds, default=None)


def events_for(
    lead_id: str, found: Found, reason: str | None, changed_by: str | None, id_prefix: str
) -> list[dict[str, Any]]:
    """What makes the dispatchers forget what is live: one event for each lead that waits."""
    events: list[dict[str, Any]] = []
    channels = sorted(found.live.waiting.keys() | found.live.persons.keys())
    for channel in channels:
        persons = sorted(found.live.persons.get(channel, ()))
        for number in range(max(1, found.live.waiting.get(channel, 0))):
            event = {
                "type": "lead_forgotten",
                "schema_version": 1,
                "outcome_id": f"{id_prefix}-{len(events) + 1}",
                "channel": channel,
                "created_at": timestamp_text(time.time_ns() // 10**6),
                "lead_id": lead_id,
                "persons": persons if not number else [],
            }
            told = {"reason": reason, "changed_by": changed_by}
            events.append(event | {name: text for name, text in told.items() if text is not None})
    return events


def send(settings: Settings, events: Sequence[Mapping[str, Any]], timeout_s: float) -> None:
    """Publish them, and wait until the dispatchers have processed them. Raises Failed."""
    topic = settings.topics.lead_outcomes
    admin = admin_client(settings)
    counts = partition_counts(admin, settings, list(settings.topics.inputs))
    lines = list(event_lines(map(_encode, events), "lead_forgotten", settings.limits.limits()))
    send_lines(lines, Delivery(settings, counts), settings.topics, lambda _: None)
    partitions = {partition_of(str(each["channel"]).encode(), counts[topic]) for each in events}
    places = [(topic, partition) for partition in partitions]
    wanted = high_watermarks(admin, settings, places)
    deadline = time.monotonic() + timeout_s
    while True:
        committed = committed_offsets(settings, places)
        if all(committed.get(place, 0) >= end for place, end in wanted.items()):
            return
        if time.monotonic() > deadline:
            raise Failed(
                f"{len(events)} events are published, and not processed after {timeout_s:g} s: is"
                " a dispatcher running (`partidor lag`)? Then give the command once more"
            )
        time.sleep(POLL_S)


def wait_until_nothing_is_live(search: Search, timeout_s: float) -> Found:
    """Redis is written a moment after a commit."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = search.found()
        if found.live.is_nothing or time.monotonic() > deadline:
            return found
        time.sleep(POLL_S)
