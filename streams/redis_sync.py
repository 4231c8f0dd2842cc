"""Keeping the copy in Redis at what was committed.

In: a task with committed records that Redis has not taken yet. Out: Redis, or the task's bounded
backlog when Redis is away.

The rules (design, R7 to R9):

- R7 Each write is a compare-and-set: only if the restore point is exactly what this owner read or
  wrote last.
- R8 The point found is lower, absent or of another topic: Redis was flushed, rolled back, failed
  over, or an older owner wrote late. The state in memory is written whole and takes the place of
  what is there, by compare-and-set on what was found. It is higher: another owner is ahead, this
  one is a zombie and closes dirty. A point that this owner tried to write without an answer is its
  own: the write was carried out.
- R9 Redis away: dispatching goes on from memory. What is not written is bounded, in count and in
  age; beyond, the input is paused and its lag grows; nothing is lost.
"""

from collections.abc import Callable
from itertools import islice
from typing import Any

from dispatcher.store import RestorePoint, StateStore, StoreUnavailable
from streams.observing import UNOBSERVED, Observer
from streams.settings import Settings
from streams.task import Task


class Zombie(Exception):
    """Another owner has written what this one hasn't decided."""


class RedisSync:
    """Writes tasks' committed records to the store."""

    def __init__(
        self,
        store: StateStore,
        settings: Settings,
        *,
        logger: Any,
        observer: Observer = UNOBSERVED,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """`wall_ms` is the time in milliseconds since the epoch."""
        self._store = store
        self._settings = settings
        self._log = logger
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._retry_at = 0.0
        self._observer = observer
        self.available = True

    def flush(self, task: Task) -> None:
        """Write what is unflushed, if Redis is there. Raises Zombie."""
        copy = task.redis
        if not copy.unflushed and not copy.whole:
            return
        if not task.has_records:
            return  # nothing was ever committed: there is no prefix to be a copy of
        if copy.unflushed_since is None:
            copy.unflushed_since = self._monotonic()
        began_s = self._monotonic()
        if began_s < self._retry_at:
            return
        point = RestorePoint(
            task.topic_ids[self._settings.topics.changelog], task.changelog_next, self._wall_ms()
        )
        try:
            written = self._write(task, point)
        except StoreUnavailable as error:
            copy.attempted = point
            self._away(error)
            return
        if not self.available:
            self.available = True
            self._log.info("Redis is back")
        if written:
            self._observer.applied(self._monotonic() - began_s)
            copy.point = point
            copy.attempted = None
            copy.unflushed.clear()
            copy.unflushed_since = None
            copy.whole = False

    def _write(self, task: Task, point: RestorePoint) -> bool:
        """Whether `point` is in force now."""
        copy = task.redis
        if not copy.whole:
            records = list(copy.unflushed.items())
            found = self._store.apply(task.partition, copy.point, point, records)
            if found == point:
                return True
            if found is not None and found == copy.attempted:
                copy.point = found
                found = self._store.apply(task.partition, copy.point, point, records)
                if found == point:
                    return True
            self._take_note(task, found, point)
        return self._write_whole(task, point)

    def _write_whole(self, task: Task, point: RestorePoint) -> bool:
        """R8: replace what is there by all that is in memory."""
        owner = self._settings.slot
        records = iter(task.every_record())
        first = True
        while part := list(islice(records, self._settings.redis_records_per_call_max)):
            self._store.stage(task.partition, owner, point, part, first=first)
            first = False
        found = self._store.replace(task.partition, owner, task.redis.point, point)
        if found == point:
            self._log.info("wrote a whole copy to Redis", partition=task.partition)
            return True
        self._take_note(task, found, point)
        return False

    def _take_note(self, task: Task, found: RestorePoint | None, point: RestorePoint) -> None:
        """R8: what was found instead of what was expected. Raises Zombie when it is ahead."""
        if (
            found is not None
            and found.topic_id == point.topic_id
            and found.next_offset > point.next_offset
        ):
            raise Zombie(
                f"partition {task.partition}: Redis is at {found.next_offset}, this process at "
                f"{point.next_offset}: another one went on with it"
            )
        self._log.warning(
            "the copy in Redis is not this owner's: writing it whole",
            partition=task.partition,
            found=found.next_offset if found else None,
            at=point.next_offset,
        )
        task.redis.point = found
        task.redis.whole = True

    def noticed(self, task: Task, found: RestorePoint | None) -> None:
        """R8: somebody else has seen what is there; it isn't this owner's. Raises Zombie."""
        copy = task.redis
        if found == copy.point or (found is not None and found == copy.attempted):
            return
        if not task.has_records:
            copy.point = found
            return
        topic_id = task.topic_ids[self._settings.topics.changelog]
        now = RestorePoint(topic_id, task.changelog_next, self._wall_ms())
        self._take_note(task, found, now)

    def overdue(self, task: Task) -> bool:
        """R9: whether more is unflushed than the settings allow, in count or in age."""
        copy = task.redis
        if len(task.known_owners.unflushed) > self._settings.redis_unflushed_fields_max:
            return True
        if not copy.unflushed or copy.unflushed_since is None:
            return False
        age_ms = (self._monotonic() - copy.unflushed_since) * 1000
        return (
            len(copy.unflushed) > self._settings.redis_unflushed_fields_max
            or age_ms > self._settings.redis_unflushed_age_max_ms
        )

    def write_status(self, status: bytes, lifetime_ms: int) -> None:
        """Let people see what this process does; without Redis nobody sees it."""
        if self._monotonic() < self._retry_at:
            return
        try:
            self._store.write_status(self._settings.slot, status, lifetime_ms)
        except StoreUnavailable as error:
            self._away(error)

    def _away(self, error: StoreUnavailable) -> None:
        self._retry_at = self._monotonic() + self._settings.redis_retry_ms / 1000
        if self.available:
            self._log.warning("Redis is away; dispatching goes on from memory", why=str(error))
        self.available = False
