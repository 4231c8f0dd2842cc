"""The same Kafka and Redis in containers, where an engine answers and the images are there."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest
import redis

from streams.local.containers import ContainerStack, why_no_containers
from tests.integration.test_local_stack import (
    committed_values,
    create_topic,
    produce_in_a_transaction,
)
from tests.reference import events
from tests.support import oracle
from tests.support.installation import Installation


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
    # It is there for readers: a broker alone may lose markers that it hasn't written when it dies.
    assert committed_values(containers.bootstrap_servers, "leads", 1) == [b"a lead"]
    client = redis.Redis.from_url(containers.redis_url)
    assert client.ping()
    client.close()
    containers.kafka.kill()
    containers.kafka.start()
    assert committed_values(containers.bootstrap_servers, "leads", 1) == [b"a lead"]


def test_the_dispatcher_works_with_containers(containers: ContainerStack, tmp_path: Path) -> None:
    """The seed's story, with the broker killed and Redis restarted empty on the way."""
    servers = (containers.bootstrap_servers, containers.redis_url)
    with Installation(*servers, tmp_path) as installation:
        installation.started()
        story = list(events.the_seeds_story())
        half = len(story) // 2
        for event in story[:half]:
            installation.process([event])
        containers.kafka.kill()
        containers.redis.kill()
        containers.kafka.start()
        containers.redis.start()
        for event in story[half:]:
            installation.process([event])
        assert [
            {row["assignee_id"]: row["assigned"] for row in decision["shares"]}
            for decision in installation.decisions("web", "batch_dispatched")
        ] == [
            {"A": 27, "B": 33, "C": 40},
            {"A": 13, "B": 17, "C": 20},
            {"B": 115, "C": 127, "D": 58},
        ]
        oracle.check(installation)
