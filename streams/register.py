"""The lead register beside the loop: looked up before inputs are decided, written after a commit.

In: tasks with inputs of channels that ask for it. Out: their `known_owners`, and Redis.

- The truth is the register's topic, written in the same transactions as everything else. Redis
  holds it under a register point: everything below that offset is there. What is behind it, or all
  of it if the point is gone, is read from the topic first, in slices between polls.
- R15 What is needed for the inputs that wait is looked up in one round trip. Its answer carries
  both points; unless they are what this owner wrote last, nothing of it is believed. What was
  decided since counts before it.
- Without its register a channel waits, and its partition with it; or, if its rule says so, it is
  dispatched to whoever is owed most once the register has been away for `register_wait_ms`.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from dispatcher.events import InputRef
from dispatcher.limits import Limits
from dispatcher.register import (
    FORGOTTEN,
    Owner,
    decode_owner,
    encode_owner,
    key_of,
    owner_of,
    person_keys,
)
from dispatcher.store import (
    OwnerEntry,
    RegisterPoint,
    RestorePoint,
    StateStore,
    StoreUnavailable,
)
from schemas.topics import DAY_MS
from streams.broker import (
    CallFailed,
    ChangelogReader,
    ChangelogRecord,
    Cluster,
    InputRecord,
    Remedy,
)
from streams.intake import Refused, read_batch
from streams.known_owners import Found, KnownOwners, Phase
from streams.lifecycle import Life
from streams.settings import Settings
from streams.task import Task

LIFETIME_BEYOND_MS = 7 * DAY_MS
"""Inputs may have waited so long on their topic; entries are judged by the times of events."""


class Register:
    """Keeps tasks' knowledge of the register."""

    def __init__(
        self,
        settings: Settings,
        store: StateStore,
        reader: ChangelogReader,
        cluster: Cluster,
        noticed: Callable[[Task, RestorePoint | None], None],
        *,
        logger: Any,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`reader` is one of the register's topic, for nobody else; `noticed` is told when the copy
        of a task's state in Redis isn't what this process wrote last.

        `busy` says whether a poll should not wait, because the topic is being read.
        """
        self._settings = settings
        self._limits: Limits = settings.limits.limits()
        self._topic = settings.topics.register
        self._leads = settings.topics.lead_batches
        self._store = store
        self._reader = reader
        self._cluster = cluster
        self._noticed = noticed
        self._log = logger
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._retry_at = 0.0
        self.busy = False

    def close(self) -> None:
        """Ask no more."""
        self._reader.close()

    def drop(self, task: Task) -> None:
        """The task is not this process's any more, or is restored.

        Others may write to the register before it comes back: nothing that is known is kept. What
        was committed and isn't in Redis is read from the topic, by whoever comes next.
        """
        self._stop(task)
        task.known_owners = KnownOwners()

    def prepare(self, tasks: Iterable[Task]) -> None:
        """Look up what inputs need that wait; bring the register up to date where it has to be."""
        asking = []
        self.busy = False
        for task in tasks:
            known = task.known_owners
            if task.life is not Life.RUNNING:
                continue
            if task.blocked or known.unflushed or known.phase is Phase.READING:
                asking.append(task)
            else:
                known.since = None
        if not asking:
            return
        if self._monotonic() >= self._retry_at:
            try:
                self._read(asking)
                for task in asking:
                    self._prepare(task)
            except StoreUnavailable as error:
                self._away(asking, f"Redis is away: {error}")
            except CallFailed as failed:
                if failed.remedy is not Remedy.RETRY:
                    raise
                self._away(asking, str(failed))
        for task in asking:
            self._do_without(task)
            self.busy = self.busy or task.known_owners.phase is Phase.READING

    def _away(self, tasks: Iterable[Task], why: str) -> None:
        self._retry_at = self._monotonic() + self._settings.redis_retry_ms / 1000
        for task in tasks:
            self._stop(task)  # what was read and not written has to be read again
        self._log.info("the lead register can't be asked", why=why)

    def _stop(self, task: Task) -> None:
        known = task.known_owners
        if known.phase is Phase.READING:
            self._reader.stop(task.partition)
        known.phase = Phase.UNKNOWN

    # -- from the topic to Redis

    def _read(self, tasks: Iterable[Task]) -> None:
        """A slice of the topic, for all that are being read."""
        reading = {
            task.partition: task for task in tasks if task.known_owners.phase is Phase.READING
        }
        if not reading:
            return
        most = self._settings.redis_records_per_call_max
        records = self._reader.read(min(most, self._settings.restore_slice_records), 20)
        for partition, task in reading.items():
            known = task.known_owners
            owners: dict[str, Owner] = {}
            upto = None
            for record in records:
                if record.partition == partition:
                    owners |= _owner_in(record)
                    upto = record.offset + 1
            position = self._reader.position(partition)
            if position is not None and position >= known.end:
                upto = position
            if upto is None:
                continue
            if not self._put(task, owners, upto):
                self._stop(task)  # Redis is another; from where it stands, then
            elif upto >= known.end:
                self._reader.stop(partition)
                known.phase = Phase.CURRENT
                known.next_offset = max(known.next_offset, upto)
                self._log.info("the lead register is up to date", partition=partition)

    def _put(self, task: Task, owners: Mapping[str, Owner], next_offset: int) -> bool:
        """Write to Redis what brings its register point to an offset; False: it is another."""
        known, now_ms = task.known_owners, self._wall_ms()
        entries = [
            OwnerEntry(key, encode_owner(owner), lifetime_ms)
            for key, owner in owners.items()
            if (lifetime_ms := _lifetime_ms(owner, now_ms)) > 0
        ]
        topic_id = task.topic_ids[self._topic]
        expected = (task.redis.point, known.point)
        if not self._store.put_owners(task.partition, topic_id, expected, entries, next_offset):
            return False
        known.point = RegisterPoint(topic_id, next_offset)
        return True

    # -- before inputs are decided

    def _prepare(self, task: Task) -> None:
        known = task.known_owners
        if known.phase is Phase.UNKNOWN:
            self._begin(task)
        if known.phase is Phase.CURRENT and task.blocked:
            self._look_up(task)

    def _begin(self, task: Task) -> None:
        """Where Redis stands, and whether the topic has more."""
        known, place = task.known_owners, (self._topic, task.partition)
        known.end = self._cluster.end_offsets([place], read_committed=False)[place]
        topic_id = task.topic_ids[self._topic]
        found = self._store.owners(task.partition, topic_id, [])
        if found.restore_point != task.redis.point:
            self._noticed(task, found.restore_point)  # that is put right first
            return
        point, start = found.register_point, 0
        known.point = point
        if point is not None and point.topic_id == topic_id and point.next_offset <= known.end:
            start = point.next_offset
        if start < known.end:
            known.phase = Phase.READING
            self._reader.start(task.partition, start)
        elif point is not None or self._put(task, {}, start):
            known.phase = Phase.CURRENT
            known.next_offset = max(known.next_offset, start)

    def _look_up(self, task: Task) -> None:
        """One round trip for all that wait."""
        known = task.known_owners
        blocked = task.blocked_inputs()
        keys = {place: self._keys(task, record) for place, record in blocked}
        places = {place: record.key or b"" for place, record in blocked}
        needed = {key for each in keys.values() for key in each}
        wanted = sorted(needed)
        topic_id = task.topic_ids[self._topic]
        if wanted:
            found = self._store.owners(task.partition, topic_id, wanted)
            points = (found.restore_point, found.register_point)
            if points != (task.redis.point, known.point):
                self._log.info("the lead register in Redis is not believed", at=task.partition)
                known.phase = Phase.UNKNOWN
                return
            values = dict(zip(wanted, found.owners, strict=True))
            owners = {key: decode_owner(value) for key, value in values.items() if value}
        else:
            owners = {}
        # Once it is in Redis nothing else will tell of what isn't there yet.
        owners |= {key: owner for key, (_, owner) in known.unflushed.items() if key in needed}
        for place, each in keys.items():
            found_owners = {key: owners[key] for key in each if key in owners}
            known.found[place] = Found(task.sticky[places[place]], found_owners)

    def _keys(self, task: Task, record: InputRecord) -> list[str]:
        """Whom an input is about; nobody if it isn't a batch that can be read."""
        key = record.key or b""
        if record.topic != self._leads:
            return []
        reference = InputRef(record.topic, record.partition, record.offset)
        try:
            batch = read_batch(record.value, self._limits, reference, None)
        except Refused:
            return []
        channel, names = key.decode(), task.sticky[key]
        return [each for text in batch.attributes for each in person_keys(channel, text, names)]

    def _do_without(self, task: Task) -> None:
        """Those whose rule says so wait no longer for a register that stays away."""
        known = task.known_owners
        if not task.blocked:
            known.since = None
            return
        if known.since is None:
            known.since = self._monotonic()
        if (self._monotonic() - known.since) * 1000 < self._settings.register_wait_ms:
            return
        for place, record in task.blocked_inputs():
            eligibility = task.state((record.key or b"").decode(errors="replace")).eligibility
            sticky = eligibility.rules.sticky if eligibility else None
            if sticky is None or sticky.without_register == "dispatch":
                known.found[place] = Found(task.sticky[record.key or b""], None)
            else:
                return  # it waits, and what is behind it

    # -- after a commit

    def flush(self, task: Task) -> None:
        """Write what was committed, once the copy of the state is in Redis."""
        known = task.known_owners
        if not known.unflushed or known.phase is not Phase.CURRENT or task.redis.unflushed:
            return
        if self._monotonic() < self._retry_at:
            return
        owners = {key: owner for key, (_, owner) in known.unflushed.items()}
        try:
            # More than a call takes is read from the topic: half of it must never stand there.
            fits = len(owners) <= self._settings.redis_records_per_call_max
            if not fits or not self._put(task, owners, known.next_offset):
                known.phase = Phase.UNKNOWN
            if known.phase is Phase.CURRENT or not fits:
                known.unflushed.clear()
        except StoreUnavailable as error:
            self._away([task], f"Redis is away: {error}")


def _lifetime_ms(owner: Owner, now_ms: int) -> int:
    """How long Redis keeps an entry; one that is forgotten takes the place of what was there."""
    if owner == FORGOTTEN:
        return 1
    return owner.at_ms + owner.days * DAY_MS + LIFETIME_BEYOND_MS - now_ms


def _owner_in(record: ChangelogRecord) -> dict[str, Owner]:
    return {key_of(record.key): owner_of(record.value)}
