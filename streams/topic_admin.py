"""Topics as the table in `schemas.topics` says: creating them, and finding what differs.

In: an admin client and the settings. Out: topics on the cluster; a list of differences.
"""

import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
    TopicDescription,
)

from schemas.topics import Topic
from streams.failure import Failed
from streams.kafka_clients import answer, answers, described, end_offsets, partition_counts, problem
from streams.settings import Settings

LEADER_POLL_SECONDS = 0.05


class Difference(NamedTuple):
    """One thing in which the cluster is not what the table and the settings say.

    Attributes:
        subject: a topic, or "brokers".
        setting: Kafka's own word, or `topic`, `partitions`, `replication.factor`.
    """

    subject: str
    setting: str
    expected: str
    found: str


def wanted_config(topic: Topic, settings: Settings) -> dict[str, str]:
    """A topic's settings in Kafka's own words."""
    config = topic.config(settings.output_bytes_max)
    config["min.insync.replicas"] = str(settings.min_insync_replicas)
    return config


def ensure_topics(admin: AdminClient, settings: Settings) -> list[str]:
    """Create the topics that aren't there, and wait until they take records.

    Those that are there stay as they are. Returns: the names of the created topics, in the order
    of the table. Raises Failed.
    """
    existing = described(admin, settings, [name for name, _ in settings.topics.table()])
    new_topics = [
        NewTopic(
            name,
            num_partitions=settings.partitions,
            replication_factor=settings.replication_factor,
            config=wanted_config(topic, settings),
        )
        for name, topic in settings.topics.table()
        if name not in existing
    ]
    if not new_topics:
        return []
    seconds = settings.call_timeout_ms / 1000
    futures = admin.create_topics(new_topics, operation_timeout=seconds, request_timeout=seconds)
    created = []
    for name, future in futures.items():
        try:
            future.result(timeout=seconds + 1)
        except KafkaException as error:
            # Somebody else was faster, which is as good.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise problem(settings, f"can't create {name}", error.args[0]) from None
        except TimeoutError:
            raise problem(settings, f"can't create {name}", None) from None
        else:
            created.append(name)
    wait_until_led(admin, settings, list(futures))
    return created


def raise_partitions(admin: AdminClient, settings: Settings, name: str, count: int) -> None:
    """Give a topic so many partitions, and wait until the new ones take records. Raises Failed.

    Nothing is done where it has them already.
    """
    if partition_counts(admin, settings, [name])[name] < count:
        seconds = settings.call_timeout_ms / 1000
        futures = admin.create_partitions(
            [NewPartitions(name, count)], operation_timeout=seconds, request_timeout=seconds
        )
        answer(settings, f"can't add partitions to {name}", futures[name])
    deadline = time.monotonic() + settings.call_timeout_ms / 1000
    # A broker may answer for a moment what it knew before.
    while partition_counts(admin, settings, [name])[name] < count:
        if time.monotonic() > deadline:
            raise problem(settings, f"{name} doesn't get its partitions", None)
        time.sleep(LEADER_POLL_SECONDS)
    wait_until_led(admin, settings, [name])


def wait_until_led(admin: AdminClient, settings: Settings, names: list[str]) -> None:
    """Ask until the leader of each partition answers, for at most `call_timeout_ms`. Raises Failed.

    A broker names leaders a moment before they lead. An idempotent producer that has several
    requests on their way loses a record then, and isn't told: the first request is refused, the
    second stored, and the first, repeated, taken for one that is there already.
    """
    deadline = time.monotonic() + settings.call_timeout_ms / 1000
    while True:
        try:
            counts = partition_counts(admin, settings, names)
            places = [(name, number) for name in names for number in range(counts[name])]
            end_offsets(admin, settings, places)
        except Failed:
            if time.monotonic() > deadline:
                raise
            time.sleep(LEADER_POLL_SECONDS)
        else:
            return


def differences(admin: AdminClient, settings: Settings) -> list[Difference]:
    """Everything in which the cluster is not as the table and the settings say. Raises Failed."""
    table = dict(settings.topics.table())
    existing = described(admin, settings, table)
    configs = topic_configs(admin, settings, list(existing))
    found: list[Difference] = []
    for name, topic in table.items():
        if name not in existing:
            found.append(Difference(name, "topic", "exists", "missing"))
            continue
        found += _shape_differences(name, topic, existing[name], settings)
        found += _config_differences(name, wanted_config(topic, settings), configs[name])
    found += _broker_differences(admin, settings)
    return found


def _shape_differences(
    name: str, topic: Topic, description: TopicDescription, settings: Settings
) -> Iterator[Difference]:
    count = len(description.partitions)
    # A dead letter may stand on any partition; how many there are is the operator's choice.
    if topic.copartitioned and count != settings.partitions:
        yield Difference(name, "partitions", str(settings.partitions), str(count))
    replicas = min(len(partition.replicas) for partition in description.partitions)
    if replicas != settings.replication_factor:
        expected = str(settings.replication_factor)
        yield Difference(name, "replication.factor", expected, str(replicas))


def _config_differences(
    name: str, wanted: dict[str, str], found: dict[str, str]
) -> Iterator[Difference]:
    for setting, expected in wanted.items():
        value = found.get(setting, "unknown")
        if setting == "max.message.bytes":
            # More than enough is enough.
            if not value.isdigit() or int(value) < int(expected):
                yield Difference(name, setting, f"at least {expected}", value)
        elif value != expected:
            yield Difference(name, setting, expected, value)


def _broker_differences(admin: AdminClient, settings: Settings) -> Iterator[Difference]:
    """What the cluster must allow the dispatcher: a transaction as long as it is set to."""
    seconds = settings.call_timeout_ms / 1000
    cluster = answer(
        settings, "can't describe the cluster", admin.describe_cluster(request_timeout=seconds)
    )
    if not cluster.nodes:
        raise Failed(f"the cluster at {settings.bootstrap_servers} names no broker")
    resource = ConfigResource(ResourceType.BROKER, str(cluster.nodes[0].id))
    config = _described_configs(admin, settings, [resource])[resource]
    longest = config.get("transaction.max.timeout.ms", "unknown")
    if longest.isdigit() and int(longest) < settings.transaction_timeout_ms:
        expected = f"at least {settings.transaction_timeout_ms}"
        yield Difference("brokers", "transaction.max.timeout.ms", expected, longest)


def topic_configs(
    admin: AdminClient, settings: Settings, names: list[str]
) -> dict[str, dict[str, str]]:
    """The settings of topics in force, in Kafka's own words. Raises Failed."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    found = _described_configs(admin, settings, resources)
    return {resource.name: config for resource, config in found.items()}


def _described_configs(
    admin: AdminClient, settings: Settings, resources: list[ConfigResource]
) -> dict[ConfigResource, dict[str, str]]:
    if not resources:
        return {}
    futures = admin.describe_configs(resources, request_timeout=settings.call_timeout_ms / 1000)
    found: dict[ConfigResource, dict[str, ConfigEntry]] = answers(
        settings, "can't read the configuration", futures
    )
    return {
        resource: {entry.name: str(entry.value) for entry in entries.values()}
        for resource, entries in found.items()
    }
