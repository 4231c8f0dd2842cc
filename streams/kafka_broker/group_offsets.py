"""Questions about a group's committed offsets, answered beside the dispatcher's loop.

librdkafka has two ways to ask, and each has a flaw. Its admin client frees a question to a
coordinator that timed out while somebody still holds it, which aborts the process (librdkafka
issue 4605, in 2.16 still). A consumer's `committed` waits as long as a transaction could change
the offsets, and everything else would wait with it. So a consumer asks, in threads of its own.
"""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as Partition

from streams.broker import CallFailed, Remedy, TopicPartition
from streams.settings import Settings

QUESTIONS_AT_ONCE_MAX: Final = 32
"""More wait for a thread; each holds one for `question_timeout_ms` at most."""


class AskedOffsets:
    """See `broker.AskedOffsets`."""

    def __init__(self, future: "Future[list[Partition]]") -> None:
        """The thread's answer, once it is there."""
        self._future = future

    def answer(self, timeout_ms: float) -> dict[TopicPartition, int | None] | None:
        """See `broker.AskedOffsets`."""
        try:
            found = self._future.result(timeout_ms / 1000)
        except TimeoutError:
            return None
        except KafkaException as exception:
            # Whatever it is, it says nothing about offsets: it is asked again (R1).
            raise CallFailed(Remedy.RETRY, str(exception)) from exception
        offsets: dict[TopicPartition, int | None] = {}
        for partition in found:
            if partition.error is not None:
                raise CallFailed(Remedy.RETRY, str(partition.error))
            offset = partition.offset if partition.offset >= 0 else None
            offsets[partition.topic, partition.partition] = offset
        return offsets


class GroupOffsets:
    """Asks for the offsets of the application's group, without being a member."""

    def __init__(self, settings: Settings, *, logger: Any) -> None:
        """Connects with the first question."""
        self._timeout_s = settings.question_timeout_ms / 1000
        self._threads = ThreadPoolExecutor(QUESTIONS_AT_ONCE_MAX, "committed-offsets")
        self._consumer = Consumer(
            {
                **settings.kafka,
                "group.id": settings.application_id,
                "client.id": f"{settings.transactional_id}-offsets",
                # Else offsets that a transaction may still change would be an answer.
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            },
            logger=logger,
        )

    def ask(self, partitions: Sequence[TopicPartition]) -> AskedOffsets:
        """See `broker.GroupConsumer.ask_committed`."""
        asked = [Partition(topic, number) for topic, number in partitions]
        return AskedOffsets(self._threads.submit(self._consumer.committed, asked, self._timeout_s))

    def close(self) -> None:
        """Ask no more. What was asked is waited for: the client may not go before its answers."""
        self._threads.shutdown(cancel_futures=True)
        self._consumer.close()
