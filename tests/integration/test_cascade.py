"""Hub, branch, banker: leads go down through real topics, over kills and a wiped Redis, once."""

import json
import os
import subprocess
from collections import Counter

from streams.own_command import PARTIDOR
from tests.reference import events
from tests.reference.histories import history
from tests.support import oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.quiet import wait_until_quiet
from tests.support.records import Json

BATCHES = 60
LEADS = 12
LEVELS = 3
HISTORIES = 30
EVENTS = 40
PATIENCE_S = 60


def route(change_id: str, assignee_id: str, target: str | None, channel: str) -> Json:
    """What the assignee of a channel gets goes on to another one."""
    return events.change(
        "assignee_routed", change_id, channel, assignee_id=assignee_id, routes_to=target
    )


BANK = [
    events.roster("r", {"carlton": "3", "richmond": "2", "desk": "1"}, "hub"),
    route("c", "carlton", "hub/carlton", "hub"),
    route("d", "richmond", "branches/richmond", "hub"),
    events.roster("r", {"homeloans": "2", "Kim": "1"}, "hub/carlton"),
    route("c", "homeloans", "hub/carlton/homeloans", "hub/carlton"),
    events.roster("r", {"An": "1", "Bo": "1"}, "hub/carlton/homeloans"),
    events.roster("r", {"Jo": "1", "Lee": "1.5"}, "branches/richmond"),
]
"""Three levels under one hub; some of its leads stay on the first."""


def stream(first: int, count: int) -> list[Json]:
    """Batches for the hub; every lead has an id of its own."""
    return [
        events.lead_batch(f"b{n}", [f"L{n}-{place}" for place in range(LEADS)], "hub")
        for n in range(first, first + count)
    ]


def check_each_lead_once(installation: Installation, leads: int) -> None:
    """By outcome, and by the whole oracle."""
    taken = Counter(each["lead_id"] for each in installation.assignments())
    assert len(taken) == leads
    assert set(taken.values()) == {1}
    assert not installation.dead_letters()
    oracle.check(installation)


def test_leads_go_from_the_hub_to_a_banker(installation: Installation) -> None:
    """By weight on each level, within a lead; attributes come along."""
    installation.started()
    installation.process(BANK)
    lead: Json = {"lead_id": "with", "attributes": {"suburb": "Carlton Süd", "n": 1.5}}
    installation.publish([*stream(0, BATCHES), events.lead_batch("a", [lead], "hub")])
    wait_until_quiet(installation)
    check_each_lead_once(installation, BATCHES * LEADS + 1)
    taken = Counter(each["assignee_id"] for each in installation.assignments())
    for name, share in {
        "desk": 1 / 6, "Kim": 1 / 6, "An": 1 / 6, "Bo": 1 / 6, "Jo": 2 / 15, "Lee": 1 / 5,
    }.items():  # fmt: skip
        assert abs(taken[name] - share * BATCHES * LEADS) < LEVELS
    (ended,) = [each for each in installation.assignments() if each["lead_id"] == "with"]
    assert ended["attributes"] == lead["attributes"]


def test_kills_and_a_wiped_redis_lose_no_lead_and_double_none(installation: Installation) -> None:
    """Killed again and again while leads are on their way between the levels."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process(BANK)
    for round_ in range(4):
        # Small transactions, so that a kill meets some of a batch's levels before the others.
        installation.publish(stream(round_ * BATCHES, BATCHES))
        installation.wait_until_committed(len(BANK) + round_ * BATCHES + BATCHES // 3)
        dispatcher.kill()
        if round_ % 2:
            installation.flush_redis()
        dispatcher = installation.started(**AT_ONCE, transaction_records_max=40)
    wait_until_quiet(installation)
    check_each_lead_once(installation, 4 * BATCHES * LEADS)


def test_two_dispatchers_send_on_to_one_another(installation: Installation) -> None:
    """A batch may go on to a partition of somebody else's; one of the two is killed."""
    first = installation.start("0")
    installation.start("1")
    installation.publish(BANK)
    installation.publish(stream(0, BATCHES))
    installation.wait_until_assigned(BATCHES)
    first.kill()
    installation.publish(stream(BATCHES, BATCHES))
    wait_until_quiet(installation)
    check_each_lead_once(installation, 2 * BATCHES * LEADS)


