"""A whole run: servers, dispatchers, traffic, faults; safety after every step, then progress.

A run has two parts. In the first the faults that its seed drew come and go while events pour in.
In the second nothing goes wrong any more, and within `PROGRESS_MS` of virtual time everything that
was sent has to be processed, and everything has to agree.
"""

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

from schemas.partitioning import partition_of
from streams.lifecycle import Life
from streams.settings import Settings
from streams.task import Task
from tests.reference import events

from .checks import Checks, Violation, last_visible
from .clockwork import Clockwork
from .faults import Faults
from .groups import Group
from .kafka import Kafka
from .network import Network
from .processes import EPOCH_MS, Process
from .redis import Redis
from .trace import Trace
from .traffic import Traffic

FAULTS_MS = (4_000.0, 20_000.0)
PROGRESS_MS = 240_000.0
STEPS_MOST = 400_000
CLOSING = "closing"


class Report(NamedTuple):
    """What a run came to."""

    seed: int
    steps: int
    leads: int
    events: int
    faults: Counter[str]
    problem: str
    trace: Trace


def drawn_settings(rng: Random) -> Settings:
    """Settings of the dispatchers that differ from run to run: most bounds are sometimes tight."""
    return Settings(
        application_id="sim",
        slot="0",
        partitions=rng.choice((1, 2, 2, 3)),
        transaction_max_ms=rng.choice((1, 20, 100)),
        transaction_records_max=rng.choice((1, 10, 50, 10_000)),
        transaction_timeout_ms=rng.choice((2_000, 5_000, 10_000)),
        session_timeout_ms=rng.choice((2_000, 6_000)),
        call_timeout_ms=(patience_ms := rng.choice((500, 3_000))),
        question_timeout_ms=patience_ms,
        retry_deadline_ms=rng.choice((4_000, 12_000)),
        commit_doubt_ms=rng.choice((300, 2_000)),
        poll_records_max=rng.choice((1, 5, 500)),
        poll_timeout_ms=400,
        buffered_records_max=rng.choice((1, 4, 2_000)),
        buffered_bytes_max=rng.choice((1_024, 1 << 26)),
        restore_slice_ms=rng.choice((10, 200)),
        restore_slice_records=rng.choice((1, 3, 5_000)),
        redis_timeout_ms=50,
        redis_retry_ms=100,
        redis_records_per_call_max=3,
        redis_unflushed_fields_max=rng.choice((2, 200_000)),
        redis_unflushed_age_max_ms=rng.choice((1_500, 300_000)),
        redis_flush_on_revoke_ms=rng.choice((0, 200)),
        status_interval_ms=3_000,
        # Shorter than settings may be: what takes minutes otherwise.
    ).model_copy(update={"max_poll_interval_ms": rng.choice((3_000, 10_000))})


