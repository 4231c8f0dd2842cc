"""What is decided about an event, as a table and a few stories."""

from typing import Any

import pytest

from dispatcher.channel import decide, decide_release, evolve
from dispatcher.decisions import Dispatched, DuplicateIgnored, Parked, Rejected, RosterSettled
from dispatcher.events import (
    BatchReceived,
    ChangeReceived,
    InputRef,
    batch_content_hash,
    change_content_hash,
)
from dispatcher.limits import Limits, Room
from dispatcher.state import ChannelState
from schemas.inputs import ROSTER_CHANGE
from schemas.reasons import Reason

NOW = "2026-11-21T09:00:00Z"
ROOMY = Room(channels=10, parked_bytes=10**9)
LIMITS = Limits(leads_per_batch_max=5, members_max=3, parked_leads_per_channel_max=6)


def batch(batch_id: str, *lead_ids: str) -> BatchReceived:
    """A batch of these leads for the channel web."""
    attributes = ["{}"] * len(lead_ids)
    reference = InputRef("leads.batches", 0, 0)
    content = batch_content_hash(lead_ids)
    return BatchReceived("web", batch_id, NOW, lead_ids, attributes, (), content, NOW, reference)


def change(kind: str, change_id: str, **fields: Any) -> ChangeReceived:
    """A roster change of the channel web."""
    content = {"type": kind, "schema_version": 1, "change_id": change_id, "channel": "web"}
    event = ROSTER_CHANGE.validate_python({**content, "created_at": NOW, **fields})
    return ChangeReceived(event, change_content_hash(event), NOW, InputRef("roster.changes", 0, 0))


def joined(name: str, weight: str = "1") -> ChangeReceived:
    """`name` joins."""
    return change("assignee_joined", f"join-{name[:9]}", assignee_id=name, weight=weight)


def after(*events: BatchReceived | ChangeReceived) -> ChannelState:
    """The state after these events, releases included."""
    state = ChannelState("web")
    for event in events:
        outcome = decide(state, event, LIMITS, ROOMY)
        assert not isinstance(outcome, Rejected), outcome
        for decision in outcome:
            state = evolve(state, decision)
        while state.release is not None:
            for decision in decide_release(state, Limits()):
                state = evolve(state, decision)
    return state


AB = (joined("A"), joined("B"))
WHOLE_ROSTER = [{"assignee_id": name, "weight": "1"} for name in "ABCD"]


@pytest.mark.parametrize(
    ("before", "event", "outcome"),
    [
        ((), batch("b", "L1"), Parked),
        ((joined("A", "0"),), batch("b", "L1"), Parked),
        (AB, batch("b", "L1", "L2"), Dispatched),
        (AB, batch("b"), Dispatched),
        ((*AB, batch("b", "L1")), batch("b", "L1"), DuplicateIgnored),
        ((*AB, batch("b", "L1")), batch("b", "L2"), Reason.BATCH_ID_REUSED),
        ((batch("b", "L1"),), batch("b", "L1"), DuplicateIgnored),
        ((batch("b", "L1"),), batch("b", "L2"), Reason.BATCH_ID_REUSED),
        (AB, batch("b", *"123456"), Reason.LIMIT_EXCEEDED),
        ((batch("b", *"12345"),), batch("c", *"12"), Reason.LIMIT_EXCEEDED),
        (AB, joined("A"), DuplicateIgnored),
        (AB, joined("A", "2"), Reason.CHANGE_ID_REUSED),
        (AB, change("assignee_joined", "c", assignee_id="A", weight="1"), Reason.ALREADY_A_MEMBER),
        (AB, change("assignee_left", "c", assignee_id="X"), Reason.NOT_A_MEMBER),
        ((), change("assignee_left", "c", assignee_id="X"), Reason.NOT_A_MEMBER),
        ((*AB, joined("C")), joined("D"), Reason.LIMIT_EXCEEDED),
        (AB, change("roster_replaced", "c", members=WHOLE_ROSTER), Reason.LIMIT_EXCEEDED),
        (
            AB,
            change("roster_replaced", "c", members=[], expected_roster_version=1),
            Reason.ROSTER_VERSION_MISMATCH,
        ),
        (AB, change("roster_replaced", "c", members=[], expected_roster_version=2), RosterSettled),
        (AB, change("assignee_paused", "c", assignee_id="A"), RosterSettled),
    ],
)
def test_an_event_gets_its_decision_or_its_reason(
    before: tuple[BatchReceived | ChangeReceived, ...],
    event: BatchReceived | ChangeReceived,
    outcome: type | Reason,
) -> None:
    """At most 5 leads a batch, 3 members, 6 parked leads."""
    decided = decide(after(*before), event, LIMITS, ROOMY)
    if isinstance(outcome, Reason):
        assert isinstance(decided, Rejected)
        assert outcome is decided.reason
        assert decided.detail
    else:
        assert not isinstance(decided, Rejected), decided
        assert [outcome] == [type(decision) for decision in decided]


