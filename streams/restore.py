"""Rebuilding a partition's state after it was assigned, in slices between polls.

In: an assigned task. Out: the task with its state, and the offsets from which to consume.

The rules (design, section 4):

- R1 The order: (1) the group's committed offsets, asked until they are stable; an error or a
  time-out is never "no offset". (2) The changelog's high watermark, read uncommitted: a bound at
  the last stable offset would miss records behind a crashed owner's open transaction. (3) The
  state from Redis. (4) The changelog from the restore point, read_committed, until the position
  reaches that high watermark. Asked the other way round, a commit of the former owner could fall
  between two steps and be missed.
- R2 The changelog says which input offsets are applied; inputs below are skipped. No committed
  offset but such a record: go on from the record. Input that is gone, or topics that are not the
  recorded ones: stop, an operator decides. Neither offset nor record: the earliest.
- R3 Partition counts differ, between the topics or from the recorded count: stop. After an
  expansion, channels that moved away and are still there are left out.
- R7 Redis is read in slices, with the restore point before and after: the same, or again.
- R8 A restore point beyond the changelog's end, of another topic id, or older than half of the
  changelog's `delete.retention.ms`: treated as absent.
- R9 Without Redis: from the changelog alone.

A suspended task that comes back is restored from its own memory: its state is a committed prefix
of the changelog like the one in Redis, and nothing behind it means that nobody else went on.
"""

import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from dispatcher.state_records import APPLIED_OFFSETS_KEY, AppliedOffsets, read_applied_offsets
from dispatcher.store import RestorePoint, StateStore, StoreUnavailable
from schemas.topics import DELETE_RETENTION_MS
from streams.broker import (
    AskedOffsets,
    CallFailed,
    ChangelogReader,
    ChangelogRecord,
    Cluster,
    GroupConsumer,
    Remedy,
    TopicFacts,
)
from streams.observing import UNOBSERVED, Observer
from streams.partition_copy import group_by_channel, only_at_home
from streams.settings import Settings
from streams.task import Task
from streams.topic_checks import check_recorded, checked_facts, start_offset

FACTS_LIFETIME_S: Final = 2.0
"""Partitions assigned together share one look at the topics."""

RECENT_MAX: Final = 20
"""Restores that are remembered, for whoever asks how they went."""

ANSWER_WAIT_MS: Final = 20
"""For committed offsets, at most and at a time."""

RETRY_WAIT_S: Final = 0.1
"""Before a question is asked again; the other partitions go on meanwhile."""


class Step(Enum):
    """Where a restore stands."""

    OFFSETS = "committed offsets"
    END = "high watermark"
    STORE = "state from Redis"
    CHANGELOG = "changelog"
    DONE = "done"


class Restore:
    """The restore of one task. `step` does a slice; `take` is given changelog records."""

    def __init__(self, task: Task, *, from_memory: bool) -> None:
        """`from_memory`: the task was suspended and holds a state of its own."""
        self.task = task
        self.at = Step.OFFSETS
        self.from_memory = from_memory
        self.question: AskedOffsets | None = None
        self.committed: dict[str, int | None] = {}
        self.starts: dict[tuple[str, int], int] = {}
        self.end = 0
        self.next_offset = 0
        self.records: dict[bytes, bytes] = {}
        self.point: RestorePoint | None = None
        self.cursor: int | None = None
        self.behind: set[bytes] = set()
        self.whole = False
        self.records_read = 0
        self.not_before = 0.0
        self.waits_for: Step | None = None

    @property
    def source(self) -> str:
        """Where its state comes from: memory, redis or changelog."""
        if self.from_memory:
            return "memory"
        return "changelog" if self.whole else "redis"


