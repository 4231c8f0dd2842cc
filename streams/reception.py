"""What came in and can't be decided yet: records that wait for their rosters, and too many of them.

In: what a poll brought. Out: a task's `changes` and `waiting`; partitions paused and resumed.

- R5 Leads are divided among the people who are there when they are divided: after batches or
  outcomes were received, the end of their roster partition is asked, and they wait until the
  changes up to it were received and applied. A change acknowledged before a batch or outcome was
  sent is always applied before it, whatever any clock says.
- Buffers are bounded: a partition that has enough waiting is paused, and so is one whose changes
  Redis doesn't take (R9).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

from streams.broker import (
    CallFailed,
    Cluster,
    GroupConsumer,
    InputRecord,
    Polled,
    Remedy,
    TopicPartition,
)
from streams.input_watch import InputWatch
from streams.lifecycle import Life
from streams.overlay import WaitingInput
from streams.settings import Settings
from streams.task import Task


class Reception:
    """Between the consumer and the tasks."""

    def __init__(
        self,
        settings: Settings,
        consumer: GroupConsumer,
        cluster: Cluster,
        overdue: Callable[[Task], bool],
        *,
        logger: Any,
        monotonic: Callable[[], float],
    ) -> None:
        """`overdue`: whether a task has to wait for Redis (R9)."""
        self._settings = settings
        self._consumer = consumer
        self._cluster = cluster
        self._overdue = overdue
        self._log = logger
        self._inputs = settings.topics.inputs
        self._roster_topic = settings.topics.roster_changes
        self._arrived: dict[int, list[InputRecord]] = {}
        self._paused: set[TopicPartition] = set()
        self._positions: dict[TopicPartition, int] = {}
        self._watch = InputWatch(
            consumer, cluster, settings.input_check_ms, logger=logger, monotonic=monotonic
        )

    @property
    def busy(self) -> bool:
        """Whether batches or outcomes wait for the question about their rosters."""
        return any(self._arrived.values())

    def places(self, partition: int) -> list[TopicPartition]:
        """The partitions of all input topics with this number (R3)."""
        return [(topic, partition) for topic in self._inputs]

    def start(self, task: Task) -> bool:
        """Have the inputs delivered from where the task stands. False: not ready yet, ask again."""
        positions = {place: task.applied[place[0]] for place in self.places(task.partition)}
        if not self._consumer.start_from(positions):
            return False
        self._paused -= set(positions)
        self._positions.update(positions)
        return True

    def stop(self, partition: int) -> None:
        """Have nothing of a partition delivered, and forget what has arrived of it."""
        self._consumer.pause(self.places(partition))
        self.forget(partition)

    def forget(self, partition: int) -> None:
        """What has arrived of a partition that is gone, or will be delivered again."""
        self._arrived.pop(partition, None)
        for place in self.places(partition):
            self._paused.discard(place)
            self._positions.pop(place, None)
            self._watch.forget(place)

    def receive(self, polled: Polled, tasks: Mapping[int, Task]) -> None:
        """Hand out what a poll brought to the tasks that run."""
        for (topic, partition), records in grouped(polled.records):
            task = tasks.get(partition)
            if task is None or task.life is not Life.RUNNING:
                continue  # not ours any more (R4), or read again from where the restore says
            if new := task.receive(records, self._roster_topic):
                self._positions[topic, partition] = new[-1].offset + 1
                if topic != self._roster_topic:
                    self._arrived.setdefault(partition, []).extend(new)
        for topic, partition, offset in polled.ends:
            task = tasks.get(partition)
            if task is not None and task.life is Life.RUNNING:
                known = self._positions.get((topic, partition), 0)
                self._positions[topic, partition] = max(known, offset)
                if topic == self._roster_topic:
                    task.roster_seen = max(task.roster_seen, offset)

    def ask_roster_ends(self, tasks: Mapping[int, Task]) -> None:
        """R5: one question for the whole chunk; without an answer all of it waits.

        The high watermark, not the last stable offset: a change may be acknowledged while it still
        lies behind somebody's open transaction, or before its own transaction's marker is there.
        """
        asked = [(self._roster_topic, number) for number, found in self._arrived.items() if found]
        if not asked:
            return
        try:
            ends = self._cluster.end_offsets(asked, read_committed=False)
        except CallFailed as failed:
            if failed.remedy is not Remedy.RETRY:
                raise
            self._log.warning("no answer about the rosters' ends", why=str(failed))
            return
        for topic, partition in asked:
            end = ends[topic, partition]
            tasks[partition].waiting.extend(
                WaitingInput(record, end) for record in self._arrived.pop(partition)
            )

    def balance(self, tasks: Collection[Task]) -> None:
        """Pause what has enough waiting, resume what has little."""
        waiting_bytes = sum(task.waiting_bytes for task in tasks)
        full = waiting_bytes > self._settings.buffered_bytes_max
        want: set[TopicPartition] = set()
        for task in tasks:
            if task.life is not Life.RUNNING:
                continue
            waiting = len(task.waiting) + len(self._arrived.get(task.partition, ()))
            overdue = self._overdue(task)
            for place in self.places(task.partition):
                records = len(task.changes) if place[0] == self._roster_topic else waiting
                if overdue or (full and records) or self._has_enough(place, records):
                    want.add(place)
        if want != self._paused:
            if more := want - self._paused:
                self._consumer.pause(sorted(more))
                for place in more:
                    self._watch.forget(place)
            if less := self._paused - want:
                self._consumer.resume(sorted(less))
            self._paused = want

    def buffered(self, task: Task) -> dict[str, int]:
        """Records received and not decided, by topic."""
        counts = dict.fromkeys(self._inputs, 0)
        counts[self._roster_topic] = len(task.changes)
        for each in task.waiting:
            counts[each.record.topic] += 1
        for record in self._arrived.get(task.partition, ()):
            counts[record.topic] += 1
        return counts

    def behind(self, task: Task) -> dict[str, int]:
        """Records that Kafka has beyond what was received, by topic, where that is known.

        Markers of transactions count, but for those at the very end.
        """
        found = {}
        for place in self.places(task.partition):
            end, at = self._consumer.known_end(place), self._positions.get(place)
            if end is not None and at is not None:
                found[place[0]] = max(0, end - at)
        return found

    def look(self) -> None:
        """Now and then: is what isn't paused delivered? Raises CallFailed(STOP) if it never is."""
        self._watch.look(
            {place: at for place, at in self._positions.items() if place not in self._paused}
        )

    def _has_enough(self, place: TopicPartition, records: int) -> bool:
        """What is paused is resumed at half, since a pause throws away what was fetched ahead."""
        most = self._settings.buffered_records_max
        return records > (most // 2 if place in self._paused else most)


def grouped(records: list[InputRecord]) -> Iterator[tuple[TopicPartition, list[InputRecord]]]:
    """Runs of records of one partition, which is how they come."""
    for place, run in groupby(records, key=attrgetter("topic", "partition")):
        yield place, list(run)
