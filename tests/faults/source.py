"""A lead source that writes its events in transactions, and commits only some of them."""

import time

from confluent_kafka import KafkaException, Producer

from schemas.partitioning import partition_of
from tests.support.installation import Installation
from tests.support.publisher import encoded
from tests.support.records import Json

TIMEOUT_S = 3.0
SETTLED_S = 60.0


class Source:
    """One transactional producer, replaced when it fails."""

    def __init__(self, installation: Installation) -> None:
        """Connects with the first transaction."""
        self._installation = installation
        self.partitions = installation.partitions
        self._producer: Producer | None = None
        self._used = False

    def write(self, events: list[Json], *, commit: bool) -> None:
        """All of them, or none. Raises KafkaException; then the broker aborts it."""
        self._used = True
        producer, self._producer = self._producer or self._opened(), None
        try:
            producer.begin_transaction()
            for event in events:
                key = event["channel"].encode()
                partition = partition_of(key, self.partitions)
                producer.produce(
                    self._installation.publisher.topic_of(event), encoded(event), key, partition
                )
            producer.flush(TIMEOUT_S)
            if commit:
                producer.commit_transaction(TIMEOUT_S)
            else:
                producer.abort_transaction(TIMEOUT_S)
        except KafkaException:
            producer.purge()  # else it would wait for what it can't send
            raise
        self._producer = producer  # one that failed isn't used again

    def use_partitions(self, partitions: int) -> None:
        """The topics have so many now: the next producer finds them."""
        self.partitions = partitions
        self._producer = None

    def _opened(self) -> Producer:
        """A transactional producer that is ready; what another left open is aborted."""
        producer = Producer(
            {
                "bootstrap.servers": self._installation.bootstrap_servers,
                "transactional.id": f"{self._installation.topics.prefix}source",
                "transaction.timeout.ms": int(TIMEOUT_S * 1000),
                "metadata.recovery.strategy": "none",
                "log_level": 0,
            }
        )
        producer.init_transactions(TIMEOUT_S)
        return producer

    def settle(self) -> None:
        """Nothing of the source's is open or under way any more: no marker comes later."""
        deadline = time.monotonic() + SETTLED_S
        while self._used:
            try:
                self._producer = self._opened()
            except KafkaException:
                assert time.monotonic() < deadline, "the source's transactions don't end"
            else:
                return