class Restorer:
    """Restores tasks with the ports it is given.

    Attributes:
        recent: the last restores: partition, source, seconds, at_ms, channels, changelog_records.
    """

    def __init__(
        self,
        settings: Settings,
        consumer: GroupConsumer,
        reader: ChangelogReader,
        cluster: Cluster,
        store: StateStore,
        *,
        logger: Any,
        observer: Observer = UNOBSERVED,
        wall_ms: Callable[[], int],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall_ms` is the time in milliseconds since the epoch."""
        self._settings = settings
        self._consumer = consumer
        self._reader = reader
        self._cluster = cluster
        self._store = store
        self._log = logger
        self._wall_ms = wall_ms
        self._observer = observer
        self.recent: deque[dict[str, int | float | str]] = deque(maxlen=RECENT_MAX)
        self._monotonic = monotonic
        self._topics = settings.topics
        self._inputs = self._topics.inputs
        self._restores: dict[int, Restore] = {}
        self._began: dict[int, float] = {}
        self._facts: dict[str, TopicFacts] = {}
        self._facts_at = -FACTS_LIFETIME_S

    def begin(self, task: Task, *, from_memory: bool = False) -> None:
        """Put a task on the list."""
        self._restores[task.partition] = Restore(task, from_memory=from_memory)
        self._began[task.partition] = self._monotonic()

    def drop(self, partition: int) -> None:
        """Take a task off the list; what was read is forgotten."""
        restore = self._restores.pop(partition, None)
        if restore is not None and restore.at is Step.CHANGELOG:
            self._reader.stop(partition)

    @property
    def busy(self) -> bool:
        """Whether any task is being restored."""
        return bool(self._restores)

    def restoring_s(self, partition: int) -> float | None:
        """For how long a partition is being restored; None if it isn't."""
        if partition not in self._restores:
            return None
        return self._monotonic() - self._began[partition]

    @property
    def waiting(self) -> bool:
        """Whether every restore waits for an answer that it will ask for again later."""
        now = self._monotonic()
        return all(restore.not_before > now for restore in self._restores.values())

    def slice(self) -> list[Task]:
        """Go on for about `restore_slice_ms`; returns the tasks that are done.

        Raises InputLost when an operator has to decide.
        """
        deadline = self._monotonic() + self._settings.restore_slice_ms / 1000
        done: list[Task] = []
        for restore in list(self._restores.values()):
            self._steps(restore, deadline)
        if any(restore.at is Step.CHANGELOG for restore in self._restores.values()):
            self._read_changelog(deadline)
        for partition, restore in list(self._restores.items()):
            if restore.at is Step.DONE:
                del self._restores[partition]
                self._finish(restore)
                done.append(restore.task)
        return done

    def _steps(self, restore: Restore, deadline: float) -> None:
        """The steps before the changelog; one that fails is tried again a little later."""
        if self._monotonic() < restore.not_before:
            return
        try:
            while self._monotonic() < deadline:
                if restore.at is Step.OFFSETS:
                    self._ask_offsets(restore, deadline)
                    if restore.question is not None:
                        return
                elif restore.at is Step.END:
                    self._ask_end(restore)
                elif restore.at is Step.STORE:
                    self._read_store(restore)
                else:
                    return
        except CallFailed as failed:
            if failed.remedy is not Remedy.RETRY:
                raise
            restore.not_before = self._monotonic() + RETRY_WAIT_S
            if restore.waits_for is restore.at:
                return  # said before
            restore.waits_for = restore.at
            self._log.info(
                "restore waits",
                partition=restore.task.partition,
                step=restore.at.value,
                why=str(failed),
            )

    def _ask_offsets(self, restore: Restore, deadline: float) -> None:
        """R1, first. Others go on while the answer is on its way."""
        at = [(topic, restore.task.partition) for topic in self._inputs]
        question = restore.question or self._consumer.ask_committed(at)
        restore.question = None  # after a failure it is asked again
        left_ms = (deadline - self._monotonic()) * 1000
        found = question.answer(min(max(left_ms, 0.0), ANSWER_WAIT_MS))
        if found is None:
            restore.question = question
            restore.not_before = self._monotonic() + ANSWER_WAIT_MS / 1000
            return
        restore.committed = {topic: found[topic, restore.task.partition] for topic in self._inputs}
        restore.at = Step.END

    def _ask_end(self, restore: Restore) -> None:
        """R1, second; and what the topics are now (R2, R3)."""
        changelog = (self._topics.changelog, restore.task.partition)
        restore.end = self._cluster.end_offsets([changelog], read_committed=False)[changelog]
        inputs = [(topic, restore.task.partition) for topic in self._inputs]
        restore.starts = self._cluster.start_offsets(inputs)
        if self._monotonic() - self._facts_at >= FACTS_LIFETIME_S:
            self._facts = checked_facts(self._settings, self._cluster)
            self._facts_at = self._monotonic()
        if restore.from_memory:
            self._begin_changelog(restore, restore.task.changelog_next)
        else:
            restore.at = Step.STORE

    def _read_store(self, restore: Restore) -> None:
        """R1, third: a slice from Redis (R7)."""
        partition = restore.task.partition
        try:
            if restore.cursor is None:
                restore.records = {}
                restore.point = self._store.restore_point(partition)
                if not self._believed(restore):
                    self._from_changelog_alone(restore)
                    return
            part = self._store.read(
                partition, restore.cursor or 0, self._settings.restore_slice_records
            )
            restore.records.update(part.records)
            restore.cursor = part.cursor
            if part.cursor is not None:
                return
            if self._store.restore_point(partition) != restore.point:
                return  # changed while it was read: again
        except StoreUnavailable as error:
            self._log.warning("restoring without Redis", partition=partition, why=str(error))
            restore.point = None
        if APPLIED_OFFSETS_KEY not in restore.records or restore.point is None:
            self._from_changelog_alone(restore)
            return
        self._begin_changelog(restore, restore.point.next_offset)

    def _from_changelog_alone(self, restore: Restore) -> None:
        """R8, R9: from the beginning; a whole copy then takes the place of what is in Redis."""
        restore.records = {}
        restore.whole = True
        self._begin_changelog(restore, 0)

    def _believed(self, restore: Restore) -> bool:
        """R8: whether the copy in Redis may be built upon."""
        point = restore.point
        if point is None:
            return False
        facts = self._facts[self._topics.changelog]
        retention_ms = int(facts.config.get("delete.retention.ms", DELETE_RETENTION_MS))
        age_ms = self._wall_ms() - point.written_at_ms
        return (
            point.topic_id == facts.topic_id
            and point.next_offset <= restore.end
            and abs(age_ms) <= retention_ms // 2  # a clock may have been set back
        )

    def _begin_changelog(self, restore: Restore, next_offset: int) -> None:
        """R1, fourth; done at once where nothing is behind the restore point."""
        restore.next_offset = next_offset
        if next_offset >= restore.end:
            restore.at = Step.DONE
            return
        restore.at = Step.CHANGELOG
        self._reader.start(restore.task.partition, next_offset)

    def _read_changelog(self, deadline: float) -> None:
        while self._monotonic() < deadline:
            for record in self._reader.read(self._settings.restore_slice_records, 20):
                restore = self._restores.get(record.partition)
                if restore is not None and restore.at is Step.CHANGELOG:
                    self._take(restore, record)
            waiting = False
            for partition, restore in self._restores.items():
                if restore.at is not Step.CHANGELOG:
                    continue
                position = self._reader.position(partition)
                if position is not None and position >= restore.end:
                    self._reader.stop(partition)
                    restore.next_offset = max(restore.next_offset, position)
                    restore.at = Step.DONE
                else:
                    waiting = True
            if not waiting:
                return

    def _take(self, restore: Restore, record: ChangelogRecord) -> None:
        if restore.from_memory:
            # Somebody else went on since: what is in memory is of no more use than Redis.
            self._reader.stop(record.partition)
            self._restores[record.partition] = Restore(restore.task, from_memory=False)
            return
        restore.records_read += 1
        restore.behind.add(record.key)
        if record.value is None:
            restore.records.pop(record.key, None)
        else:
            restore.records[record.key] = record.value
        restore.next_offset = record.offset + 1

    def _finish(self, restore: Restore) -> None:
        """Hand the state over, and settle from which offsets to consume (R2)."""
        task = restore.task
        recorded: AppliedOffsets | None = None
        if restore.from_memory:
            recorded_offsets: dict[str, int] = dict(task.applied)
        else:
            value = restore.records.get(APPLIED_OFFSETS_KEY)
            recorded = read_applied_offsets(value) if value is not None else None
            recorded_offsets = (
                {topic: applied.next_offset for topic, applied in recorded.inputs.items()}
                if recorded
                else {}
            )
            check_recorded(recorded, self._facts, self._topics.lead_batches)
            if recorded is None and any(o is not None for o in restore.committed.values()):
                # Right after an operator has set the group's offsets; anything else is a loss.
                self._log.warning(
                    "offsets are committed, but the changelog is empty: starting without states",
                    partition=task.partition,
                )
            task.has_records = recorded is not None
            task.former_counts = recorded.formers if recorded else ()
            channels = group_by_channel(restore.records)
            if task.former_counts:
                channels = only_at_home(channels, task.partition, recorded)
            task.load(channels)
            copy = task.redis
            copy.point = restore.point
            copy.attempted = None
            copy.whole = restore.whole
            copy.unflushed = {key: restore.records.get(key) for key in restore.behind}
            copy.unflushed_since = self._monotonic() if restore.behind else None
        task.changelog_next = restore.next_offset
        task.topic_ids = {topic: self._facts[topic].topic_id for topic in self._inputs}
        for topic in (self._topics.changelog, self._topics.register):
            task.topic_ids[topic] = self._facts[topic].topic_id
        task.partition_count = self._facts[self._topics.lead_batches].partition_count
        task.applied = self._start_offsets(restore, recorded_offsets)
        task.received = dict(task.applied)
        task.roster_seen = task.applied[self._topics.roster_changes]
        task.changes.clear()
        task.waiting.clear()
        task.waiting_bytes = 0
        task.rollback()
        seconds = self._monotonic() - self._began[task.partition]
        restored: dict[str, int | float | str] = {
            "partition": task.partition,
            "channels": len(task.states) + len(task.cold),
            "changelog_records": restore.records_read,
            "source": restore.source,
            "seconds": round(seconds, 3),
        }
        self._log.info("restored", **restored)
        self._observer.restored(restore.source, seconds, restore.records_read)
        self._observer.loaded(task.partition, task.states.values())
        self.recent.append({**restored, "at_ms": self._wall_ms()})

    def _start_offsets(self, restore: Restore, recorded: dict[str, int]) -> dict[str, int]:
        """R2: from which offset each input goes on."""
        partition = restore.task.partition
        return {
            topic: start_offset(
                topic,
                partition,
                committed=restore.committed[topic],
                recorded=recorded.get(topic),
                earliest=restore.starts[topic, partition],
            )
            for topic in self._inputs
        }
