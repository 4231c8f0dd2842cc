"""Leads divided by value, and limits: through Kafka, Redis, kills and duplicates."""

from tests.reference import events
from tests.reference.histories import history
from tests.support import oracle
from tests.support.installation import AT_ONCE, Installation
from tests.support.records import Json

HISTORIES = 40
EVENTS = 25
BY_VALUE = {"dispatch_by": "value", "value_attribute": "amount"}


def loan(lead_id: str, amount: object, purpose: str = "home") -> Json:
    """A lead that counts an amount."""
    return {"lead_id": lead_id, "attributes": {"amount": amount, "purpose": purpose}}


def takers(installation: Installation) -> dict[str, str]:
    """Who has each lead."""
    return {each["lead_id"]: each["assignee_id"] for each in installation.assignments("web")}


def errors_after(decision: Json) -> dict[str, str]:
    """Everyone's error in value."""
    return {row["assignee_id"]: row["cumulative_error_after"] for row in decision["shares"]}


def test_value_is_divided_once_over_a_kill_and_a_wiped_redis(installation: Installation) -> None:
    """What is owed in value outlives both; a lead without a value is a dead letter as it came."""
    dispatcher = installation.started(**AT_ONCE)
    configured = events.change("channel_configured", "c", "web", **BY_VALUE)
    installation.process([events.roster("r", {"A": "1", "B": "1"}, "web"), configured])
    loans = [loan("L1", 250_000), loan("L2", "600000.50"), loan("L3", 400_000), loan("L4", "much")]
    installation.process([events.lead_batch("b", [*loans, {"lead_id": "L5", "more": [1]}])])
    (holder,) = {takers(installation)[lead] for lead in ("L1", "L3")}
    other = takers(installation)["L2"]
    assert {holder, other} == {"A", "B"}
    (first,) = installation.decisions("web", "batch_dispatched")
    assert errors_after(first) == {holder: "24999.750000000000", other: "-24999.750000000000"}
    letters = installation.dead_letters()
    assert [letter.errors["reason"] for letter in letters] == ["invalid_lead"] * 2
    assert [letter.event["leads"] for letter in letters] == [
        [loan("L4", "much")],
        [{"lead_id": "L5", "more": [1]}],
    ]
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    again = events.lead_batch("b", [*loans, {"lead_id": "L5", "more": [1]}])
    installation.process([again, events.lead_batch("b2", [loan("L6", 49_999.5)])])
    assert takers(installation)["L6"] == other
    assert set(errors_after(installation.decisions("web")[-1]).values()) == {"0.000000000000"}
    assert len(installation.decisions("web", "duplicate_ignored")) == 1
    oracle.check(installation)


def test_what_a_limit_held_up_goes_out_when_other_leads_made_room(
    installation: Installation,
) -> None:
    """At most half: what waits and what was counted outlive a kill and a wiped Redis."""
    dispatcher = installation.started(**AT_ONCE)
    half = [{"attribute": "purpose", "value": "investment", "share_max": "0.5"}]
    installation.process(
        [
            events.roster("r", {"A": "1", "B": "1"}, "web"),
            events.change("channel_configured", "c", "web", **BY_VALUE),
            events.change("limits_changed", "a", "web", assignee_id="A", limits=half),
            events.change("limits_changed", "b", "web", assignee_id="B", limits=half),
        ]
    )
    waiting = [loan("I1", 300, "investment"), loan("I2", 90, "investment")]
    installation.process([events.lead_batch("b1", waiting)])
    assert takers(installation) == {}
    (parked,) = installation.decisions("web", "batch_parked")
    assert parked["groups"][0]["parked_because"] == "limit_reached"
    dispatcher.kill()
    installation.flush_redis()
    dispatcher = installation.started(**AT_ONCE)
    installation.process([events.lead_batch("b2", [loan("H1", 100)])])
    holder = takers(installation)["H1"]
    # 90 of 190 is less than half; 300 has to wait for more.
    assert takers(installation) == {"H1": holder, "I2": holder}
    dispatcher.kill()
    installation.flush_redis()
    installation.started(**AT_ONCE)
    installation.process([events.lead_batch("b3", [loan("H2", 300)])])
    assert takers(installation)["I1"] == takers(installation)["H2"] != holder
    assert installation.decisions("web")[-1]["groups"][0]["parked"] == 0
    oracle.check(installation)


def test_what_a_batch_lets_go_comes_before_the_next_batch(installation: Installation) -> None:
    """Also when both are there at once, and would be decided together (R13)."""
    dispatcher = installation.started(**AT_ONCE)
    half = [{"attribute": "purpose", "value": "investment", "share_max": "0.5"}]
    limited = events.change("limits_changed", "a", "web", assignee_id="A", limits=half)
    installation.process([events.roster("r", {"A": "1"}, "web"), limited])
    waiting = [loan(f"I{n}", 1, "investment") for n in (1, 2)]
    installation.process([events.lead_batch("b", waiting, "web")])
    dispatcher.kill()
    batches = [events.lead_batch(f"b{n}", [loan(f"H{n}", 1)], "web") for n in (1, 2, 3)]
    installation.publish(batches)
    installation.started(**AT_ONCE)
    installation.wait_until_processed()
    kinds = [decision["type"] for decision in installation.decisions("web")]
    let_go = ["batch_dispatched", "batch_released", "batch_dispatched"]
    assert kinds[-7:] == [*let_go, *let_go, "batch_dispatched"]
    assert list(takers(installation)) == ["H1", "I1", "H2", "I2", "H3"]
    oracle.check(installation)


def test_random_histories_by_value_and_with_limits_are_what_the_reference_says(
    installation: Installation,
) -> None:
    """With skills, capacities, outcomes and owners, in the order in which they were decided."""
    installation.started()
    for seed in range(HISTORIES):
        name = f"history-{seed}"
        kinds = {"rules": bool(seed % 2), "outcomes": seed % 3 == 1, "sticky": seed % 4 < 2}
        kinds["values"] = True
        for event in history(seed, channels=1, events=EVENTS, **kinds):
            if event.get("channel") == "channel-1":
                installation.publisher.publish([{**event, "channel": name}], key=name)
    installation.wait_until_processed()
    outcome = oracle.check(installation)
    groups = [group for record in outcome.decisions for group in record.event.get("groups") or ()]
    assert "limit_reached" in {group.get("parked_because") for group in groups}
    assert [group.get("forced_because") for group in groups].count("owner") > 10
    assert any(
        "assigned_value" in row
        for record in outcome.decisions
        for row in record.event.get("shares", ())
    )
