"""Where a channel's records stand, those of before an expansion too.

In: settings, channels. Out: partitions in the order of time. What a topic got before it was
expanded stays where it was written: a channel's decisions go on elsewhere, with the next version.

The counts of before stand in every partition's own record of the changelog. It is the last one of
each transaction of a dispatcher, so the end of a partition is looked at first, and more of it only
if something else was written since.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from confluent_kafka.admin import AdminClient

from dispatcher.state_records import APPLIED_OFFSETS_KEY, AppliedOffsets, read_applied_offsets
from schemas.partitioning import partition_of
from streams.kafka_clients import described, end_offsets, first_offsets, records_between
from streams.settings import Settings

_TAIL_OFFSETS: Final = 64
_WIDER: Final = 16


def former_counts(admin: AdminClient, settings: Settings, channel: str | None) -> tuple[int, ...]:
    """Of the co-partitioned topics, oldest first; () if they were never expanded. Raises Failed."""
    topic = settings.topics.changelog
    found = described(admin, settings, [topic])
    if topic not in found:
        return ()
    count = len(found[topic].partitions)
    place = (topic, 0 if channel is None else partition_of(channel.encode(), count))
    first = first_offsets(admin, settings, [place])[place]
    end = end_offsets(admin, settings, [place])[place]
    offsets = _TAIL_OFFSETS
    while first < end:
        start = max(first, end - offsets)
        applied = _last_applied(settings, place, start, end)
        if applied is not None:
            return applied.formers
        if start == first:
            break
        offsets *= _WIDER
    return ()


def _last_applied(
    settings: Settings, place: tuple[str, int], start: int, end: int
) -> AppliedOffsets | None:
    last = None
    for message in records_between(settings, {place: start}, {place: end}):
        if message.key() == APPLIED_OFFSETS_KEY:
            last = message.value()
    return None if last is None else read_applied_offsets(last)


def partitions_in_time(channel: str, counts: Sequence[int]) -> list[int]:
    """Where a channel's records stand, with these counts one after the other; each partition once.

    Of a channel that came back to a partition nothing says where it was in between: partitions are
    expanded to a multiple of what there are, then none ever does.
    """
    return list(dict.fromkeys(partition_of(channel.encode(), count) for count in counts))


def in_time(channels: Iterable[str], counts: Sequence[int]) -> Iterator[tuple[int, frozenset[str]]]:
    """(partition, channels) to be read one after the other; of a partition only those channels."""
    wanted = [(channel, partitions_in_time(channel, counts)) for channel in channels]
    for step in range(max((len(partitions) for _, partitions in wanted), default=0)):
        of_step: dict[int, set[str]] = {}
        for channel, partitions in wanted:
            if step < len(partitions):
                of_step.setdefault(partitions[step], set()).add(channel)
        for partition, names in sorted(of_step.items()):
            yield partition, frozenset(names)
