"""200,000 leads while the views are killed, share their partitions and take over: nothing differs.

What the topics hold is counted here in the plainest way; the views have to show just that.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from confluent_kafka import Consumer, Producer, TopicPartition

from dispatcher.times import milliseconds
from schemas.partitioning import partition_of
from tests.reference import events
from tests.support.installation import Installation
from tests.support.records import Json, Record
from tests.views_process import ViewsProcess

CHANNELS = 20
MEMBERS = 10
LEADS = 200_000
BATCH = 100
PARTS = 5
KILLS = 3
MINUTE_MS = 60_000
PATIENCE_S = 90.0


class Folded(NamedTuple):
    """What the topics add up to.

    Attributes:
        channels: per channel: newest state version, batches, leads.
        errors: per channel and assignee, exact numerators as the last decisions list them.
        received: per channel and assignee: their assignments' ids, oldest first.
        per_minute: per channel and minute: leads, by when they were decided.
        decisions: how many there are.
    """

    channels: dict[str, tuple[int, int, int]]
    errors: dict[str, dict[str, str]]
    received: dict[tuple[str, str], list[str]]
    per_minute: dict[str, Counter[int]]
    decisions: int


def folded(decisions: Iterable[Record], assignments: Iterable[Record]) -> Folded:
    """Counted record by record."""
    channels: dict[str, tuple[int, int, int]] = {}
    errors: dict[str, dict[str, str]] = defaultdict(dict)
    per_minute: dict[str, Counter[int]] = defaultdict(Counter)
    count = 0
    for record in decisions:
        event, count = record.event, count + 1
        channel = event["channel"]
        _, batches, leads = channels.get(channel, (0, 0, 0))
        if event["type"] == "batch_dispatched":
            batches, leads = batches + 1, leads + event["batch_size"]
            minute = min(milliseconds(event["decided_at"]), record.timestamp_ms) // MINUTE_MS
            per_minute[channel][minute] += event["batch_size"]
        channels[channel] = (event["state_version"], batches, leads)
        for share in event["shares"]:
            errors[channel][share["assignee_id"]] = share["cumulative_error_numerator"]
    received: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in assignments:
        event = record.event
        received[event["channel"], event["assignee_id"]].append(event["assignment_id"])
    return Folded(channels, errors, received, per_minute, count)


def batches() -> Iterator[Json]:
    """The channels take turns."""
    for number in range(LEADS // BATCH):
        ids = [f"L{number}-{place}" for place in range(BATCH)]
        yield events.lead_batch(f"b{number}", ids, f"channel-{number % CHANNELS:02}")


def write_and_abort(installation: Installation) -> None:
    """Decisions and assignments of a channel that doesn't exist, in a transaction that is aborted.

    Also records that would change what exists: a version of a real channel that never was.
    """
    producer = Producer(
        {"bootstrap.servers": installation.bootstrap_servers, "transactional.id": "stranger"}
    )
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic in (installation.topics.decisions, installation.topics.assignments):
        written = installation.read(topic)
        for record, channel in ((written[0], b"ghost"), (written[-1], b"channel-00")):
            known = record.event["channel"].encode()
            value = (record.value or b"").replace(known, channel).replace(b"L", b"ghost-L")
            value = value.replace(b'"state_version":', b'"state_version":9')
            partition = partition_of(channel, installation.partitions)
            producer.produce(topic, value, channel, partition=partition)
    producer.flush(30)
    producer.abort_transaction(30)


def test_after_kills_and_a_rebalance_the_views_are_what_the_topics_add_up_to(
    installation: Installation, tmp_path: Path
) -> None:
    """Standings, windows, delays and every assignment; what was aborted is nowhere."""
    installation.started()
    weights = {f"A{n}": f"{0.5 + n / 10:.1f}" for n in range(MEMBERS)}
    channels = [f"channel-{n:02}" for n in range(CHANNELS)]
    installation.process(events.roster("r", weights, channel) for channel in channels)
    everything = list(batches())
    part = len(everything) // PARTS
    with ViewsProcess(environment(installation, tmp_path / "one"), tmp_path / "one.log") as one:
        one.ready()
        for number in range(KILLS):
            installation.publish(everything[number * part : (number + 1) * part])
            wait_for_leads(one, (2 * number + 1) * part * BATCH // 2)
            write_and_abort(installation)
            one.kill()
            one.start()
        one.ready()
        with ViewsProcess(environment(installation, tmp_path / "two"), tmp_path / "two.log") as two:
            two.until("/healthz", lambda answer: 0 < len(answer.body["partitions"]) < 4)
            one.until("/healthz", lambda answer: 0 < len(answer.body["partitions"]) < 4)
            installation.publish(everything[KILLS * part : (KILLS + 1) * part])
            installation.wait_until_processed()
            two.ready()
            meant = folded_now(installation)
            shown = {**shown_by(one, meant, 0.0), **shown_by(two, meant, 0.0)}
            assert shown == meant_to_be_shown(meant)
            installation.publish(everything[(KILLS + 1) * part :])
            assert two.stop() == 0
        installation.wait_until_processed()
        write_and_abort(installation)
        one.until("/healthz", lambda answer: len(answer.body["partitions"]) == 4)
        one.ready()
        meant = folded_now(installation)
        assert sum(leads for _, _, leads in meant.channels.values()) == LEADS
        assert shown_by(one, meant, PATIENCE_S) == meant_to_be_shown(meant)
        assert all_assignments(one, meant) == meant.received
        assert windows(one, meant) == meant.per_minute
        assert one.get("/api/operations").body["delay_ms"]["decisions"] == meant.decisions
        assert one.get("/api/channels/ghost").status == 404
        assert one.get("/api/leads/ghost-L0-0").status == 404
    assert {"ghost", "channel-00"} <= uncommitted_channels(installation)


def environment(installation: Installation, directory: Path) -> dict[str, str]:
    """What views of the installation need to know."""
    return {
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
        "PARTIDOR_VIEWS__DATA_DIR": str(directory),
        "PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS": "500",
    }


def wait_for_leads(views: ViewsProcess, leads: int) -> None:
    """In the middle of the work, when so many are counted."""
    views.until(
        "/api/channels",
        lambda answer: (
            answer.status == 200 and sum(each["leads"] for each in answer.body["channels"]) >= leads
        ),
        PATIENCE_S,
    )


def folded_now(installation: Installation) -> Folded:
    """What is committed."""
    topics = installation.topics
    return folded(installation.read(topics.decisions), installation.read(topics.assignments))


def meant_to_be_shown(meant: Folded) -> dict[str, Any]:
    """Per channel: version, batches, leads; errors; leads of each assignee by the assignments."""
    return {
        channel: (
            *totals,
            meant.errors[channel],
            {name: len(meant.received[channel, name]) for name in meant.errors[channel]},
        )
        for channel, totals in meant.channels.items()
    }


def shown_by(views: ViewsProcess, meant: Folded, patience_s: float) -> dict[str, Any]:
    """The same as a process shows it, of those channels that it has, once it is so far."""
    deadline = time.monotonic() + max(patience_s, 30.0)
    found = {}
    for channel, (version, _, _) in meant.channels.items():
        while (answer := views.standings(channel)).status != 421:
            if answer.status == 200 and answer.body["state_version"] >= version:
                break
            assert time.monotonic() < deadline, (channel, answer)
            time.sleep(0.05)
        if answer.status == 421:
            continue
        body, members = answer.body, answer.body["standings"]
        found[channel] = (
            body["state_version"],
            body["batches"],
            body["leads"],
            {each["assignee_id"]: each["cumulative_error_numerator"] for each in members},
            {each["assignee_id"]: each["leads"] for each in members},
        )
    return found


def all_assignments(views: ViewsProcess, meant: Folded) -> dict[tuple[str, str], list[str]]:
    """Everybody's, page by page, once there are as many."""
    deadline = time.monotonic() + PATIENCE_S
    found = {}
    for (channel, name), theirs in meant.received.items():
        while len(listed := listed_assignments(views, channel, name)) < len(theirs):
            assert time.monotonic() < deadline, (channel, name, len(listed))
            time.sleep(0.1)
        found[channel, name] = listed[::-1]
    return found


