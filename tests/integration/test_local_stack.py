"""A real Kafka and a real Redis as processes of this machine."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from streams.local import LocalStack, LocalStackError, Stack, kept_endpoints, stop_kept
from tests.integration.test_processes import eventually, is_alive, start_starter


def create_topic(bootstrap_servers: str, name: str) -> None:
    """A topic with one partition."""
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for created in admin.create_topics([NewTopic(name, 1, 1)]).values():
        created.result(30)


def produce_in_a_transaction(bootstrap_servers: str, topic: str, value: bytes) -> None:
    """One record in one committed transaction."""
    producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(30)
    producer.begin_transaction()
    producer.produce(topic, value, partition=0)
    producer.commit_transaction(30)


def committed_values(bootstrap_servers: str, topic: str, count: int) -> list[bytes | None]:
    """The first values of partition 0, as a read_committed consumer sees them."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{topic}.reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])
        return [message.value() for message in consumer.consume(count, 30.0)]
    finally:
        consumer.close()


def test_kafka_takes_transactions_and_gives_back_what_was_committed(
    stack: Stack, application_id: str
) -> None:
    """It is a real broker: transactions work, and a reader of committed records sees them."""
    create_topic(stack.bootstrap_servers, application_id)
    produce_in_a_transaction(stack.bootstrap_servers, application_id, b"a lead")
    assert committed_values(stack.bootstrap_servers, application_id, 1) == [b"a lead"]


def test_redis_answers_and_never_evicts(stack: Stack) -> None:
    """It is a real Redis, with the one policy under which state is safe, and no file of its own."""
    client = redis.Redis.from_url(stack.redis_url)
    assert client.ping()
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("save") == {"save": ""}
    client.close()


def test_a_misspelt_topic_is_not_created(stack: Stack, application_id: str) -> None:
    """Reading a topic that isn't there is an error to see, not a new topic."""
    admin = AdminClient({"bootstrap.servers": stack.bootstrap_servers})
    admin.list_topics(application_id, timeout=10)
    assert application_id not in admin.list_topics(timeout=10).topics


def test_a_broker_that_was_killed_has_its_data_at_the_same_address() -> None:
    """As after a crash; a Redis is empty then, as its state is only a copy."""
    with LocalStack(kafka_properties={"message.max.bytes": "123456"}) as stack:
        directory = stack.directory
        before = stack.endpoints
        create_topic(stack.bootstrap_servers, "kept")
        produce_in_a_transaction(stack.bootstrap_servers, "kept", b"a lead")
        client = redis.Redis.from_url(stack.redis_url)
        client.set("a", "copy")

        stack.kafka.kill()
        stack.redis.kill()
        stack.kafka.start()
        stack.redis.start()

        assert stack.endpoints == before
        assert committed_values(stack.bootstrap_servers, "kept", 1) == [b"a lead"]
        assert client.get("a") is None
        client.close()
        stack.kafka.restart()
        assert committed_values(stack.bootstrap_servers, "kept", 1) == [b"a lead"]
        assert _broker_setting(stack.bootstrap_servers, "message.max.bytes") == "123456"
    assert not directory.exists()


def _broker_setting(bootstrap_servers: str, name: str) -> str:
    resource = ConfigResource(ConfigResource.Type.BROKER, "1")
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    (answer,) = admin.describe_configs([resource]).values()
    return str(answer.result(30)[name].value)


def test_a_given_directory_stays_with_its_data(tmp_path: Path) -> None:
    """The next stack in the same directory goes on with what is there."""
    with LocalStack(tmp_path) as stack:
        create_topic(stack.bootstrap_servers, "kept")
        produce_in_a_transaction(stack.bootstrap_servers, "kept", b"a lead")
    with LocalStack(tmp_path, performance=True) as stack:
        assert committed_values(stack.bootstrap_servers, "kept", 1) == [b"a lead"]


STARTER = """
import json, time
from streams.local import LocalStack
with LocalStack() as stack:
    pids = {"kafka": stack.kafka.pid, "redis": stack.redis.pid}
    print(json.dumps({"directory": str(stack.directory), **pids}), flush=True)
    time.sleep(600)
"""


def test_kafka_and_redis_end_with_a_starter_that_is_killed() -> None:
    """`kill -9` of the starter leaves neither a process nor a directory."""
    starter, started = start_starter(STARTER)
    starter.send_signal(signal.SIGKILL)
    starter.wait(10)
    assert eventually(lambda: not is_alive(started["kafka"]), within_seconds=20)
    assert eventually(lambda: not is_alive(started["redis"]), within_seconds=20)
    assert eventually(lambda: not Path(str(started["directory"])).exists())


KEEPER = """
import json
from streams.local import LocalStack
with LocalStack(keep=True) as stack:
    pids = {"kafka": stack.kafka.pid, "redis": stack.redis.pid}
print(json.dumps(pids))
"""


def test_a_kept_stack_runs_on_until_it_is_stopped(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another process finds it, can't start a second one, and ends it with its data."""
    # Named like the user's cache, with what is in it, but with room for a kept stack of its own.
    from streams.local.cache import cache_dir

    for prepared in cache_dir().glob("kafka-*"):
        (tmp_path / prepared.name).symlink_to(prepared)
    monkeypatch.setenv("PARTIDOR_CACHE_DIR", str(tmp_path))

    assert kept_endpoints() is None
    finished = subprocess.run(
        [sys.executable, "-c", KEEPER], capture_output=True, text=True, check=True, timeout=120
    )
    kept = json.loads(finished.stdout)
    try:
        endpoints = kept_endpoints()
        assert endpoints is not None
        create_topic(endpoints.bootstrap_servers, "kept")
        with pytest.raises(LocalStackError, match="runs already"), LocalStack(keep=True):
            pass
        assert kept_endpoints() == endpoints
    finally:
        assert stop_kept()
    assert not is_alive(kept["kafka"])
    assert not is_alive(kept["redis"])
    assert kept_endpoints() is None
    assert not stop_kept()
