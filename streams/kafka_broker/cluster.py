"""Questions to the cluster."""

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicCollection
from confluent_kafka import TopicPartition as Partition
from confluent_kafka.admin import AdminClient, ConfigResource, OffsetSpec, ResourceType

from streams.broker import CallFailed, Remedy, TopicFacts, TopicPartition
from streams.settings import Settings


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

    def close(self) -> None:
        """See `broker.Cluster`.

        Clients that live until the interpreter ends may still call its logger then, and crash it.
        """
        del self._admin

    def _answer(self, future: "Future[Any]") -> Any:
        try:
            return future.result(self._timeout_s)
        except KafkaException as exception:
            if exception.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
                return None
            raise
