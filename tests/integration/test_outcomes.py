"""What becomes of leads: through Kafka, Redis, kills and duplicates."""

from fractions import Fraction

from streams.state_reader import StateReader
from tests.reference import events
from tests.reference.histories import history
from tests.support import copies, oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json

HISTORIES = 60
EVENTS = 25


def outcome(kind: str, outcome_id: str, lead_id: str, assignee_id: str, **fields: object) -> Json:
    """An outcome of the channel web."""
    names = {"outcome_id": outcome_id, "lead_id": lead_id, "assignee_id": assignee_id}
    event = events.change(kind, "", "web", **names, **fields)
    del event["change_id"]
    return event


def takers(installation: Installation, channel: str = "web") -> list[tuple[str, str]]:
    """(lead, assignee) in order of assignment."""
    return [(event["lead_id"], event["assignee_id"]) for event in installation.assignments(channel)]


def errors_after(decision: Json) -> dict[str, Fraction]:
    """Everyone's error, exact."""
    return {
        row["assignee_id"]: Fraction(int(row["cumulative_error_numerator"]))
        / int(decision["error_denominator"])
        for row in decision["shares"]
    }


def test_a_lead_that_comes_back_is_credited_and_goes_to_somebody_else_once(
    installation: Installation,
) -> None:
    """By the rule for its reason; sent twice, over a kill and a wiped Redis, it counts once."""
    dispatcher = installation.started(**AT_ONCE)
    rules = [
        {"reason": "wrong_number", "credited": True, "dispatched_again": False},
        {"reason": "busy", "credited": True},
    ]
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("channel_configured", "c", "web", returns=rules),
        ]
    )
    installation.process([events.lead_batch("b", 2, "web")])
    (first, holder), (second, other) = takers(installation)
    busy = outcome(
        "lead_returned", "o1", first, holder, reason="busy", attributes={"city": "Perth"}
    )
    installation.process([busy, busy])
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([busy])
    installation.process([outcome("lead_returned", "o2", second, other, reason="wrong_number")])
    assert takers(installation)[2:] == [(first, other)]
    assert installation.assignments("web")[2]["attributes"] == {"city": "Perth"}
    recorded = installation.decisions("web", "outcome_recorded")
    assert [each["credited"] for each in recorded] == [True, True]
    # One lead, credited back: half of it to each. Then the same lead went to the other.
    assert errors_after(recorded[0]) == {holder: Fraction(-1, 2), other: Fraction(1, 2)}
    assert errors_after(recorded[1]) == {holder: 0, other: 0}
    assert len(installation.decisions("web", "duplicate_ignored")) == 2
    oracle.check(installation)


