"""`partidor what-if` on what a running system has recorded."""

import json
import os
import subprocess
from collections import Counter
from fractions import Fraction

import pytest
from confluent_kafka import TopicPartition

from dispatcher.limits import Limits
from schemas.partitioning import partition_of
from streams.failure import Failed
from streams.own_command import PARTIDOR
from streams.whatif.changes import Changes
from streams.whatif.comparison import PARTIDOR as OURS
from streams.whatif.comparison import Comparison, compared
from streams.whatif.recorded import recorded_history
from tests.reference import events
from tests.reference.histories import history
from tests.support.installation import Installation
from tests.support.records import Json

HISTORIES = 12
EVENTS = 40
TIMEOUT_S = 60.0


def received(comparison: Comparison, scenario: int = 0) -> dict[str, int]:
    """Leads by assignee, of Partidor; those who got any."""
    outcome = comparison.scenarios[scenario].outcomes[OURS]
    return {name: count for name, count in outcome.received.items() if count}


def assigned(installation: Installation) -> dict[str, Counter[str]]:
    """Leads by channel and assignee, as telephony systems see them."""
    counts: dict[str, Counter[str]] = {}
    for event in installation.assignments():
        counts.setdefault(event["channel"], Counter())[event["assignee_id"]] += 1
    return counts


def asked(installation: Installation, *arguments: str) -> Json:
    """What the command prints, as JSON."""
    settings = installation.settings
    environment = {
        **os.environ,
        "PARTIDOR_APPLICATION_ID": settings.application_id,
        "PARTIDOR_TOPIC_PREFIX": settings.topic_prefix,
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
    }
    command = [*PARTIDOR, "what-if", "--json", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answer: Json = json.loads(done.stdout)
    return answer


def test_as_it_was_is_what_really_happened(installation: Installation) -> None:
    """Random histories, with what was refused and repeated among them: who got how many, and the
    errors that the last decisions left, to the last digit.
    """
    installation.started()
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        for event in history(seed, channels=1, events=EVENTS):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()
    recorded = recorded_history(installation.settings, Limits(), None, TIMEOUT_S)
    assert not recorded.notes
    really = assigned(installation)
    last: dict[str, Json] = {}
    for decision in installation.decisions():
        if decision.get("shares_complete"):
            last[decision["channel"]] = decision
    comparisons = compared(recorded, Changes(), Limits())
    assert {each.channel for each in comparisons} >= set(really)
    for comparison in comparisons:
        course = comparison.scenarios[0].course
        assert received(comparison) == really.get(comparison.channel, {})
        decision = last[comparison.channel]
        assert {
            name: Fraction(error, course.carried_denominator)
            for name, error in course.carried.items()
        } == {
            share["assignee_id"]: Fraction(
                int(share["cumulative_error_numerator"]), int(decision["error_denominator"])
            )
            for share in decision["shares"]
        }


def test_the_command_reads_the_topics_of_a_running_system(installation: Installation) -> None:
    """The story of the method, and what if A had stayed away."""
    installation.started()
    for event in events.the_seeds_story():
        installation.process([event])
    answer = asked(installation, "--channel", "web", "--without", "A")
    was, what_if = answer["channels"][0]["scenarios"]
    got = {each["assignee_id"]: each["received"] for each in was["methods"][0]["members"]}
    assert got == {"A": 40, "B": 165, "C": 187, "D": 58}
    without = {each["assignee_id"]: each["received"] for each in what_if["methods"][0]["members"]}
    assert sum(without.values()) == 450
    assert "A" not in without


def test_where_older_inputs_are_gone_the_history_begins_later(installation: Installation) -> None:
    """With the roster that the decisions name: weights, pauses, capacities."""
    installation.started()
    story = [
        events.roster("r", {"A": "1", "B": "1", "C": "2"}),
        events.change("capacity_changed", "c", assignee_id="C", per_day=100),
        events.change("assignee_paused", "p", assignee_id="B"),
        events.lead_batch("b1", 30),
        events.lead_batch("b2", 31),
        events.change("assignee_left", "l", assignee_id="A"),
        events.lead_batch("b3", 20),
    ]
    for event in story:
        installation.process([event])
    batches = installation.topics.lead_batches
    place = partition_of(b"web", installation.partitions)
    (deleted,) = installation.admin.delete_records([TopicPartition(batches, place, 1)]).values()
    deleted.result(30)
    recorded = recorded_history(installation.settings, Limits(), "web", TIMEOUT_S)
    assert "channel web: older inputs are gone" in recorded.notes[0]
    (comparison,) = compared(recorded, Changes(), Limits())
    assert comparison.scenarios[0].course.leads == 51
    # 31 for A 1 and C 2, then 20 for C alone.
    assert received(comparison) == {"A": 10, "C": 41}


def test_reading_ends_in_time(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a word on what to do."""
    installation.started()
    installation.process([events.roster("r", {"A": "1"}), events.lead_batch("b", 1)])
    with pytest.raises(Failed, match="give more time with --timeout"):
        recorded_history(installation.settings, Limits(), None, 0.0)
    monkeypatch.setattr("streams.whatif.recorded.KEPT_BYTES_MAX", 10)
    with pytest.raises(Failed, match="ask for one --channel"):
        recorded_history(installation.settings, Limits(), None, TIMEOUT_S)