@pytest.mark.parametrize("event", [batch("b", "L1"), joined("A")])
def test_a_channel_too_many_is_refused(event: BatchReceived | ChangeReceived) -> None:
    """Invented channel names fill no memory; channels that are there go on."""
    full = Room(channels=0, parked_bytes=10**9)
    refused = decide(ChannelState("web"), event, LIMITS, full)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.LIMIT_EXCEEDED
    assert not isinstance(decide(after(joined("B")), event, LIMITS, full), Rejected)


def test_parking_is_bounded_by_bytes_too() -> None:
    """What waits is kept in memory."""
    refused = decide(ChannelState("web"), batch("b", "L1"), LIMITS, Room(10, parked_bytes=10))
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.LIMIT_EXCEEDED


def test_a_roster_that_no_decision_could_list_is_refused() -> None:
    """A decision has to fit into one record."""
    narrow = Limits(roster_bytes_max=1_000)
    refused = decide(after(), joined("A" * 199), narrow, ROOMY)
    assert not isinstance(refused, Rejected)
    state = evolve(ChannelState("web"), refused[0])
    refused = decide(state, joined("B" * 199), narrow, ROOMY)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.LIMIT_EXCEEDED


def test_parked_batches_are_released_oldest_first_before_anything_newer() -> None:
    """The cursor stands in the state; nothing else may be decided meanwhile."""
    state = after(batch("b1", "L1", "L2"), batch("b2"), batch("b3", "L3"))
    assert state.parking.leads == 3
    assert state.parking.size_bytes > 0
    outcome = decide(state, joined("A"), LIMITS, ROOMY)
    assert not isinstance(outcome, Rejected)
    state = evolve(state, outcome[0])
    assert state.release is not None
    with pytest.raises(AssertionError, match="R13"):
        decide(state, batch("b4", "L4"), LIMITS, ROOMY)
    order = []
    while state.release is not None:
        released, dispatched = decide_release(state, Limits())
        order.append(released.batch.batch_id)
        assert released.state_version + 1 == dispatched.state_version
        state = evolve(evolve(state, released), dispatched)
    assert ["b1", "b2", "b3"] == order
    assert (state.parking.leads, state.parking.size_bytes, len(state.parking.entries)) == (0, 0, 0)
    assert state.state_version == 3 + 1 + 6
    with pytest.raises(AssertionError, match="no release"):
        decide_release(state, Limits())


def test_a_refused_change_leaves_no_trace_and_may_come_again() -> None:
    """Its id is not remembered."""
    early = change("assignee_paused", "c", assignee_id="B")
    state = after(joined("A"))
    assert isinstance(decide(state, early, LIMITS, ROOMY), Rejected)
    assert not isinstance(decide(after(joined("A"), joined("B")), early, LIMITS, ROOMY), Rejected)


def test_a_batch_is_known_for_a_thousand_others() -> None:
    """The thousand-and-first forgets it."""
    state = after(*AB, *(batch(f"b{n}", "L") for n in range(1000)))
    again = decide(state, batch("b0", "L"), LIMITS, ROOMY)
    assert not isinstance(again, Rejected)
    assert isinstance(again[0], DuplicateIgnored)
    assert again[0].original_state_version == 3
    state = evolve(state, decide(state, batch("b1000", "L"), LIMITS, ROOMY)[0])  # type: ignore[index]
    again = decide(state, batch("b0", "L"), LIMITS, ROOMY)
    assert not isinstance(again, Rejected)
    assert isinstance(again[0], Dispatched)


def test_a_decision_follows_only_the_state_before_it() -> None:
    """Neither twice nor with one left out."""
    state = after(*AB)
    outcome = decide(state, batch("b", "L1"), LIMITS, ROOMY)
    assert not isinstance(outcome, Rejected)
    later = evolve(state, outcome[0])
    with pytest.raises(AssertionError, match="follow"):
        evolve(later, outcome[0])
