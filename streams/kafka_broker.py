"""Kafka through librdkafka: the adapters of the ports in `broker`.

How errors are read (R6): librdkafka marks what may be retried and what requires an abort; a fatal
error ends the producer. `_FENCED` comes for a rival and for a transaction that merely timed out
alike. Anything that is none of these leaves the outcome unknown.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
)
from confluent_kafka import Producer as LibrdkafkaProducer
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    OffsetSpec,
    ResourceType,
)

from streams.broker import (
    CallFailed,
    ChangelogRecord,
    Headers,
    InputLost,
    InputRecord,
    OnOffset,
    Polled,
    Rebalance,
    RebalanceEvent,
    Remedy,
    TopicFacts,
    TopicPartition,
)
from streams.settings import Settings

_GENERATION_AT: Final = slice(7, 11)
"""librdkafka's opaque group metadata: `CGMDv2:`, then the generation, int32 little-endian."""

_FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}
)
_OFFSET_GONE: Final = frozenset(
    {
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError._NO_OFFSET,
    }
)
_NOT_READY: Final = frozenset({KafkaError._STATE, KafkaError._IN_PROGRESS})
_TRY_AGAIN: Final = frozenset(
    {
        KafkaError._TIMED_OUT,
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._WAIT_COORD,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._RETRY,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.NETWORK_EXCEPTION,
    }
)


def failure(exception: KafkaException) -> CallFailed:
    """Read librdkafka's error."""
    error = cast("KafkaError", exception.args[0])
    detail = f"{error.name()}: {error.str()}"
    if error.code() in _FENCED:
        return CallFailed(Remedy.FENCED, detail)
    if error.fatal():
        return CallFailed(Remedy.REPLACE, detail)
    if error.txn_requires_abort():
        return CallFailed(Remedy.ABORT, detail)
    if error.retriable() or error.code() in _TRY_AGAIN:
        return CallFailed(Remedy.RETRY, detail)
    return CallFailed(Remedy.REPLACE, detail)


