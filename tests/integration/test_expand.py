"""More partitions while sources go on: no lead is lost or doubled, no state split or forgotten."""

import json
import time
from itertools import count
from pathlib import Path

from schemas.partitioning import partition_of
from tests.reference import events
from tests.support import oracle
from tests.support.expansions import expand, partidor
from tests.support.installation import Installation
from tests.support.records import Json, Record
from tests.support.traffic import day, one_batch_each, rosters
from tests.views_process import ViewsProcess

CHANNELS = 16
BEFORE, AFTER = 4, 8


def expanded(installation: Installation, after: int = AFTER) -> str:
    """Expand with success; what it said."""
    at_ms = time.time_ns() // 1_000_000
    done = expand(installation, after)
    assert done.returncode == 0, done.stderr
    installation.expanded_to(after, at_ms)
    return done.stdout


def a_channel(before: int, after: int) -> str:
    """One that moves to a partition that isn't the last one before."""
    return next(
        name
        for name in (f"mover-{number}" for number in count())
        if partition_of(name.encode(), before) != partition_of(name.encode(), after)
    )


def placed(installation: Installation, topic: str, batch_id: str) -> list[Record]:
    """Where the events with this id stand."""
    return [each for each in installation.read(topic) if each.event.get("batch_id") == batch_id]


def test_a_channel_keeps_its_state_on_its_new_partition(installation: Installation) -> None:
    """Errors, duplicates windows, parked leads: all of it goes on where the key hashes to now."""
    mover = a_channel(BEFORE, AFTER)
    many = [events.lead_batch(f"many-{number}", 1, mover) for number in range(60)]
    installation.publish([*rosters(CHANNELS), events.roster("r", {"A": "1"}, mover)])
    installation.publish([events.lead_batch("parked", 3, "nobody"), *many])
    one = installation.started()
    installation.process(day(2_000, CHANNELS, seed=1))
    assert one.stop() == 0
    said = expanded(installation)
    assert said.startswith("4 -> 8 partitions: ")
    installation.publisher.use_partitions(AFTER)
    installation.publisher.publish([*day(2_000, CHANNELS, seed=1), *many])  # all of it again
    installation.publisher.publish(day(2_000, CHANNELS, seed=2))
    installation.publisher.publish([events.roster("at-last", {"A": "1"}, "nobody")])
    installation.publisher.flush()
    installation.started("after")
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 4_003 + len(many)


def test_an_expansion_to_what_is_no_multiple_moves_states_both_ways(
    installation: Installation,
) -> None:
    """Four to six: old partitions get channels, too. What sources send to old places goes on."""
    after, mover = 6, a_channel(4, 6)
    installation.publish([*rosters(CHANNELS), events.roster("r", {"A": "1", "B": "2"}, mover)])
    one = installation.started()
    installation.process([*day(600, CHANNELS, seed=1), events.lead_batch("first", 4, mover)])
    dry = json.loads(expand(installation, after, "--dry-run", "--json").stdout)
    assert (dry["before"], dry["after"], dry["channels"]) == (4, 6, CHANNELS + 1)
    assert one.stop() == 0
    assert f"{dry['moving']} of {CHANNELS + 1} channels moved" in expanded(installation, after)
    assert expand(installation, after).stdout.startswith("nothing to do")
    late: Json = events.lead_batch("late", 5, mover)
    headers = (("traceparent", b"00-1"), ("empty", None))
    topic = installation.topics.lead_batches
    at_ms = time.time_ns() // 1_000_000 - 5_000
    installation.publisher.send(
        topic, json.dumps(late, indent=1).encode(), mover.encode(), headers=headers,
        timestamp_ms=at_ms,
    )  # fmt: skip
    installation.publish(one_batch_each(CHANNELS, "stale"))
    installation.started("after")
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 600 + 9 + 10 * CHANNELS
    assert outcome.sent_on
    sent, arrived = sorted(placed(installation, topic, "late"), key=lambda each: each.headers == ())
    assert {sent.partition, arrived.partition} == {
        partition_of(mover.encode(), count) for count in (4, 6)
    }
    assert (sent.value, sent.key, sent.headers, sent.timestamp_ms) == (
        arrived.value, arrived.key, headers, at_ms,
    )  # fmt: skip
    (decision,) = [each for each in outcome.decisions if each.event.get("batch_id") == "late"]
    assert decision.event["decided_at"] == events_time(at_ms)
    asked_across(installation, mover)


