"""What a principal can do on a secured Kafka, found out by doing it.

In: properties to sign in with, the topics and names of an application that runs nothing else. Out:
for each action whether it was allowed. An error that isn't about authorization is a failure.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from streams.settings import Settings

CALL_S: Final = 15.0
REFUSALS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
STARTING: Final = frozenset(
    {
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
    }
)
_silent = logging.getLogger("tests.privileges")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False
Outcomes = dict[str, bool]
"""Of actions, in words: whether it was allowed."""


def tried(
    properties: Mapping[str, str], settings: Settings, telephony_group: str, own_topic: str
) -> Outcomes:
    """Everything, done once; `own_topic` is one that the principal may read, if there is any."""
    config = {**properties, "log_level": 0, "logger": _silent}
    names = [name for name, _ in settings.topics.table()]
    found = {
        **{f"write {name}": allowed for name, allowed in _written(config, names)},
        **{f"read {name}": allowed for name, allowed in _read(config, names)},
    }
    admin = AdminClient(config)
    groups = (settings.application_id, f"{settings.application_id}-views", telephony_group)
    for group in groups:
        found[f"read as group {group}"] = _commits(admin, group, own_topic)
    of_others = "another-application-0"
    for transactional_id in (f"{settings.application_id}-0", settings.expansion_id, of_others):
        found[f"transactions as {transactional_id}"] = _transacts(config, transactional_id)
    for what, act in _administration(admin, settings, names):
        found[what] = _is_allowed(act)
    return found


def _is_allowed(act: Callable[[], object]) -> bool:
    """A coordinator that is just starting is asked again."""
    deadline = time.monotonic() + CALL_S
    while True:
        try:
            return _once(act)
        except KafkaException as error:
            if error.args[0].code() not in STARTING or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _once(act: Callable[[], object]) -> bool:
    try:
        act()
    except KafkaException as error:
        code = error.args[0].code()
        if code in REFUSALS:
            return False
        # A topic that is there already came so far as to be looked at.
        if code != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    return True


def _written(config: dict[str, Any], names: list[str]) -> Iterator[tuple[str, bool]]:
    errors: dict[str, KafkaError | None] = {}
    # Not idempotent: who may write nothing would be refused that, and no topic would be tried.
    producer = Producer({**config, "acks": "all", "message.timeout.ms": round(1000 * CALL_S)})
    for name in names:

        def told(error: KafkaError | None, message: object, name: str = name) -> None:
            errors[name] = error

        producer.produce(name, b"tried", b"tried", on_delivery=told)
    assert producer.flush(CALL_S) == 0
    for name in names:
        error = errors[name]
        assert error is None or error.code() in REFUSALS, error
        yield name, error is None


def _read(config: dict[str, Any], names: list[str]) -> Iterator[tuple[str, bool]]:
    # One for each topic: a consumer asks about further ones only after a while.
    with ThreadPoolExecutor(len(names)) as pool:
        yield from zip(names, pool.map(lambda name: _is_read(config, name), names), strict=True)


def _is_read(config: dict[str, Any], name: str) -> bool:
    consumer = Consumer(
        {**config, "group.id": "tried", "enable.partition.eof": True, "enable.auto.commit": False}
    )
    deadline = time.monotonic() + CALL_S
    try:
        # Of a topic that it may not even see a consumer says nothing at all.
        seen = consumer.list_topics(name, timeout=CALL_S).topics[name].error
        if seen is not None and seen.code() in REFUSALS:
            return False
        consumer.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
        while time.monotonic() < deadline:
            message = consumer.poll(0.2)
            if message is None or message.topic() is None:
                continue  # of the group, which plays no part here
            error = message.error()
            return error is None or error.code() not in REFUSALS
    finally:
        consumer.close()
    raise AssertionError(f"nothing is heard of {name}")


def _commits(admin: AdminClient, group: str, topic: str) -> bool:
    """What a member does when it has read something."""
    offsets = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0, 0)])

    def commit() -> None:
        (answer,) = admin.alter_consumer_group_offsets([offsets]).values()
        _each(answer.result(CALL_S).topic_partitions)

    return _is_allowed(commit)


def _each(partitions: Any) -> None:
    for partition in partitions:
        if partition.error is not None:
            raise KafkaException(partition.error)


def _transacts(config: dict[str, Any], transactional_id: str) -> bool:
    producer = Producer({**config, "transactional.id": transactional_id})
    return _is_allowed(lambda: producer.init_transactions(CALL_S))


def _administration(
    admin: AdminClient, settings: Settings, names: list[str]
) -> Iterator[tuple[str, Callable[[], object]]]:
    def all_of(futures: Mapping[Any, Any]) -> None:
        for future in futures.values():
            future.result(CALL_S)

    def new(name: str) -> NewTopic:
        return NewTopic(name, num_partitions=1, replication_factor=1)

    topic, group = settings.topics.lead_batches, settings.application_id
    configs = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    change = ConfigResource(
        ResourceType.TOPIC,
        topic,
        incremental_configs=[
            ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    rule = AclBinding(
        ResourceType.TOPIC,
        topic,
        ResourcePatternType.LITERAL,
        "User:somebody",
        "*",
        AclOperation.ALL,
        AclPermissionType.ALLOW,
    )
    yield "create the topics", lambda: all_of(admin.create_topics([new(name) for name in names]))
    yield "create another topic", lambda: all_of(admin.create_topics([new("another")]))
    yield "look at settings of all topics", lambda: all_of(admin.describe_configs(configs))
    yield "change settings of a topic", lambda: all_of(admin.incremental_alter_configs([change]))
    for name in names:
        # Only as far as Kafka says that it would; what follows wants the topics as they are.
        more = [NewPartitions(name, 64)]
        yield (
            f"add partitions to {name}",
            lambda more=more: all_of(admin.create_partitions(more, validate_only=True)),
        )
    yield "delete a topic", lambda: all_of(admin.delete_topics([topic]))
    yield (
        "look at the dispatchers' group",
        lambda: all_of(admin.describe_consumer_groups([group])),
    )
    yield "delete the dispatchers' group", lambda: all_of(admin.delete_consumer_groups([group]))
    yield "allow somebody something", lambda: all_of(admin.create_acls([rule]))
