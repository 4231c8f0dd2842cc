"""What a channel takes: in a dispatcher's memory, in Redis, in the compacted changelog.

An idle channel has a roster of ten and has seen a few batches; an active one has the whole window
of batches that are known again (1,000).
"""

import gc
import tracemalloc
from collections.abc import Iterator
from typing import Final, NamedTuple

import redis

from dispatcher.limits import RECENT_LENGTH_MAX
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records
from streams.local import LocalStack

from .deciding import decided, first_state, read
from .workload import Workload

IDLE_BATCHES: Final = 3
CHANNELS: Final = {"idle": 5_000, "active": 50}


class Size(NamedTuple):
    """Bytes for each channel of a kind; those of the changelog uncompressed."""

    kind: str
    memory: float
    redis: float
    changelog: float


def measured() -> list[Size]:
    """An idle channel's and an active one's."""
    with LocalStack() as stack:
        client = redis.Redis.from_url(stack.redis_url)
        return [
            _size(kind, count, IDLE_BATCHES if kind == "idle" else RECENT_LENGTH_MAX + 25, client)
            for kind, count in CHANNELS.items()
        ]


def _size(kind: str, channels: int, batches: int, client: "redis.Redis") -> Size:
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    states = list(_states(channels, batches))
    gc.collect()
    memory = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    client.flushall()
    empty = client.info("memory")["used_memory"]
    changelog = 0
    for state in states:
        records = {b"channels/" + key: value for key, value in all_records(state) if value}
        changelog += sum(len(key) + len(value) for key, value in records.items())
        client.hset("partition", mapping=records)
    stored = client.info("memory")["used_memory"] - empty
    return Size(kind, memory / channels, stored / channels, changelog / channels)


def _states(channels: int, batches: int) -> Iterator[ChannelState]:
    workload = Workload(leads=batches, batch_size=1, channels=1)
    ((named, roster),) = workload.rosters()
    for number in range(channels):
        name = f"channel-{number:06d}"
        state = first_state(name, roster.replace(named.encode(), name.encode()))
        for _, value in workload.batch_events():
            state = decided(state, read(value.replace(named.encode(), name.encode()))).after
        yield state