def test_open_leads_are_a_capacity_and_closing_one_lets_the_oldest_go(
    installation: Installation,
) -> None:
    """What waits goes out as soon as there is room, over a kill and a wiped Redis."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("capacity_changed", "a", "web", assignee_id="A", open_max=2),
            events.change("capacity_changed", "b", "web", assignee_id="B", open_max=1),
        ]
    )
    installation.process([events.lead_batch("b", 5, "web")])
    assert sorted(name for _, name in takers(installation)) == ["A", "A", "B"]
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([outcome("lead_closed", "o1", "L1", "B")])
    assert takers(installation)[3:] == [("L4", "B")]
    installation.process([outcome("lead_returned", "o2", "L2", "A", reason="busy")])
    # Who gave it back can't have it again; what waited before it goes to them.
    assert takers(installation)[4:] == [("L5", "A")]
    (parked,) = [
        each
        for each in installation.decisions("web", "batch_parked")
        if each["batch_id"] == "returned/o2"
    ]
    assert parked["groups"][0]["excluded"] == ["A"]
    installation.process([outcome("lead_closed", "o3", "L4", "B")])
    assert takers(installation)[5:] == [("L2", "B")]
    oracle.check(installation)


def test_a_lead_that_moves_takes_its_charge_along(installation: Installation) -> None:
    """Nobody else is concerned; the assignment goes out to the new holder."""
    installation.started(**AT_ONCE)
    installation.process([events.roster("r", {"A": "1", "B": "1", "C": "1"}, "web")])
    installation.process([events.lead_batch("b", 3, "web")])
    lead, holder = takers(installation)[0]
    (to, aside) = sorted({"A", "B", "C"} - {holder})
    installation.process([outcome("lead_reassigned", "o", lead, holder, to_assignee_id=to)])
    assert takers(installation)[3:] == [(lead, to)]
    (recorded,) = installation.decisions("web", "outcome_recorded")
    assert errors_after(recorded) == {holder: -1, to: 1, aside: 0}
    last = installation.decisions("web", "batch_dispatched")[-1]
    assert errors_after(last) == errors_after(recorded)
    # What is owed is worked off by the next batch.
    installation.process([events.lead_batch("b2", 3, "web")])
    next_ = installation.decisions("web", "batch_dispatched")[-1]
    assert {row["assignee_id"]: row["assigned"] for row in next_["shares"]} == {
        holder: 2, to: 0, aside: 1,
    }  # fmt: skip
    oracle.check(installation)


def test_a_lead_given_by_hand_is_charged_and_leaves_the_queue(installation: Installation) -> None:
    """It accrues to all who could have had it; what waited longest is not touched."""
    installation.started(**AT_ONCE)
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("assignee_paused", "p", "web", assignee_id="A"),
            events.change("assignee_paused", "q", "web", assignee_id="B"),
        ]
    )
    installation.process([events.lead_batch("b", 3, "web")])
    installation.process([outcome("lead_assigned_manually", "o", "L2", "A", reason="asked")])
    (given,) = installation.assignments("web")
    assert (given["lead_id"], given["assignee_id"], given["batch_id"]) == ("L2", "A", "b")
    installation.process([events.change("assignee_resumed", "s", "web", assignee_id="B")])
    assert takers(installation)[1:] == [("L1", "B"), ("L3", "B")]
    installation.process([events.change("assignee_resumed", "t", "web", assignee_id="A")])
    installation.process([outcome("lead_assigned_manually", "o2", "new", "B")])
    last = installation.decisions("web", "batch_dispatched")[-1]
    assert {row["assignee_id"]: row["fair_share"] for row in last["shares"]} == {
        "A": "0.500000000000",
        "B": "0.500000000000",
    }
    assert last["groups"][0]["forced_to"] == "B"
    installation.process([events.lead_batch("b", 3, "web")])
    assert len(installation.decisions("web", "duplicate_ignored")) == 1
    oracle.check(installation)


def test_an_outcome_meets_the_roster_that_was_there_before_it(installation: Installation) -> None:
    """Whoever joined before it was sent can be named in it, while the rosters are still read."""
    installation.started()
    for number in range(20):
        joined = events.change(
            "assignee_joined", f"j{number}", "web", assignee_id=f"N{number}", weight="1"
        )
        installation.publisher.publish([joined])
        installation.publisher.flush()
        by_hand = outcome("lead_assigned_manually", f"o{number}", f"X{number}", f"N{number}")
        installation.publisher.publish([by_hand])
    installation.wait_until_processed()
    assert takers(installation) == [(f"X{number}", f"N{number}") for number in range(20)]
    oracle.check(installation)


def test_an_outcome_that_cannot_be_applied_is_a_dead_letter(installation: Installation) -> None:
    """It says why, and against which state."""
    installation.started(**AT_ONCE)
    installation.process([events.roster("r", {"A": "1"}, "web")])
    installation.process(
        [
            outcome("lead_assigned_manually", "o1", "L1", "stranger"),
            outcome("lead_closed", "o2", "L1", "A"),
            outcome("lead_closed", "o2", "L2", "A"),
            outcome("lead_reassigned", "o3", "L1", "A", to_assignee_id="A"),
        ]
    )
    letters = [letter.errors for letter in installation.dead_letters()]
    assert [(each["reason"], each.get("state_version")) for each in letters] == [
        ("not_a_member", "1"),
        ("outcome_id_reused", "2"),
        ("invalid_event", None),
    ]
    oracle.check(installation)


def test_random_histories_with_outcomes_are_what_the_reference_says(
    installation: Installation,
) -> None:
    """With rules and without, in the order in which they were decided."""
    installation.started()
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        rules = bool(seed % 2)
        for event in history(seed, channels=1, events=EVENTS, rules=rules, outcomes=True):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()
    outcome_ = oracle.check(installation)
    kinds = {record.event.get("outcome_type") for record in outcome_.decisions}
    assert kinds >= {
        "lead_returned",
        "lead_closed",
        "lead_reassigned",
        "lead_assigned_manually",
    }


def test_what_an_outcome_lets_go_comes_before_the_next_outcome(installation: Installation) -> None:
    """Also when both are there at once, and would be decided together (R13)."""
    dispatcher = installation.started(**AT_ONCE)
    installation.process(
        [
            events.roster("r", {"A": "1"}, "web"),
            events.change("capacity_changed", "a", "web", assignee_id="A", open_max=2),
        ]
    )
    installation.process([events.lead_batch("b", 4, "web")])
    dispatcher.kill()
    installation.publish([outcome("lead_closed", f"o{n}", f"L{n}", "A") for n in (1, 2)])
    installation.started(**AT_ONCE)
    installation.wait_until_processed()
    assert [lead for lead, _ in takers(installation)] == ["L1", "L2", "L3", "L4"]
    kinds = [decision["type"] for decision in installation.decisions("web")]
    assert kinds[-6:] == ["outcome_recorded", "batch_released", "batch_dispatched"] * 2
    oracle.check(installation)


def test_a_channel_with_many_outcomes_is_shown(installation: Installation) -> None:
    """Its window of outcomes has closed segments by then, and they are read, too."""
    installation.started()
    installation.process([events.roster("r", {"A": "1"}, "web")])
    installation.process([outcome("lead_closed", f"o{n}", f"L{n}", "A") for n in range(60)])
    copies.check_redis(installation)
    found = StateReader(installation.settings).channel("web")
    assert found.state.outcomes.get("o1") is not None
