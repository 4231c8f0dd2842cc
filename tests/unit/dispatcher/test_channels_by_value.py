"""Channels by value or with limits: what changes do, what waits, what is remembered."""

import json
from typing import Any

import msgspec
import pytest

from dispatcher import marked_parking
from dispatcher.channel import decide, decide_release, evolve
from dispatcher.decisions import Decision, Dispatched, Rejected
from dispatcher.events import BatchReceived, InputRef, OutcomeReceived, change_content_hash
from dispatcher.limits import Limits
from dispatcher.parking import Marked
from dispatcher.register import Owner, person_keys
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records, read_state
from dispatcher.times import milliseconds
from schemas.inputs import LEAD_OUTCOME
from schemas.reasons import Reason
from tests.unit.dispatcher.test_eligibility import NOW, ROOMY, TWO, after, change

BY_VALUE = change("channel_configured", dispatch_by="value", value_attribute="amount")
HALF = {"attribute": "purpose", "value": "investment", "share_max": "0.5"}
LIMITED = after(
    TWO,
    BY_VALUE,
    change("limits_changed", assignee_id="A", limits=[HALF]),
    change("limits_changed", assignee_id="B", limits=[HALF]),
)


def batch(batch_id: str, *leads: dict[str, Any]) -> BatchReceived:
    """A batch of leads with these attributes, named by their places."""
    ids = tuple(f"{batch_id}-{n}" for n in range(1, len(leads) + 1))
    texts = tuple(json.dumps(lead) for lead in leads)
    reference = InputRef("leads.batches", 0, 0)
    return BatchReceived("web", batch_id, NOW, ids, texts, (), batch_id, NOW, reference)


def decided(state: ChannelState, *events: Any) -> tuple[list[Decision], ChannelState]:
    """All decisions on these events, with the releases that follow, and the state after them."""
    decisions: list[Decision] = []
    for event in events:
        outcome = decide(state, event, Limits(), ROOMY)
        assert not isinstance(outcome, Rejected), outcome
        for decision in outcome:
            state = evolve(state, decision)
            decisions.append(decision)
        while state.release is not None:
            for decision in decide_release(state, Limits()):
                state = evolve(state, decision)
                decisions.append(decision)
    return decisions, state


def sent(decisions: list[Decision]) -> list[str]:
    """The leads that went out, in order."""
    return [
        lead
        for decision in decisions
        if isinstance(decision, Dispatched)
        for lead in decision.lead_ids
    ]


def invest(amount: int) -> dict[str, Any]:
    """A lead that limits are about."""
    return {"amount": amount, "purpose": "investment"}


def outcome(kind: str, **fields: Any) -> OutcomeReceived:
    """An outcome of the channel web."""
    text = {"type": kind, "schema_version": 1, "outcome_id": repr(fields), "channel": "web"}
    model = LEAD_OUTCOME.validate_python({**text, "created_at": NOW, **fields})
    attributes = json.dumps(fields.get("attributes", {}))
    return OutcomeReceived(model, attributes, repr(fields), NOW, InputRef("leads.outcomes", 0, 0))


def test_errors_begin_at_zero_whenever_leads_are_measured_otherwise() -> None:
    """And only then: the same rules again leave them."""
    _, state = decided(TWO, batch("b", {"amount": 5}))
    assert any(state.errors)
    _, state = decided(state, BY_VALUE)
    assert not any(state.errors)
    _, state = decided(state, batch("c", {"amount": 5}))
    assert any(state.errors)
    again = change("channel_configured", dispatch_by="value", value_attribute="amount", reason="x")
    assert any(after(state, again).errors)
    assert not any(after(state, change("channel_configured")).errors)
    other = change("channel_configured", dispatch_by="value", value_attribute="size")
    assert not any(after(state, other).errors)


def test_a_change_without_the_new_fields_is_the_same_change_as_ever() -> None:
    """Its content is compared with what was remembered before there were any."""
    plain = change("channel_configured", required_skills=["language"], change_id="c").change
    spelt = change(
        "channel_configured",
        required_skills=["language"],
        change_id="c",
        dispatch_by="count",
        value_attribute=None,
    ).change
    assert change_content_hash(plain) == change_content_hash(spelt)
    assert change_content_hash(plain) == "a79595e195471768bac15480c4ce46c0"