class World:
    """Everything of one run."""

    def __init__(self, seed: int, base: Settings | None = None) -> None:
        """`base` are the dispatchers' settings; drawn by the seed if not given."""
        self.seed = seed
        self.clockwork = clockwork = Clockwork(seed)
        rng = clockwork.rng
        self.trace = Trace(clockwork)
        self.base = drawn_settings(rng) if base is None else base
        self.partitions = self.base.partitions
        self.topics = self.base.topics
        counts = {
            name: self.partitions if topic.copartitioned else 1
            for name, topic in self.topics.table()
        }
        # Short in some runs: then tombstones go while a rolled back Redis still knows better.
        week_ms = 604_800_000
        self.retention_ms = week_ms if base else rng.choice((week_ms, week_ms, 4_000))
        self.topic_config = {"delete.retention.ms": str(self.retention_ms)}
        group = Group(
            clockwork,
            self.partitions,
            session_timeout_ms=self.base.session_timeout_ms,
            rebalance_timeout_ms=self.base.max_poll_interval_ms,
        )
        self.kafka = Kafka(clockwork, counts, group)
        group.up = lambda: self.kafka.up
        self.network = Network(rng, linger_ms=8.0 if base else rng.choice((8.0, 60.0)))
        self.checks = Checks(self.kafka, self.topics, self.partitions)
        group.went_back = self.checks.offsets_went_back
        self.redis = Redis(
            clockwork,
            rng,
            lambda number: self.checks.redis_changed(self.redis, number),
            self.checks.redis_was_hurt,
        )
        self.traffic = Traffic(clockwork, self.kafka, self.checks, self.topics)
        self.processes: list[Process] = []
        self.faults = Faults(self)
        self.healing = False
        self._closing_sent = False
        self._unflushed: dict[Task, tuple[int, int]] = {}
        self._waiting: dict[Task, tuple[dict[str, int], dict[str, int]]] = {}

    def settings_of(self, slot: str) -> Settings:
        """The settings of a dispatcher."""
        return self.base.model_copy(update={"slot": slot})

    def start(self, slot: str) -> Process:
        """Start a dispatcher."""
        process = Process(self, slot)
        self.processes.append(process)
        return process

    @property
    def living(self) -> list[Process]:
        """The dispatchers that exist."""
        return [process for process in self.processes if process.alive]

    def turned(self, process: Process) -> None:
        """A dispatcher has finished a turn of its loop: is what it keeps within its bounds?"""
        if process.processor is None:
            return
        for task in process.processor.tasks.values():
            self._bound_waiting(task)
            fields, was_at = self._unflushed.get(task, (0, 0))
            now_at = sum(task.applied.values())
            if fields > self.base.redis_unflushed_fields_max and now_at > was_at:
                raise Violation(f"bounds: {fields} fields wait for Redis, and it goes on")
            # A restore may move it forward: it takes over what others did, and decides nothing.
            fields = len(task.redis.unflushed) if task.life is Life.RUNNING else 0
            self._unflushed[task] = (fields, now_at)

    def _bound_waiting(self, task: Task) -> None:
        waiting = {
            self.topics.lead_batches: len(task.waiting),
            self.topics.roster_changes: len(task.changes),
        }
        most = self.base.buffered_records_max + 2 * self.base.poll_records_max
        # What an abort gives back comes on top: two transactions at most, each input with a record.
        with_given_back = most + 2 * (self.base.transaction_records_max + 1)
        was_waiting, was_received = self._waiting.get(task, ({}, {}))
        for topic, records in waiting.items():
            goes_on = was_waiting.get(topic, 0) > most and task.received.get(
                topic, 0
            ) > was_received.get(topic, 0)
            if records > with_given_back or (records > most and goes_on):
                raise Violation(f"bounds: {records} records of {topic} wait, {most}")
        self._waiting[task] = (waiting, dict(task.received))

    # -- the run

    def run(self) -> Report:
        """Both parts. The problem is empty if nothing is wrong."""
        rng = self.clockwork.rng
        problem = ""
        try:
            for number in range(rng.choice((1, 2, 2, 3))):
                self.start(str(number))
            self.traffic.begin(
                rng.choice((20, 60, 120)), rng.choice((1, 3, 5)), rng.choice((30, 150))
            )
            self.faults.begin()
            self.until(lambda: False, rng.uniform(*FAULTS_MS))
            self._heal()
            self.finish()
        except Exception as error:  # noqa: BLE001  # whatever it is, it has a seed and a trace
            problem = f"{type(error).__name__}: {error}"
            self.trace.say(problem)
        finally:
            for process in self.living:
                process.thread.kill()
        return Report(
            self.seed,
            self.clockwork.steps,
            self.checks.leads,
            self.traffic.sent,
            self.faults.inflicted,
            problem,
            self.trace,
        )

    def finish(self) -> None:
        """Wait until everything is processed, and look at all of it. Raises AssertionError."""
        if not self.until(self._is_done, PROGRESS_MS):
            raise Violation(f"no progress: {self._standing()}")
        self.checks.finish(self.redis, EPOCH_MS + self.clockwork.now_ms)

    def until(self, condition: Callable[[], bool], most_ms: float) -> bool:
        """Let things happen until the condition holds; False if it didn't in time."""
        end_ms = self.clockwork.now_ms + most_ms
        look_at = 0
        while self.clockwork.now_ms < end_ms and self.clockwork.steps < STEPS_MOST:
            if not self.clockwork.step():
                return False
            self.checks.step()
            if self.clockwork.steps >= look_at:
                look_at = self.clockwork.steps + 20
                if condition():
                    return True
        return False

    def _heal(self) -> None:
        self.trace.say("--- the faults are over")
        self.healing = True
        self.faults.end()

    def _is_done(self) -> bool:
        if not self.traffic.quiet or not self._is_processed():
            return False
        if not self._closing_sent:
            # What Redis lost is noticed, and made good, with the next thing that is written.
            self._closing_sent = True
            self._send_closing()
            return False
        return self._timers_happened() and self._redis_is_there()

    def _timers_happened(self) -> bool:
        wall_ms = EPOCH_MS + self.clockwork.now_ms
        return not any(
            task.timers and task.timers[0][0] <= wall_ms
            for process in self.living
            if process.processor is not None
            for task in process.processor.tasks.values()
        )

    def _send_closing(self) -> None:
        missing = set(range(self.partitions))
        number = 0
        while missing:
            channel = f"{CLOSING}-{number}"
            number += 1
            partition = partition_of(channel.encode(), self.partitions)
            if partition in missing:
                missing.discard(partition)
                self.traffic.send(events.roster("r", {"A": "1", "B": "2"}, channel), plain=True)
                self.traffic.send(events.lead_batch("b", 3, channel), plain=True)

    def _is_processed(self) -> bool:
        """As the changelog says: offsets of the group that were lost come with the next event."""
        return self.kafka.settled and all(
            self.checks.applied.get(place, 0) >= last_visible(log)
            for place, log in self.kafka.logs.items()
            if place[0] in self.topics.inputs
        )

    def _redis_is_there(self) -> bool:
        """Whether nothing is unflushed: every restore point stands behind the last record."""
        for number in range(self.partitions):
            log = self.kafka.logs[self.topics.changelog, number]
            point = self.redis.store.restore_point(number)
            if last_visible(log) and (point is None or point.next_offset < last_visible(log)):
                return False
        return True

    def _standing(self) -> str:
        group = self.kafka.group
        behind = {
            f"{place[0]}-{place[1]}": f"{self.checks.applied.get(place, 0)} of {last_visible(log)}"
            for place, log in self.kafka.logs.items()
            if place[0] in self.topics.inputs
        }
        living = {
            process.slot: sorted(
                (number, task.life.value)
                for number, task in (process.processor.tasks if process.processor else {}).items()
            )
            for process in self.living
        }
        points = [self.redis.store.restore_point(number) for number in range(self.partitions)]
        return (
            f"applied {behind}, dispatchers {living}, members {sorted(group.members)}, open "
            f"{not self.kafka.settled}, traffic quiet {self.traffic.quiet}, Redis "
            f"{[point.next_offset if point else None for point in points]}"
        )


def run(seed: int) -> Report:
    """A run by its seed."""
    return World(seed).run()
