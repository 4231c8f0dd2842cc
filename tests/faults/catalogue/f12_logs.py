"""F12: Kafka throws away what it may: superseded changelog records early, input before its time."""

import time
from collections.abc import Callable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from schemas.partitioning import partition_of
from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.dispatchers import DispatcherProcess
from tests.support.installation import Installation
from tests.support.records import ends
from tests.support.traffic import one_batch_each, rosters

CALL_S = 10.0
CLEANED_S = 30.0
CHANNELS = 8
HARD = {
    # A segment is rolled with the next write after this, and only rolled ones are compacted.
    "segment.ms": "100",
    "min.cleanable.dirty.ratio": "0.01",
    "max.compaction.lag.ms": "200",
    "min.compaction.lag.ms": "0",
    # Tombstones and markers of transactions go as soon as they may.
    "delete.retention.ms": "200",
    "file.delete.delay.ms": "100",
}
CLEANER = {"log.cleaner.backoff.ms": "100"}


@variant("F12", "the changelog is compacted hard", own_kafka=True, kafka_properties=CLEANER)
def compacted_hard(run: Run) -> None:
    """While it is written, and while states are restored from nothing but it."""
    _alter(run.installation, run.installation.topics.changelog, HARD)
    for _ in range(4):
        run.wait_for_progress(150)
        run.installation.flush_redis()
        victim = run.rng.choice([one for one in run.dispatchers if one.is_running])
        victim.kill()
        run.restart(victim)
        run.pause(0.2, 1.0)
    run.wait_for_progress()
    _expect_compaction(run)


def _expect_compaction(run: Run) -> None:
    """Most of what was written to the changelog is gone, or this variant shows nothing."""
    installation = run.installation
    topic = installation.topics.changelog
    deadline = time.monotonic() + CLEANED_S
    while True:
        kept = len(installation.read(topic))
        written = sum(ends(installation.admin, installation.places(topic)).values())
        if 2 * kept < written:
            return
        if time.monotonic() > deadline:
            run.note(f"the changelog holds {kept} of {written} offsets: not compacted")
            return
        time.sleep(0.5)


@variant("F12", "input is deleted while nobody reads it", quick=False)
def deleted_while_stopped(run: Run) -> None:
    """A dispatcher that finds its place gone says so and stops; it doesn't go on elsewhere."""

    def start_again(aside: Installation, stopped: DispatcherProcess) -> DispatcherProcess:
        return aside.start(stopped.slot)

    _lose_input(run, lambda one: one.stop(), start_again)


@variant("F12", "input is deleted before a slow dispatcher")
def deleted_while_held(run: Run) -> None:
    """The same while it runs, and is merely too far behind."""

    def let_go(aside: Installation, held: DispatcherProcess) -> DispatcherProcess:
        held.go_on()
        return held

    _lose_input(run, lambda one: one.hold(), let_go)


def _lose_input(
    run: Run,
    put_away: Callable[[DispatcherProcess], object],
    bring_back: Callable[[Installation, DispatcherProcess], DispatcherProcess],
) -> None:
    """In an installation beside the one under load, whose own inputs have to stay whole."""
    aside = run.enter(
        Installation(
            run.servers.bootstrap_servers, run.servers.redis_url, run.installation.directory
        )
    )
    aside.publish(rosters(CHANNELS))
    dispatcher = aside.started()
    aside.process(one_batch_each(CHANNELS, "before"))
    put_away(dispatcher)
    aside.publish(one_batch_each(CHANNELS, "deleted"))
    _delete_input(aside)
    aside.publish(one_batch_each(CHANNELS, "behind"))
    again = bring_back(aside, dispatcher)
    status = again.wait(30)
    if status != 1:
        run.note(f"a dispatcher whose input is gone ended with status {status}")
    said = [line["why"] for line in again.log("stopped: an operator has to decide")]
    if not any("deleted before" in why for why in said):
        run.note(f"a dispatcher whose input is gone said {said or again.log_tail()}")
    _check_nothing_skipped(run, aside)


def _check_nothing_skipped(run: Run, aside: Installation) -> None:
    """Behind a deleted batch nothing of its partition was assigned.

    What had been sent to a slow dispatcher before it was deleted isn't lost, and may be.
    """
    assigned = {(event["channel"], event["batch_id"]) for event in aside.assignments()}
    channels = [f"channel-{number}" for number in range(CHANNELS)]
    skipped = {
        partition_of(channel.encode(), aside.partitions)
        for channel in channels
        if (channel, "deleted") not in assigned
    }
    for channel in channels:
        number = partition_of(channel.encode(), aside.partitions)
        if number in skipped and (channel, "behind") in assigned:
            run.note(f"{channel}: assigned behind a deleted batch as if nothing were")


def _delete_input(aside: Installation) -> None:
    """All batches so far, as retention would."""
    places = ends(aside.admin, aside.places(aside.topics.lead_batches))
    asked = [TopicPartition(*place, offset) for place, offset in places.items()]
    for future in aside.admin.delete_records(asked, request_timeout=CALL_S).values():
        future.result(CALL_S)


def _alter(installation: Installation, topic: str, config: dict[str, str]) -> None:
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    for future in installation.admin.incremental_alter_configs([resource]).values():
        future.result(CALL_S)
