"""A history as it was, and as it would have been."""

import json
from fractions import Fraction

import pytest

from dispatcher.limits import Limits
from dispatcher.roster import rank_digest
from streams.failure import Failed, WrongUsage
from streams.generators import lead_stream
from streams.replay import Replay
from streams.whatif.changes import Changes, assignees, changed
from streams.whatif.comparison import PARTIDOR, Comparison, compared
from streams.whatif.course import Course, course_of
from streams.whatif.documents import document
from streams.whatif.history import History, history_of_lines, roster_changes_of_lines
from tests.reference import events

LIMITS = Limits()
Json = events.Json


def at(minute: int, event: Json) -> Json:
    """The event at a minute of its day."""
    return {**event, "created_at": f"2026-11-21T{9 + minute // 60:02d}:{minute % 60:02d}:00Z"}


def lines(*parts: Json) -> list[bytes]:
    """A file of events."""
    return [json.dumps(event).encode() for event in parts]


def history(*parts: Json) -> History:
    """The same, read."""
    return history_of_lines(lines(*parts), LIMITS)


def course(*parts: Json) -> Course:
    """How they go."""
    return course_of(history(*parts).events, "web", LIMITS, with_days=True)


ROSTER = at(0, events.roster("r", {"A": "0.8", "B": "1", "C": "1.2"}, "web"))
STORY = (
    ROSTER,
    at(1, events.lead_batch("b1", 100, "web")),
    at(2, events.lead_batch("b2", 50, "web")),
    at(3, events.change("assignee_left", "l", "web", assignee_id="A")),
    at(4, events.lead_batch("b3", 10, "web")),
)


def changes_of(*parts: Json) -> Changes:
    """What --also gives."""
    return Changes(also=roster_changes_of_lines(lines(*parts), LIMITS, "also"))


def received(comparison: Comparison, scenario: int = 0, method: str = PARTIDOR) -> dict[str, int]:
    """Leads by assignee."""
    return comparison.scenarios[scenario].outcomes[method].received


def stream() -> History:
    """Leads of two channels, with joins, leaves, weights, pauses."""
    return history_of_lines(
        [json.dumps(event).encode() for event in lead_stream(3_000, 5, channels=2)], LIMITS
    )


def test_as_it_was_is_what_the_replay_decides() -> None:
    """The figures of the method: 27, 33, 40, then 13, 17, 20; the rest by the same code."""
    (comparison,) = compared(history(*STORY), Changes(), LIMITS)
    assert received(comparison) == {"A": 40, "B": 55, "C": 65}
    replay = Replay(LIMITS)
    assigned = [
        json.loads(line)["assignee_id"]
        for line in replay.lines(lines(*STORY))
        if b'"lead_assigned"' in line
    ]
    assert {name: assigned.count(name) for name in "ABC"} == received(comparison)


def test_what_if_with_nothing_different_is_the_same_as_it_was() -> None:
    """To the last digit, for every method, though everything goes the way of what is different."""
    was = stream()
    weights = dict.fromkeys(assignees(was.events), "1")
    same = changed(was.events, Changes(without_rules=True))  # there are no rules in it
    assert same == was.events
    again = compared(History(changed(was.events, Changes(weights=weights))), Changes(), LIMITS)
    twice = compared(
        History(changed(was.events, Changes(weights=weights))), Changes(weights=weights), LIMITS
    )
    for one, two in zip(document(again)["channels"], document(twice)["channels"], strict=True):
        was_scenario, if_scenario = two["scenarios"]
        assert one["scenarios"] == [was_scenario]
        assert {**if_scenario, "scenario": "as it was"} == was_scenario


def test_fair_shares_of_all_methods_add_up_to_the_leads() -> None:
    """And so do the leads that everybody received; errors sum to zero."""
    for comparison in compared(stream(), Changes(), LIMITS):
        (scenario,) = comparison.scenarios
        assert len(scenario.outcomes) == 4
        for outcome in scenario.outcomes.values():
            due = sum((outcome.leads(each) for each in outcome.due.values()), Fraction(0))
            assert due == sum(outcome.received.values()) == scenario.course.leads
            errors = (outcome.error(name) for name in outcome.received)
            assert sum(errors, Fraction(0)) == 0


def test_no_method_stays_under_the_least_possible_error() -> None:
    """That is what it says."""
    for comparison in compared(stream(), Changes(), LIMITS):
        (scenario,) = comparison.scenarios
        assert scenario.least_possible is not None
        for outcome in scenario.outcomes.values():
            assert abs(outcome.leads(outcome.largest.error)) >= scenario.least_possible