class KafkaGroupConsumer:
    """See `broker.GroupConsumer`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Joins the group with the first poll."""
        self._settings = settings
        self._log = logger
        self._timeout_s = settings.call_timeout_ms / 1000
        self._topics = [settings.topics.lead_batches, settings.topics.roster_changes]
        self._rebalances: list[RebalanceEvent] = []
        self._started: set[TopicPartition] = set()
        self._consumer = Consumer(
            {
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 5,
                "queued.max.messages.kbytes": 32 * 1024,
                "fetch.message.max.bytes": settings.output_bytes_max,
                **settings.kafka,
                "group.id": settings.application_id,
                "client.id": settings.transactional_id,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "partition.assignment.strategy": "range",
                "session.timeout.ms": settings.session_timeout_ms,
                "max.poll.interval.ms": settings.max_poll_interval_ms,
            },
            logger=logger,
        )
        self._admin = AdminClient(
            {**settings.kafka, "client.id": settings.transactional_id}, logger=logger
        )
        self._consumer.subscribe(
            self._topics,
            on_assign=self._on_assign,
            on_revoke=self._on_revoke,
            on_lost=self._on_lost,
        )

    # Callbacks only record (R12); they run inside poll.

    def _on_assign(self, consumer: Consumer, partitions: list[Partition]) -> None:
        for partition in partitions:
            partition.offset = OFFSET_BEGINNING  # never fetched from: paused until `start_from`
        consumer.assign(partitions)
        consumer.pause(partitions)
        self._started.clear()
        self._record(Rebalance.ASSIGNED, partitions)

    def _on_revoke(self, consumer: Consumer, partitions: list[Partition]) -> None:
        del consumer
        self._started.clear()
        self._record(Rebalance.REVOKED, partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[Partition]) -> None:
        del consumer
        self._started.clear()
        self._record(Rebalance.LOST, partitions)

    def _record(self, kind: Rebalance, partitions: list[Partition]) -> None:
        # R3: a task owns the partitions with one number of both topics. `range` gives both to the
        # same member as long as their counts are equal, which is checked at start and restore.
        numbers = frozenset(partition.partition for partition in partitions)
        self._rebalances.append(RebalanceEvent(kind, numbers))

    def poll(self, records_max: int, timeout_ms: int) -> Polled:
        """See `broker.GroupConsumer`."""
        polled = Polled([], [], [])
        messages = self._consumer.consume(1, timeout_ms / 1000)
        if messages or self._rebalances:
            messages += self._consumer.consume(records_max, 0)
        for message in messages:
            error = message.error()
            if error is not None:
                self._take_error(message, error, polled)
            else:
                polled.records.append(_input_record(message))
        polled.rebalances.extend(self._rebalances)
        self._rebalances.clear()
        return polled

    def _take_error(self, message: Message, error: KafkaError, polled: Polled) -> None:
        at = (cast("str", message.topic()), cast("int", message.partition()))
        if error.code() == KafkaError._PARTITION_EOF:
            polled.ends.append((*at, cast("int", message.offset())))
        elif error.code() in _OFFSET_GONE:
            if at in self._started:
                raise InputLost(
                    f"{at[0]} partition {at[1]} offset {message.offset()}: {error.str()}; input "
                    "was deleted before it was processed, or the topic was replaced"
                )
        elif error.fatal():
            raise CallFailed(Remedy.STOP, f"{error.name()}: {error.str()}")
        else:
            self._log.warning("consumer: %s: %s", error.name(), error.str())

    def committed(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """See `broker.GroupConsumer`.

        Asked by an admin client: the consumer's own call would wait here while a transaction is
        open, and keep all other partitions waiting with it.
        """
        asked = ConsumerGroupTopicPartitions(
            self._settings.application_id,
            [Partition(topic, number) for topic, number in partitions],
        )
        try:
            futures = self._admin.list_consumer_group_offsets(
                [asked], require_stable=True, request_timeout=self._timeout_s
            )
            (future,) = futures.values()
            found = future.result(self._timeout_s).topic_partitions
        except KafkaException as exception:
            raise failure(exception) from exception
        except TimeoutError as error:
            raise CallFailed(Remedy.RETRY, "no answer about committed offsets") from error
        offsets: dict[TopicPartition, int | None] = {}
        for partition in found:
            if partition.error is not None:
                raise failure(KafkaException(partition.error))
            offset = partition.offset if partition.offset >= 0 else None
            offsets[partition.topic, partition.partition] = offset
        return offsets

    def start_from(self, positions: Mapping[TopicPartition, int]) -> bool:
        """See `broker.GroupConsumer`."""
        try:
            for (topic, number), offset in positions.items():
                self._consumer.seek(Partition(topic, number, offset))
            self._consumer.resume([Partition(topic, number) for topic, number in positions])
        except KafkaException as exception:
            if exception.args[0].code() in _NOT_READY:
                return False
            raise failure(exception) from exception
        self._started.update(positions)
        return True

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """See `broker.GroupConsumer`."""
        self._consumer.pause([Partition(topic, number) for topic, number in partitions])

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """See `broker.GroupConsumer`."""
        self._consumer.resume([Partition(topic, number) for topic, number in partitions])

    def group_metadata(self) -> bytes:
        """See `broker.GroupConsumer`."""
        return bytes(cast("bytes", self._consumer.consumer_group_metadata()))

    def generation(self) -> int:
        """See `broker.GroupConsumer`."""
        return int.from_bytes(self.group_metadata()[_GENERATION_AT], "little", signed=True)

    def close(self) -> None:
        """See `broker.GroupConsumer`."""
        self._consumer.close()


def _input_record(message: Message) -> InputRecord:
    return InputRecord(
        cast("str", message.topic()),
        cast("int", message.partition()),
        cast("int", message.offset()),
        message.timestamp()[1],
        message.key(),
        message.value(),
        cast("Headers", message.headers() or ()),
    )


class KafkaProducer:
    """See `broker.Producer`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Made for one transactional id; a producer that fails is replaced, never mended."""
        self._connection_errors = 0
        self._producer = LibrdkafkaProducer(
            {
                "linger.ms": 5,
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
            },
            logger=logger,
        )

    def _on_error(self, error: KafkaError) -> None:
        self._connection_errors += error.code() in _TRY_AGAIN

    def init_transactions(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._call(self._producer.init_transactions, timeout_ms / 1000)

    def begin(self) -> None:
        """See `broker.Producer`."""
        self._call(self._producer.begin_transaction)

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        on_offset: OnOffset | None = None,
    ) -> None:
        """See `broker.Producer`."""
        optional: dict[str, Any] = {}
        if headers:
            optional["headers"] = list(headers)
        if on_offset is not None:

            def delivered(error: KafkaError | None, message: Message) -> None:
                if error is None:
                    on_offset(cast("int", message.offset()))

            optional["on_delivery"] = delivered
        try:
            self._producer.produce(topic, value, key, partition, **optional)
        except BufferError as error:
            raise CallFailed(Remedy.RETRY, str(error)) from error
        except KafkaException as exception:
            raise failure(exception) from exception

    def serve(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._producer.poll(timeout_ms / 1000)

    def send_offsets(
        self, offsets: Mapping[TopicPartition, int], metadata: bytes, timeout_ms: int
    ) -> None:
        """See `broker.Producer`."""
        partitions = [Partition(topic, number, at) for (topic, number), at in offsets.items()]
        self._call(
            self._producer.send_offsets_to_transaction, partitions, metadata, timeout_ms / 1000
        )

    def commit(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._call(self._producer.commit_transaction, timeout_ms / 1000)

    def abort(self, timeout_ms: int) -> None:
        """See `broker.Producer`."""
        self._call(self._producer.abort_transaction, timeout_ms / 1000)

    def connection_errors(self) -> int:
        """See `broker.Producer`."""
        return self._connection_errors

    def close(self) -> None:
        """See `broker.Producer`."""
        # Not librdkafka's close: that would abort and flush, and wait for a broker that is away.
        # What is open is ended by the next producer with this transactional id (R6).
        self._producer.purge()
        del self._producer

    def _call(self, function: Any, *arguments: Any) -> None:
        try:
            function(*arguments)
        except KafkaException as exception:
            raise failure(exception) from exception


class KafkaChangelogReader:
    """See `broker.ChangelogReader`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Connects with the first partition."""
        self._topic = settings.topics.changelog
        self._log = logger
        self._ends: dict[int, int] = {}
        self._consumer = Consumer(
            {
                "fetch.wait.max.ms": 100,
                "fetch.queue.backoff.ms": 5,
                "fetch.message.max.bytes": settings.output_bytes_max,
                **settings.kafka,
                "group.id": f"{settings.application_id}-restore",  # asked for; never joined
                "client.id": f"{settings.transactional_id}-restore",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
            },
            logger=logger,
        )

    def start(self, partition: int, offset: int) -> None:
        """See `broker.ChangelogReader`."""
        self._ends.pop(partition, None)
        self._consumer.incremental_assign([Partition(self._topic, partition, offset)])

    def stop(self, partition: int) -> None:
        """See `broker.ChangelogReader`."""
        self._consumer.incremental_unassign([Partition(self._topic, partition)])

    def read(self, records_max: int, timeout_ms: int) -> list[ChangelogRecord]:
        """See `broker.ChangelogReader`."""
        records = []
        for message in self._consumer.consume(records_max, timeout_ms / 1000):
            error = message.error()
            partition = cast("int", message.partition())
            offset = cast("int", message.offset())
            if error is None:
                key = cast("bytes", message.key())
                value = message.value()
                records.append(ChangelogRecord(partition, offset, key, value))
                self._ends[partition] = offset + 1
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ends[partition] = offset
            else:
                self._log.warning("changelog: %s: %s", error.name(), error.str())
        return records

    def position(self, partition: int) -> int | None:
        """See `broker.ChangelogReader`; the end that was reached counts markers too."""
        return self._ends.get(partition)

    def close(self) -> None:
        """See `broker.ChangelogReader`."""
        self._consumer.close()


class KafkaCluster:
    """See `broker.Cluster`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Connects with the first question."""
        self._settings = settings
        self._logger = logger
        self._timeout_s = settings.call_timeout_ms / 1000
        self._connect()

    def _connect(self) -> None:
        self._admin = AdminClient(
            {"client.id": self._settings.transactional_id, **self._settings.kafka},
            logger=self._logger,
        )

    def _unanswered(self, why: str) -> CallFailed:
        """A question failed. The next one is asked by a new client.

        librdkafka's admin client goes on with the leader epochs that it knew: after a broker was
        restarted every question about offsets would be refused (FENCED_LEADER_EPOCH) until its
        metadata is refreshed, five minutes later.
        """
        self._connect()
        return CallFailed(Remedy.RETRY, why)

    def end_offsets(
        self, partitions: Sequence[TopicPartition], *, read_committed: bool
    ) -> dict[TopicPartition, int]:
        """See `broker.Cluster`."""
        level = IsolationLevel.READ_COMMITTED if read_committed else IsolationLevel.READ_UNCOMMITTED
        return self._offsets(partitions, OffsetSpec.latest(), level)

    def start_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """See `broker.Cluster`."""
        return self._offsets(partitions, OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED)

    def _offsets(
        self, partitions: Sequence[TopicPartition], spec: OffsetSpec, level: IsolationLevel
    ) -> dict[TopicPartition, int]:
        asked = {Partition(topic, number): spec for topic, number in partitions}
        try:
            futures = self._admin.list_offsets(
                asked, isolation_level=level, request_timeout=self._timeout_s
            )
            return {
                (partition.topic, partition.partition): future.result(self._timeout_s).offset
                for partition, future in futures.items()
            }
        except KafkaException as exception:
            raise self._unanswered(str(exception)) from exception
        except TimeoutError as error:
            raise self._unanswered("no answer about offsets") from error

    def topic_facts(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """See `broker.Cluster`."""
        try:
            described = self._admin.describe_topics(
                TopicCollection(list(names)), request_timeout=self._timeout_s
            )
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
            configs = self._admin.describe_configs(resources, request_timeout=self._timeout_s)
            settings_of = {resource.name: future for resource, future in configs.items()}
            facts = {}
            for name, future in described.items():
                found = self._answer(future)
                if found is not None:
                    config = self._answer(settings_of[name]) or {}
                    facts[name] = TopicFacts(
                        str(found.topic_id),
                        len(found.partitions),
                        {key: str(entry.value) for key, entry in config.items()},
                    )
        except KafkaException as exception:
            raise self._unanswered(str(exception)) from exception
        except TimeoutError as error:
            raise self._unanswered("no answer about topics") from error
        return facts

    def _answer(self, future: "Future[Any]") -> Any:
        try:
            return future.result(self._timeout_s)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
