"""The same Kafka and Redis in containers, where an engine answers and the images are there."""

from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest
import redis

from streams.local.containers import ContainerStack, why_no_containers
from tests.integration.test_local_stack import (
    committed_values,
    create_topic,
    produce_in_a_transaction,
)


@pytest.fixture
def containers(left_out: Callable[[str, str], NoReturn]) -> Iterator[ContainerStack]:
    """Kafka and Redis in containers of their own."""
    missing = why_no_containers()
    if missing is not None:
        left_out("tests in containers need an engine and the images", missing)
    with ContainerStack() as stack:
        yield stack


def test_kafka_and_redis_work_in_containers(containers: ContainerStack) -> None:
    """Transactions, restarts with the data kept, and a Redis that answers, as with processes."""
    create_topic(containers.bootstrap_servers, "leads")
    produce_in_a_transaction(containers.bootstrap_servers, "leads", b"a lead")
    client = redis.Redis.from_url(containers.redis_url)
    assert client.ping()
    client.close()
    containers.kafka.kill()
    containers.kafka.start()
    assert committed_values(containers.bootstrap_servers, "leads", 1) == [b"a lead"]
