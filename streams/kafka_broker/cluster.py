"""Questions to the cluster."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import ConfigResource, OffsetSpec, ResourceType

from streams.broker import CallFailed, Remedy, TopicFacts, TopicPartition
from streams.kafka_broker.admin import Admin
from streams.kafka_complaints import allowed_by
from streams.settings import Settings


class KafkaCluster:
    """See `broker.Cluster`.

    Attributes:
        in_vain: why the last question will not be answered the next time either; None if it may.
    """

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Connects with the first question."""
        self.in_vain: str | None = None
        config = {"client.id": settings.transactional_id, **settings.kafka}
        self._admin = Admin(config, settings, logger=logger)

    def _unanswered(
        self, error: Exception | None, why: str, futures: "Iterable[Future[Any]]"
    ) -> CallFailed:
        """A question failed. The next one is asked by a new client."""
        complaints = self._admin.complaints
        cause = error.args[0] if isinstance(error, KafkaException) else None
        self.in_vain = complaints.final or (allowed_by(cause).strip("; ") if cause else "") or None
        why = complaints.why(cause) or why + (allowed_by(cause) if cause else "")
        self._admin.renew(futures)
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
        futures: dict[Partition, Future[Any]] = {}
        try:
            futures = self._admin.client.list_offsets(
                asked, isolation_level=level, request_timeout=self._admin.timeout_s
            )
            found = {
                (partition.topic, partition.partition): self._admin.result(future).offset
                for partition, future in futures.items()
            }
        except KafkaException as exception:
            raise self._unanswered(exception, str(exception), futures.values()) from exception
        except TimeoutError as error:
            raise self._unanswered(error, "no answer about offsets", futures.values()) from error
        # When a connection breaks under the question, librdkafka gives no error but the offset
        # "invalid". Taken for the end of a log, it makes a restore leave the changelog out (R1).
        if any(offset < 0 for offset in found.values()):
            raise self._unanswered(None, "the question about offsets was cut off", futures.values())
        self._admin.was_answered()
        return found

    def topic_facts(self, names: Sequence[str]) -> dict[str, TopicFacts]:
        """See `broker.Cluster`."""
        futures: list[Future[Any]] = []
        try:
            described = self._admin.client.describe_topics(
                TopicCollection(list(names)), request_timeout=self._admin.timeout_s
            )
            futures += described.values()
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
            configs = self._admin.client.describe_configs(
                resources, request_timeout=self._admin.timeout_s
            )
            futures += configs.values()
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
            raise self._unanswered(exception, str(exception), futures) from exception
        except TimeoutError as error:
            raise self._unanswered(error, "no answer about topics", futures) from error
        self._admin.was_answered()
        return facts

    def close(self) -> None:
        """See `broker.Cluster`.

        Clients that live until the interpreter ends may still call its logger then, and crash it.
        """
        del self._admin

    def _answer(self, future: "Future[Any]") -> Any:
        try:
            return self._admin.result(future)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
