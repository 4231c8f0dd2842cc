"""A dispatcher process in a run: the real processor on the model's clients."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from streams.broker import CallFailed, InputLost
from streams.processor import Processor
from streams.settings import Settings
from streams.topic_checks import checked_facts
from streams.transactions import OutcomeUnknown, SlotContested, Transactions

from .clients import Calls, SimCluster, SimProducer, SimReader
from .clockwork import Thread
from .consumer import SimConsumer
from .redis import SimStore

if TYPE_CHECKING:
    from .world import World

EPOCH_MS = 1_795_265_997_000
"""What the wall clocks show when a run begins."""


class Process:
    """One `partidor run`, from its start to its end.

    Attributes:
        ended: Why it ended by itself; empty while it runs or when it was killed.
        skew_ms: How far its wall clock is off.
    """

    def __init__(self, world: "World", slot: str) -> None:
        self._world = world
        self.slot = slot
        self.trace = world.trace.of(slot)
        self.ended = ""
        self.stopping = False
        self.skew_ms = 0.0
        self.processor: Processor | None = None
        self._calls_until_death: int | None = None
        self.thread = Thread(world.clockwork, self._run)
        self._pause = self.thread.pause
        self.thread.pause = self._pause_or_die  # type: ignore[method-assign]
        self.thread.start()

    @property
    def alive(self) -> bool:
        """Whether it exists."""
        return self.thread.alive

    def kill(self) -> None:
        """`kill -9`."""
        self.trace.say("killed")
        self.thread.kill()

    def kill_at(self, calls: int) -> None:
        """`kill -9` when it makes its so-many-th call from now on."""
        self._calls_until_death = calls

    def _pause_or_die(self, ms: float, *, wakeable: bool = False) -> None:
        if self._calls_until_death is not None:
            self._calls_until_death -= 1
            if self._calls_until_death < 0:
                self.trace.say("killed at a call")
                self.thread.kill()
        self._pause(ms, wakeable=wakeable)

    def wall_ms(self) -> int:
        """Its wall clock."""
        return int(EPOCH_MS + self._world.clockwork.now_ms + self.skew_ms)

    def _sleep(self, seconds: float) -> None:
        self.thread.pause(seconds * 1000)

    def _monotonic(self) -> float:
        return self.thread.look_ms() / 1000

    def _run(self) -> None:
        """As `streams.bootstrap.run`: connect, turn until told to stop, close."""
        try:
            self.processor = processor = self._wired()
            self.trace.say("started")
            try:
                while not self.stopping:
                    processor.turn()
                    self._world.turned(self)
                self.ended = "stopped"
            finally:
                if self.thread.alive:
                    processor.close()
        except InputLost as lost:
            self.ended = f"input lost: {lost}"
        except SlotContested as contested:
            self.ended = f"slot contested: {contested}"
        except (CallFailed, OutcomeUnknown) as failed:
            self.ended = f"failed: {failed}"
        self.trace.say(f"ended: {self.ended}")
        self.thread.alive = False

    def _wired(self) -> Processor:
        world, settings = self._world, self._world.settings_of(self.slot)
        topics = settings.topics
        calls = Calls(self.thread, world.kafka, world.network)
        cluster = SimCluster(calls, settings.question_timeout_ms, world.topic_config)
        facts = checked_facts(settings, cluster)
        transactions = Transactions(
            self._producer_maker(settings),
            settings,
            logger=self.trace,
            monotonic=self._monotonic,
            sleep=self._sleep,
        )
        transactions.open()
        return Processor(
            settings,
            consumer=SimConsumer(
                calls,
                list(topics.inputs),
                settings.question_timeout_ms,
                settings.max_poll_interval_ms,
            ),
            transactions=transactions,
            reader=SimReader(calls, topics.changelog),
            register_reader=SimReader(calls, topics.register),
            cluster=cluster,
            store=SimStore(self.thread, world.redis, settings.redis_timeout_ms),
            dead_letter_partitions=facts[topics.dead_letters].partition_count,
            logger=self.trace,
            wall_ms=self.wall_ms,
            monotonic=self._monotonic,
            sleep=self._sleep,
        )

    def _producer_maker(self, settings: Settings) -> Callable[[], SimProducer]:
        def make() -> SimProducer:
            calls = Calls(self.thread, self._world.kafka, self._world.network)
            return SimProducer(
                calls, settings.transactional_id, settings.transaction_timeout_ms, self.wall_ms
            )

        return make
