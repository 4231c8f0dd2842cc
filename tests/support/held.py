"""A dispatcher inside the tests, held at a chosen call to its transactional producer.

It is wired as `streams.bootstrap` does it, from the same parts; only its producer stops on the
way. So what another dispatcher finds meanwhile, and what becomes of the call afterwards, can be
seen without hoping for the right moment to kill a process.
"""

import logging
import threading
from collections.abc import Mapping

import structlog

from dispatcher.redis_store import RedisStore
from streams.broker import CallFailed, TopicPartition
from streams.kafka_broker import (
    KafkaChangelogReader,
    KafkaCluster,
    KafkaGroupConsumer,
    KafkaProducer,
)
from streams.processor import Processor
from streams.settings import Settings
from streams.transactions import Transactions

HOLD_S = 60.0
_client_log = logging.getLogger("tests.librdkafka")


class Dead(BaseException):
    """The dispatcher ends here, as if the process had been killed; nothing catches it."""


class Hold:
    """Where a dispatcher is held, and what it is to do then.

    Attributes:
        call: "send_offsets" or "commit".
        reached: Set when it stands there.
        failure: What the call raised, if it was let go and failed.
    """

    def __init__(self, call: str) -> None:
        self.call = call
        self.reached = threading.Event()
        self.failure: CallFailed | None = None
        self._released = threading.Event()
        self._dies = False

    def let_go(self) -> None:
        """Make the call; then the dispatcher ends."""
        self._released.set()

    def die(self) -> None:
        """End without making the call."""
        self._dies = True
        self._released.set()

    def pass_through(self, call: str) -> bool:
        """Wait here if this is the call. Returns whether it was."""
        if call != self.call:
            return False
        self.reached.set()
        assert self._released.wait(HOLD_S), "held for too long"
        if self._dies:
            raise Dead
        return True


class _HeldProducer(KafkaProducer):
    """The real producer, with a stop on the way."""

    def __init__(self, settings: Settings, hold: Hold) -> None:
        super().__init__(settings, logger=_client_log)
        self._hold = hold

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """See `broker.Producer`."""
        held = self._pass_through("send_offsets")
        try:
            super().send_offsets(offsets, metadata, timeout_ms)
        except CallFailed as failed:
            if held:
                self._hold.failure = failed
            raise

    def _pass_through(self, call: str) -> bool:
        # So long a stand doesn't count as a call that is stuck.
        return self._calls.run("held", HOLD_S, self._hold.pass_through, call)

    def commit(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        held = self._pass_through("commit")
        super().commit(timeout_ms)
        if held:
            raise Dead


class HeldDispatcher:
    """Runs in a thread of its own until it dies; `hold` says where it stops first."""

    def __init__(self, settings: Settings, hold: Hold) -> None:
        """Starts at once."""
        self.hold = hold
        self.consumer = KafkaGroupConsumer(settings, logger=_client_log)
        self.transactions = Transactions(
            lambda: _HeldProducer(settings, hold), settings, logger=structlog.get_logger()
        )
        self.reader = KafkaChangelogReader(settings, settings.topics.changelog, logger=_client_log)
        self.register_reader = KafkaChangelogReader(
            settings, settings.topics.register, logger=_client_log
        )
        self._processor = Processor(
            settings,
            consumer=self.consumer,
            transactions=self.transactions,
            reader=self.reader,
            register_reader=self.register_reader,
            cluster=KafkaCluster(settings, logger=_client_log),
            store=RedisStore(
                settings.redis_url.get_secret_value(),
                settings.application_id,
                settings.topics.lead_batches,
                settings.redis_timeout_ms,
            ),
            dead_letter_partitions=settings.partitions,
            logger=structlog.get_logger(),
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            # A call that is let go and refused is the last thing it does.
            while self.hold.failure is None:
                self._processor.turn()
        except Dead:
            pass

    def wait_until_held(self, timeout_s: float = 90.0) -> None:
        """Wait until it stands at the chosen call."""
        assert self.hold.reached.wait(timeout_s), "the dispatcher never came to the call"

    def leave_the_group(self) -> None:
        """Its partitions become free while it stands still."""
        self.consumer.close()

    def wait_until_dead(self, timeout_s: float = 90.0) -> None:
        """Wait for the end of its thread, and drop what is left of it without another word."""
        self._thread.join(timeout_s)
        assert not self._thread.is_alive(), "the dispatcher doesn't end"
        self.transactions.close()
        self.reader.close()
        self.register_reader.close()
