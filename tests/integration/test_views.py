"""The views on a real Kafka: what they show is what was committed, whatever happens to them."""

import json
import signal
import socket
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.partitioning import partition_of
from tests.views_process import DecisionTopic, ViewsProcess
from tests.views_process.material import (
    expected,
    facts,
    random_decisions,
    shown,
    small_channel,
    until_shown,
)

ODD_NAMES = (
    "a/b",
    "/",
    "..",
    ".",
    "%2F",
    "100 %",
    "a?b#c&d=e+f",
    "Größe 東京 🌏",
    "<script>alert(1)</script>",
    "\"'\\",
    " ",
    "x" * 200,
    "standings",
)


@pytest.fixture
def topic(bootstrap_servers: str, topics_prefix: str) -> DecisionTopic:
    """A topic of decisions for one test."""
    return DecisionTopic(bootstrap_servers, topics_prefix)


Starter = Callable[..., ViewsProcess]


@pytest.fixture
def start_views(topic: DecisionTopic, application_id: str, tmp_path: Path) -> Iterator[Starter]:
    """Starts views on the topic, any number; all are gone when the test is over."""
    started: list[ViewsProcess] = []

    def start(before: str = "", **environment: str) -> ViewsProcess:
        number = len(started)
        own = {**topic.environment(application_id, tmp_path / f"data-{number}"), **environment}
        started.append(ViewsProcess(own, tmp_path / f"views-{number}.log", before=before))
        return started[-1]

    yield start
    for views in started:
        views.__exit__()


def test_standings_are_served(topic: DecisionTopic, start_views: Starter) -> None:
    """What was decided before the start and after it, folded, for every channel."""
    decisions = random_decisions(1)
    half = len(decisions) // 2
    writer = topic.writer()
    writer.committed(decisions[:half])
    views = start_views()
    health = views.ready()
    assert sum(each["channels"] for each in health.body["partitions"]) == len(
        expected(decisions[:half])
    )
    assert shown(views, expected(decisions[:half])) == expected(decisions[:half])
    writer.committed(decisions[half:])
    until_shown(views, decisions)
    listed = views.get("/api/channels").body
    assert [each["channel"] for each in listed["channels"]] == sorted(expected(decisions))
    assert listed["next_after"] is None
    assert views.stop() == 0


def test_what_was_aborted_never_appears(
    topic: DecisionTopic, start_views: Starter, bootstrap_servers: str
) -> None:
    """Aborted before the start, behind the last record, and while the views run.

    The negative control: a consumer of uncommitted records does see every one of them.
    """
    web, ghost, late = small_channel("web", 4), small_channel("ghost"), small_channel("late ghost")
    writer = topic.writer()
    writer.aborted(ghost)
    writer.committed(web[:3], per_transaction=1)
    writer.aborted([*ghost, *web[3:]])
    views = start_views()
    views.ready()
    assert views.standings("ghost").status == 404
    assert views.standings("web").body["state_version"] == 3
    writer.aborted([*late, *web[3:]])
    writer.committed(web[3:])
    until_shown(views, web)
    assert views.standings("ghost").status == views.standings("late ghost").status == 404
    assert [each["channel"] for each in views.get("/api/channels").body["channels"]] == ["web"]

    seen = uncommitted_channels(bootstrap_servers, topic)
    assert {"web", "ghost", "late ghost"} <= seen


def uncommitted_channels(bootstrap_servers: str, topic: DecisionTopic) -> set[str]:
    """The channels that a consumer without the isolation level sees on the topic."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": f"{topic.prefix}control",
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
        }
    )
    try:
        consumer.assign([TopicPartition(topic.name, n, 0) for n in range(topic.partitions)])
        seen: set[str] = set()
        ends = 0
        while ends < topic.partitions:
            (message,) = consumer.consume(1, 10.0)
            if message.error() is not None:
                ends += 1
            else:
                seen.add(json.loads(message.value() or b"")["channel"])
        return seen
    finally:
        consumer.close()


def test_what_is_in_an_open_transaction_is_not_shown_and_nothing_waits_for_it(
    topic: DecisionTopic, start_views: Starter
) -> None:
    """The views are ready with what is committed; the rest appears with its commit."""
    web = small_channel("web", 4)
    writer = topic.writer()
    writer.committed(web[:3])
    writer.begin()
    writer.produce(web[3:])
    views = start_views()
    views.ready()
    assert views.standings("web").body["state_version"] == 3
    writer.commit()
    until_shown(views, web)


WITHOUT_OUR_CONSUMER = """
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from streams.views.transport import CommittedReaderThread
CommittedReaderThread._create_worker_consumer = AIOKafkaConsumerThread._create_worker_consumer
"""


def test_views_that_would_read_uncommitted_do_not_run(
    topic: DecisionTopic, start_views: Starter
) -> None:
    """Faust's own consumer reads uncommitted; started with it, the process ends and says why."""
    topic.writer().aborted(small_channel("ghost"))
    views = start_views(before=WITHOUT_OUR_CONSUMER)
    assert views.ended() == 1
    assert "would read decisions that are not committed" in views.log


