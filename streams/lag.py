"""How far behind the dispatchers are, per partition of the input topics.

In: ends and committed offsets from Kafka, members of the group from its coordinator, life-cycle
states from Redis. Out: one row per partition.

The difference of two offsets counts more than records: where sources write in transactions, the
markers of these occupy offsets too, and the last one would stay "lag" for ever. So the first
record behind the committed offset is looked for: if there is none, there is no lag; if there is
one, its time says how late it is. Markers between records still count, as Kafka itself counts them.
"""

import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
from confluent_kafka import KafkaError, TopicPartition

from streams.failure import Failed
from streams.kafka_clients import (
    Place,
    admin_client,
    answer,
    committed_offsets,
    end_offsets,
    first_offsets,
    partition_counts,
    reader,
)
from streams.settings import Settings
from streams.state_reader import DispatcherStatus, StateReader

_POLL_S = 0.2


class PartitionLag(msgspec.Struct, frozen=True):
    """One partition of an input topic.

    Attributes:
        end: the offset behind the last committed record.
        committed: what the group reads next; None before its first commit.
        lag: records behind.
        delay_seconds: age of the first record that isn't processed; None when it can't be told.
        owner: client id of the member that the partition is assigned to; None for nobody.
        host: its address, as the coordinator sees it.
        state: life-cycle state of the partition in that process, from Redis; None if unknown.
    """

    topic: str
    partition: int
    end: int
    committed: int | None
    lag: int
    delay_seconds: float | None
    owner: str | None
    host: str | None
    state: str | None


def partition_lags(settings: Settings, now_ms: int) -> tuple[list[PartitionLag], str | None]:
    """All partitions of the input topics, in order; and why their states are unknown, if so.

    `now_ms` is milliseconds since the epoch; delays are counted up to it. Raises Failed when
    Kafka doesn't answer.
    """
    admin = admin_client(settings)
    topics = list(settings.topics.inputs)
    counts = partition_counts(admin, settings, topics)
    places: list[Place] = [(topic, p) for topic in topics for p in range(counts[topic])]
    committed = committed_offsets(settings, places)
    starts = first_offsets(admin, settings, places)
    # Ends are asked last, so that nothing that was processed meanwhile looks like a negative lag.
    ends = end_offsets(admin, settings, places)
    next_offsets = {place: committed.get(place, starts[place]) for place in places}
    behind = {place: at for place, at in next_offsets.items() if at < ends[place]}
    first_times_ms = _first_record_times_ms(settings, behind)
    owners = _owners(admin, settings)
    statuses, why_unknown = _statuses(settings)
    rows = []
    for place in places:
        lag, delay = 0, cast("float | None", 0.0)
        if place in behind:
            lag = ends[place] - behind[place]
            lag, delay = _lag_and_delay(lag, first_times_ms.get(place), now_ms)
        owner, host = owners.get(place, (None, None))
        state = _state(statuses, place[1])
        rows.append(
            PartitionLag(*place, ends[place], committed.get(place), lag, delay, owner, host, state)
        )
    return rows, why_unknown


def _lag_and_delay(lag: int, first_ms: int | None, now_ms: int) -> tuple[int, float | None]:
    """Records behind, and the age of the first in seconds; None where it could not be read."""
    if first_ms is None:
        return lag, None
    if first_ms == NOTHING_THERE_MS:
        return 0, 0.0
    return lag, max(0, now_ms - first_ms) / 1000


NOTHING_THERE_MS = -1
"""In place of a time: no record stands behind the committed offset."""


def _owners(admin: Any, settings: Settings) -> dict[Place, tuple[str, str]]:
    return {
        (assigned.topic, assigned.partition): (member.client_id, member.host.lstrip("/"))
        for member in group_members(admin, settings)
        for assigned in (member.assignment.topic_partitions if member.assignment else ())
    }


def group_members(admin: Any, settings: Settings) -> list[Any]:
    """The members of the dispatchers' group, as the admin client describes them. Raises Failed."""
    futures = admin.describe_consumer_groups(
        [settings.application_id], request_timeout=settings.call_timeout_ms / 1000
    )
    future = futures[settings.application_id]
    if _is_unknown_group(future.exception(timeout=settings.call_timeout_ms / 1000 + 1)):
        # A group that never was has no members; newer brokers call that an error.
        return []
    group = answer(settings, "can't ask for the group's members", future)
    return list(group.members)


def _is_unknown_group(error: BaseException | None) -> bool:
    first = error.args[0] if error is not None and error.args else None
    return isinstance(first, KafkaError) and first.code() == KafkaError.GROUP_ID_NOT_FOUND


def _statuses(settings: Settings) -> tuple[list[DispatcherStatus], str | None]:
    try:
        return StateReader(settings).statuses(), None
    except Failed as failure:
        return [], str(failure)


def _state(statuses: list[DispatcherStatus], partition: int) -> str | None:
    """What the process that spoke last says of the partition; they are one task (R3)."""
    found = None
    for status in statuses:
        found = status.partitions.get(str(partition), found)
    return found


def _first_record_times_ms(settings: Settings, behind: Mapping[Place, int]) -> dict[Place, int]:
    """The time of the first committed record at or behind each offset, or NOTHING_THERE_MS.

    Partitions that don't answer within `call_timeout_ms` are left out.
    """
    found: dict[Place, int] = {}
    if not behind:
        return found
    consumer = reader(settings)
    try:
        consumer.assign([TopicPartition(*place, offset) for place, offset in behind.items()])
        deadline = time.monotonic() + settings.call_timeout_ms / 1000
        while len(found) < len(behind) and time.monotonic() < deadline:
            for place, time_ms in _times_ms(consumer.consume(100, _POLL_S)):
                if place not in found:
                    found[place] = time_ms
                    # Only the first one is needed.
                    consumer.pause([TopicPartition(*place)])
        return found
    finally:
        consumer.close()


def _times_ms(messages: list[Any]) -> Iterator[tuple[Place, int]]:
    for message in messages:
        place = (message.topic() or "", message.partition() or 0)
        error = message.error()
        if error is None:
            yield place, message.timestamp()[1]
        elif error.code() == KafkaError._PARTITION_EOF:
            yield place, NOTHING_THERE_MS
