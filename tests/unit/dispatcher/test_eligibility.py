"""Rules of a channel: requirements, terms that follow the roster, timers, days."""

from typing import Any

import pytest

from dispatcher.channel import decide, decide_release, evolve
from dispatcher.decisions import DayBegan, Decision, Rejected, RosterSettled
from dispatcher.events import ChangeReceived, InputRef, TimerDue, change_content_hash
from dispatcher.limits import Limits, Room
from dispatcher.requirements import NOTHING, Requirement, required_of
from dispatcher.state import ChannelState
from dispatcher.times import day_of, milliseconds, timestamp_text
from schemas.inputs import ROSTER_CHANGE
from schemas.reasons import Reason

NOW = "2026-11-21T09:00:00Z"
ROOMY = Room(channels=10, parked_bytes=10**9)


def change(kind: str, decided_at: str = NOW, **fields: Any) -> ChangeReceived:
    """A roster change of the channel web, with an id of its own."""
    content = {"type": kind, "schema_version": 1, "channel": "web", "created_at": NOW, **fields}
    event = ROSTER_CHANGE.validate_python({"change_id": repr((kind, fields)), **content})
    reference = InputRef("roster.changes", 0, len(repr(fields)))
    return ChangeReceived(event, change_content_hash(event), decided_at, reference)


def after(state: ChannelState, *events: ChangeReceived | TimerDue) -> ChannelState:
    """The state after these events, which are accepted."""
    for event in events:
        state = _decided(state, event)[1]
    return state


def _decided(
    state: ChannelState, event: ChangeReceived | TimerDue
) -> tuple[list[Decision], ChannelState]:
    outcome = decide(state, event, Limits(), ROOMY)
    assert not isinstance(outcome, Rejected), outcome
    decisions = list(outcome)
    for decision in outcome:
        state = evolve(state, decision)
    while state.release is not None:
        for decision in decide_release(state, Limits()):
            state = evolve(state, decision)
            decisions.append(decision)
    return decisions, state


TWO = after(
    ChannelState("web"),
    change("assignee_joined", assignee_id="A", weight="1"),
    change("assignee_joined", assignee_id="B", weight="1"),
)


@pytest.mark.parametrize(
    ("attributes", "skills"),
    [
        ("{}", ()),
        ('{"language":"vi"}', ("language=vi",)),
        ('{"language":["vi","en","vi"]}', ("language=en", "language=vi")),
        ('{"language":null,"product":[null]}', ()),
        ('{"language":1,"product":true}', ("language=1", "product=true")),
        ('{"product":{"a":[1, 2]}}', ('product={"a":[1,2]}',)),
        ('{"language":1e999}', ("language=1e999",)),
        ('{"other":"vi"}', ()),
    ],
)
def test_attributes_say_which_skills_a_lead_requires(
    attributes: str, skills: tuple[str, ...]
) -> None:
    """By the names in the channel's rules."""
    assert required_of(attributes, ("language", "product")) == Requirement(skills)
    assert required_of(attributes, ()) == NOTHING


def test_a_channel_has_no_rules_until_a_change_asks_for_some() -> None:
    """So the usual way stays the usual way."""
    assert after(TWO, change("assignee_paused", assignee_id="A")).eligibility is None
    for asks in (
        change("capacity_changed", assignee_id="A", per_day=1),
        change("skills_changed", assignee_id="A", skills=["x=1"]),
        change("channel_configured"),
        change("assignee_paused", assignee_id="A", until=NOW),
    ):
        assert after(TWO, asks).eligibility is not None


@pytest.mark.parametrize("kind", ["capacity_changed", "skills_changed"])
def test_terms_of_a_stranger_are_refused(kind: str) -> None:
    """Like every change of somebody who is not on the roster."""
    fields: dict[str, Any] = {"skills": []} if kind == "skills_changed" else {}
    outcome = decide(TWO, change(kind, assignee_id="X", **fields), Limits(), ROOMY)
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.NOT_A_MEMBER


def test_terms_stay_with_who_stays_and_go_with_who_goes() -> None:
    """Who comes back begins with nothing."""
    state = after(
        TWO,
        change("capacity_changed", assignee_id="A", per_day=3),
        change("capacity_changed", assignee_id="B", per_day=5),
        change("assignee_joined", assignee_id="C", weight="2"),
        change("assignee_left", assignee_id="A"),
        change("assignee_joined", change_id="again", assignee_id="A", weight="1"),
    )
    assert state.eligibility is not None
    bounds = {
        member.assignee_id: terms.per_day
        for member, terms in zip(state.roster.members, state.eligibility.terms, strict=True)
    }
    assert bounds == {"A": None, "B": 5, "C": None}


