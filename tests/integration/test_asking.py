"""`partidor explain` and `partidor statement` on what a dispatcher wrote to a real Kafka."""

import json
import os
import subprocess
from typing import Any

from streams.own_command import PARTIDOR
from tests.reference import events
from tests.reference.histories import history
from tests.support.audit import listed
from tests.support.installation import Installation

HISTORIES = 6
EVENTS = 25
PATIENCE_S = 60


def partidor(installation: Installation, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A command, as an operator of this installation calls it."""
    environment = {
        **os.environ,
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
    }
    return subprocess.run(
        [*PARTIDOR, *arguments],
        capture_output=True, env=environment, timeout=PATIENCE_S, check=False,
    )  # fmt: skip


def answer(installation: Installation, *arguments: str) -> Any:
    """The JSON of a command that succeeds."""
    result = partidor(installation, *arguments, "--json")
    assert result.returncode == 0, result.stderr.decode()
    return json.loads(result.stdout)


def test_every_question_has_its_answer_in_the_topics(installation: Installation) -> None:
    """Leads of one channel and of all, statements that end where Redis stands."""
    installation.started()
    installation.process(events.the_seeds_story())
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        for event in history(seed, channels=1, events=EVENTS, leads_max=20, rules=seed % 2 == 1):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()

    words = partidor(installation, "explain", "L17", "--channel", "web")
    assert words.returncode == 0, words.stderr.decode()
    assert words.stdout.decode().count("Checked: recomputed from the decision, the same.") == 3
    everywhere = answer(installation, "explain", "L1")["assigned"]
    expected = [each for each in installation.assignments() if each["lead_id"] == "L1"]
    assert sorted(each["assignment_id"] for each in everywhere) == sorted(
        each["assignment_id"] for each in expected
    )
    assert all(each["checked"] for each in everywhere)
    assert len({each["channel"] for each in everywhere}) > 3

    for channel in ("web", "history-0", "history-1"):
        shown = answer(installation, "show", channel)
        stands = {each["assignee_id"]: each["cumulative_error"] for each in shown["members"]}
        for name in listed(installation.decisions(channel), channel):
            found = answer(installation, "statement", name, "--channel", channel)
            assert found["closing"]["leads"] == stands.get(name, "0.000000000000")
            assert (found["missing"], found["differences"]) == ("0", [])


def test_a_question_about_nothing_ends_at_once(installation: Installation) -> None:
    """Empty topics have an end too."""
    nothing = partidor(installation, "explain", "L1")
    assert nothing.returncode == 1
    assert b"no assignment of lead L1 is in the log" in nothing.stderr
    nobody = partidor(installation, "statement", "A", "--channel", "web")
    assert nobody.returncode == 1
    assert b"no decision of channel web in the log lists A" in nobody.stderr