def test_a_branch_without_anybody_keeps_its_leads_and_gives_one_back(
    installation: Installation,
) -> None:
    """They wait below; what is given back to the hub goes elsewhere from there."""
    installation.started()
    installation.process(
        [
            events.roster("r", {"carlton": "1", "desk": "1"}, "hub"),
            route("c", "carlton", "hub/carlton", "hub"),
        ]
    )
    installation.publish([events.lead_batch("b", 4, "hub")])
    wait_until_quiet(installation)
    (parked,) = installation.decisions("hub/carlton", "batch_parked")
    assert parked["batch_size"] == 2
    (waiting,) = [
        record.event
        for record in installation.read(installation.topics.lead_batches)
        if "routed_from" in record.event
    ]
    lead = waiting["leads"][0]["lead_id"]
    returned = events.change(
        "lead_returned", "", "hub", outcome_id="o", lead_id=lead, assignee_id="carlton",
        reason="nobody there",
    )  # fmt: skip
    del returned["change_id"]
    installation.process([returned])
    assert installation.assignments("hub")[-1]["lead_id"] == lead
    installation.process([events.roster("r", {"Kim": "1"}, "hub/carlton")])
    assert len(installation.assignments("hub/carlton")) == 2
    oracle.check(installation)


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


def test_a_route_is_set_and_taken_back_by_command_and_every_level_explained(
    installation: Installation,
) -> None:
    """`roster route`, `show`, `lag`, `explain`; a route that doesn't lead deeper is refused."""
    installation.started()
    installation.process([BANK[0], BANK[3], BANK[5]])
    for arguments in (
        ("hub", "carlton", "hub/carlton"),
        ("hub/carlton", "homeloans", "hub/carlton/homeloans"),
    ):
        assert partidor(installation, "roster", "route", *arguments).returncode == 0
    refused = partidor(installation, "roster", "route", "hub/carlton", "Kim", "other/branch")
    assert refused.returncode == 2
    assert b"routes_to has to lie deeper" in refused.stderr
    assert partidor(installation, "roster", "route", "hub", "desk").returncode == 2
    installation.publish(stream(0, 3))
    wait_until_quiet(installation)
    shown = json.loads(partidor(installation, "show", "hub", "--json").stdout)
    routes = {each["assignee_id"]: each.get("routes_to") for each in shown["members"]}
    assert routes == {"carlton": "hub/carlton", "desk": None, "richmond": None}
    assert b"hub/carlton" in partidor(installation, "show", "hub").stdout
    assert json.loads(partidor(installation, "lag", "--json").stdout)["lag"] == 0
    (lead, *_) = [e["lead_id"] for e in installation.assignments("hub/carlton/homeloans")]
    answer = partidor(installation, "explain", lead, "--json")
    assert answer.returncode == 0, answer.stderr.decode()
    told = json.loads(answer.stdout)["assigned"]
    assert [each["channel"] for each in told] == ["hub", "hub/carlton", "hub/carlton/homeloans"]
    assert [each["checked"] for each in told] == [True] * 3
    assert partidor(installation, "roster", "route", "hub", "carlton", "--none").returncode == 0
    installation.publish(stream(3, 1))
    wait_until_quiet(installation)
    assert "carlton" in {each["assignee_id"] for each in installation.assignments("hub")}
    oracle.check(installation)


def test_random_histories_with_routes_are_what_the_reference_says(
    installation: Installation,
) -> None:
    """Several depths, with rules and outcomes and without, decided by two dispatchers."""
    installation.start("0")
    installation.start("1")
    for seed in range(HISTORIES):
        mix = {"rules": seed % 3 == 0, "outcomes": seed % 3 == 1, "routes": True}
        for event in history(seed, channels=3, events=EVENTS, valid_only=seed % 2 == 0, **mix):
            text = json.dumps(event).replace('"channel-', f'"history-{seed}-')
            named = json.loads(text)
            if str(named.get("channel")).startswith(f"history-{seed}-"):
                installation.publisher.publish([named])
    wait_until_quiet(installation)
    outcome = oracle.check(installation)
    assert len(outcome.expected.routed) > HISTORIES
