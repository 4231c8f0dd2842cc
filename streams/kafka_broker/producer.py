"""The transactional producer."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as Partition

from streams.broker import (
    UNKNOWN_OFFSET,
    CallFailed,
    Headers,
    KeyValue,
    OnOffset,
    Remedy,
    T,
    TopicPartition,
)
from streams.kafka_broker.bounded_calls import BoundedCalls
from streams.kafka_broker.errors import TRY_AGAIN, failure
from streams.kafka_broker.giving_way import made_giving_way
from streams.kafka_complaints import ALLOWED_HINT
from streams.settings import Settings

_AT_ONCE: Final = 500
"""Records handed to the client in one call: the wrapping of more leaves the processor's cache."""


class _ConnectionLog:
    """Counts broken connections by librdkafka's own words, and passes on what isn't debugging.

    librdkafka reports a connection that is reset or closed to `error_cb` only if it is the last
    one, and in the log equal lines are left out for half a minute. At the debugging level of the
    context `broker` each is told, before the request is sent again.
    """

    def __init__(self, logger: Any, *, lowest_level: int) -> None:
        self._logger = logger
        self._lowest_level = lowest_level
        self.failures = 0
        self.refused: str | None = None

    def log(self, level: int, text: str, *arguments: Any) -> None:
        """As `logging.Logger.log`; librdkafka's facility is the first argument."""
        # A bootstrap address gives way to the broker behind it: nothing was on its way there.
        if arguments[:1] == ("FAIL",) and "_DESTROY_BROKER" not in str(arguments[-1]):
            self.failures += 1
        # That a topic may not be written to is told to nobody else before the commit, which isn't
        # tried when records are missing.
        if arguments[:1] == ("TXNERR",) and "AUTHORIZATION_FAILED" in str(arguments[-1]):
            self.refused = str(arguments[-1])
        if level >= self._lowest_level:
            self._logger.log(level, text, *arguments)


