"""`partidor forget` on real servers: afterwards nothing is found but what was announced."""

import json
import os
import subprocess

import pytest

from streams.audit.verifying import verify
from streams.forgetting import Search, events_for, send, wait_until_nothing_is_live
from streams.own_command import PARTIDOR
from tests.reference import events
from tests.support import oracle
from tests.support.dispatchers import CODE
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json
from tests.support.waiting import wait_until

PHONE = "+61 491 570 156"
DIGITS = b"491 570 156"


def batch(batch_id: str, leads: list[str], channel: str = "web") -> Json:
    """Leads of one person."""
    event = events.lead_batch(batch_id, leads, channel)
    for lead in event["leads"]:
        lead["attributes"] = {"phone": PHONE, "suburb": "Carlton"}
    return event


def forget(installation: Installation, *arguments: str, status: int = 0) -> Json:
    """The command itself; what it prints."""
    environment = {
        **os.environ,
        "PYTHONPATH": CODE,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
    }
    command = ["-c", "import sys; from streams.cli import main; sys.exit(main())", "forget"]
    done = subprocess.run(
        [PARTIDOR[0], *command, *arguments, "--json"],
        env=environment, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == status, done.stderr.decode()
    found: Json = json.loads(done.stdout)
    return found


def places_that_hold(installation: Installation, text: bytes) -> set[tuple[str, int, int]]:
    """Every committed record of every topic with this in it."""
    return {
        record.at
        for name, _ in installation.topics.table()
        for record in installation.read(name)
        if text in (record.value or b"") + (record.key or b"")
    }


def redis_holds(installation: Installation, text: bytes) -> bool:
    """Whether any key or value of the installation has this in it."""
    for key in installation.redis.scan_iter(match=f"partidor:{installation.name}:*", count=1_000):
        held = key
        if installation.redis.type(key) == b"hash":
            for field, value in installation.redis.hgetall(key).items():  # type: ignore[union-attr]
                held += field + value
        else:
            held += installation.redis.get(key) or b""
        if text in held:
            return True
    return False


def announced(found: Json) -> set[tuple[str, int, int]]:
    """The records that the command lists."""
    return {(each["topic"], each["partition"], each["offset"]) for each in found["on_logs"]}


def test_a_lead_that_waits_is_forgotten_and_what_logs_hold_is_announced(
    installation: Installation,
) -> None:
    """In the state, in Redis, over a kill; every record left that holds the person is listed."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process([batch("b", ["L1"]), batch("b2", ["L2"], "other")])
    assert redis_holds(installation, DIGITS)
    listed = forget(installation, "L1", "--list")
    assert listed["live"]["waiting"] == listed["live"]["in_redis"] == {"web": 1}
    found = forget(installation, "L1", "--reason", "asked for", "--changed-by", "privacy")
    assert found["live"]["nothing"]
    assert found["events_sent"] == 1
    others = places_that_hold(installation, b'"L2"')
    theirs = places_that_hold(installation, DIGITS) - others
    assert theirs == announced(found)
    assert all(each["kept_until"] for each in found["on_logs"])
    (decision,) = installation.decisions("web", "outcome_recorded")
    assert decision["unparked_batch_id"] == "b"
    assert (decision["reason"], decision["assignee_id"]) == ("asked for", "-")
    # Whoever comes now gets the other lead, and not this one.
    installation.process([events.roster("r", {"A": "1"}, name) for name in ("web", "other")])
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([batch("b3", ["L3"], "other")])
    assert [each["lead_id"] for each in installation.assignments()] == ["L2", "L3"]
    assert not redis_holds(installation, DIGITS)
    oracle.check(installation)
    assert verify(installation.settings).is_sound


def test_the_register_forgets_a_person_over_a_lost_redis(installation: Installation) -> None:
    """The next lead of the same person is a newcomer's; also when all is read from the topic."""
    dispatcher = installation.started(**AT_ONCE)
    rule = {"attributes": ["phone"], "days": 30}
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("channel_configured", "c", "web", sticky=rule),
        ]
    )
    installation.process([batch("b", ["L1"])])
    wait_until(lambda: owners_in_redis(installation) == 1, "the register is in Redis")
    found = forget(installation, "L1", "--channel", "web")
    assert found["live"]["nothing"]
    assert found["events_sent"] == 1
    wait_until(lambda: owners_in_redis(installation) == 0, "Redis forgets the person")
    (value,) = [
        record.value
        for record in installation.read(installation.topics.register)
        if record.value is None
    ]
    assert value is None
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([batch("b2", ["L2"])])
    (last,) = [
        e for e in installation.decisions("web", "batch_dispatched") if e["batch_id"] == "b2"
    ]
    assert not any(group.get("forced_to") for group in last["groups"])
    # Named by the number alone, when no record of the lead is left to take it from.
    wait_until(lambda: owners_in_redis(installation) == 1, "the newcomer is in the register")
    found = forget(installation, "no-such-lead", "--channel", "web", "--person", f"phone={PHONE}")
    assert (found["events_sent"], found["live"]["nothing"]) == (1, True)
    oracle.check(installation)


def owners_in_redis(installation: Installation) -> int:
    """Persons that Redis knows an owner of."""
    pattern = f"partidor:{installation.name}:*:owners:*"
    return sum(1 for _ in installation.redis.scan_iter(match=pattern, count=1_000))


def test_nothing_is_sent_for_a_lead_of_several_channels_or_of_none(
    installation: Installation,
) -> None:
    """Whose they are is for the operator to say; and nothing to forget is nothing wrong."""
    installation.started(**AT_ONCE)
    installation.process([batch("b", ["L1"]), batch("b", ["L1", "L1b"], "other")])
    search = Search(installation.settings, "L1", (), {})
    assert search.found().channels == ["other", "web"]
    with pytest.raises(AssertionError, match="in several channels"):
        forget(installation, "L1")
    assert not installation.read(installation.topics.lead_outcomes)
    assert forget(installation, "stranger")["events_sent"] == 0
    only = Search(installation.settings, "L1", ("other",), {})
    send(installation.settings, events_for("L1", only.found(), None, None, "test"), timeout_s=30)
    assert wait_until_nothing_is_live(only, 10).live.is_nothing
    assert search.found().live.waiting == {"web": 1}
