"""Where only an operator can decide, a dispatcher stops loudly and says what about (R2, R3)."""

from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions

from streams.local.ports import free_ports
from streams.topic_admin import ensure_topics
from tests.reference import events
from tests.support import copies, oracle
from tests.support.dispatchers import DispatcherProcess
from tests.support.installation import Installation
from tests.support.traffic import one_batch_each, rosters
from tests.support.waiting import wait_until

CHANNELS = 8
CALL_S = 20.0


def why_it_stopped(dispatcher: DispatcherProcess) -> str:
    """What it says, once it has ended with status 1."""
    assert dispatcher.wait() == 1
    said = dispatcher.log("cannot start") + dispatcher.log("stopped: an operator has to decide")
    assert len(said) == 1, dispatcher.log_tail()
    return str(said[0]["why"])


def run_for_a_while(installation: Installation) -> None:
    """So that there are offsets and states."""
    installation.publish(rosters(CHANNELS))
    dispatcher = installation.started()
    installation.process(one_batch_each(CHANNELS, "before"))
    copies.check_redis(installation)
    assert dispatcher.stop() == 0


def delete_topics(installation: Installation, *topics: str) -> None:
    """And wait until they are gone."""
    for deleted in installation.admin.delete_topics(list(topics)).values():
        deleted.result(CALL_S)
    wait_until(
        lambda: not set(topics) & set(installation.admin.list_topics(timeout=CALL_S).topics),
        "the topics are deleted",
    )


def add_partitions(installation: Installation, count: int, *topics: str) -> None:
    """Make the topics wider."""
    wanted = [NewPartitions(topic, count) for topic in topics]
    for created in installation.admin.create_partitions(wanted).values():
        created.result(CALL_S)


def delete_records(installation: Installation, topic: str) -> None:
    """Everything that the topic holds now, as its retention would."""
    places = [TopicPartition(topic, number, -1) for number in range(installation.partitions)]
    for deleted in installation.admin.delete_records(places).values():
        deleted.result(CALL_S)


def test_without_topics_it_says_how_to_create_them(
    bootstrap_servers: str, redis_url: str, application_id: str, tmp_path: Path
) -> None:
    """All that are missing are named."""
    with Installation(
        bootstrap_servers, redis_url, tmp_path, application_id, topics=False
    ) as installation:
        why = why_it_stopped(installation.start())
        assert "partidor topics create" in why
        assert all(name in why for name, _ in installation.topics.table())
        ensure_topics(installation.admin, installation.settings)
        delete_topics(installation, installation.topics.decisions)
        why = why_it_stopped(installation.start())
        assert installation.topics.decisions in why
        assert installation.topics.lead_batches not in why


def test_without_kafka_it_says_where_it_asked(installation: Installation) -> None:
    """After one time-out, not never."""
    (port,) = free_ports(1)
    address = f"127.0.0.1:{port}"
    dispatcher = installation.start(
        kafka__bootstrap_servers=address, call_timeout_ms=500, question_timeout_ms=500
    )
    assert address in why_it_stopped(dispatcher)


def test_topics_of_different_widths_are_refused(installation: Installation) -> None:
    """A channel would stand on one partition here and on another there."""
    add_partitions(installation, 5, installation.topics.roster_changes)
    why = why_it_stopped(installation.start())
    assert "partition counts differ" in why
    assert f"{installation.topics.roster_changes} 5" in why


def test_an_output_topic_that_takes_too_little_is_refused(installation: Installation) -> None:
    """A dead letter could not be written, and its partition would stop."""
    resource = ConfigResource(
        ConfigResource.Type.TOPIC,
        installation.topics.dead_letters,
        incremental_configs=[
            ConfigEntry("max.message.bytes", "1048576", incremental_operation=AlterConfigOpType.SET)
        ],
    )
    for changed in installation.admin.incremental_alter_configs([resource]).values():
        changed.result(CALL_S)
    why = why_it_stopped(installation.start())
    assert "max.message.bytes" in why
    assert installation.topics.dead_letters in why


def test_more_partitions_than_the_state_was_made_with_are_refused(
    installation: Installation,
) -> None:
    """All topics alike: keys hash elsewhere now, and the states would be split."""
    run_for_a_while(installation)
    topics = [name for name, topic in installation.topics.table() if topic.copartitioned]
    add_partitions(installation, 5, *topics)
    why = why_it_stopped(installation.start())
    assert "4 partitions" in why
    installation.flush_redis()
    assert "4 partitions" in why_it_stopped(installation.start())


@pytest.mark.parametrize("topic", ["lead_batches", "roster_changes"])
def test_an_input_topic_that_was_created_anew_is_refused(
    installation: Installation, topic: str
) -> None:
    """The offsets mean other records now."""
    run_for_a_while(installation)
    name = getattr(installation.topics, topic)
    delete_topics(installation, name)
    ensure_topics(installation.admin, installation.settings)
    why = why_it_stopped(installation.start())
    assert name in why
    assert "created anew" in why


def test_input_that_was_deleted_before_it_was_processed_is_missed(
    installation: Installation,
) -> None:
    """It says how many records; nothing is skipped in silence."""
    run_for_a_while(installation)
    installation.publish(one_batch_each(CHANNELS, "lost"))
    delete_records(installation, installation.topics.lead_batches)
    why = why_it_stopped(installation.start())
    assert "deleted before they were processed" in why
    assert len(installation.assignments()) == 10 * CHANNELS


def test_input_that_is_deleted_under_a_slow_dispatcher_is_missed(
    installation: Installation,
) -> None:
    """While it runs, too: it doesn't jump over the gap."""
    installation.publish(rosters(CHANNELS))
    dispatcher = installation.started()
    installation.process(one_batch_each(CHANNELS, "before"))
    dispatcher.hold()
    # What it had asked for already is on its way to it and won't be lost.
    installation.publish(one_batch_each(CHANNELS, "on its way"))
    installation.publish(one_batch_each(CHANNELS, "lost"))
    delete_records(installation, installation.topics.lead_batches)
    installation.publish(one_batch_each(CHANNELS, "after"))
    dispatcher.go_on()
    assert "deleted before it was processed" in why_it_stopped(dispatcher)
    assert {event["batch_id"] for event in installation.assignments()} <= {"before", "on its way"}


def test_without_committed_offsets_the_changelog_says_where_to_go_on(
    installation: Installation,
) -> None:
    """Kafka forgets offsets after a week without members; that must not repeat a lead (R2)."""
    run_for_a_while(installation)
    forget = installation.admin.delete_consumer_groups([installation.name])
    for forgotten in forget.values():
        forgotten.result(CALL_S)
    assert set((installation.committed() or {}).values()) == {0}
    installation.publish([events.lead_batch("after", 10, "channel-0")])
    installation.started()
    wait_until(lambda: len(installation.assignments()) > 10 * CHANNELS, "the new batch is divided")
    assert len(installation.assignments("channel-0")) == 20
    installation.process(one_batch_each(CHANNELS, "everywhere"))
    oracle.check(installation)
