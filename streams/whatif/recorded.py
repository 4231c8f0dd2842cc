"""The history of a running system, read from its topics.

In: `dispatch.decisions` and the input topics, read committed, from their beginnings up to where
they end when reading begins. Out: a `History`; which of the inputs are in it, in which order, and
where it begins stands in `order`.

Bounds: a time for all reading, and the bytes that are kept of it.
"""

import time
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Final

from confluent_kafka import Message

from dispatcher.events import InputRef
from dispatcher.limits import Limits
from streams.failure import Failed
from streams.former_partitions import former_counts, partitions_in_time
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    records_between,
)
from streams.settings import Settings
from streams.whatif.history import History
from streams.whatif.order import NamedInput, assembled, input_readers, named_inputs

KEPT_BYTES_MAX: Final = 512 * 1024 * 1024
"""Of inputs, and of decisions on roster changes; more is refused with a word on --channel."""

_ROSTER_CHANGED: Final = b'{"type":"roster_changed"'


class _Bounds:
    """How long reading may take, and how much of it may be kept."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._bytes = 0

    def in_time(self, messages: Iterator[Message]) -> Iterator[Message]:
        """The messages, as long as there is time. Raises Failed."""
        for message in messages:
            if time.monotonic() > self._deadline:
                raise Failed(
                    f"not all could be read within {self._timeout_s:g} s:"
                    " ask for one --channel, or give more time with --timeout"
                )
            yield message

    def keep(self, value: bytes) -> bytes:
        """Raises Failed when that is too much."""
        self._bytes += len(value)
        if self._bytes > KEPT_BYTES_MAX:
            raise Failed(f"over {KEPT_BYTES_MAX >> 20} MiB of history: ask for one --channel")
        return value


def recorded_history(
    settings: Settings, limits: Limits, channel: str | None, timeout_s: float
) -> History:
    """Read what a running system has recorded, of one channel or of all. Raises Failed."""
    bounds = _Bounds(timeout_s)
    admin = admin_client(settings)
    decisions = settings.topics.decisions
    readers = input_readers(settings.topics)
    counts = partition_counts(admin, settings, [decisions, *readers])
    in_their_time = (*former_counts(admin, settings, channel), counts[decisions])
    numbers = (
        list(range(counts[decisions]))
        if channel is None
        else partitions_in_time(channel, in_their_time)
    )
    # The decisions' end is asked before anything is read: every input that they name is there,
    # or is gone already.
    places: list[Place] = [(decisions, number) for number in numbers]
    ends = end_offsets(admin, settings, places)
    begins = first_offsets(admin, settings, places)
    if len(in_their_time) == 1:
        found = records_between(settings, begins, ends)
    else:
        # What a channel had decided before it moved comes first: it has the lower number.
        found = chain.from_iterable(
            records_between(settings, {place: begins[place]}, ends) for place in places
        )
    values = (
        _counted(message.value() or b"", bounds)
        for message in bounds.in_time(found)
        if channel is None or message.key() == channel.encode()
    )
    named = list(named_inputs(values))
    starts = first_offsets(
        admin, settings, [(topic, number) for topic in readers for number in numbers]
    )
    return assembled(named, _values(settings, named, starts, bounds), readers, limits)


def _counted(decision: bytes, bounds: _Bounds) -> bytes:
    """Of decisions only those on roster changes are kept: a history may begin there."""
    return bounds.keep(decision) if decision.startswith(_ROSTER_CHANGED) else decision


def _values(
    settings: Settings, named: list[NamedInput], firsts: Mapping[Place, int], bounds: _Bounds
) -> dict[InputRef, bytes]:
    """The records of those inputs that are still there."""
    starts: dict[Place, int] = {}
    ends: dict[Place, int] = {}
    wanted = {each.ref for each in named}
    for ref in wanted:
        place = (ref.topic, ref.partition)
        if ref.offset >= firsts.get(place, ref.offset + 1):
            starts[place] = min(starts.get(place, ref.offset), ref.offset)
            ends[place] = max(ends.get(place, 0), ref.offset + 1)
    values: dict[InputRef, bytes] = {}
    for message in bounds.in_time(records_between(settings, starts, ends)):
        ref = InputRef(message.topic() or "", message.partition() or 0, message.offset() or 0)
        if ref in wanted:
            values[ref] = bounds.keep(message.value() or b"")
    return values