def test_a_pause_ends_by_itself_at_its_time() -> None:
    """The decision has that time, and names the pause as its input."""
    pause = change("assignee_paused", assignee_id="A", until="2026-11-21T12:00:00+01:00")
    state = after(TWO, pause)
    due_ms = milliseconds("2026-11-21T11:00:00Z")
    assert state.next_timer_ms == due_ms
    with pytest.raises(AssertionError, match="not due"):
        decide(state, TimerDue("web", due_ms - 1), Limits(), ROOMY)
    (decision,), state = _decided(state, TimerDue("web", due_ms + 5_000))
    assert isinstance(decision, RosterSettled)
    assert decision.by_timer
    assert (decision.decided_at, decision.input) == ("2026-11-21T11:00:00.000Z", pause.input)
    assert state.roster.active == (0, 1)


@pytest.mark.parametrize(
    "instead",
    [
        change("assignee_resumed", assignee_id="A"),
        change("assignee_left", assignee_id="A"),
        change("assignee_paused", change_id="for good", assignee_id="A"),
        change("roster_replaced", members=[{"assignee_id": "B", "weight": "1"}]),
        change("roster_replaced", members=[{"assignee_id": "A", "weight": "1", "paused": False}]),
    ],
    ids=lambda each: each.change.type,
)
def test_what_comes_before_the_end_of_a_pause_takes_its_timer_away(
    instead: ChangeReceived,
) -> None:
    """Only the end of the day is left."""
    pause = change("assignee_paused", assignee_id="A", until="2026-11-21T12:00:00Z")
    state = after(TWO, pause, instead)
    assert state.eligibility is not None
    assert [timer.assignee_id for timer in state.eligibility.timers] == [""]


def test_days_that_nobody_noticed_are_not_made_up_for() -> None:
    """One decision, and the next day's end is ahead of the time that it is now."""
    state = after(TWO, change("channel_configured", time_zone="Australia/Sydney"))
    assert state.next_timer_ms == milliseconds("2026-11-22T00:00:00+11:00")
    now_ms = milliseconds("2026-12-24T23:59:00+11:00")
    (decision,), state = _decided(state, TimerDue("web", now_ms))
    assert isinstance(decision, DayBegan)
    assert decision.day == "2026-12-24"
    assert state.next_timer_ms == milliseconds("2026-12-25T00:00:00+11:00")


@pytest.mark.parametrize(
    ("now", "time_zone", "day", "ends"),
    [
        ("2026-11-21T12:59:59.999Z", "Australia/Sydney", "2026-11-21", "2026-11-21T13:00:00.000Z"),
        ("2026-11-21T13:00:00Z", "Australia/Sydney", "2026-11-22", "2026-11-22T13:00:00.000Z"),
        # 25 and 23 hours.
        ("2026-10-25T00:00:00+02:00", "Europe/Amsterdam", "2026-10-25", "2026-10-25T23:00:00.000Z"),
        ("2026-03-29T00:00:00+01:00", "Europe/Amsterdam", "2026-03-29", "2026-03-29T22:00:00.000Z"),
        # There is no midnight on the day when clocks go forward in Santiago.
        ("2026-09-05T12:00:00Z", "America/Santiago", "2026-09-05", "2026-09-06T04:00:00.000Z"),
    ],
)
def test_days_are_those_of_the_time_zone(now: str, time_zone: str, day: str, ends: str) -> None:
    """With the hours that they have there."""
    found, ends_ms = day_of(milliseconds(now), time_zone)
    assert ends_ms is not None
    assert (found, timestamp_text(ends_ms)) == (day, ends)


def test_where_calendars_end_so_do_the_days() -> None:
    """A source may write any time that events can hold."""
    assert day_of(milliseconds("9999-12-31T23:00:00Z"), "Australia/Sydney")[1] is None
    assert day_of(milliseconds("9999-12-31T23:00:00Z"), "UTC") == ("9999-12-31", None)
    assert day_of(milliseconds("0001-01-01T00:00:00Z"), "America/St_Johns")[1] is None
    state = after(TWO, change("channel_configured", "9999-12-31T23:00:00Z"))
    assert state.next_timer_ms is None
