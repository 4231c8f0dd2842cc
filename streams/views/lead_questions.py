"""Why a lead went to whom it went to, asked of the log where the views know it to stand.

In: a lead's assignments, the places of decisions. Out: what `partidor explain` tells, from as few
records as it takes: the assignments of its batch, and the channel's decisions from the last one
that lists everyone.

Where a channel has rules, what was taken in a day and what is open counts too: such a channel is
followed from its beginning, or for as many decisions as `DECISIONS_MAX` allows; the explanation
then says what it doesn't know.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.audit.decision_log import Json, Unreadable
from streams.audit.explaining import Inquiry
from streams.failure import Failed
from streams.kafka_clients import problem, reader
from streams.settings import Settings
from streams.views.decision_archive import Passed

DECISIONS_MAX: Final = 5_000
"""A channel with rules is followed for so many decisions at most."""
RECORDS_MAX: Final = 50_000
"""Read for one question, other channels' included."""
LEVELS_MAX: Final = 10
"""Channels that a lead is followed up through, from the one where it was assigned."""
FETCH_WAIT_MS: Final = 5
SILENT_S: Final = 3.0
"""Somebody waits for the page: a broker that says nothing for so long is away."""
_POLL_S: Final = 0.01
"""A poll waits for as many records as it may return, and behind a log's end no more come."""
_RECORDS_PER_POLL: Final = 1_000


class Stretch(NamedTuple):
    """Records of one partition, from the first offset to the last, both included."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int


class _InputRead(msgspec.Struct, frozen=True):
    topic: str
    partition: int
    offset: int


class _DecisionRead(msgspec.Struct, frozen=True):
    channel: str
    state_version: int
    input: _InputRead


class _SourceRead(msgspec.Struct, frozen=True):
    channel: str
    state_version: int


class _BatchRead(msgspec.Struct, frozen=True):
    routed_from: _SourceRead | None = None


_decode_decision = msgspec.json.Decoder(_DecisionRead).decode
_decode_batch = msgspec.json.Decoder(_BatchRead).decode


class LogReader:
    """Reads stretches of the log, one after the other. From any thread."""

    def __init__(self, settings: Settings) -> None:
        """Connects with the first question."""
        self._settings = settings
        # One for each topic: a consumer that is to read a topic it hasn't heard of asks about it
        # only after a while.
        self._consumers: dict[str, Consumer] = {}
        self._lock = threading.Lock()

    def values(self, stretch: Stretch, key: bytes | None = None) -> list[bytes]:
        """The values of its committed records, only those under `key` if one is given.

        Raises Failed.
        """
        with self._lock:
            consumer = self._consumers.get(stretch.topic)
            if consumer is None:
                consumer = reader(self._settings, fetch_wait_ms=FETCH_WAIT_MS)
                self._consumers[stretch.topic] = consumer
            try:
                found = list(self._read(consumer, stretch, key))
                consumer.unassign()
                return found
            except Failed:
                # A connection that broke is made anew with the next question.
                del self._consumers[stretch.topic]
                consumer.close()
                raise

    def close(self) -> None:
        """Ask nothing any more."""
        with self._lock:
            while self._consumers:
                self._consumers.popitem()[1].close()

    def _read(self, consumer: Consumer, stretch: Stretch, key: bytes | None) -> Iterator[bytes]:
        place = TopicPartition(stretch.topic, stretch.partition, stretch.first_offset)
        consumer.assign([place])
        heard_at = time.monotonic()
        while True:
            messages = consumer.consume(
                min(_RECORDS_PER_POLL, stretch.last_offset - stretch.first_offset + 1), _POLL_S
            )
            if messages:
                heard_at = time.monotonic()
            elif time.monotonic() - heard_at > min(SILENT_S, self._settings.call_timeout_ms / 1000):
                raise problem(self._settings, f"can't read {stretch.topic}", None)
            for message in messages:
                error = message.error()
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise problem(self._settings, f"can't read {stretch.topic}", error)
                offset = message.offset() or 0
                if error is None and offset <= stretch.last_offset:
                    value = message.value()
                    if value is not None and key in (None, message.key()):
                        yield value
                if offset >= stretch.last_offset:
                    return


class Places(NamedTuple):
    """Where things stand: functions of a channel and a state version; None for what is gone."""

    assignments: Callable[[str, int], Stretch | None]
    decisions: Callable[[str, int], Stretch | None]


def beginning(passed: Sequence[Passed], *, has_rules: bool) -> int:
    """The offset from which the first of these decisions, newest first, can be followed.

    That is one that lists everyone, before its batch was first heard of: what waited has a history.
    With rules it is the oldest: what somebody took in a day, and what is open, counts too.
    """
    last, *before = passed
    heard_of = last.state_version
    for each in before:
        if last.batch_id is not None and each.batch_id == last.batch_id:
            heard_of = each.state_version
    if not has_rules:
        for each in before:
            if each.lists_everyone and each.state_version < heard_of:
                return each.offset
    return passed[-1].offset


def explained(
    lead_id: str, assigned: Sequence[tuple[str, int]], log: LogReader, places: Places
) -> list[Json]:
    """What `partidor explain` tells of each time; `assigned` are the channels and versions.

    Raises Failed.
    """
    inquiry = Inquiry(lead_id)
    versions: dict[str, list[int]] = {}
    for channel, version in assigned:
        for each in _levels(channel, version, inquiry, log, places):
            versions.setdefault(each[0], []).append(each[1])
        stretch = places.assignments(channel, version)
        if stretch is not None:
            _feed(inquiry.assignment, log.values(stretch, channel.encode()))
    for channel, wanted in versions.items():
        first, last = places.decisions(channel, min(wanted)), places.decisions(channel, max(wanted))
        if first is None or last is None:
            continue
        stretch = last._replace(first_offset=min(first.first_offset, last.first_offset))
        if stretch.last_offset - stretch.first_offset > RECORDS_MAX:
            stretch = last
        try:
            _feed(inquiry.decision, log.values(stretch, channel.encode()))
        except Unreadable as error:
            raise Failed(str(error)) from None
    inquiry.finish()
    return inquiry.explanations


def _feed(take: Callable[[bytes], None], values: Iterable[bytes]) -> None:
    for value in values:
        take(value)


def _levels(
    channel: str, version: int, inquiry: Inquiry, log: LogReader, places: Places
) -> Iterator[tuple[str, int]]:
    """The channel and those above it through which the lead came, each with its decision."""
    for _ in range(LEVELS_MAX):
        yield channel, version
        stretch = places.decisions(channel, version)
        if stretch is None or "/" not in channel:
            return  # nothing comes by a route to a channel without "/" in its name
        whole = log.values(stretch._replace(first_offset=stretch.last_offset), channel.encode())
        source = next(map(_source, whole), None)
        if source is None:
            return
        batch = log.values(Stretch(source.topic, source.partition, source.offset, source.offset))
        came_from = next(map(_came_from, batch), None)
        if came_from is None:
            return
        _feed(inquiry.batch, batch)
        channel, version = came_from.channel, came_from.state_version


def _source(value: bytes) -> _InputRead | None:
    try:
        return _decode_decision(value).input
    except msgspec.DecodeError:
        return None


def _came_from(value: bytes) -> _SourceRead | None:
    try:
        return _decode_batch(value).routed_from
    except msgspec.DecodeError:
        return None
