"""The command `partidor` as people call it: a process of its own, real Kafka, real Redis."""

import json
import os
import pty
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas.partitioning import partition_of
from streams.own_command import PARTIDOR

PARTITIONS = 3
CREATED_AT = "2026-11-21T09:00:00Z"
PATIENCE_S = 60


class Installation:
    """Topics, a consumer group and a running dispatcher that no other test has."""

    def __init__(self, bootstrap_servers: str, redis_url: str, **more: str) -> None:
        """`more` are further environment variables."""
        name = f"cli-{uuid.uuid4().hex[:8]}"
        self.bootstrap_servers = bootstrap_servers
        self.prefix = f"{name}."
        self.environment = {
            **os.environ,
            "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": bootstrap_servers,
            "PARTIDOR_REDIS_URL": redis_url,
            "PARTIDOR_APPLICATION_ID": name,
            "PARTIDOR_TOPIC_PREFIX": self.prefix,
            "PARTIDOR_PARTITIONS": str(PARTITIONS),
            "PARTIDOR_REPLICATION_FACTOR": "1",
            "PARTIDOR_MIN_INSYNC_REPLICAS": "1",
            "PARTIDOR_STATUS_INTERVAL_MS": "200",
            **more,
        }

    def __call__(
        self, *arguments: object, stdin: bytes = b"", **more: str
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command to its end."""
        return subprocess.run(
            [*PARTIDOR, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env={**self.environment, **more},
            timeout=PATIENCE_S,
            check=False,
        )

    def done(self, *arguments: object, stdin: bytes = b"", **more: str) -> Any:
        """Run a command that succeeds; its JSON, if it prints any."""
        result = self(*arguments, stdin=stdin, **more)
        assert result.returncode == 0, result.stderr.decode()
        return json.loads(result.stdout) if "--json" in arguments else result.stdout.decode()

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start a command; its log goes to this test's stderr."""
        return subprocess.Popen([*PARTIDOR, *arguments], env=self.environment)

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        """Write a record that no command would write."""
        config = {"bootstrap.servers": self.bootstrap_servers, "compression.type": "gzip",
                  "message.max.bytes": 20_000_000}  # fmt: skip
        producer = Producer(config)
        producer.produce(
            self.prefix + topic, value=value, key=key, partition=partition, headers=list(headers)
        )
        assert producer.flush(PATIENCE_S) == 0

    def letters(self, *arguments: str) -> list[dict[str, Any]]:
        """Dead letters as they are listed."""
        result = self("dead-letters", "list", "--json", *arguments)
        assert result.returncode == 0, result.stderr.decode()
        return [json.loads(line) for line in result.stdout.splitlines()]

    def caught_up(self) -> None:
        """Wait until nothing is left to process."""
        until(lambda: self("lag", "--max", "0").returncode == 0)


def until(condition: Callable[[], bool]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def partidor(bootstrap_servers: str, redis_url: str) -> Iterator[Installation]:
    """An installation with a dispatcher at work."""
    installation = Installation(bootstrap_servers, redis_url)
    installation.done("topics", "create")
    with installation.start("run") as dispatcher:
        try:
            yield installation
        finally:
            dispatcher.send_signal(signal.SIGTERM)
            assert dispatcher.wait(PATIENCE_S) == 0


@pytest.fixture
def channel() -> str:
    """A channel that no other test has."""
    return f"channel-{uuid.uuid4().hex[:8]}"


def _roster(channel: str, **weights: str) -> dict[str, Any]:
    members = [{"assignee_id": name, "weight": weight} for name, weight in weights.items()]
    return {
        "type": "roster_replaced", "schema_version": 1, "change_id": "c1",
        "channel": channel, "created_at": CREATED_AT, "members": members,
    }  # fmt: skip


def _batch(channel: str, batch_id: str, size: int) -> dict[str, Any]:
    leads = [{"lead_id": f"{batch_id}-{n}", "attributes": {"n": n}} for n in range(size)]
    return {
        "type": "lead_batch", "schema_version": 1, "batch_id": batch_id,
        "channel": channel, "created_at": CREATED_AT, "leads": leads,
    }  # fmt: skip


def _lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def _value(event: dict[str, Any]) -> bytes:
    return json.dumps(event).encode()


def _watched(partidor: Installation, channel: str, count: int) -> list[dict[str, Any]]:
    result = partidor(
        "watch", "--json", "--from-beginning", "--channel", channel, "--max", count,
        "--timeout", PATIENCE_S - 5,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode()
    return [json.loads(line) for line in result.stdout.splitlines()]


def _who_got_what(events: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [(e["batch_id"], e["position"], e["lead_id"], e["assignee_id"]) for e in events]


def test_topics_that_are_created_are_as_they_should_be(partidor: Installation) -> None:
    """Creating again creates nothing; checking finds nothing."""
    again = partidor.done("topics", "create", "--json")
    assert again["created"] == []
    assert len(again["existing"]) == 8
    assert partidor.done("topics", "check", "--json") == []


def test_each_difference_is_told(partidor: Installation) -> None:
    """Partitions, replicas, size of records, and topics that aren't there."""
    settings = {
        "PARTIDOR_PARTITIONS": "4",
        "PARTIDOR_REPLICATION_FACTOR": "3",
        "PARTIDOR_LIMITS__INPUT_BYTES_MAX": "9000000",
        "PARTIDOR_TRANSACTION_TIMEOUT_MS": "90000000",
    }
    result = partidor("topics", "check", "--json", **settings)
    assert result.returncode == 1
    found = {(d["subject"].removeprefix(partidor.prefix), d["setting"]): d["found"]
             for d in json.loads(result.stdout)}  # fmt: skip
    assert found["leads.batches", "partitions"] == "3"
    assert found["dispatch.changelog", "replication.factor"] == "1"
    assert ("dispatch.dead-letters", "max.message.bytes") in found
    assert ("dispatch.dead-letters", "partitions") not in found
    assert ("brokers", "transaction.max.timeout.ms") in found
    missing = partidor("topics", "check", PARTIDOR_TOPIC_PREFIX="nothing-here.")
    assert missing.returncode == 1
    assert missing.stdout.decode().count("missing") == 8


def test_without_topics_publishing_says_what_to_do(partidor: Installation, channel: str) -> None:
    """No topic comes into being by accident."""
    elsewhere = {"PARTIDOR_TOPIC_PREFIX": "nothing-here."}
    result = partidor("publish", "-", stdin=_lines(_batch(channel, "b1", 1)), **elsewhere)
    assert result.returncode == 1
    assert b"partidor topics create" in result.stderr
    assert b"missing" in partidor("topics", "check", **elsewhere).stdout


def test_what_is_published_is_assigned_as_a_replay_says(
    partidor: Installation, channel: str, tmp_path: Path
) -> None:
    """Same batches, positions, leads and assignees; exact errors too."""
    events = _lines(
        _roster(channel, A="0.8", B="1", C="1.2"),
        _batch(channel, "b1", 100),
        _batch(channel, "b2", 50),
    )
    file = tmp_path / "events.jsonl"
    file.write_bytes(events)
    counts = partidor.done("publish", file, "--json")
    assert counts == {"lead_batches": 2, "leads": 150, "roster_changes": 1, "outcomes": 0}
    replayed = [json.loads(line) for line in partidor.done("replay", file).splitlines()]
    expected = [event for event in replayed if event["type"] == "lead_assigned"]
    watched = _watched(partidor, channel, 150)
    assert _who_got_what(watched) == _who_got_what(expected)
    partidor.caught_up()
    until(lambda: partidor.done("show", channel, "--json")["state_version"] == 3)
    shown = partidor.done("show", channel, "--json")
    after = {
        share["assignee_id"]: share["cumulative_error_numerator"]
        for share in replayed[-1]["shares"]
    }
    assert after == {
        member["assignee_id"]: member["cumulative_error_numerator"] for member in shown["members"]
    }
    assert shown["error_denominator"] == replayed[-1]["error_denominator"]
    assert shown["promise"]["kept"]
    assert [decision["type"] for decision in shown["last_decisions"]] == [
        "batch_dispatched", "batch_dispatched", "roster_replaced",
    ]  # fmt: skip


def test_publishing_the_same_file_again_does_nothing_twice(
    partidor: Installation, channel: str
) -> None:
    """Batches and changes are known by their ids."""
    events = _lines(_roster(channel, A="1"), _batch(channel, "b1", 5))
    for _ in range(3):
        partidor.done("publish", "-", stdin=events)
    partidor.done("publish", "-", stdin=_lines(_batch(channel, "b2", 1)))
    assert [e["lead_id"] for e in _watched(partidor, channel, 6)][-1] == "b2-0"


def test_leads_from_csv_carry_their_columns(
    partidor: Installation, channel: str, tmp_path: Path
) -> None:
    """A CSV over the limit goes out in several batches."""
    file = tmp_path / "leads.csv"
    rows = "".join(f"L{number};Ann, {number}\n" for number in range(25))
    file.write_text("lead_id;name\n" + rows)
    partidor.done("roster", "join", channel, "A", "1")
    result = partidor(
        "publish", file, "--channel", channel, "--batch-id", "b1",
        PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX="10",
    )  # fmt: skip
    assert result.returncode == 0, result.stderr.decode()
    assert b"sent as 3" in result.stderr
    events = _watched(partidor, channel, 25)
    assert [event["lead_id"] for event in events] == [f"L{number}" for number in range(25)]
    assert events[7]["attributes"] == {"name": "Ann, 7"}
    assert [event["batch_id"] for event in events[::10]] == ["b1", "b1.2", "b1.3"]


def test_each_roster_command_does_what_it_says(
    partidor: Installation, channel: str, tmp_path: Path
) -> None:
    """Join, weight, pause, resume, correct, replace, leave: as Redis shows them."""

    def roster_after(version: int) -> dict[str, tuple[str, bool, str]]:
        def there() -> bool:
            result = partidor("show", channel, "--json")
            return result.returncode == 0 and json.loads(result.stdout)["roster_version"] == version

        until(there)
        members = partidor.done("show", channel, "--json")["members"]
        return {
            m["assignee_id"]: (m["weight"], m["paused"], m["cumulative_error"]) for m in members
        }

    none = "0.000000000000"
    published = partidor.done("roster", "join", channel, "A", "0.8", "--change-id", "j1", "--json")
    assert published["change_id"] == "j1"
    assert published["partition"] == partition_of(channel.encode(), PARTITIONS)
    partidor.done("roster", "join", channel, "B", "1", "--reason", "new", "--changed-by", "kim")
    assert roster_after(2) == {"A": ("0.8", False, none), "B": ("1", False, none)}
    partidor.done("roster", "weight", channel, "A", "1.2")
    partidor.done("roster", "pause", channel, "A", "--reason", "lunch")
    assert roster_after(4)["A"] == ("1.2", True, none)
    partidor.done("roster", "resume", channel, "A")
    amount = ["--amount", "-3", "--counter-assignee", "B", "--reason", "moved to B"]
    partidor.done("roster", "correct", channel, "A", *amount)
    after = roster_after(6)
    assert (after["A"][2], after["B"][2]) == ("-3.000000000000", "3.000000000000")
    file = tmp_path / "roster.csv"
    file.write_text("assignee_id,weight,paused\nB,2,yes\nC,0.5,\n")
    partidor.done("roster", "replace", channel, file, "--expected-roster-version", "6")
    assert {name: values[:2] for name, values in roster_after(7).items()} == {
        "B": ("2", True),
        "C": ("0.5", False),
    }
    partidor.done("roster", "leave", channel, "B")
    assert roster_after(8) == {"C": ("0.5", False, none)}
    shown = partidor.done("show", channel)
    assert "assignee_left" in shown
    assert "Promised" in shown


def test_a_refused_change_is_a_dead_letter(partidor: Installation, channel: str) -> None:
    """The roster has another version than expected: nothing changes, the letter says why."""
    partidor.done("roster", "join", channel, "A", "1")
    rest = ["--expected-roster-version", "9", "--change-id", channel]
    partidor.done("roster", "replace", channel, "-", *rest, stdin=b"assignee_id,weight\nB,1\n")
    partidor.caught_up()
    (letter,) = [
        letter
        for letter in partidor.letters("--reason", "roster_version_mismatch")
        if letter["key"] == channel
    ]
    assert "not 9 as expected" in letter["detail"]


def test_parked_batches_are_shown_until_they_are_released(
    partidor: Installation, channel: str
) -> None:
    """Leads that nobody can take are seen waiting."""
    partidor.done("publish", "-", stdin=_lines(_batch(channel, "b1", 3), _batch(channel, "b2", 4)))
    until(lambda: partidor("show", channel).returncode == 0)
    until(lambda: partidor.done("show", channel, "--json")["parked_leads"] == 7)
    shown = partidor.done("show", channel, "--json")
    assert [batch["batch_id"] for batch in shown["parked_batches"]] == ["b1", "b2"]
    assert "Parked, oldest first" in partidor.done("show", channel)
    partidor.done("roster", "join", channel, "A", "1")
    assert len(_watched(partidor, channel, 7)) == 7
    until(lambda: partidor.done("show", channel, "--json")["parked_leads"] == 0)


def test_a_channel_that_is_not_there_is_told(partidor: Installation, channel: str) -> None:
    """Exit code 1, one line; another application has no state at all."""
    partidor.done("roster", "join", "somebody-else", "A", "1")
    until(lambda: partidor("show", "somebody-else").returncode == 0)
    result = partidor("show", channel)
    assert result.returncode == 1
    assert b"there is no channel" in result.stderr
    result = partidor("show", channel, PARTIDOR_APPLICATION_ID="nobody")
    assert result.returncode == 1
    assert b"no dispatcher" in result.stderr


def test_lag_names_owner_and_state(partidor: Installation, channel: str) -> None:
    """When all is processed there is no lag; every partition is running in the dispatcher."""
    partidor.done("publish", "-", stdin=_lines(_roster(channel, A="1"), _batch(channel, "b1", 5)))
    partidor.caught_up()
    lag = partidor.done("lag", "--json")
    assert lag["lag"] == 0
    assert len(lag["partitions"]) == 3 * PARTITIONS
    until(
        lambda: (
            {row["state"] for row in partidor.done("lag", "--json")["partitions"]} == {"running"}
        )
    )
    for row in lag["partitions"]:
        assert row["owner"]
        assert row["host"]
        assert row["delay_seconds"] == 0
    assert "running" in partidor.done("lag")


def test_lag_counts_what_is_not_processed(partidor: Installation, channel: str) -> None:
    """A group that has read nothing is behind by everything, and by how long."""
    partidor.done("publish", "-", stdin=_lines(_batch(channel, "b1", 1)))
    nobody = {"PARTIDOR_APPLICATION_ID": "nobody"}
    result = partidor("lag", "--max", "0", "--json", **nobody)
    assert result.returncode == 1
    rows = json.loads(result.stdout)["partitions"]
    behind = [row for row in rows if row["lag"]]
    assert behind
    for row in behind:
        assert row["lag"] == row["end"]
        assert row["committed"] is None
        assert row["owner"] is None
        assert row["delay_seconds"] > 0
    most = max(row["lag"] for row in rows)
    assert partidor("lag", "--max", most, **nobody).returncode == 0


def test_markers_of_transactions_are_no_lag(partidor: Installation, channel: str) -> None:
    """A source that writes in transactions leaves a marker at the end, which nobody processes."""
    producer = Producer(
        {"bootstrap.servers": partidor.bootstrap_servers, "transactional.id": channel}
    )
    producer.init_transactions(PATIENCE_S)
    partition = partition_of(channel.encode(), PARTITIONS)
    for number in range(3):
        producer.begin_transaction()
        producer.produce(
            f"{partidor.prefix}leads.batches",
            value=_value(_batch(channel, f"b{number}", 1)),
            key=channel.encode(),
            partition=partition,
        )
        producer.commit_transaction(PATIENCE_S)
    partidor.caught_up()
    rows = partidor.done("lag", "--json")["partitions"]
    (row,) = [
        row for row in rows
        if row["partition"] == partition and row["topic"].endswith("leads.batches")
    ]  # fmt: skip
    assert (row["lag"], row["delay_seconds"]) == (0, 0)


def test_watch_ends_in_time_and_says_what_was_missing(partidor: Installation, channel: str) -> None:
    """--timeout before --max is a failure, --timeout alone is not."""
    result = partidor("watch", "--channel", channel, "--max", "1", "--timeout", "1")
    assert result.returncode == 1
    assert b"0 of 1" in result.stderr
    assert partidor("watch", "--channel", channel, "--timeout", "1").returncode == 0


def test_watch_shows_what_is_committed_from_now_on(partidor: Installation, channel: str) -> None:
    """What was there before isn't shown; Ctrl-C is its normal end."""
    partidor.done("publish", "-", stdin=_lines(_roster(channel, A="1"), _batch(channel, "b1", 5)))
    _watched(partidor, channel, 5)
    with subprocess.Popen(
        [*PARTIDOR, "watch", "--channel", channel],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=partidor.environment,
    ) as watching:  # fmt: skip
        assert watching.stderr is not None
        assert watching.stdout is not None
        assert b"watching" in watching.stderr.readline()
        partidor.done("publish", "-", stdin=_lines(_batch(channel, "b2", 1)))
        assert json.loads(watching.stdout.readline())["batch_id"] == "b2"
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE_S) == 0


def test_watch_is_a_live_table_on_a_terminal(partidor: Installation, channel: str) -> None:
    """Somebody looks: columns, totals per assignee, no JSON, no attributes."""
    events = _lines(_roster(channel, A="1", B="1"), _batch(channel, "b1", 6))
    partidor.done("publish", "-", stdin=events)
    ours, theirs = pty.openpty()
    arguments = ["watch", "--from-beginning", "--channel", channel, "--max", "6"]
    environment = {**partidor.environment, "TERM": "xterm-256color", "COLUMNS": "150"}
    with subprocess.Popen(
        [*PARTIDOR, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=environment
    ) as watching:
        os.close(theirs)
        screen = b""
        try:
            while piece := os.read(ours, 65536):
                screen += piece
        except OSError:  # the terminal is gone when its last writer is
            pass
        assert watching.wait(PATIENCE_S) == 0
    os.close(ours)
    assert b"Assignments (6 so far)" in screen
    assert b"b1-5" in screen
    assert b"lead_assigned" not in screen


def test_dead_letters_are_listed_shown_and_sent_again(partidor: Installation, channel: str) -> None:
    """On the wrong partition: the original bytes, key and headers go to the right one."""
    partidor.done("roster", "join", channel, "A", "1")
    value = b" " + _value(_batch(channel, "b1", 3))
    wrong = (partition_of(channel.encode(), PARTITIONS) + 1) % PARTITIONS
    headers = (("trace", b"\x00\xff"), ("trace", b"2"))
    partidor.send("leads.batches", channel.encode(), value, wrong, headers)
    until(lambda: any(letter["key"] == channel for letter in partidor.letters()))
    (letter,) = [letter for letter in partidor.letters() if letter["key"] == channel]
    assert letter["reason"] == "wrong_partition"
    assert letter["topic"] == f"{partidor.prefix}leads.batches"
    assert letter["partition"] == str(wrong)
    shown = partidor.done("dead-letters", "show", letter["address"], "--json")
    assert shown["value"] == value.decode()
    assert "trace" in shown["headers"]
    assert partidor("dead-letters", "show", letter["address"], "--raw").stdout == value
    assert "wrong_partition" in partidor.done("dead-letters", "list")
    assert channel in partidor.done("dead-letters", "show", letter["address"])
    outcome = partidor.done("dead-letters", "retry", letter["address"], "--json")
    assert outcome == {"sent": 1, "not_sent": []}
    assert len(_watched(partidor, channel, 3)) == 3
    # Sent again a second time it is a duplicate, and no new dead letter.
    partidor.done("dead-letters", "retry", letter["address"])
    partidor.caught_up()
    assert len([each for each in partidor.letters() if each["key"] == channel]) == 1


def test_a_record_without_a_key_is_sent_again_under_its_channel(
    partidor: Installation, channel: str
) -> None:
    """The event says which channel it is of."""
    partidor.done("roster", "join", channel, "A", "1")
    partition = partition_of(channel.encode(), PARTITIONS)
    partidor.send("leads.batches", None, _value(_batch(channel, "b1", 2)), partition)

    def address() -> str:
        for letter in partidor.letters("--reason", "wrong_key"):
            shown = partidor.done("dead-letters", "show", letter["address"], "--json")
            if channel in (shown["value"] or ""):
                return str(letter["address"])
        return ""

    until(lambda: address() != "")
    partidor.done("dead-letters", "retry", address())
    assert len(_watched(partidor, channel, 2)) == 2


def test_a_wrong_key_is_kept_unless_told_otherwise(partidor: Installation, channel: str) -> None:
    """Which of key and channel is right is for people to say."""
    partidor.done("roster", "join", channel, "A", "1")
    key = f"not-{channel}".encode()
    value = _value(_batch(channel, "b1", 2))
    partidor.send("leads.batches", key, value, partition_of(key, PARTITIONS))

    def addresses() -> list[str]:
        return [each["address"] for each in partidor.letters() if each["key"] == key.decode()]

    until(lambda: len(addresses()) == 1)
    partidor.done("dead-letters", "retry", addresses()[0])
    until(lambda: len(addresses()) == 2)
    partidor.done("dead-letters", "retry", "--key-from-channel", addresses()[0])
    assert len(_watched(partidor, channel, 2)) == 2


def test_what_cannot_be_sent_again_is_told_and_the_rest_is_sent(
    partidor: Installation, channel: str
) -> None:
    """No key and no channel, no value, or too large to be kept: each with its reason."""
    before = {letter["address"] for letter in partidor.letters("--last", "0")}
    partidor.send("leads.batches", None, b"no event", 0)
    partidor.send("roster.changes", channel.encode(), None, 0)
    partidor.send("leads.batches", channel.encode(), b"[" + b" " * 9_000_000 + b"]", 0)
    partidor.send("leads.batches", channel.encode(), b"not json but with a key", 0)

    def new() -> list[str]:
        listed = partidor.letters("--last", "0")
        return [each["address"] for each in listed if each["address"] not in before]

    until(lambda: len(new()) == 4)
    result = partidor("dead-letters", "retry", "--json", *new())
    assert result.returncode == 1
    outcome = json.loads(result.stdout)
    assert outcome["sent"] == 1
    told = "\n".join(outcome["not_sent"])
    assert "neither a key nor a channel" in told
    assert "no value" in told
    assert "too large to be kept" in told
    until(lambda: len(new()) == 5)
    # All at once, chosen by reason: only that kind goes out.
    result = partidor("dead-letters", "retry", "--reason", "too_large", "--json")
    assert result.returncode == 1
    assert json.loads(result.stdout)["sent"] == 0


def test_a_letter_that_is_not_there_is_told(partidor: Installation) -> None:
    """Neither an offset nor a partition beyond the end is waited for."""
    for address in ("0:999999", "99:0"):
        result = partidor("dead-letters", "show", address)
        assert result.returncode == 1
        assert f"there is no dead letter {address}" in result.stderr.decode()