def test_what_a_limit_holds_up_waits_by_kind_and_a_small_lead_passes_a_large_one() -> None:
    """The oldest entry of which a lead fits goes; the state is the same when it is read back."""
    _, state = decided(LIMITED, batch("b1", invest(300)), batch("b2", invest(90), invest(200)))
    assert [type(kind) for kind in state.parking.queues] == [Marked]
    decisions, state = decided(state, batch("b3", {"amount": 100}))
    assert sent(decisions) == ["b3-1", "b2-1"]
    assert [entry.lead_ids for _, entry in state.parking.in_order()] == [("b1-1",), ("b2-2",)]
    read = read_state({key: value for key, value in all_records(state) if value is not None})
    assert read.parking == state.parking
    assert read.eligibility == state.eligibility
    assert read.promise == state.promise
    decisions, _ = decided(read, batch("b4", {"amount": 1000}))
    assert sent(decisions) == ["b4-1", "b1-1", "b2-2"]


def test_only_so_many_entries_of_a_kind_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bound on what a decision costs."""
    monkeypatch.setattr(marked_parking, "LOOKED_AT_MAX", 2)
    large = [batch(f"b{n}", invest(1_000)) for n in range(2)]
    _, state = decided(LIMITED, *large, batch("small", invest(1)))
    decisions, _ = decided(state, batch("other", {"amount": 10}))
    assert sent(decisions) == ["other-1"]


def test_what_waits_is_told_apart_by_new_limits_and_goes_when_they_go() -> None:
    """Also when the last who had any leaves."""
    away = after(TWO, BY_VALUE, *(change("assignee_paused", assignee_id=name) for name in "AB"))
    _, state = decided(away, batch("b", invest(5), {"amount": 7}))
    assert len(state.parking.entries) == 1
    _, state = decided(state, change("limits_changed", assignee_id="A", limits=[HALF]))
    assert len(state.parking.entries) == 2
    decisions, state = decided(state, change("assignee_resumed", assignee_id="A"))
    # 7 goes first, and then 5 is less than half.
    assert sent(decisions) == ["b-2", "b-1"]
    _, state = decided(away, batch("b", invest(5)))
    _, state = decided(state, change("limits_changed", assignee_id="A", limits=[HALF]))
    decisions, state = decided(state, change("assignee_resumed", assignee_id="A"))
    assert not sent(decisions)
    decisions, state = decided(state, change("limits_changed", assignee_id="A", limits=[]))
    assert sent(decisions) == ["b-1"]
    _, state = decided(away, change("limits_changed", assignee_id="A", limits=[HALF]))
    _, state = decided(state, batch("b", invest(5)), change("assignee_left", assignee_id="A"))
    decisions, state = decided(state, change("assignee_resumed", assignee_id="B"))
    assert sent(decisions) == ["b-1"]
    assert state.eligibility is not None
    assert not state.eligibility.limits


def test_what_waits_for_a_limit_keeps_its_owner_and_goes_to_them_when_there_is_room() -> None:
    """Also when it is told apart by other limits meanwhile."""
    sticky = {"attributes": ["phone"], "days": 30}
    by_person = {**BY_VALUE.change.model_dump(include={"dispatch_by", "value_attribute"})}
    state = after(LIMITED, change("channel_configured", sticky=sticky, **by_person))
    lead = {**invest(60), "phone": "61491570156"}
    key, owner = person_keys("web", json.dumps(lead), ("phone",))[0], "A"
    owners = {key: Owner(owner, milliseconds(NOW), 30, "b0", "L0")}
    known = msgspec.structs.replace(batch("b", lead), owners=owners)
    decisions, state = decided(state, known)
    assert sent(decisions) == []
    more = [HALF, {"attribute": "phone", "value": "61491570156", "share_max": "1"}]
    _, state = decided(state, change("limits_changed", assignee_id="B", limits=more))
    (entry,) = state.parking.entries.values()
    assert (entry.requirement.owner, len(entry.marks)) == (owner, 2)
    assert read_state(dict(all_records(state))).parking == state.parking
    decisions, state = decided(state, batch("c", {"amount": 70}, {"amount": 70}))
    assert sent(decisions) == ["c-1", "c-2", "b-1"]
    (group,) = decisions[-1].groups if isinstance(decisions[-1], Dispatched) else ()
    assert (group.because, group.forced_to) == ("owner", state.roster.rank(owner))
    assert not state.parking.entries


def test_a_limit_that_stays_goes_on_counting() -> None:
    """Another part of the same kind; a new kind begins at nothing."""
    _, state = decided(LIMITED, batch("b", {"amount": 10}))
    home = {"attribute": "purpose", "value": "home", "share_max": "0.1"}
    for name in "AB":
        _, state = decided(
            state,
            change("limits_changed", assignee_id=name, limits=[home, {**HALF, "share_max": "1"}]),
        )
    assert state.eligibility is not None
    totals = [[limit.total for limit in each.limits] for each in state.eligibility.limits]
    assert sorted(totals) == [[0, 0], [0, 10_000_000]]


def test_what_is_credited_or_moves_is_taken_off_the_limits() -> None:
    """So that room comes back; what is by hand is counted."""
    rule = {"reason": "busy", "credited": True, "dispatched_again": False}
    rules = {"dispatch_by": "value", "value_attribute": "amount", "returns": [rule]}
    _, state = decided(LIMITED, change("channel_configured", **rules), batch("b", {"amount": 10}))
    holder = state.roster.members[max(range(2), key=lambda rank: state.errors[rank])].assignee_id
    _, state = decided(state, outcome("lead_assigned_manually", lead_id="x", assignee_id=holder,
                                      attributes=invest(40)))  # fmt: skip
    (mine,) = [each for each in state.eligibility.limits if each.assignee_id == holder]
    assert (mine.limits[0].matching, mine.limits[0].total) == (40_000_000, 50_000_000)
    back = outcome("lead_returned", lead_id="x", assignee_id=holder, reason="busy",
                   attributes=invest(40))  # fmt: skip
    _, state = decided(state, back)
    (mine,) = [each for each in state.eligibility.limits if each.assignee_id == holder]
    assert (mine.limits[0].matching, mine.limits[0].total) == (0, 10_000_000)


def test_an_outcome_without_a_value_is_refused_only_where_it_matters() -> None:
    """A lead that is closed, or returned for nothing, moves no value."""
    state = after(TWO, BY_VALUE)
    for kind, fields in (
        ("lead_returned", {"reason": "busy"}),
        ("lead_reassigned", {"to_assignee_id": "B"}),
        ("lead_assigned_manually", {}),
    ):
        refused = decide(
            state, outcome(kind, lead_id="x", assignee_id="A", **fields), Limits(), ROOMY
        )
        assert isinstance(refused, Rejected)
        assert refused.reason is Reason.INVALID_EVENT
        assert "stands in the attributes of the outcome" in refused.detail
    rule = {"reason": "*", "dispatched_again": False}
    closing = {"dispatch_by": "value", "value_attribute": "amount", "returns": [rule]}
    state = after(state, change("channel_configured", **closing))
    for event in (
        outcome("lead_closed", lead_id="x", assignee_id="A"),
        outcome("lead_returned", lead_id="x", assignee_id="A", reason="busy"),
    ):
        _, state = decided(state, event)


def test_the_promise_rests_while_anything_holds_somebody_up() -> None:
    """And is there again when errors are such as could have come about without."""
    _, state = decided(after(TWO, BY_VALUE), batch("b", {"amount": 10}))
    assert state.promise.value_max == 10_000_000
    assert not state.promise.corrected
    capped = change("capacity_changed", assignee_id="A", per_day=0)
    _, state = decided(state, capped, batch("c", {"amount": 1_000}), batch("d", {"amount": 1}))
    assert state.promise.value_max == 1_000_000_000
    assert not state.promise.corrected
    by_hand = outcome(
        "lead_assigned_manually", lead_id="x", assignee_id="A", attributes={"amount": 5_000}
    )
    more = outcome(
        "lead_assigned_manually", lead_id="y", assignee_id="A", attributes={"amount": 5_000}
    )
    free = change("capacity_changed", assignee_id="A")
    _, state = decided(state, free, by_hand, more)
    assert state.promise.corrected
    _, state = decided(state, batch("e", {"amount": 5_000}))
    assert not state.promise.corrected
