"""The member of the consumer group that reads the input topics."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
)
from confluent_kafka import TopicPartition as Partition

from streams.broker import (
    CallFailed,
    InputLost,
    InputRecord,
    Polled,
    Rebalance,
    RebalanceEvent,
    Remedy,
    TopicPartition,
)
from streams.kafka_broker.errors import NOT_READY, OFFSET_GONE, failure
from streams.kafka_broker.giving_way import made_giving_way
from streams.kafka_broker.group_offsets import AskedOffsets, GroupOffsets
from streams.kafka_complaints import allowed_by
from streams.settings import Settings

_GENERATION_AT: Final = slice(7, 11)
"""librdkafka's opaque group metadata: `CGMDv2:`, then the generation, int32 little-endian."""


class KafkaGroupConsumer:
    """See `broker.GroupConsumer`."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Joins the group at once, in the background; poll before long, or the others wait."""
        self._log = logger
        self._topics = list(settings.topics.inputs)
        self._rebalances: list[RebalanceEvent] = []
        self._started: set[TopicPartition] = set()
        configuration = {
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
        }
        self._consumer = made_giving_way(
            settings.client_niceness, lambda: Consumer(configuration, logger=logger)
        )
        self._offsets = GroupOffsets(settings, logger=logger)
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
        # R3: a task owns the partitions with one number of all topics. `range` gives them to the
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
        elif error.code() in OFFSET_GONE:
            if at in self._started:
                raise InputLost(
                    f"{at[0]} partition {at[1]} offset {message.offset()}: {error.str()}; input "
                    "was deleted before it was processed, or the topic was replaced"
                )
        elif error.fatal() or error.code() == KafkaError._FATAL or allowed_by(error):
            raise CallFailed(
                Remedy.STOP, f"{error.name()}: {error.str().rstrip('.')}{allowed_by(error)}"
            )
        else:
            self._log.warning("consumer: %s: %s", error.name(), error.str())

    def ask_committed(self, partitions: Sequence[TopicPartition]) -> AskedOffsets:
        """See `broker.GroupConsumer`."""
        return self._offsets.ask(partitions)

    def start_from(self, positions: Mapping[TopicPartition, int]) -> bool:
        """See `broker.GroupConsumer`."""
        try:
            for (topic, number), offset in positions.items():
                self._consumer.seek(Partition(topic, number, offset))
            self._consumer.resume([Partition(topic, number) for topic, number in positions])
        except KafkaException as exception:
            if exception.args[0].code() in NOT_READY:
                return False
            raise failure(exception) from exception
        self._started.update(positions)
        return True

    def known_end(self, place: TopicPartition) -> int | None:
        """See `broker.GroupConsumer`."""
        try:
            _, end = self._consumer.get_watermark_offsets(Partition(*place), cached=True)
        except KafkaException:
            return None
        return end if end >= 0 else None

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
        self._offsets.close()


def _input_record(message: Any) -> InputRecord:
    # Any: what a message without an error has is there.
    return InputRecord(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        message.headers() or (),
    )
