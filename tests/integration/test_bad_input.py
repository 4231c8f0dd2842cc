"""Whatever stands in an input topic: it ends as a dead letter or as a decision, and stops nothing.

One dispatcher takes all of it. After each bad record a good batch of the same channel, hence of
the same partition, has to come through.
"""

import json
import time
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING

import pytest

from schemas.partitioning import partition_of
from streams.dead_letter_desk import DeadLetterDesk
from tests.reference import events
from tests.support import copies, oracle
from tests.support.bad_events import BAD_BATCHES, BAD_CHANGES, BAD_LEADS, NO_EVENTS, Bad
from tests.support.bench import HEADERS, Bench
from tests.support.installation import Installation
from tests.support.publisher import encoded
from tests.support.records import Json

if TYPE_CHECKING:
    from streams.local import Stack

MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def bench(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One installation for this file; at the end the oracle judges all of it together."""
    directory = tmp_path_factory.mktemp("bad-input")
    with Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation:
        dispatcher = installation.started()
        bench = Bench(installation)
        yield bench
        oracle.check(installation, bench.refused)
        assert dispatcher.stop() == 0


def spoiled(event: Json, bad: Bad) -> bytes:
    """The event with what is wrong."""
    merged = {**event, **bad.changed}
    return encoded({name: value for name, value in merged.items() if value is not None})


@pytest.mark.parametrize("bad", BAD_BATCHES, ids=lambda bad: bad.what)
def test_a_bad_batch_is_a_dead_letter(bench: Bench, bad: Bad) -> None:
    """As it came, with the reason, and the next batch is divided."""
    channel = bench.channel(f"batches, {bad.what}")
    value = spoiled(events.lead_batch("bad", 3, channel), bad)
    at = bench.send(bench.installation.topics.lead_batches, value, channel)
    bench.good_batch_passes(channel)
    letter = bench.letter(at, bad.reason)
    assert letter.value == value
    assert letter.key == channel.encode()
    assert bad.detail in letter.errors["detail"]


@pytest.mark.parametrize("bad", BAD_CHANGES, ids=lambda bad: bad.what)
def test_a_bad_change_is_a_dead_letter(bench: Bench, bad: Bad) -> None:
    """As it came, with the reason, and it leaves no trace in the channel."""
    channel = bench.channel(f"changes, {bad.what}")
    join = events.change("assignee_joined", "bad", channel, assignee_id="N", weight="1")
    value = spoiled(join, bad)
    at = bench.send(bench.installation.topics.roster_changes, value, channel)
    if bad.reason == "limit_exceeded":
        bench.refused[at] = bad.reason
    bench.good_batch_passes(channel)
    letter = bench.letter(at, bad.reason)
    assert letter.value == value
    assert bad.detail in letter.errors["detail"]
    (decision,) = bench.installation.decisions(channel, "batch_dispatched")
    assert [row["assignee_id"] for row in decision["shares"]] == ["A", "B"]
    assert decision["roster_version"] == 1


@pytest.mark.parametrize("topic", ["leads.batches", "roster.changes"])
@pytest.mark.parametrize("what", NO_EVENTS)
def test_what_is_no_json_is_a_dead_letter(bench: Bench, topic: str, what: str) -> None:
    """Byte for byte, on either topic; a record without a value too."""
    channel = bench.channel(f"no JSON, {topic}, {what}")
    at = bench.send(bench.installation.topics.prefix + topic, NO_EVENTS[what], channel)
    bench.good_batch_passes(channel)
    assert bench.letter(at, "not_json").value == NO_EVENTS[what]


@pytest.mark.parametrize("value", [b"[]", b"7", b'"lead_batch"', b"null"])
def test_json_that_is_no_object_is_a_dead_letter(bench: Bench, value: bytes) -> None:
    """It is JSON, but no event."""
    channel = bench.channel(f"no object, {value.decode()}")
    at = bench.send(bench.installation.topics.lead_batches, value, channel)
    bench.good_batch_passes(channel)
    assert bench.letter(at, "invalid_event").value == value


def test_an_event_that_nests_without_end_is_a_dead_letter(bench: Bench) -> None:
    """Two hundred levels would be a burden for everybody who reads the outputs."""
    channel = bench.channel("nested")
    deep = b'{"lead_id":"L","attributes":{"a":' + b"[" * 200 + b"]" * 200 + b"}}"
    value = encoded(events.lead_batch("deep", 0, channel)).replace(b"[]", b"[" + deep + b"]")
    at = bench.send(bench.installation.topics.lead_batches, value, channel)
    bench.refused[at] = "not_json"
    bench.good_batch_passes(channel)
    assert "nested" in bench.letter(at, "not_json").errors["detail"]


@pytest.mark.parametrize("key", [None, b"", b"another", b"\xff\xfe"])
def test_a_key_that_is_not_the_channel_is_a_dead_letter(bench: Bench, key: bytes | None) -> None:
    """Its key stays as it was, none included."""
    channel = bench.channel(f"key {key!r}")
    value = encoded(events.lead_batch("b", 3, channel))
    at = bench.send(bench.installation.topics.lead_batches, value, channel, key=key)
    bench.good_batch_passes(channel)
    letter = bench.letter(at, "wrong_key")
    assert letter.key == key
    assert letter.value == value


def test_a_record_on_the_wrong_partition_says_which_partitioner_to_set(bench: Bench) -> None:
    """And sending it again puts it right: it is divided, and the old errors are gone from it."""
    channel = bench.channel("wrong partition")
    wrong = (partition_of(channel.encode(), 4) + 1) % 4
    topic = bench.installation.topics.lead_batches
    value = encoded(events.lead_batch("astray", 3, channel))
    at = bench.send(topic, value, channel, partition=wrong)
    bench.good_batch_passes(channel)
    letter = bench.letter(at, "wrong_partition")
    assert "murmur2_random" in letter.errors["detail"]

    desk = DeadLetterDesk(bench.installation.settings)
    retried = desk.retry(
        [found for found in desk.all() if found.value == value], key_from_channel=False
    )
    assert (retried.sent, retried.not_sent) == (1, [])
    bench.installation.wait_until_processed()
    assert not bench.new_letters()
    batches = bench.installation.decisions(channel, "batch_dispatched")
    assert [decision["batch_id"] for decision in batches] == ["good", "astray"]
    again = bench.installation.read(topic)[-1]
    sent = next(r for r in bench.installation.read(topic) if r.value == value and r.at != at)
    assert sent.headers == HEADERS
    assert again.errors == {}


@pytest.mark.parametrize("what", BAD_LEADS)
def test_one_bad_lead_among_good_ones_goes_alone(bench: Bench, what: str) -> None:
    """The others are divided; it travels as a batch of its own that can be mended and sent."""
    lead, reason = BAD_LEADS[what]
    channel = bench.channel(f"bad lead, {what}")
    batch = events.lead_batch("mixed", ["L1", lead, "L3"], channel)
    at = bench.send(bench.installation.topics.lead_batches, mended(batch, lead), channel)
    bench.good_batch_passes(channel)
    letter = bench.letter(at, reason)
    assert letter.event["batch_id"] == "mixed~2"
    assert letter.event["leads"] == [lead]
    taken = [
        (event["lead_id"], event["position"], event["batch_size"])
        for event in bench.installation.assignments(channel)
        if event["batch_id"] == "mixed"
    ]
    assert taken == [("L1", 1, 2), ("L3", 2, 2)]


def mended(batch: Json, lead: object) -> bytes:
    """`lead_batch` takes a text for a lead's id; here it is to be the lead."""
    leads = [batch["leads"][0], lead, batch["leads"][2]]
    return encoded({**batch, "leads": leads})


def test_a_change_for_a_channel_never_seen(bench: Bench) -> None:
    """A leave leaves no trace of the channel, in Redis neither; a join makes it."""
    topic = bench.installation.topics.roster_changes
    leave = events.change("assignee_left", "l", "never seen", assignee_id="A")
    at = bench.send(topic, encoded(leave), "never seen")
    bench.installation.wait_until_processed()
    bench.letter(at, "not_a_member")
    copies.check_redis(bench.installation)
    partition = partition_of(b"never seen", 4)
    assert b"channels/never seen" not in bench.installation.redis_hash(partition)
    join = events.change("assignee_joined", "j", "never seen", assignee_id="A", weight="1")
    bench.installation.process([join])
    bench.good_batch_passes("never seen")


@pytest.mark.parametrize("created_at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-14:00"])
@pytest.mark.parametrize("timestamp", ["long ago", "half an hour ahead", "now"])
def test_times_far_away_change_nothing(bench: Bench, created_at: str, timestamp: str) -> None:
    """`created_at` is the source's affair; decisions carry the record's time, whatever it is."""
    now_ms = time.time_ns() // 1_000_000
    timestamp_ms = {"long ago": 1, "half an hour ahead": now_ms + 1_800_000, "now": 0}[timestamp]
    channel = bench.channel(f"times, {created_at}, {timestamp}")
    batch = {**events.lead_batch("far", 4, channel), "created_at": created_at}
    bench.send(
        bench.installation.topics.lead_batches, encoded(batch), channel, timestamp_ms=timestamp_ms
    )
    pause = events.change("assignee_paused", "p", channel, assignee_id="A")
    bench.installation.wait_until_processed()
    bench.send(
        bench.installation.topics.roster_changes,
        encoded({**pause, "created_at": created_at}),
        channel,
        timestamp_ms=timestamp_ms,
    )
    bench.good_batch_passes(channel)
    takers = [event["assignee_id"] for event in bench.installation.assignments(channel)]
    assert sorted(takers) == ["A", "A", "B", "B", "B", "B", "B", "B"]
    if timestamp == "long ago":
        (far,) = (
            decision
            for decision in bench.installation.decisions(channel, "batch_dispatched")
            if decision["batch_id"] == "far"
        )
        assert far["decided_at"] == "1970-01-01T00:00:00.001Z"


