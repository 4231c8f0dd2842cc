"""Where a process stands, told now and then: to Redis for people, to the observer for metrics.

In: the tasks and what surrounds them. Out: the status key of this slot in Redis, for `partidor lag`
and the board; a `ProcessStanding`.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from streams.broker import GroupConsumer
from streams.observing import UNOBSERVED, Observer, PartitionStanding, ProcessStanding
from streams.reception import Reception
from streams.redis_sync import RedisSync
from streams.restore import Restorer
from streams.settings import Settings
from streams.task import Task
from streams.transactions import Transactions

STANDING_S: Final = 1.0
"""Between two looks for metrics, which are read every few seconds."""

STATUS_LIFETIME: Final = 5
"""How many intervals a status outlives its process."""

_encode = msgspec.json.Encoder().encode


class Parts(NamedTuple):
    """What a process consists of, as far as it is told of."""

    consumer: GroupConsumer
    transactions: Transactions
    restorer: Restorer
    reception: Reception
    redis: RedisSync
    observer: Observer


class Reporter:
    """Tells when it is time."""

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        *,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        """`wall_ms` is the time in milliseconds since the epoch."""
        self._settings = settings
        self._parts = parts
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._started_at_ms = wall_ms()
        self._status_at = 0.0
        self._standing_at = 0.0

    def report(self, tasks: Mapping[int, Task], leads_dispatched: int) -> None:
        """Tell what is due."""
        now = self._monotonic()
        if now >= self._status_at:
            interval_ms = self._settings.status_interval_ms
            self._status_at = now + interval_ms / 1000
            status = _encode(self._status(tasks, leads_dispatched))
            self._parts.redis.write_status(status, STATUS_LIFETIME * interval_ms)
        if now >= self._standing_at and self._parts.observer is not UNOBSERVED:
            self._standing_at = now + STANDING_S
            self._parts.observer.stands(self._standing(tasks))

    def _status(self, tasks: Mapping[int, Task], leads_dispatched: int) -> dict[str, object]:
        return {
            "slot": self._settings.slot,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "updated_at_ms": self._wall_ms(),
            "started_at_ms": self._started_at_ms,
            "leads_dispatched": leads_dispatched,
            "restores": list(self._parts.restorer.recent),
            "redis": "up" if self._parts.redis.available else "away",
            "partitions": {str(n): task.life.value for n, task in sorted(tasks.items())},
        }

    def _standing(self, tasks: Mapping[int, Task]) -> ProcessStanding:
        return ProcessStanding(
            member=self._parts.consumer.generation() >= 0,
            has_producer=self._parts.transactions.is_open,
            redis_up=self._parts.redis.available,
            now_ms=self._wall_ms(),
            partitions={number: self._partition(task) for number, task in tasks.items()},
        )

    def _partition(self, task: Task) -> PartitionStanding:
        reception = self._parts.reception
        return PartitionStanding(
            life=task.life,
            channels=len(task.states) + len(task.cold),
            buffered=reception.buffered(task),
            behind=reception.behind(task),
            oldest_ms=task.oldest_ms,
            unflushed=len(task.redis.unflushed) + len(task.known_owners.unflushed),
            restoring_s=self._parts.restorer.restoring_s(task.partition),
        )