def listed_assignments(views: ViewsProcess, channel: str, name: str) -> list[str]:
    """Newest first."""
    path = f"/api/channels/{quote(channel)}/assignees/{quote(name)}/assignments?limit=1000"
    listed: list[str] = []
    before = ""
    while True:
        page = views.get(path + before).body
        listed += [each["assignment_id"] for each in page["assignments"]]
        if page["next_before"] is None:
            return listed
        before = f"&before={page['next_before']}"


def windows(views: ViewsProcess, meant: Folded) -> dict[str, dict[int, int]]:
    """Leads per channel and minute, of the minutes in which there were some."""
    return {
        channel: {
            milliseconds(point["from"]) // MINUTE_MS: point["leads"]
            for point in views.get(f"/api/channels/{channel}").body["history"]["minutes"]
            if point["leads"]
        }
        for channel in meant.per_minute
    }


def uncommitted_channels(installation: Installation) -> set[str]:
    """The negative control: whoever reads uncommitted does see what was aborted."""
    consumer = Consumer(
        {
            "bootstrap.servers": installation.bootstrap_servers,
            "group.id": f"{installation.name}-control",
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
        }
    )
    try:
        topic = installation.topics.decisions
        consumer.assign([TopicPartition(topic, n, 0) for n in range(installation.partitions)])
        seen: set[str] = set()
        ends = 0
        while ends < installation.partitions:
            for message in consumer.consume(1_000, 0.5):
                if message.error() is not None:
                    ends += 1
                else:
                    value = message.value() or b""
                    if b'"state_version":9' in value:
                        seen.add((message.key() or b"").decode())
        return seen
    finally:
        consumer.close()