def events_time(at_ms: int) -> str:
    """As decisions show it."""
    from tests.support.expected import time_text

    return time_text(at_ms)


def asked_across(installation: Installation, mover: str) -> None:
    """Why a lead went to whom, and how an error came about: asked of both partitions."""
    lead_id = placed(installation, installation.topics.lead_batches, "first")[0].event["leads"][0]
    told = partidor(installation, "explain", lead_id["lead_id"], "--channel", mover, "--json")
    assert told.returncode == 0, told.stderr
    stated = partidor(installation, "statement", "A", "--channel", mover, "--json")
    assert stated.returncode == 0, stated.stderr
    moved = [line["state_version"] for line in json.loads(stated.stdout)["lines"]]
    assert moved == sorted(moved)
    assert {2, 3} <= set(moved)


def test_nothing_is_done_while_a_dispatcher_runs(installation: Installation) -> None:
    """Refused with its name; then a dispatcher still starts, and the partitions are as before."""
    installation.started("busy")
    refused = expand(installation, AFTER)
    assert refused.returncode == 1
    assert "1 dispatchers run" in refused.stderr
    assert f"{installation.name}-busy" in refused.stderr
    fewer = expand(installation, 3)
    assert fewer.returncode in (1, 2)
    found = installation.admin.list_topics(timeout=30).topics
    assert len(found[installation.topics.changelog].partitions) == BEFORE


def shown(installation: Installation, views: ViewsProcess) -> dict[str, Json]:
    """What the views say of everybody, by channel."""
    views.ready()
    listed = views.get("/api/channels?limit=100").body
    names = [each["channel"] for each in listed["channels"]]
    assert len(names) == listed["total"] == len(set(names))
    wanted = {each["channel"]: each["state_version"] for each in installation.decisions()}
    found = {}
    for name in names:
        path = f"/api/channels/{name}"
        views.until(path, lambda a, n=name: a.body.get("state_version") == wanted[n])
        body = views.standings(name).body
        found[name] = {key: body[key] for key in ("state_version", "standings")}
    assert found.keys() == wanted.keys()
    return found


def test_the_views_go_on_with_what_a_channel_had(
    installation: Installation, tmp_path: Path
) -> None:
    """Right behind an expansion, with what was decided since, and read anew from the beginning."""
    channels = 8

    def views(name: str, data: str) -> ViewsProcess:
        environment = {
            "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
            "PARTIDOR_TOPIC_PREFIX": installation.topics.prefix,
            "PARTIDOR_APPLICATION_ID": installation.name,
            "PARTIDOR_REDIS_URL": installation.redis_url,
            "PARTIDOR_VIEWS__DATA_DIR": str(tmp_path / data),
            "PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS": "300",
        }
        return ViewsProcess(environment, tmp_path / f"{name}.log")

    installation.publish(rosters(channels))
    one = installation.started()
    installation.process(day(500, channels, seed=1))
    with views("before", "kept") as before:
        as_it_was = shown(installation, before)
        assert before.stop() == 0
    assert one.stop() == 0
    expanded(installation)
    with views("after", "kept") as after:
        assert shown(installation, after) == as_it_was
        installation.publisher.use_partitions(AFTER)
        installation.started("after")
        installation.process(day(500, channels, seed=2))
        going_on = shown(installation, after)
        moved = [name for name in going_on if partition_of(name.encode(), AFTER) >= BEFORE]
        assert moved
        for name in moved:
            versions = going_on[name]["state_version"]
            page = after.get(f"/api/channels/{name}/decisions?limit=1000").body["decisions"]
            assert [each["state_version"] for each in page] == list(range(versions, 0, -1))
            first = after.get(f"/api/channels/{name}/decisions/1")
            assert (first.status, first.body["type"]) == (200, "roster_changed")
    with views("anew", "empty") as anew:
        assert shown(installation, anew) == going_on
