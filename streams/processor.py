"""The dispatcher's loop: one transaction at a time, never a poll inside one.

    poll -> bring the rosters up to date (R5) -> decide on an overlay -> one Kafka transaction
    -> the overlay becomes the state -> apply to Redis -> poll again

While brokers are at work on a transaction, the next one is decided, from what waits, on top of it.
Where nothing waits behind a long one, it is held for one more poll, which brings what is decided
meanwhile. If the transaction fails, or the poll before the next one serves a rebalance of its
partitions, what was decided ahead is dropped.

In: the ports to Kafka and to the store. Out: assignments, decisions, dead letters, changelog.

The rules that hold here (design, section 4; the others in the modules that keep them):

- The truth is the changelog. A partition's state is in memory while it is owned; Redis is written
  after each commit and read only by a restore.
- R4 Group metadata is taken after the poll. If that poll served a rebalance, tasks that are no
  longer owned are gone before anything is decided.
- R6 An aborted transaction is decided again; after one of unknown outcome the producer is replaced
  and every task restored as if newly assigned.
- R12 Callbacks only record; restoring runs in slices between polls, with the partition paused, so
  that the process keeps its membership while the other partitions go on.
- Revoked: what is unflushed goes to Redis for a bounded time, the task is suspended. Lost: the
  task is closed dirty.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from dispatcher.state_records import Record
from dispatcher.store import RestorePoint, StateStore
from streams.broker import (
    ChangelogReader,
    Cluster,
    GroupConsumer,
    Rebalance,
    RebalanceEvent,
    TopicPartition,
)
from streams.deciding import Decider
from streams.draft import Draft, tell
from streams.lifecycle import Life
from streams.observing import UNOBSERVED, Observer
from streams.reception import Reception
from streams.redis_sync import RedisSync, Zombie
from streams.register import Register
from streams.reporting import Parts, Reporter
from streams.restore import Restorer
from streams.settings import Settings
from streams.task import Task
from streams.tracing import Tracing
from streams.transactions import Aborted, OutcomeUnknown, Output, Transactions

OVERLAPPED_RECORDS_MIN: Final = 5_000
"""Of a draft that waits for one more poll, so that there is something to decide while brokers are
at work on it. They are done with fewer before that is worth a turn of the loop."""


class Processor:
    """Owns partitions, and turns their inputs into outputs until it is told to stop."""

    def __init__(
        self,
        settings: Settings,
        *,
        consumer: GroupConsumer,
        transactions: Transactions,
        reader: ChangelogReader,
        register_reader: ChangelogReader,
        cluster: Cluster,
        store: StateStore,
        dead_letter_partitions: int,
        logger: Any,
        observer: Observer = UNOBSERVED,
        tracing: Tracing | None = None,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Takes its ports and clocks; nothing is asked before `turn`."""
        self._settings = settings
        self._consumer = consumer
        self._transactions = transactions
        self._reader = reader
        self._cluster = cluster
        self._log = logger
        self._monotonic = monotonic
        self._wall_ms = wall_ms
        self._sleep = sleep
        self._topics = settings.topics
        self._observer = observer
        self._redis = RedisSync(
            store,
            settings,
            logger=logger,
            observer=observer,
            wall_ms=wall_ms,
            monotonic=monotonic,
        )
        self._restorer = Restorer(
            settings,
            consumer,
            reader,
            cluster,
            store,
            logger=logger,
            observer=observer,
            wall_ms=wall_ms,
            monotonic=monotonic,
        )
        self._register = Register(
            settings,
            store,
            register_reader,
            cluster,
            self._redis_is_another,
            logger=logger,
            wall_ms=wall_ms,
            monotonic=monotonic,
        )
        self._reception = Reception(
            settings,
            consumer,
            cluster,
            self._redis.overdue,
            logger=logger,
            monotonic=monotonic,
        )
        self._decider = Decider(
            settings,
            dead_letter_partitions=dead_letter_partitions,
            tracing=tracing,
            wall_ms=wall_ms,
            monotonic=monotonic,
        )
        self.tasks: dict[int, Task] = {}
        self._suspended: dict[int, Task] = {}
        self._starting: dict[int, Task] = {}
        self._ahead = Draft()
        parts = Parts(
            consumer, transactions, self._restorer, self._reception, self._redis, observer
        )
        self._reporter = Reporter(settings, parts, wall_ms=wall_ms, monotonic=monotonic)
        self.leads_dispatched = 0

    # -- one turn of the loop

    def turn(self) -> None:
        """Poll, restore a slice, decide and commit what is ready, write to Redis.

        Raises InputLost, SlotContested or CallFailed(STOP): then only `close` is left.
        """
        try:
            polled = self._consumer.poll(self._settings.poll_records_max, self._poll_wait_ms())
            self._handle_rebalances(polled.rebalances)
            self._reception.receive(polled, self.tasks)
            # What a former producer of this slot left open is settled by the new one's start.
            if self._producer_is_open():
                self._transactions.attend()
                self._restore_slice()
                self._reception.ask_roster_ends(self.tasks)
                self._register.prepare(self.tasks.values())
                self._dispatch()
                self._reception.look()
            self._flush(self.tasks.values())
            self._reception.balance(self.tasks.values())
            self._reporter.report(self.tasks, self.leads_dispatched)
        except OutcomeUnknown as unknown:
            self._start_over(str(unknown))
        self._observer.turned()

    def close(self) -> None:
        """Stop in good order: Redis flushed for a bounded time, the group left."""
        self._flush_for_a_while(self.tasks.values())
        self._consumer.close()
        self._transactions.close()
        self._reader.close()
        self._register.close()
        self._cluster.close()

    def _poll_wait_ms(self) -> int:
        restoring = self._restorer.busy and not self._restorer.waiting
        if restoring or self._starting or self._reception.busy or self._register.busy:
            return 0
        if self._ahead.tasks:
            return self._transactions.gap_left_ms()
        return 0 if self._has_ready() else self._settings.poll_timeout_ms

    # -- rebalances (R12: what the callbacks recorded)

    def _handle_rebalances(self, events: Iterable[RebalanceEvent]) -> None:
        for event in events:
            self._log.info(f"partitions {event.kind.value}", partitions=sorted(event.partitions))
            self._observer.rebalanced(event.kind)
            if event.kind is Rebalance.ASSIGNED:
                self._assigned(event.partitions)
            elif event.kind is Rebalance.REVOKED:
                self._revoked(event.partitions)
            else:
                self._lost(event.partitions)
        # Now, not when the next transaction begins: one poll may bring a revocation and the
        # assignment after it, and by then a task that was restored from its memory is the same one
        # again, runs, and has nothing decided.
        decided_for = self._ahead.tasks.values()
        if any(task.life is not Life.RUNNING for task in decided_for):
            self._drop_ahead()

    def _assigned(self, partitions: Iterable[int]) -> None:
        for partition in sorted(partitions):
            task = self._suspended.pop(partition, None)
            from_memory = task is not None
            if task is None:
                task = Task(partition)
            task.enter(Life.RESTORING)
            self.tasks[partition] = task
            self._restorer.begin(task, from_memory=from_memory)
        # Whoever did not come back with this assignment belongs to somebody else now.
        for task in self._suspended.values():
            task.enter(Life.CLOSED)
        self._suspended.clear()

    def _revoked(self, partitions: Iterable[int]) -> None:
        leaving = [self.tasks.pop(number) for number in partitions if number in self.tasks]
        self._flush_for_a_while(leaving)
        for task in leaving:
            self._register.drop(task)
        for task in leaving:
            self._leave(task.partition)
            if task.life is Life.RUNNING:
                task.rollback()
                task.enter(Life.SUSPENDED)
                self._suspended[task.partition] = task
            else:
                task.enter(Life.CLOSED)

    def _lost(self, partitions: Iterable[int]) -> None:
        """Close dirty: nothing of these may be written any more."""
        for partition in partitions:
            task = self.tasks.pop(partition, None)
            if task is not None:
                self._register.drop(task)
                self._leave(partition)
                task.enter(Life.CLOSED)
        for task in self._suspended.values():
            task.enter(Life.CLOSED)
        self._suspended.clear()

    def _leave(self, partition: int) -> None:
        self._observer.left(partition)
        self._restorer.drop(partition)
        self._starting.pop(partition, None)
        self._reception.forget(partition)

    def _restart_task(self, partition: int) -> None:
        """Close a task dirty and restore it as if newly assigned."""
        self._register.drop(self.tasks[partition])
        self.tasks[partition].enter(Life.CLOSED)
        self._leave(partition)
        self._reception.stop(partition)
        task = Task(partition)
        task.enter(Life.RESTORING)
        self.tasks[partition] = task
        self._restorer.begin(task)

    def _start_over(self, why: str) -> None:
        """R6: nobody knows what was committed. A new producer, and all tasks from the start."""
        self._log.warning("starting over with a new producer", why=why)
        self._decider.failed()
        for task in self._suspended.values():
            task.enter(Life.CLOSED)
        self._suspended.clear()
        self._ahead = Draft()
        for partition in list(self.tasks):
            self._restart_task(partition)
        self._transactions.close()

    def _producer_is_open(self) -> bool:
        """Try for a producer where there is none; membership is kept by polling meanwhile."""
        if not self._transactions.is_open:
            try:
                self._transactions.open()
            except OutcomeUnknown as failed:
                self._log.warning("no producer yet", why=str(failed))
                self._sleep(0.5)
        return self._transactions.is_open

    # -- restoring

    @property
    def is_restoring(self) -> bool:
        """Whether some partition is being restored."""
        return self._restorer.busy

    def _restore_slice(self) -> None:
        if self._restorer.busy:
            for task in self._restorer.slice():
                self._starting[task.partition] = task
        for partition, task in list(self._starting.items()):
            if self._reception.start(task):
                del self._starting[partition]
                task.enter(Life.RUNNING)

    # -- deciding and committing

    def _may_decide(self, task: Task) -> bool:
        return task.life is Life.RUNNING and not self._redis.overdue(task)

    def _has_ready(self) -> bool:
        """Whether something could be decided at once."""
        now_ms = self._wall_ms()
        return any(task.ready(now_ms) for task in self.tasks.values() if self._may_decide(task))

    def _dispatch(self) -> None:
        if not self._is_current(self._ahead):
            self._drop_ahead()
        gap_ms = self._transactions.gap_left_ms()
        if not self._ahead.tasks:
            self._decide(self._ahead)
            if self._ahead.size >= OVERLAPPED_RECORDS_MIN and not self._has_ready():
                # All that the poll brought. Committed now, the processor would idle meanwhile.
                return
        elif gap_ms:
            # No longer: what waits beyond that is decided while brokers are at work on this.
            self._decide(self._ahead, gap_ms)
        if not self._ahead.tasks or (
            self._transactions.gap_left_ms() and not self._decider.is_full(self._ahead)
        ):
            return
        # R4: as of the poll of this turn; without a real generation nothing would be fenced.
        metadata = self._consumer.group_metadata()
        generation = self._consumer.generation()
        if generation < 0:
            return
        draft, self._ahead = self._ahead, Draft()
        self._commit(draft, metadata, generation)

    def _is_current(self, draft: Draft) -> bool:
        """Whether every task of the draft is still here, and may be decided for."""
        return all(
            self.tasks.get(partition) is task and self._may_decide(task)
            for partition, task in draft.tasks.items()
        )

    def _drop_ahead(self) -> None:
        """Forget what was decided and is in no transaction: it is decided again, or elsewhere."""
        for task in self._ahead.tasks.values():
            task.rollback()
        self._ahead = Draft()

    def _decide(self, draft: Draft, most_ms: int | None = None) -> None:
        """Decide what is ready, for as long as a transaction gathers or for `most_ms`."""
        now_ms = self._wall_ms()
        ready = [
            task for task in self.tasks.values() if self._may_decide(task) and task.ready(now_ms)
        ]
        if ready:
            # Whoever comes first may fill the transaction, so the next one begins with another.
            turn = int(self._monotonic() * 1000) % len(ready)
            self._decider.fill(draft, ready[turn:] + ready[:turn], most_ms)

    def _commit(self, draft: Draft, metadata: bytes, generation: int) -> None:
        """One Kafka transaction for the draft, and the next one decided while brokers work."""
        outputs = draft.outputs()
        records = {}
        offsets: dict[TopicPartition, int] = {}
        for partition, task in draft.tasks.items():
            records[partition], applied, owners = task.begin()
            outputs += _to_a_log(self._topics.changelog, partition, records[partition])
            outputs += _to_a_log(self._topics.register, partition, owners)
            for topic, offset in applied.items():
                offsets[topic, partition] = offset
        try:
            stored = self._transactions.run(
                outputs, offsets, metadata, generation, lambda: self._decide(self._ahead)
            )
        except Aborted:
            self._drop_ahead()
            self._decider.failed()
            for task in draft.tasks.values():
                task.rollback()
            self._sleep(0.02)
            return
        for partition, task in draft.tasks.items():
            if task.in_flight is not None:
                self._observer.changed(partition, task.in_flight.states.values())
            task.commit(
                records[partition],
                stored[self._topics.changelog, partition],
                stored.get((self._topics.register, partition)),
            )
        self._decider.succeeded()
        self.leads_dispatched += draft.leads
        self._observer.committed(draft)
        for traced in draft.traced:
            traced.end()
        for note in draft.notes:
            tell(self._log, note)

    # -- Redis

    def _flush(self, tasks: Iterable[Task]) -> None:
        for task in list(tasks):
            if task.life is Life.RUNNING:
                try:
                    self._redis.flush(task)
                    self._register.flush(task)
                except Zombie as zombie:
                    self._log.error("zombie: closing dirty", why=str(zombie))
                    self._restart_task(task.partition)

    def _redis_is_another(self, task: Task, found: RestorePoint | None) -> None:
        try:
            self._redis.noticed(task, found)
        except Zombie as zombie:
            self._log.error("zombie: closing dirty", why=str(zombie))
            self._restart_task(task.partition)

    def _flush_for_a_while(self, tasks: Iterable[Task]) -> None:
        """Before handing over: what Redis doesn't take in time, the changelog has."""
        deadline = self._monotonic() + self._settings.redis_flush_on_revoke_ms / 1000
        for task in tasks:
            if task.life is Life.RUNNING and self._monotonic() < deadline:
                try:
                    self._redis.flush(task)
                    self._register.flush(task)
                except Zombie as zombie:
                    self._log.error("zombie while handing over", why=str(zombie))


def _to_a_log(topic: str, partition: int, records: list[Record]) -> list[Output]:
    """What the changelog or the register gets; the offset of the last one says where it ends."""
    if not records:
        return []
    *others, last = records
    return [
        *([Output(topic, partition, others)] if others else []),
        Output(topic, partition, [last], reported=True),
    ]
