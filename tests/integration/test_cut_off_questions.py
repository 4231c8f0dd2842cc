"""A question to Kafka whose connection breaks is an error, never an answer.

librdkafka's `list_offsets` then reports no error, but offsets below zero. A restore that took them
for the end of the changelog would begin without states.
"""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from confluent_kafka import Consumer, TopicPartition

from streams.broker import CallFailed
from streams.failure import Failed
from streams.kafka_broker import KafkaCluster, KafkaGroupConsumer
from streams.kafka_clients import admin_client, end_offsets, first_offsets
from streams.settings import Settings
from tests.conformance.sides import committed
from tests.support.installation import Installation
from tests.support.kafka_proxy import Api, KafkaProxy, Side
from tests.support.waiting import wait_until

_log = logging.getLogger("tests.librdkafka")


@pytest.fixture
def proxy(installation: Installation) -> Iterator[KafkaProxy]:
    """Between the questions and Kafka."""
    host, port = installation.bootstrap_servers.split(":")
    with KafkaProxy((host, int(port))) as opened:
        yield opened


@pytest.fixture
def far(installation: Installation, proxy: KafkaProxy) -> Settings:
    """Of clients behind it."""
    return installation.settings_with(
        kafka={"bootstrap.servers": proxy.address}, call_timeout_ms=5_000
    )


def cut_off(proxy: KafkaProxy, api: Api, side: Side, question: Callable[[], object]) -> object:
    """What a question is answered whose connection is reset under it: None if nothing."""
    rule = proxy.hold(api, side)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(question)
        rule.wait()
        proxy.cut_at(rule)
        proxy.clear()
        return answered(answer.result)


def answered(question: Callable[[], object]) -> object:
    """What it is answered; None if nothing."""
    try:
        return question()
    except (CallFailed, Failed):
        return None


@pytest.mark.parametrize("side", Side)
def test_the_ends_and_starts_of_logs(
    proxy: KafkaProxy, far: Settings, installation: Installation, side: Side
) -> None:
    """As dispatchers ask for them (R1, R5), and as commands do."""
    places = [(installation.topics.changelog, number) for number in range(installation.partitions)]
    cluster = KafkaCluster(far, logger=_log)
    admin = admin_client(far)
    truth = dict.fromkeys(places, 0)
    for question in (
        partial(cluster.end_offsets, places, read_committed=False),
        partial(cluster.start_offsets, places),
        partial(end_offsets, admin, far, places),
        partial(first_offsets, admin, far, places),
    ):
        assert cut_off(proxy, Api.LIST_OFFSETS, side, question) in (None, truth), question
        wait_until(lambda question=question: answered(question) == truth, "it is answered")
    cluster.close()


@pytest.mark.parametrize("side", Side)
def test_committed_offsets(
    proxy: KafkaProxy, far: Settings, installation: Installation, side: Side
) -> None:
    """No answer isn't "no offset" (R1)."""
    place = (installation.topics.roster_changes, 1)
    plain = Consumer(
        {"bootstrap.servers": installation.bootstrap_servers, "group.id": installation.name}
    )
    plain.commit(offsets=[TopicPartition(*place, 7)], asynchronous=False)
    consumer = KafkaGroupConsumer(far, logger=_log)
    question = partial(committed, consumer, place)
    assert cut_off(proxy, Api.OFFSET_FETCH, side, question) in (None, {place: 7})
    wait_until(lambda: answered(question) == {place: 7}, "it is answered")
    consumer.close()
    plain.close()
