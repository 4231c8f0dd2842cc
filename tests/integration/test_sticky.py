"""The same person goes to the same assignee again: through Kafka, Redis, kills, a wiped Redis."""

import time

import msgspec

from dispatcher.register import person_keys
from streams.local.redis_server import RedisServer
from tests.reference import events
from tests.reference.histories import history
from tests.support import oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json
from tests.support.waiting import wait_until

HISTORIES = 60
EVENTS = 25
PHONE = "+61 491 570 156"
SAME_PHONE = "0061491570156"


def sticky(change_id: str = "s", **rule: object) -> Json:
    """The channel's rule, by phone."""
    rule = {"attributes": ["phone"], "days": 30, **rule}
    return events.change("channel_configured", change_id, "web", sticky=rule)


def batch(batch_id: str, *phones: str | None) -> Json:
    """A lead for each number; None for a lead without one."""
    leads = [
        {"lead_id": f"{batch_id}-{place}", "attributes": {"phone": phone} if phone else {}}
        for place, phone in enumerate(phones, start=1)
    ]
    return events.lead_batch(batch_id, leads, "web")


def takers(installation: Installation, batch_id: str) -> list[str]:
    """Who got the leads of a batch, in order of their places in it."""
    got = {
        event["lead_id"]: event["assignee_id"]
        for event in installation.assignments("web")
        if event["batch_id"] == batch_id
    }
    return [got[f"{batch_id}-{place}"] for place in range(1, len(got) + 1)]


def test_a_person_goes_to_their_owner_over_a_kill_and_a_wiped_redis(
    installation: Installation,
) -> None:
    """However the number is written; the lead is charged like any other."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process([events.roster("r", {"A": "1", "B": "1"}, "web"), sticky()])
    installation.process([batch("first", PHONE)])
    (owner,) = takers(installation, "first")
    (other,) = {"A", "B"} - {owner}
    installation.process([batch("second", SAME_PHONE)])
    assert takers(installation, "second") == [owner]
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([batch("third", "61491570156", None, None, None)])
    # Three were due to the other before: one of the batch is the owner's, whoever is owed most.
    assert takers(installation, "third") == [owner, other, other, other]
    (forced, rest) = installation.decisions("web", "batch_dispatched")[-1]["groups"]
    assert (forced["forced_to"], forced["forced_because"], forced["leads"]) == (owner, "owner", 1)
    assert rest["leads"] == 3
    oracle.check(installation)


def test_who_may_not_take_it_passes_their_person_on(installation: Installation) -> None:
    """Paused or gone: the usual choice, and the next lead goes to whoever that was."""
    installation.started(**AT_ONCE)
    installation.process([events.roster("r", {"A": "1", "B": "1"}, "web"), sticky()])
    installation.process([batch("first", PHONE)])
    (owner,) = takers(installation, "first")
    (other,) = {"A", "B"} - {owner}
    installation.process([events.change("assignee_paused", "p", "web", assignee_id=owner)])
    installation.process([batch("second", PHONE)])
    assert takers(installation, "second") == [other]
    installation.process([events.change("assignee_resumed", "q", "web", assignee_id=owner)])
    installation.process([batch("third", PHONE)])
    assert takers(installation, "third") == [other]
    oracle.check(installation)


def test_without_redis_a_sticky_channel_waits_and_goes_on_when_it_is_back(
    beside: Installation, own_redis: RedisServer
) -> None:
    """Nothing is dispatched past its register."""
    beside.started(**AT_ONCE)
    beside.process([events.roster("r", {"A": "1", "B": "1"}, "web"), sticky()])
    beside.process([batch("first", PHONE)])
    own_redis.kill()
    beside.publish([batch("second", PHONE)])
    time.sleep(2.0)
    assert not takers(beside, "second")
    own_redis.start()
    wait_until(lambda: bool(takers(beside, "second")), lambda: "it goes on", 60.0)
    assert takers(beside, "second") == takers(beside, "first")
    oracle.check(beside)


def test_without_redis_a_channel_that_may_dispatches_and_says_so(
    beside: Installation, own_redis: RedisServer
) -> None:
    """To whoever is owed most; the decision says that owners were not known."""
    beside.started(**AT_ONCE, register_wait_ms=500)
    rule = sticky(without_register="dispatch")
    beside.process([events.roster("r", {"A": "1", "B": "1"}, "web"), rule])
    beside.process([batch("first", PHONE)])
    own_redis.kill()
    beside.publish([batch("second", PHONE)])
    wait_until(lambda: bool(takers(beside, "second")), lambda: "it goes on", 60.0)
    assert takers(beside, "second") != takers(beside, "first")
    assert beside.decisions("web", "batch_dispatched")[-1]["owners_unknown"] is True
    own_redis.start()


def test_personal_data_stays_in_attributes(installation: Installation) -> None:
    """Neither the register's topic nor a decision shows a number."""
    installation.started(**AT_ONCE)
    installation.process([events.roster("r", {"A": "1"}, "web"), sticky()])
    installation.process([batch("first", PHONE)])
    (record,) = installation.read(installation.topics.register)
    (key,) = person_keys("web", msgspec.json.encode({"phone": PHONE}).decode(), ("phone",))
    assert record.key == b"web/" + key.encode()
    written = [*installation.read(installation.topics.decisions), record]
    assert not any(b"491" in (each.value or b"") + (each.key or b"") for each in written[:-1])
    assert b"570156" not in (record.value or b"")


def test_random_histories_with_persons_are_what_the_reference_says(
    installation: Installation,
) -> None:
    """With rules and outcomes, in the order in which they were decided."""
    installation.started()
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        mix = {"rules": seed % 2 == 1, "outcomes": seed % 3 == 1, "sticky": True}
        for event in history(seed, channels=1, events=EVENTS, **mix):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()
    outcome = oracle.check(installation)
    forced = [
        group.get("forced_because")
        for record in outcome.decisions
        for group in record.event.get("groups") or ()
    ]
    assert forced.count("owner") > 10
