"""One Kafka transaction at a time, and what to do when one goes wrong.

In: the outputs of decided events, the input offsets they are applied up to, the group membership.
Out: the offsets at which the changelog records stand, once all of it is committed.

The rules (design, R4 and R6):

- R4 Every transaction commits at least one valid offset for each changelog partition that it
  writes, with a real generation: else the broker has nothing to fence a former owner by.
- R6 An error that requires an abort: abort. A retriable one: the same call again, up to a
  deadline that is longer than the broker lets a transaction live. Any error from commit or abort,
  any fatal error, a call that is stuck beyond the deadline, and a transaction that took over five
  seconds or saw a connection error: the outcome is unknown, or a late copy of a request may still
  be on its way. A late EndTxn would end the next transaction, a late TxnOffsetCommit would put
  older offsets into it. Then the producer is closed and a new one made; its `init_transactions`
  raises the epoch, which fences the stray. The caller restores everything.
- What the brokers have not said they stored is not committed. A broker is named as leader a moment
  before it leads; of several requests on their way it refuses the first and takes the next, if it
  knows nothing of this producer, and librdkafka takes that answer for both. A later request can't
  be taken without the first, so the first record of each partition has to come back with its
  offset, and the last one of the changelog.
- R6 Fenced three times in five minutes: two processes run with one slot. Stop, and name it.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, NoReturn

from streams.broker import (
    UNKNOWN_OFFSET,
    CallFailed,
    Headers,
    KeyValue,
    OnOffset,
    Producer,
    Remedy,
    TopicPartition,
)
from streams.observing import UNOBSERVED, Ending, Observer
from streams.settings import Settings

FENCED_WINDOW_S: Final = 300.0
_QUEUE_FULL_WAIT_MS: Final = 50


class Output(NamedTuple):
    """Records to produce, in order.

    Attributes:
        headers: of each record.
        reported: whether to report the offset at which a record was stored; then it is one.
        timestamp_ms: of each record, milliseconds since the epoch; None for now.
    """

    topic: str
    partition: int
    records: Sequence[KeyValue]
    headers: Headers | None = None
    reported: bool = False
    timestamp_ms: int | None = None


class Aborted(Exception):
    """The transaction was aborted, and nothing of it will ever be visible. Decide it again."""


class OutcomeUnknown(Exception):
    """Nobody can say what became of the transaction: restore every partition of the process."""


class SlotContested(Exception):
    """Two processes fence each other: they run with the same slot."""


class Transactions:
    """The transactional producer of a process, and its replacement."""

    def __init__(
        self,
        make_producer: Callable[[], Producer],
        settings: Settings,
        *,
        logger: Any,
        observer: Observer = UNOBSERVED,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Makes no producer yet: `open` does."""
        self._observer = observer
        self._make_producer = make_producer
        self._settings = settings
        self._log = logger
        self._monotonic = monotonic
        self._sleep = sleep
        self._fenced_at: deque[float] = deque(maxlen=settings.fenced_most)
        self._producer: Producer | None = None
        self._ended_at_s = -math.inf

    @property
    def is_open(self) -> bool:
        """Whether there is a producer to run transactions with."""
        return self._producer is not None

    def gap_left_ms(self) -> int:
        """How long to wait before the next one, for the last one's markers to be written.

        Before that no partition can be added, and librdkafka asks again only after 20 ms.
        """
        gap_s = self._ended_at_s + self._settings.transaction_gap_ms / 1000 - self._monotonic()
        return math.ceil(gap_s * 1000) if gap_s > 0 else 0

    def open(self) -> None:
        """Make a producer and fence whoever had this transactional id before.

        Raises SlotContested, or OutcomeUnknown when it didn't work within the deadline.
        """
        self.close()
        producer = self._make_producer()
        timeout_ms = self._settings.call_timeout_ms
        try:
            self._patiently(lambda: producer.init_transactions(timeout_ms), timeout_ms)
        except CallFailed as failed:
            self._producer = producer
            self._give_up(failed)
        self._producer = producer

    def close(self) -> None:
        """Drop the producer; the broker aborts what it left open."""
        if self._producer is not None:
            self._producer.close()
            self._producer = None

    def run(
        self,
        outputs: Sequence[Output],
        offsets: Mapping[TopicPartition, int],
        metadata: bytes,
        generation: int,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> dict[TopicPartition, int]:
        """Produce and commit all of it, or none.

        Args:
            outputs: in order; those of one partition keep it.
            offsets: of the input partitions, the next ones to process.
            metadata, generation: of the group membership after the last poll.
            meanwhile: what to do while brokers are waited for. It calls nobody.

        Returns: per partition with reported records, the offset behind the last one stored there.

        Raises Aborted, OutcomeUnknown or SlotContested.
        """
        written = {output.partition for output in outputs if output.reported}
        covered = {partition for (_, partition), offset in offsets.items() if offset >= 0}
        if not written <= covered or generation < 0:  # R4
            raise AssertionError(f"R4: {written - covered} unfenced, generation {generation}")
        producer = self._producer
        if producer is None:
            raise AssertionError("no producer: open one first")
        began_s, ending = self._monotonic(), Ending.UNKNOWN
        try:
            ends = self._run(producer, outputs, offsets, metadata, meanwhile)
            ending = Ending.COMMITTED
        except Aborted:
            ending = Ending.ABORTED
            raise
        finally:
            records = sum(len(output.records) for output in outputs)
            self._observer.transaction_ended(ending, self._monotonic() - began_s, records)
        return ends

    def _run(
        self,
        producer: Producer,
        outputs: Sequence[Output],
        offsets: Mapping[TopicPartition, int],
        metadata: bytes,
        meanwhile: Callable[[], None],
    ) -> dict[TopicPartition, int]:
        word = _BrokersWord()
        start = self._start(producer)
        try:
            producer.begin()
            self._produce(producer, outputs, word)
            wait = producer.alongside(partial(self._finish, producer, offsets, metadata, word))
            meanwhile()
            end = wait()
        except _EndUnknown as unknown:
            self._give_up(unknown.failed)
        except CallFailed as failed:
            self._after_failure(producer, failed, start)
        self._be_certain(start, end)
        self._ended_at_s = end.at_s
        return word.ends

    def _finish(
        self,
        producer: Producer,
        offsets: Mapping[TopicPartition, int],
        metadata: bytes,
        word: "_BrokersWord",
    ) -> "_Known":
        """What is left when everything is produced: offsets, flush, commit."""
        settings = self._settings
        # Longer than the broker lets the transaction live would be in vain.
        timeout_ms = min(settings.call_timeout_ms, settings.transaction_timeout_ms)
        self._patiently(
            lambda: producer.send_offsets(offsets, metadata, timeout_ms),
            settings.retry_deadline_ms,
        )
        self._patiently(lambda: producer.flush(timeout_ms), settings.retry_deadline_ms)
        if word.missing:
            detail = f"{word.missing} records of which no broker said that it stored them"
            raise CallFailed(Remedy.REPLACE, detail)
        return self._end(producer, producer.commit)

    def attend(self) -> None:
        """Between transactions: hear what the producer has to say.

        Its client keeps every line about a connection that fails until somebody asks, sorted: in
        an hour without brokers they were so many that keeping them took most of a core.

        Raises OutcomeUnknown or SlotContested when it is of no use any more.
        """
        if self._producer is not None:
            try:
                self._producer.serve(0)
            except CallFailed as failed:
                self._give_up(failed)

    def _start(self, producer: Producer) -> "_Known":
        """What is known now; errors of before are served first, so that they don't count."""
        self.attend()
        return self._known(producer)

    def _known(self, producer: Producer) -> "_Known":
        return _Known(self._monotonic(), producer.connection_errors())

    def _produce(self, producer: Producer, outputs: Sequence[Output], word: "_BrokersWord") -> None:
        """Hand all records to the client; a full queue is waited for, up to the deadline."""
        deadline = self._monotonic() + self._settings.retry_deadline_ms / 1000
        for output in outputs:
            on_offset = word.on(output)
            records = output.records
            while records:
                taken = producer.produce(
                    output.topic,
                    output.partition,
                    records,
                    output.headers,
                    on_offset,
                    output.timestamp_ms,
                )
                records = records[taken:]
                if taken:
                    on_offset = None
                if records:
                    if self._monotonic() > deadline:
                        raise CallFailed(Remedy.RETRY, "the queue stayed full")
                    producer.serve(_QUEUE_FULL_WAIT_MS)

    def _after_failure(self, producer: Producer, failed: CallFailed, start: "_Known") -> NoReturn:
        """Abort where that is enough. Always raises.

        What was retried up to the deadline may be stuck in the client for good, and an abort with
        it: then the producer is replaced, too.
        """
        if failed.remedy is not Remedy.ABORT:
            self._give_up(failed)
        self._log.warning("transaction aborted", why=str(failed))
        try:
            end = self._end(producer, producer.abort)
        except _EndUnknown as unknown:
            self._give_up(unknown.failed)
        self._be_certain(start, end)
        self._ended_at_s = end.at_s
        raise Aborted(str(failed)) from failed

    def _end(self, producer: Producer, call: Callable[[int], None]) -> "_Known":
        """Commit or abort; what is known then. Raises _EndUnknown."""
        try:
            call(self._settings.retry_deadline_ms)
            producer.serve(0)
        except CallFailed as failed:
            raise _EndUnknown(failed) from failed
        return self._known(producer)

    def _be_certain(self, start: "_Known", end: "_Known") -> None:
        """Raises OutcomeUnknown unless the transaction ended cleanly beyond doubt."""
        took_ms = (end.at_s - start.at_s) * 1000
        if took_ms > self._settings.commit_doubt_ms:
            self._give_up(CallFailed(Remedy.REPLACE, f"it took {took_ms:.0f} ms"))
        if end.connection_errors != start.connection_errors:
            self._give_up(CallFailed(Remedy.REPLACE, "a connection broke on the way"))

    def _give_up(self, failed: CallFailed) -> NoReturn:
        """Close the producer: whatever is still on its way will be fenced. Always raises."""
        self.close()
        self._observer.producer_replaced(fenced=failed.remedy is Remedy.FENCED)
        if failed.remedy is Remedy.FENCED:
            now = self._monotonic()
            self._fenced_at.append(now)
            recent = [at for at in self._fenced_at if now - at < FENCED_WINDOW_S]
            if len(recent) >= self._settings.fenced_most:
                raise SlotContested(
                    f"fenced {len(recent)} times within five minutes: another process runs with "
                    f"slot {self._settings.slot!r} of application "
                    f"{self._settings.application_id!r}; give each its own PARTIDOR_SLOT"
                ) from failed
        if failed.remedy is Remedy.STOP:
            raise failed
        raise OutcomeUnknown(str(failed)) from failed

    def _patiently(self, call: Callable[[], None], deadline_ms: int) -> None:
        """Call again while the error says retriable, up to the deadline (R6)."""
        deadline = self._monotonic() + deadline_ms / 1000
        wait_s = 0.02
        while True:
            try:
                return call()
            except CallFailed as failed:
                if failed.remedy is not Remedy.RETRY or self._monotonic() > deadline:
                    raise
                self._sleep(wait_s)
                wait_s = min(2 * wait_s, 1.0)


class _EndUnknown(Exception):
    """A commit or abort failed, so nobody knows whether it was done."""

    def __init__(self, failed: CallFailed) -> None:
        super().__init__(str(failed))
        self.failed = failed


class _Known(NamedTuple):
    """What is known at a moment: the time, and the errors of connections so far."""

    at_s: float
    connection_errors: int


class _BrokersWord:
    """What the brokers say of the records that it matters of.

    Attributes:
        missing: Of how many nothing was heard so far.
        ends: Per partition with reported records, the offset behind the last one stored there.
    """

    def __init__(self) -> None:
        self._places: set[TopicPartition] = set()
        self.missing = 0
        self.ends: dict[TopicPartition, int] = {}

    def on(self, output: Output) -> OnOffset | None:
        """Who is to be told of the first of these records, the next ones to be produced."""
        place = (output.topic, output.partition)
        if place in self._places and not output.reported:
            return None
        self._places.add(place)
        self.missing += 1
        return partial(self._heard, output)

    def _heard(self, output: Output, offset: int) -> None:
        if offset == UNKNOWN_OFFSET:
            return
        self.missing -= 1
        if output.reported:
            self.ends[output.topic, output.partition] = offset + 1