def test_the_largest_batch_and_the_largest_roster_pass(bench: Bench) -> None:
    """10,000 leads in a batch; 10,000 members, whose decision lists everyone."""
    channel = bench.channel("largest")
    bench.installation.process([events.lead_batch("many", 10_000, channel)])
    weights = {f"assignee-{number:05d}-of-10000": "1" for number in range(10_000)}
    bench.installation.process([events.roster("all", weights, channel)])
    bench.good_batch_passes(channel)
    *_, change = bench.installation.decisions(channel, "roster_changed")
    assert len(change["shares"]) == 10_000
    assert len(bench.installation.assignments(channel)) == 10_004
    assert not bench.new_letters()


def test_an_event_of_a_mebibyte_passes_and_a_larger_one_does_not(bench: Bench) -> None:
    """The limit counts bytes as they are, not as they travel compressed."""
    channel = bench.channel("a mebibyte")
    topic = bench.installation.topics.lead_batches
    notes = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=15_000))
    leads = [{"lead_id": f"L{n}", "attributes": {"notes": notes}} for n in range(69)]
    value = encoded(events.lead_batch("full", leads, channel))
    bench.send(topic, value + b" " * (MEBIBYTE - len(value)), channel)
    bench.installation.wait_until_processed()
    assert not bench.new_letters()
    assert len(bench.installation.assignments(channel)) == 69

    value = encoded(events.lead_batch("over", leads, channel))
    at = bench.send(topic, value + b" " * (MEBIBYTE - len(value) + 1), channel)
    bench.good_batch_passes(channel)
    letter = bench.letter(at, "too_large")
    assert str(MEBIBYTE + 1) in letter.errors["detail"]
    assert len(letter.value or b"") == MEBIBYTE + 1


def test_eight_megabytes_that_compress_to_little_leave_their_length_and_hash(bench: Bench) -> None:
    """They pass the topic compressed and would never fit the dead letters."""
    channel = bench.channel("eight megabytes")
    attributes = {"notes": "n" * 15_000}
    leads = [{"lead_id": f"L{n}", "attributes": attributes} for n in range(535)]
    value = encoded(events.lead_batch("huge", leads, channel))
    assert len(value) > 8_000_000
    at = bench.send(bench.installation.topics.lead_batches, value, channel)
    bench.good_batch_passes(channel)
    (letter,) = bench.new_letters()
    assert letter.errors["reason"] == "too_large"
    content = json.loads(letter.value or b"")
    assert content["value_bytes"] == len(value)
    assert (content["topic"], content["partition"], content["offset"]) == at
