"""The Kafka and the Redis of a run: shared by a process's runs, or its own where it hurts them.

Processes or containers: see ``tests.support.stacks``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from tests.support.machine import PROCESSES_ONLY, LeftOut
from tests.support.stacks import IN_CONTAINERS, open_redis, open_stack

KAFKA_PROPERTIES: Mapping[str, str] = {
    # A killed process is missed after this at the earliest; brokers insist on six seconds.
    "group.min.session.timeout.ms": "1000",
    # How often the broker looks for transactions that timed out.
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "500",
}


class Servers(NamedTuple):
    """Where both answer, and what hurts them.

    `kafka` and `redis` have `kill()`, `start()`, `stop()`, `pause()` and `resume()`; with three
    brokers `kafka` is a `tests.support.cluster.Cluster`.
    """

    bootstrap_servers: str
    redis_url: str
    kafka: Any
    redis: Any
    replicas: int = 1


@contextmanager
def shared_servers() -> Iterator[Servers]:
    """One Kafka and one Redis for all runs of this process that don't hurt them."""
    with own_kafka({}) as servers:
        yield servers


@contextmanager
def own_kafka(properties: Mapping[str, str]) -> Iterator[Servers]:
    """One broker, and a Redis beside it."""
    with open_stack({**KAFKA_PROPERTIES, **properties}) as stack:
        yield Servers(stack.bootstrap_servers, stack.redis_url, stack.kafka, stack.redis)


@contextmanager
def three_brokers(properties: Mapping[str, str]) -> Iterator[Servers]:
    """Three brokers, and a Redis beside them; as processes only.

    In containers they would need a network of their own to find each other, and what is tested is
    how clients find them: from this machine, at all three addresses.
    """
    if IN_CONTAINERS:
        raise LeftOut("there are no three brokers in containers", PROCESSES_ONLY)
    from tests.support.cluster import BROKERS, Cluster

    with Cluster({**KAFKA_PROPERTIES, **properties}) as cluster:
        yield Servers(cluster.bootstrap_servers, cluster.redis_url, cluster, cluster.redis, BROKERS)


@contextmanager
def own_redis(shared: Servers) -> Iterator[Servers]:
    """The shared Kafka, and a Redis of its own."""
    with open_redis() as redis:
        yield shared._replace(redis=redis, redis_url=redis.url)
