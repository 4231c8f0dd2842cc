"""Redis on the model: the reference store, with what can happen to it and to calls of it."""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from dispatcher.state_records import Record
from dispatcher.store import (
    MemoryStore,
    OwnerEntry,
    OwnersFound,
    RegisterPoint,
    RestorePoint,
    Slice,
    StoreUnavailable,
)

from .clockwork import Clockwork, Thread

Answer = TypeVar("Answer")
AWAY_MS = 50.0


@dataclass
class Redis:
    """One server, and how it behaves.

    Attributes:
        away: It answers nothing.
        full: It refuses to write.
        slow_ms: The most that a call takes.
        lossy: The share of calls whose answer is lost: most of them are carried out, late or not.
        trap: Something that happens to it while somebody goes through it part by part.
    """

    clockwork: Clockwork
    rng: Random
    changed: Callable[[int], None]
    hurt: Callable[[], None]
    away: bool = False
    full: bool = False
    slow_ms: float = 1.0
    lossy: float = 0.0
    trap: Callable[[], None] | None = None
    trap_after: int = 0

    def __post_init__(self) -> None:
        self._late: list[Callable[[], None]] = []
        self.store = MemoryStore()
        self._snapshots: list[MemoryStore] = []

    def snapshot(self) -> None:
        """Remember how it is now."""
        self._snapshots = [*self._snapshots[-3:], copy.deepcopy(self.store)]

    def arrive_late(self, delay_ms: float, write: Callable[[], None]) -> None:
        """A write whose sender has given up comes later; or in the middle of something else."""

        def arrive() -> None:
            if write in self._late:
                self._late.remove(write)
                write()

        self._late.append(write)
        self.clockwork.after(delay_ms, arrive)

    def part(self) -> None:
        """Somebody reads or writes a part: what was to happen meanwhile happens."""
        if self._late and self.rng.random() < 0.2:
            self._late.pop(0)()
        if self.trap is not None:
            self.trap_after -= 1
            if self.trap_after <= 0:
                trap, self.trap = self.trap, None
                trap()

    def roll_back(self, *, far: bool = False) -> bool:
        """As it was at some time: an old snapshot, or a replica that lacked the last writes."""
        if not self._snapshots:
            return False
        snapshot = self._snapshots[0] if far else self.rng.choice(self._snapshots)
        self.store = copy.deepcopy(snapshot)
        self.hurt()
        return True

    def flush(self) -> None:
        """FLUSHALL, or a restart."""
        self.store.flush()
        self.hurt()

    def calm(self) -> None:
        """All is well again."""
        self.away, self.full, self.slow_ms, self.lossy = False, False, 1.0, 0.0
        self.trap = None


class SimStore:
    """See `dispatcher.store.StateStore`: one process's way to the server."""

    def __init__(self, thread: Thread, redis: Redis, timeout_ms: float) -> None:
        self._thread = thread
        self._redis = redis
        self._timeout_ms = timeout_ms

    def _ask(self, call: Callable[[MemoryStore], Answer], writes: int | None = None) -> Answer:
        """`writes` is the partition that the call changes."""
        redis = self._redis
        took_ms = redis.rng.uniform(0.05, redis.slow_ms)
        if writes is not None:
            self._thread.at("before a write to Redis")
        if redis.away or took_ms > self._timeout_ms:
            self._thread.pause(min(took_ms, self._timeout_ms) if redis.away else self._timeout_ms)
            if not redis.away and writes is not None:
                redis.arrive_late(took_ms, self._late(call, writes))
            raise StoreUnavailable("no answer in time")
        self._thread.pause(took_ms / 2)
        if redis.away or (redis.full and writes is not None):
            raise StoreUnavailable("OOM command not allowed")
        if redis.lossy and redis.rng.random() < redis.lossy:
            way = redis.rng.choice(("not done", "done", "late"))
            if way == "done":
                self._do(call, writes)
            elif way == "late":
                late_ms = redis.rng.uniform(1, 8_000)
                redis.arrive_late(late_ms, self._late(call, writes))
            raise StoreUnavailable("the connection was reset")
        answer = self._do(call, writes)
        if writes is not None:
            self._thread.at("after a write to Redis")
        self._thread.pause(took_ms / 2)
        return answer

    def _late(
        self, call: Callable[[MemoryStore], object], writes: int | None
    ) -> Callable[[], None]:
        def arrive() -> None:
            if not self._redis.away:
                try:
                    self._do(call, writes)
                except StoreUnavailable:
                    pass  # nobody waits for the answer

        return arrive

    def _do(self, call: Callable[[MemoryStore], Answer], writes: int | None) -> Answer:
        answer = call(self._redis.store)
        if writes is not None:
            self._redis.changed(writes)
        return answer

    def restore_point(self, partition: int) -> RestorePoint | None:
        """See `StateStore`."""
        return self._ask(lambda store: store.restore_point(partition))

    def read(self, partition: int, cursor: int, count: int) -> Slice:
        """See `StateStore`."""
        self._redis.part()
        return self._ask(lambda store: store.read(partition, cursor, count))

    def apply(
        self,
        partition: int,
        expected: RestorePoint | None,
        new: RestorePoint,
        records: Sequence[Record],
    ) -> RestorePoint | None:
        """See `StateStore`."""
        kept = list(records)
        return self._ask(lambda store: store.apply(partition, expected, new, kept), partition)

    def stage(
        self,
        partition: int,
        owner: str,
        new: RestorePoint,
        records: Iterable[Record],
        *,
        first: bool,
    ) -> None:
        """See `StateStore`."""
        kept = list(records)
        if not first:
            self._redis.part()
        self._ask(lambda store: store.stage(partition, owner, new, kept, first=first), partition)

    def replace(
        self, partition: int, owner: str, expected: RestorePoint | None, new: RestorePoint
    ) -> RestorePoint | None:
        """See `StateStore`."""
        return self._ask(lambda store: store.replace(partition, owner, expected, new), partition)

    def owners(self, partition: int, topic_id: str, keys: Sequence[str]) -> OwnersFound:
        """See `StateStore`."""
        return self._ask(lambda store: store.owners(partition, topic_id, keys))

    def put_owners(
        self,
        partition: int,
        topic_id: str,
        expected: tuple[RestorePoint | None, RegisterPoint | None],
        entries: Sequence[OwnerEntry],
        next_offset: int,
    ) -> bool:
        """See `StateStore`."""
        self._redis.part()
        kept = list(entries)
        return self._ask(
            lambda store: store.put_owners(partition, topic_id, expected, kept, next_offset),
            partition,
        )

    def write_status(self, slot: str, status: bytes, lifetime_ms: int) -> None:
        """See `StateStore`."""
        self._ask(lambda store: store.write_status(slot, status, lifetime_ms))
