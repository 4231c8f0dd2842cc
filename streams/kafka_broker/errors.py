"""How librdkafka's errors are read (R6).

librdkafka marks what may be retried and what requires an abort; a fatal error ends the producer.
`_FENCED` comes for a rival and for a transaction that merely timed out alike. Anything that is
none of these leaves the outcome unknown.
"""

from typing import Final, cast

from confluent_kafka import KafkaError, KafkaException

from streams.broker import CallFailed, Remedy
from streams.kafka_complaints import allowed_by

FENCED: Final = frozenset(
    {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}
)
OFFSET_GONE: Final = frozenset(
    {
        KafkaError.OFFSET_OUT_OF_RANGE,
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError._NO_OFFSET,
    }
)
NOT_READY: Final = frozenset({KafkaError._STATE, KafkaError._IN_PROGRESS})
TRY_AGAIN: Final = frozenset(
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
    detail = f"{error.name()}: {error.str()}{allowed_by(error)}"
    if allowed_by(error):
        # Until somebody changes the ACLs all of it would be decided again and again for nothing.
        return CallFailed(Remedy.STOP, detail)
    if error.code() in FENCED:
        return CallFailed(Remedy.FENCED, detail)
    if error.fatal():
        return CallFailed(Remedy.REPLACE, detail)
    if error.txn_requires_abort():
        return CallFailed(Remedy.ABORT, detail)
    if error.retriable() or error.code() in TRY_AGAIN:
        return CallFailed(Remedy.RETRY, detail)
    return CallFailed(Remedy.REPLACE, detail)
