"""What a channel takes: in a dispatcher's memory, in Redis, in the compacted changelog; and owners.

An idle channel has a roster of ten and has seen a few batches; an active one has the whole window
of batches that are known again (1,000).
"""

import gc
import hashlib
import tracemalloc
from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

import redis

from dispatcher.limits import RECENT_LENGTH_MAX
from dispatcher.redis_store import RedisStore
from dispatcher.register import Owner, encode_owner
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records
from dispatcher.store import OwnerEntry, RegisterPoint
from schemas.topics import DAY_MS
from streams.local import LocalStack

from .deciding import decided, first_state, read
from .workload import Workload

IDLE_BATCHES: Final = 3
OWNERS: Final = 1_000_000
TOPIC_ID: Final = "A" * 22
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


def owners_in_redis() -> float:
    """Bytes in Redis for each person whose owner the lead register knows."""
    with LocalStack() as stack:
        client = redis.Redis.from_url(stack.redis_url)
        store = RedisStore(stack.redis_url, "sizes", "leads.batches", 10_000)
        empty = client.info("memory")["used_memory"]
        numbers, point = iter(range(OWNERS)), None
        while part := [_owner(number) for number in islice(numbers, 2_000)]:
            next_offset = (point.next_offset if point else 0) + len(part)
            store.put_owners(0, TOPIC_ID, (None, point), part, next_offset)
            point = RegisterPoint(TOPIC_ID, next_offset)
        stored = client.info("memory")["used_memory"] - empty
        store.close()
        return float(stored / OWNERS)


def _owner(number: int) -> OwnerEntry:
    key = hashlib.sha256(str(number).encode()).hexdigest()[:32]
    owner = Owner(f"agent-{number % 10:02}", 1_795_266_002_329, 30, f"web-{number // 100}", "L1")
    return OwnerEntry(key, encode_owner(owner), 30 * DAY_MS)


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