def test_another_weight_holds_all_the_time() -> None:
    """Whatever joins, whole rosters and changes of weight say."""
    weighed = at(3, events.change("weight_changed", "w", "web", assignee_id="A", weight="7"))
    parts = (ROSTER, at(1, events.lead_batch("b1", 30, "web")), weighed)
    parts += (at(4, events.lead_batch("b2", 30, "web")),)
    (comparison,) = compared(history(*parts), Changes(weights={"A": "0.8"}), LIMITS)
    assert received(comparison, 1) == {"A": 16, "B": 20, "C": 24}
    assert received(comparison, 0)["A"] > 16


def test_without_somebody_the_others_get_their_leads() -> None:
    """And their own events, which would have been refused, are not there."""
    (comparison,) = compared(history(*STORY), Changes(without=frozenset("A")), LIMITS)
    assert received(comparison, 1) == {"B": 73, "C": 87}
    assert not comparison.scenarios[1].course.rejected


def test_a_change_that_is_added_counts_at_its_time() -> None:
    """C is paused between the first two batches."""
    pause = at(1, events.change("assignee_paused", "p", "web", assignee_id="C"))
    late = {**pause, "created_at": "2026-11-21T09:01:30Z"}
    (comparison,) = compared(history(*STORY), changes_of(late), LIMITS)
    assert received(comparison, 1)["C"] == 40


def test_a_change_that_is_older_than_everything_counts_before_the_first_batch() -> None:
    """Behind the roster, so that there is somebody to pause."""
    old = {**events.change("assignee_paused", "p", "web", assignee_id="C")}
    old["created_at"] = "2020-01-01T00:00:00Z"
    (comparison,) = compared(history(*STORY), changes_of(old), LIMITS)
    assert "C" not in received(comparison, 1)


def test_changes_with_one_place_keep_their_order() -> None:
    """Paused, then resumed: there all the time."""
    pause = events.change("assignee_paused", "p", "web", assignee_id="C")
    resume = events.change("assignee_resumed", "q", "web", assignee_id="C")
    (comparison,) = compared(history(*STORY), changes_of(pause, resume), LIMITS)
    assert received(comparison, 1) == received(comparison, 0)


def test_a_change_that_can_t_be_applied_is_named_with_its_line() -> None:
    """Nobody wants to compare with something that did not happen."""
    stranger = events.change("assignee_paused", "p", "web", assignee_id="Z")
    with pytest.raises(Failed, match=r"--also line 1 can't be applied .*'Z' is not on the roster"):
        compared(history(*STORY), changes_of(stranger), LIMITS)


@pytest.mark.parametrize("changes", [Changes(weights={"Z": "1"}), Changes(without=frozenset("Z"))])
def test_somebody_who_never_joins_is_a_mistake_in_what_was_asked(changes: Changes) -> None:
    """The answer names who is there."""
    with pytest.raises(WrongUsage, match=r"'Z' never joins in this history; it has A, B, C"):
        compared(history(*STORY), changes, LIMITS)


def test_what_was_refused_has_not_happened_under_other_terms_either() -> None:
    """A whole roster for another version than there was, though versions count differently now."""
    late = at(1, {**events.roster("v", {"Z": "1"}, "web"), "expected_roster_version": 7})
    parts = (ROSTER, late, at(2, events.lead_batch("b1", 30, "web")))
    (comparison,) = compared(history(*parts), Changes(weights={"C": "0"}), LIMITS)
    assert "Z" not in received(comparison, 1)
    assert [len(each.course.rejected) for each in comparison.scenarios] == [1, 0]


def test_leads_that_wait_are_counted_by_the_time_that_they_wait() -> None:
    """Two leads for 10 minutes, then two more for 5, until somebody joins."""
    parked = course(
        at(0, events.lead_batch("b1", 2, "web")),
        at(5, events.lead_batch("b2", 2, "web")),
        at(10, events.change("assignee_joined", "j", "web", assignee_id="A", weight="1")),
        at(20, events.lead_batch("b3", 1, "web")),
    )
    assert parked.waited_lead_ms == (30 * 60_000, 30 * 60_000)
    assert parked.parked == [(parked.steps[0].at_ms - 600_000, 2), *parked.parked[1:]]
    assert [leads for _, leads in parked.parked] == [2, 4, 0]
    assert parked.leads == 5


def test_leads_that_still_wait_at_the_end_are_counted_up_to_the_last_event() -> None:
    """Nobody ever comes."""
    parked = course(
        at(0, events.lead_batch("b1", 3, "web")), at(9, events.lead_batch("b2", 1, "web"))
    )
    assert parked.waited_lead_ms == (27 * 60_000, 27 * 60_000)
    assert parked.parked_at_end == (4, 4)
    (comparison,) = compared(
        history(at(0, events.lead_batch("b1", 3, "web")), at(9, events.lead_batch("b2", 1, "web"))),
        Changes(),
        LIMITS,
    )
    assert received(comparison) == {}