class KafkaProducer:
    """See `broker.Producer`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Made for one transactional id; a producer that fails is replaced, never mended."""
        self._calls = BoundedCalls(settings.client_niceness)
        self._connection_errors = 0
        wanted = settings.kafka.get("debug", "")
        lowest_level = logging.DEBUG if wanted else logging.INFO
        self._connections = _ConnectionLog(logger, lowest_level=lowest_level)
        configuration = {
            # What is produced waits for its partition to be added to the transaction anyway.
            "linger.ms": 0,
            "compression.type": "lz4",
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 1_048_576,
            # The broker needs a moment after each commit; asking again soon costs less than
            # waiting the default 100 ms.
            "retry.backoff.ms": 10,
            **settings.kafka,
            "client.id": settings.transactional_id,
            "transactional.id": settings.transactional_id,
            "transaction.timeout.ms": settings.transaction_timeout_ms,
            "message.max.bytes": settings.output_bytes_max,
            "error_cb": self._on_error,
            "debug": f"{wanted},broker" if wanted else "broker",
        }
        self._producer = made_giving_way(
            settings.client_niceness,
            lambda: Producer(configuration, logger=self._connections),
        )

    def _on_error(self, error: KafkaError) -> None:
        self._connection_errors += error.code() in TRY_AGAIN

    def init_transactions(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._bounded_call("init_transactions", timeout_ms)

    def begin(self) -> None:
        """See `broker.Producer`."""
        self._call("begin_transaction")

    def produce(
        self,
        topic: str,
        partition: int,
        records: Sequence[KeyValue],
        headers: Headers | None = None,
        on_offset: OnOffset | None = None,
        timestamp_ms: int | None = None,
    ) -> int:
        """See `broker.Producer`."""
        if headers or timestamp_ms is not None or len(records) == 1:
            return self._produce_each(topic, partition, records, headers, on_offset, timestamp_ms)
        taken = 0
        while taken < len(records):
            some = records[taken : taken + _AT_ONCE]
            messages: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in some]
            if on_offset is not None:
                messages[0]["callback"] = _told(on_offset)
                on_offset = None
            # The partition as an argument: those of the messages are ignored.
            now_taken = self._producer.produce_batch(topic, messages, partition)
            taken += now_taken
            if now_taken < len(some):
                self._raise_what_is_no_full_queue(messages)
                break
        return taken

    def _raise_what_is_no_full_queue(self, messages: Sequence[Mapping[str, Any]]) -> None:
        for message in messages:
            error = message.get("_error")
            if error is not None and error.code() != KafkaError._QUEUE_FULL:
                raise failure(self._reason(KafkaException(error)))

    def _produce_each(
        self,
        topic: str,
        partition: int,
        records: Sequence[KeyValue],
        headers: Headers | None,
        on_offset: OnOffset | None,
        timestamp_ms: int | None,
    ) -> int:
        optional: dict[str, Any] = {}
        if timestamp_ms is not None:
            optional["timestamp"] = timestamp_ms
        if headers:
            optional["headers"] = list(headers)
        for taken, (key, value) in enumerate(records):
            if on_offset is not None:
                optional["on_delivery"] = _told(on_offset)
                on_offset = None
            else:
                optional.pop("on_delivery", None)
            try:  # not `_failures`: this is done for each record
                self._producer.produce(topic, value, key, partition, **optional)
            except BufferError:
                return taken
            except KafkaException as exception:
                raise failure(self._reason(exception)) from exception
        return len(records)

    def _reason(self, refusal: KafkaException) -> KafkaException:
        """Of a fatal error `produce` says only that there was one; who begins is told which."""
        if refusal.args[0].code() == KafkaError._FATAL:
            try:
                self._producer.begin_transaction()
            except KafkaException as reason:
                return reason
        return refusal

    def serve(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        # A fatal error is raised by whichever call serves it.
        self._call("poll", timeout_ms / 1000)

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """See `broker.Producer`."""
        partitions = [Partition(topic, number, at) for (topic, number), at in offsets.items()]
        try:
            self._bounded_call("send_offsets_to_transaction", timeout_ms, partitions, metadata)
        except CallFailed:
            # Where a record was refused before, this only says that there is no transaction.
            self.serve(0)
            self._stop_if_refused()
            raise

    def flush(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        left = self._bounded_call("flush", timeout_ms)
        self._stop_if_refused()
        if left:
            raise CallFailed(Remedy.RETRY, "records are still on their way")

    def _stop_if_refused(self) -> None:
        if self._connections.refused is not None:
            detail = f"{self._connections.refused}{ALLOWED_HINT}"
            raise CallFailed(Remedy.STOP, detail)

    def commit(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._bounded_call("commit_transaction", timeout_ms)

    def abort(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._bounded_call("abort_transaction", timeout_ms)

    def alongside(self, calls: Callable[[], T]) -> Callable[[], T]:
        """See `broker.Producer`."""
        return self._calls.start("finishing a transaction", 0.0, calls)

    def connection_errors(self) -> int:
        """See `broker.Producer`."""
        return self._connection_errors + self._connections.failures

    def close(self) -> None:
        """See `broker.Producer`."""
        # Not librdkafka's close: that would abort and flush, and wait for a broker that is away.
        # What is open is ended by the next producer with this transactional id (R6).
        if not self._calls.is_stuck:
            self._producer.purge()
        self._calls.close()
        del self._producer

    def _bounded_call(self, name: str, timeout_ms: int, *arguments: Any) -> Any:
        timeout_s = timeout_ms / 1000
        with _failures():
            return self._calls.run(name, timeout_s, self._by_name, name, *arguments, timeout_s)

    def _call(self, name: str, *arguments: Any) -> Any:
        with _failures():
            return self._by_name(name, *arguments)

    def _by_name(self, name: str, *arguments: Any) -> Any:
        """Errors keep the frames that they came through, and those must not keep the client: what
        is left of it ends, with its threads and connections, when `close` drops it.
        """
        return getattr(self._producer, name)(*arguments)


def _told(on_offset: OnOffset) -> Callable[[KafkaError | None, Message], None]:
    """A delivery report's way to whoever is to be told."""

    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            offset = message.offset()
            on_offset(UNKNOWN_OFFSET if offset is None else offset)

    return delivered


@contextmanager
def _failures() -> Iterator[None]:
    """What the client raises becomes CallFailed."""
    try:
        yield
    except KafkaException as exception:
        raise failure(exception) from exception
    except SystemError as error:
        # The client has raised a fatal error, and then called our log before it returned.
        if isinstance(error.__cause__, KafkaException):
            raise failure(error.__cause__) from error
        raise