def test_killed_and_started_again_the_numbers_are_the_same(
    topic: DecisionTopic, start_views: Starter
) -> None:
    """`kill -9` at any moment, while decisions go on coming; nothing is lost, nothing twice."""
    decisions = random_decisions(2, events=900)
    writer = topic.writer()
    views = start_views()
    views.ready()
    step = len(decisions) // 3
    for number in range(3):
        part = decisions[number * step : (number + 1) * step if number < 2 else None]
        writer.committed(part[: step // 2], per_transaction=3)
        views.kill()
        writer.committed(part[step // 2 :], per_transaction=3)
        views.start()
        views.ready()
        done = decisions[: number * step + len(part)]
        assert shown(views, expected(done)) == expected(done)
    health = views.get("/healthz").body["partitions"]
    assert [each["gaps"] + each["unreadable"] for each in health] == [0] * topic.partitions


def test_without_its_snapshots_everything_is_read_again(
    topic: DecisionTopic, start_views: Starter, tmp_path: Path
) -> None:
    """One file is wiped, one broken, one of another topic: the numbers are the same."""
    decisions = random_decisions(3, channels=12)
    topic.writer().committed(decisions)
    views = start_views()
    views.ready()
    assert views.stop() == 0
    wiped, broken, foreign = (tmp_path / "data-0").rglob("decisions-*.sqlite")
    wiped.unlink()
    broken.write_bytes(b"SQLite format 3\0" + b"\xff" * 5_000)
    with closing(sqlite3.connect(foreign)) as file, file:
        file.execute("UPDATE identity SET value = 'another' WHERE name = 'topic_id'")
        file.execute("UPDATE progress SET next_offset = 1000000")
    views.start()
    views.ready()
    assert shown(views, expected(decisions)) == expected(decisions)


def test_a_snapshot_is_where_reading_goes_on(
    topic: DecisionTopic, start_views: Starter, tmp_path: Path
) -> None:
    """A start reads what is newer, not everything: a mark in the snapshot is still there."""
    topic.writer().committed(small_channel("web"))
    views = start_views()
    views.ready()
    views.stop()
    number = partition_of(b"web", topic.partitions)
    (path,) = (tmp_path / "data-0").rglob(f"decisions-{number}.sqlite")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("UPDATE channels SET standing = json_set(standing, '$.duplicates', 77)")
    views.start()
    views.ready()
    assert views.standings("web").body["duplicates_ignored"] == 77


def test_two_share_the_partitions_and_one_takes_over(
    topic: DecisionTopic, start_views: Starter
) -> None:
    """A rebalance, and another one after `kill -9`: each shows its partitions, exactly."""
    decisions = random_decisions(4, channels=12, events=600)
    half = len(decisions) // 2
    writer = topic.writer()
    writer.committed(decisions[:half])
    first = start_views()
    first.ready()
    second = start_views()
    second.until("/healthz", lambda answer: 0 < len(answer.body["partitions"]) < 3)
    first.until("/healthz", lambda answer: 0 < len(answer.body["partitions"]) < 3)
    writer.committed(decisions[half:])
    second.ready()
    first.ready()
    everything = expected(decisions)
    mine = {each["partition"] for each in first.get("/healthz").body["partitions"]}
    for channel, standing in everything.items():
        is_mine = partition_of(channel.encode(), topic.partitions) in mine
        owner, other = (first, second) if is_mine else (second, first)
        version = standing["state_version"]
        owner.until(
            f"/api/channels/{channel}/standings",
            lambda answer, version=version: answer.body.get("state_version") == version,
        )
        assert facts(owner.standings(channel).body) == standing
        assert other.standings(channel).status == 421
    second.kill()
    first.until(
        "/healthz", lambda answer: answer.status == 200 and len(answer.body["partitions"]) == 3
    )
    assert shown(first, everything) == everything
    health = first.get("/healthz").body["partitions"]
    assert [each["gaps"] for each in health] == [0, 0, 0]


PAGED_NAMES = tuple(f"channel {number}" for number in range(25))


@pytest.fixture(scope="module")
def served(
    bootstrap_servers: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewsProcess]:
    """Views that several tests only ask: channels of odd names, and enough for pages."""
    name = f"served-{uuid.uuid4().hex[:8]}"
    topic = DecisionTopic(bootstrap_servers, f"{name}.")
    names = (*ODD_NAMES, *PAGED_NAMES)
    topic.writer().committed([value for each in names for value in small_channel(each)], 500)
    directory = tmp_path_factory.mktemp("served")
    environment = topic.environment(name, directory)
    environment["PARTIDOR_VIEWS__CHANNELS_PER_PAGE_MAX"] = "10"
    with ViewsProcess(environment, directory / "views.log") as views:
        views.ready()
        yield views


def test_a_channel_has_whatever_name_it_has(served: ViewsProcess) -> None:
    """Slashes, dots, percent signs, any script: percent-encoded, every name is found."""
    for name in ODD_NAMES:
        assert facts(served.standings(name).body) == expected(small_channel(name))[name]
    assert served.standings("never seen").status == 404


def test_channels_are_listed_in_pages(served: ViewsProcess) -> None:
    """In order of name, as many at once as asked for, up to a limit."""
    found: list[str] = []
    after = ""
    while True:
        page = served.get(f"/api/channels?after={quote(after)}").body
        found += [each["channel"] for each in page["channels"]]
        assert len(page["channels"]) <= 10
        if page["next_after"] is None:
            break
        after = page["next_after"]
    assert found == sorted((*ODD_NAMES, *PAGED_NAMES))
    assert len(served.get("/api/channels?limit=3").body["channels"]) == 3
    for wrong in ("0", "11", "x", "-1", "", "9" * 50):
        assert served.get(f"/api/channels?limit={wrong}").status == 400


def test_only_reading_is_allowed_and_errors_are_json(served: ViewsProcess) -> None:
    """Everything else is refused, with the same headers."""
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert served.get("/api/channels", method).status == 405
    answer = served.get("/nothing/here")
    assert (answer.status, answer.body) == (404, {"error": "Not Found"})
    for path in ("/api/channels", "/healthz", "/nothing/here"):
        headers = served.get(path).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Type"].startswith("application/json")
    assert served.get("/api/channels", "HEAD").status == 200


def test_what_is_no_decision_is_counted_and_stops_nothing(
    topic: DecisionTopic, start_views: Starter
) -> None:
    """Bytes, nothing, a type of the future; the channel's next decisions go on."""
    web = small_channel("web", 3)
    writer = topic.writer()
    writer.committed(web[:3])
    views = start_views()
    views.ready()
    writer.begin()
    for value in (b"\x00\xff", None, b"{}", b'{"type":"of the future"}'):
        writer.produce_raw(value, b"web")
    writer.commit()
    writer.committed(web[3:])
    until_shown(views, web)
    health = views.get("/healthz").body["partitions"]
    assert sum(each["unreadable"] for each in health) == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(
    number: int, topic: DecisionTopic, start_views: Starter, tmp_path: Path
) -> None:
    """Exit code 0, the snapshots written, nothing on stderr that looks like trouble."""
    topic.writer().committed(small_channel("web"))
    views = start_views(PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS="600000")
    views.ready()
    assert views.stop(signal.Signals(number)) == 0
    assert len(list((tmp_path / "data-0").rglob("decisions-*.sqlite"))) == topic.partitions
    assert "Traceback" not in views.log


def test_it_stops_cleanly_while_it_starts(topic: DecisionTopic, start_views: Starter) -> None:
    """Before its group has formed, too."""
    views = start_views()
    views.until("/healthz", lambda answer: answer.status in (200, 503))
    assert views.stop() == 0
    assert "Traceback" not in views.log


def test_a_port_that_is_taken_is_said(topic: DecisionTopic, start_views: Starter) -> None:
    """One line, exit code 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        views = start_views(PARTIDOR_VIEWS__PORT=str(port))
        assert views.ended() == 1
    assert f"can't serve on 127.0.0.1:{port}" in views.log
    assert "Traceback" not in views.log


def test_a_topic_that_is_missing_is_said(start_views: Starter) -> None:
    """And is not made."""
    views = start_views(PARTIDOR_TOPIC_PREFIX="nowhere.")
    assert views.ended() == 1
    assert "there is no topic nowhere.dispatch.decisions" in views.log