def test_rules_make_leads_wait_and_without_rules_they_would_not_have() -> None:
    """A takes three a day: Partidor parks two of five; a method that knows no rules doesn't."""
    parts = (
        at(0, events.roster("r", {"A": "1"}, "web")),
        at(0, events.change("capacity_changed", "c", "web", assignee_id="A", per_day=3)),
        at(1, events.lead_batch("b1", 5, "web")),
        at(61, events.lead_batch("b2", 0, "web")),
    )
    (comparison,) = compared(history(*parts), Changes(without_rules=True), LIMITS)
    was, without = comparison.scenarios
    assert was.course.waited_lead_ms == (2 * 3_600_000, 0)
    assert without.course.waited_lead_ms == (0, 0)
    assert received(comparison, 0) == {"A": 3}
    assert received(comparison, 1) == {"A": 5}


def test_limits_are_rules_too_and_leads_that_count_by_value_are_not_compared() -> None:
    """No other method knows what a lead is worth; without rules each counts one."""
    half = [{"attribute": "purpose", "value": "home", "share_max": "0.5"}]
    loans = [{"lead_id": f"L{n}", "attributes": {"purpose": "home", "amount": n}} for n in (1, 2)]
    limited = events.change("limits_changed", "c", "web", assignee_id="A", limits=half)
    parts = (at(0, events.roster("r", {"A": "1"}, "web")), at(0, limited))
    parts += (at(1, events.lead_batch("b1", loans, "web")),)
    (comparison,) = compared(history(*parts), Changes(without_rules=True), LIMITS)
    assert (received(comparison, 0), received(comparison, 1)) == ({}, {"A": 2})
    by_value = {"dispatch_by": "value", "value_attribute": "amount"}
    configured = at(0, events.change("channel_configured", "d", "web", **by_value))
    with pytest.raises(Failed, match=r"'web' divides leads by value"):
        compared(history(parts[0], configured, parts[2]), Changes(), LIMITS)


def test_a_correction_counts_for_all_methods_as_a_smaller_fair_share() -> None:
    """Three leads of A's were test calls: three more are due to A, three fewer to the others."""
    corrected = events.change(
        "cumulative_error_corrected", "k", "web", assignee_id="A", amount="-3",
        counter_assignee_id="B",
    )  # fmt: skip
    parts = (ROSTER, at(1, corrected), at(2, events.lead_batch("b1", 30, "web")))
    (comparison,) = compared(history(*parts), Changes(), LIMITS)
    (scenario,) = comparison.scenarios
    for outcome in scenario.outcomes.values():
        due = {name: outcome.leads(number) for name, number in outcome.due.items()}
        assert due == {"A": 11, "B": 7, "C": 12}
    assert received(comparison) == {"A": 11, "B": 7, "C": 12}


def test_after_each_day_there_is_a_standing() -> None:
    """Pauses that end at night have ended then."""
    until = "2026-11-21T23:00:00Z"
    away = events.change("assignee_paused", "p", "web", assignee_id="A", until=until)
    later = {**events.lead_batch("b2", 3, "web"), "created_at": "2026-11-23T10:00:00Z"}
    found = course(ROSTER, at(1, away), at(2, events.lead_batch("b1", 11, "web")), later)
    assert [each.ends_ms - found.days[0].ends_ms for each in found.days] == [
        0,
        86_400_000,
        172_800_000,
    ]
    assert all(not member.paused for each in found.days for member in each.roster.members)
    ranks = sorted("ABC", key=lambda name: rank_digest("web", name))
    assert [member.assignee_id for member in found.days[0].roster.members] == ranks


def test_outcomes_are_left_out_and_counted_and_so_are_bounds_of_open_leads() -> None:
    """Nobody closes a lead here, so a bound of open ones would let nothing through."""
    parts = (
        at(0, events.roster("r", {"A": "1", "B": "1"}, "web")),
        at(0, events.change("capacity_changed", "c", "web", assignee_id="A", open_max=1)),
        at(1, events.lead_batch("b1", 10, "web")),
        at(2, {
            "type": "lead_closed", "schema_version": 1, "outcome_id": "o", "channel": "web",
            "lead_id": "L1", "assignee_id": "A",
        }),
    )  # fmt: skip
    found = history(*parts)
    assert (found.outcomes, found.refused) == (1, 0)
    (comparison,) = compared(found, Changes(), LIMITS)
    assert received(comparison) == {"A": 5, "B": 5}
