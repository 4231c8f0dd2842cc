"""Lead assignments as they are committed.

In: `leads.assignments`, read committed, without a group: nothing is taken from anybody. Out: each
assignment as it comes, as the bytes that were written and as what a table shows of it.
"""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from streams.former_partitions import former_counts, partitions_in_time
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    problem,
    reader,
)
from streams.settings import Settings

_POLL_S = 0.2
_RECORDS_PER_POLL_MAX = 500


class SeenAssignment(msgspec.Struct, frozen=True):
    """What a table shows of an assignment; no attributes, they are personal."""

    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: int
    batch_size: int
    decided_at: str


class Watched(NamedTuple):
    """An assignment: its JSON on one line, and what of it is shown."""

    text: bytes
    shown: SeenAssignment


_decode = msgspec.json.Decoder(SeenAssignment).decode


class Watch:
    """A view on the topic from a moment on: everything committed after `__init__` is seen."""

    def __init__(self, settings: Settings, channel: str | None, *, from_beginning: bool) -> None:
        """Finds where to begin. Raises Failed."""
        self._settings = settings
        self._channel = channel
        admin = admin_client(settings)
        topic = settings.topics.assignments
        count = partition_counts(admin, settings, [topic])[topic]
        partitions: Iterable[int] = range(count)
        if channel is not None:
            formers = former_counts(admin, settings, channel) if from_beginning else ()
            partitions = partitions_in_time(channel, (*formers, count))
        places: list[Place] = [(topic, partition) for partition in partitions]
        find = first_offsets if from_beginning else end_offsets
        self._starts = find(admin, settings, places)

    def assignments(self, seconds: float | None) -> Iterator[list[Watched]]:
        """What came since the last time, again and again; empty lists when nothing did.

        Ends after `seconds`, if given. Raises Failed.
        """
        consumer = reader(self._settings)
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            consumer.assign([TopicPartition(*place, at) for place, at in self._starts.items()])
            while deadline is None or time.monotonic() < deadline:
                yield self._next(consumer)
        finally:
            consumer.close()

    def _next(self, consumer: Consumer) -> list[Watched]:
        found = []
        for message in consumer.consume(_RECORDS_PER_POLL_MAX, _POLL_S):
            error = message.error()
            if error is not None:
                if error.code() == KafkaError._PARTITION_EOF:
                    continue
                raise problem(self._settings, "can't read assignments", error)
            watched = _watched(message.value())
            if watched and self._channel in (None, watched.shown.channel):
                found.append(watched)
        return found


def _watched(value: bytes | None) -> Watched | None:
    """The assignment in a record; None for what isn't one, which only a stranger can have sent."""
    try:
        shown = _decode(value or b"")
        return Watched(msgspec.json.format(value or b"", indent=-1), shown)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
