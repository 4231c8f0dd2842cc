"""The log that questions are asked of: the two output topics, or a file of output events.

In: settings and a channel, or a file. Out: the values of `leads.assignments` and of
`dispatch.decisions`, as bytes, in order within a partition.

Topics are read committed, without a group, up to where they ended when the question was asked,
and within a bound of seconds. Of a channel that moved when the topics were expanded, what was
written before that comes first. Assignments' ends are asked first: the decision of everything that
is read of them was committed with it, so it is read too.
"""

import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from streams.failure import Failed
from streams.former_partitions import former_counts, in_time, partitions_in_time
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    records_between,
)
from streams.settings import Settings


class _Head(msgspec.Struct, frozen=True):
    type: str
    channel: str | None = None


_decode_head = msgspec.json.Decoder(_Head).decode


def typed_lines(source: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(type, line) of each output event in a file of them. Raises Failed for any other file."""
    for number, line in enumerate(source, start=1):
        text = line.strip(b" \t\r\n")
        if not text:
            continue
        try:
            head = _decode_head(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Failed(
                f"line {number} is no output event; the file has to be what `partidor replay` gives"
            ) from None
        yield head.type, text


class TopicLog:
    """Both output topics as they are when it is opened, of one channel's partition or all."""

    def __init__(self, settings: Settings, channel: str | None, seconds_max: float) -> None:
        """Finds where they begin and end. Reading takes `seconds_max` in all. Raises Failed."""
        self._settings = settings
        self._deadline = time.monotonic() + seconds_max
        self._seconds_max = seconds_max
        admin = admin_client(settings)
        topics = (settings.topics.assignments, settings.topics.decisions)
        self._counts = partition_counts(admin, settings, topics)
        self._formers = former_counts(admin, settings, channel)
        self._starts: dict[Place, int] = {}
        self._ends: dict[Place, int] = {}
        for topic in topics:
            places = self._places(topic, None if channel is None else [channel])
            self._starts |= first_offsets(admin, settings, places)
            self._ends |= end_offsets(admin, settings, places)

    def assignments(self) -> Iterator[bytes]:
        """All of them that are there. Raises Failed."""
        topic = self._settings.topics.assignments
        return self._values([place for place in self._starts if place[0] == topic])

    def decisions(self, channels: Iterable[str]) -> Iterator[bytes]:
        """Those of the partitions of these channels; other channels' are left out. Raises Failed.

        A channel that is not on a partition which was opened has none.
        """
        topic = self._settings.topics.decisions
        for partition, wanted in in_time(sorted(set(channels)), self._all_counts(topic)):
            if (topic, partition) not in self._starts:
                continue
            for value in self._values([(topic, partition)]):
                try:
                    head = _decode_head(value)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    continue  # only a stranger can have sent it
                if head.channel in wanted:
                    yield value

    def batches(self, channels: Iterable[str]) -> Iterator[bytes]:
        """The lead batches on the partitions of these channels. Raises Failed."""
        admin = admin_client(self._settings)
        topic = self._settings.topics.lead_batches
        self._counts |= partition_counts(admin, self._settings, [topic])
        places = self._places(topic, channels)
        self._starts |= first_offsets(admin, self._settings, places)
        self._ends |= end_offsets(admin, self._settings, places)
        return self._values(places)

    def _places(self, topic: str, channels: Iterable[str] | None) -> list[Place]:
        if channels is None:
            return [(topic, partition) for partition in range(self._counts[topic])]
        counts = self._all_counts(topic)
        return sorted(
            {
                (topic, partition)
                for channel in channels
                for partition in partitions_in_time(channel, counts)
            }
        )

    def _all_counts(self, topic: str) -> tuple[int, ...]:
        return (*self._formers, self._counts[topic])

    def _values(self, places: Iterable[Place]) -> Iterator[bytes]:
        starts = {place: self._starts[place] for place in places}
        for message in records_between(self._settings, starts, self._ends):
            value = message.value()
            if value is not None:
                yield value
            if time.monotonic() > self._deadline:
                raise Failed(
                    f"the log isn't read to its end after {self._seconds_max:g} s;"
                    " give it longer with --timeout, or one --channel"
                )
