import pytest

from schemas.inputs import RosterChange
from schemas.outputs import AnyDecision
from streams.views.answers_port import Json
from streams.views.board.wording import (
    happened,
    promise_state,
    promise_told,
    standing_told,
    used_told,
)
from tests.views_board.documents import SHORTS, promise


def changed(change_type: str, **values: str) -> Json:
    """A roster change in short."""
    return {"type": "roster_changed", "change_type": change_type, **values}


def test_every_kind_of_decision_is_told_in_plain_words() -> None:
    """As a person would say it."""
    assert [happened(short) for short in SHORTS] == [
        "100 leads of batch web-1 divided among 3",
        "B joined with weight 1.2",
        "Roster replaced (by supervisor-7: the web team)",
        "A's cumulative error corrected by -0.5 (by supervisor-7: swapped)",
        "12 leads wait: nobody could take them (batch web-2)",
        "12 parked leads of batch web-2 let go",
        "Came again and was ignored: batch web-1",
        "Day 2026-11-22 began",
        "A gave lead L17 back (busy)",
        "Lead L17 moved from A to B",
    ]


@pytest.mark.parametrize(
    ("short", "told"),
    [
        (changed("assignee_left", assignee_id="A"), "A left"),
        (changed("weight_changed", assignee_id="A", weight="0.50"), "Weight of A changed to 0.5"),
        (changed("assignee_paused", assignee_id="A", reason="lunch"), "A paused (lunch)"),
        (changed("assignee_resumed", assignee_id="A"), "A takes part again"),
        (changed("channel_configured"), "Rules of the channel changed"),
        (changed("capacity_changed", assignee_id="A"), "Capacity of A changed"),
        (changed("skills_changed", assignee_id="A"), "Skills of A changed"),
        (changed("limits_changed", assignee_id="A"), "Limits of A changed"),
        (changed("assignee_routed", assignee_id="A"), "Route of A changed"),
        (
            changed("cumulative_error_corrected", assignee_id="A", amount="2"),
            "A's cumulative error corrected by +2",
        ),
        (
            {"type": "batch_dispatched", "batch_id": "b", "batch_size": 1, "members": 3,
             "leads_parked": 2},
            "1 lead of batch b divided among 3; 2 leads wait: nobody could take them",
        ),
        (
            {"type": "outcome_recorded", "outcome_type": "lead_closed", "lead_id": "L",
             "assignee_id": "A"},
            "A closed lead L",
        ),
        (
            {"type": "outcome_recorded", "outcome_type": "lead_assigned_manually", "lead_id": "L",
             "assignee_id": "A", "changed_by": "S", "reason": "knows her"},
            "Lead L given to A by hand (by S: knows her)",
        ),
        ({"type": "duplicate_ignored", "outcome_id": "o"}, "Came again and was ignored: outcome o"),
    ],
)  # fmt: skip
def test_other_kinds_are_told_too(short: Json, told: str) -> None:
    """With who, why, and by how much."""
    assert happened(short) == told


def test_no_kind_of_the_events_is_without_words() -> None:
    """Neither a decision nor a change is only named by its type."""
    decisions = {model.model_fields["type"].annotation.__args__[0] for model in kinds(AnyDecision)}
    assert decisions == {short["type"] for short in SHORTS}
    for model in kinds(RosterChange):
        name = model.model_fields["type"].annotation.__args__[0]
        words = name.replace("_", " ").capitalize()
        told = happened(changed(name, assignee_id="A"))
        assert told not in (words, f"{words} of A") or name == "roster_replaced"


def kinds(union: object) -> tuple[type, ...]:
    """The models of an annotated union."""
    return union.__origin__.__args__  # type: ignore[attr-defined,no-any-return]


def test_what_a_newer_dispatcher_says_is_named_as_it_stands() -> None:
    """Nothing is left out, nothing fails."""
    assert happened({"type": "moon_rose"}) == "Moon rose"
    assert happened(changed("assignee_promoted", assignee_id="A")) == "Assignee promoted of A"
    assert happened({"type": "outcome_recorded", "outcome_type": "lead_lost", "lead_id": "L",
                     "assignee_id": "A"}) == "A: lead lost, lead L"  # fmt: skip
    assert happened({"type": "batch_dispatched"}) == "0 leads of batch ? divided"


def test_what_has_no_value_is_as_if_it_were_not_there() -> None:
    """Documents may say null, or leave out."""
    short = {"type": "roster_changed", "change_type": "capacity_changed", "assignee_id": None,
             "reason": None}  # fmt: skip
    assert happened(short) == "Capacity of ? changed"
    assert happened({**SHORTS[0], "members": None}) == "100 leads of batch web-1 divided"


def test_braces_in_ids_are_only_braces() -> None:
    """An id can't stand in for another."""
    short = {"type": "outcome_recorded", "outcome_type": "lead_returned", "assignee_id": "{lead}",
             "lead_id": "{who}"}  # fmt: skip
    assert happened(short) == "{lead} gave lead {who} back"


def test_a_promise_is_told_in_words() -> None:
    """Kept, broken, resting, not known, or not in leads at all."""
    assert promise_told(promise(), "count") == (
        "With 10 members at most, everybody stays between -1.93 and +0.90 leads of their fair"
        " share, for ever. 0.62 of the bound is used."
    )
    assert "some of them paused" in promise_told(promise(somebody_was_paused=True), "count")
    assert promise_told(promise(kept=False), "count").startswith("Not kept")
    assert "rests after a correction" in promise_told(promise(corrected=True), "count")
    assert "no bound is promised" in promise_told(promise(in_force=False), "count")
    assert promise_told(None, "count").startswith("Not known")
    assert "by value" in promise_told(None, "value")
    assert used_told(promise(used=0.615)) == "0.62 of the bound"
    states = [promise_state(each) for each in (promise(), promise(kept=False), None)]
    assert states == ["kept", "broken", "unknown"]
    assert promise_state(promise(in_force=False)) == "none"
    assert promise_state(None, "value") == "none"
    assert promise_state(promise(corrected=True, kept=False)) == "resting"


def test_a_standing_is_told_in_words() -> None:
    """Who is below zero is owed leads."""
    assert standing_told("0.5") == "ahead by 0.50 leads"
    assert standing_told("-12.5", by_value=True) == "owed 12.50 of value"
    assert standing_told("0.000000000000") == "exactly at the fair share"
