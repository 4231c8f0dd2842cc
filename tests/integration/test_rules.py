"""Skills, capacities of a day, pauses that end by themselves: through Kafka, Redis and restarts."""

import time
from datetime import UTC, datetime, timedelta

from tests.reference import events
from tests.reference.histories import history
from tests.support import oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json
from tests.support.waiting import wait_until

HISTORIES = 60
EVENTS = 25


def time_text(at: datetime) -> str:
    """RFC 3339."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def leads(*languages: str) -> list[Json]:
    """Leads that ask for a language each; "" for any."""
    return [
        {"lead_id": f"L{place}", "attributes": {"language": language} if language else {}}
        for place, language in enumerate(languages, start=1)
    ]


def takers(installation: Installation, channel: str, batch_id: str) -> dict[str, str]:
    """Who got each lead of a batch."""
    return {
        event["lead_id"]: event["assignee_id"]
        for event in installation.assignments(channel)
        if event["batch_id"] == batch_id
    }


def test_a_lead_goes_to_those_with_its_skills_and_waits_for_them_oldest_first(
    installation: Installation,
) -> None:
    """The rest of its batch goes at once; a kill and a wiped Redis lose nobody's place."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process(
        [
            events.change("channel_configured", "c", "web", required_skills=["language"]),
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("skills_changed", "s", "web", assignee_id="A", skills=["language=vi"]),
        ]
    )
    installation.process(
        [
            events.lead_batch("first", leads("", "vi", "tlh", "", "tlh"), "web"),
            events.lead_batch("second", leads("tlh", "vi"), "web"),
        ]
    )
    assert takers(installation, "web", "first").keys() == {"L1", "L2", "L4"}
    assert takers(installation, "web", "first")["L2"] == "A"
    assert takers(installation, "web", "second") == {"L2": "A"}
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    skilled = {"assignee_id": "B", "skills": ["language=tlh"]}
    installation.process([events.change("skills_changed", "t", "web", **skilled)])
    released = installation.decisions("web", "batch_released")
    assert [(event["batch_id"], event["batch_size"]) for event in released] == [
        ("first", 2),
        ("second", 1),
    ]
    assert takers(installation, "web", "first")["L3"] == "B"
    assert takers(installation, "web", "second")["L1"] == "B"
    oracle.check(installation)


def test_nobody_gets_more_than_a_day_s_capacity(installation: Installation) -> None:
    """What is over it waits, and goes when there is room again."""
    installation.started(**AT_ONCE)
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("capacity_changed", "a", "web", assignee_id="A", per_day=3),
            events.change("capacity_changed", "b", "web", assignee_id="B", per_day=5),
            events.lead_batch("b1", 6, "web"),
            events.lead_batch("b2", 6, "web"),
        ]
    )
    got = [event["assignee_id"] for event in installation.assignments("web")]
    assert (got.count("A"), got.count("B")) == (3, 5)
    installation.process(
        [events.change("capacity_changed", "c", "web", assignee_id="A", per_day=None)]
    )
    got = [event["assignee_id"] for event in installation.assignments("web")]
    assert (got.count("A"), got.count("B")) == (7, 5)
    oracle.check(installation)


def test_a_pause_ends_by_itself_even_when_nobody_was_there_at_its_time(
    installation: Installation,
) -> None:
    """A timer outlives its process; what waited for it goes out, and nothing else came in."""
    dispatcher = installation.started(**AT_ONCE)
    until = datetime.now(UTC) + timedelta(seconds=6)
    soon = time_text(until)
    installation.process(
        [
            events.roster("r", {"A": "1"}, "web"),
            events.change("assignee_paused", "p", "web", assignee_id="A", until=soon),
            events.lead_batch("b1", 4, "web"),
        ]
    )
    assert not installation.assignments("web")
    dispatcher.kill()
    installation.flush_redis()
    time.sleep(max(0.0, (until - datetime.now(UTC)).total_seconds()) + 0.5)
    installation.started(**AT_ONCE)
    wait_until(lambda: len(installation.assignments("web")) == 4, lambda: "the pause ends", 60.0)
    (resumed,) = [
        event for event in installation.decisions("web", "roster_changed") if event.get("by_timer")
    ]
    assert resumed["decided_at"] == soon
    assert resumed["input"]["offset"] == 1
    oracle.check(installation)


def test_random_histories_with_rules_are_what_the_reference_says(
    installation: Installation,
) -> None:
    """In the order in which they were decided, timers included."""
    installation.started()
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        for event in history(seed, channels=1, events=EVENTS, rules=True):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()
    outcome = oracle.check(installation)
    kinds = {record.event["type"] for record in outcome.decisions}
    assert kinds >= {"batch_dispatched", "roster_changed"}
    assert any(record.event.get("groups") for record in outcome.decisions)
