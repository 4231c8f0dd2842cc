"""Who shares a channel's leads, and what becomes of what they carry."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.roster import (
    CannotApply,
    Member,
    Roster,
    cancel,
    rank_digest,
    rounded_units,
    settle,
)
from schemas.inputs import ROSTER_CHANGE, RosterChange
from schemas.reasons import Reason
from schemas.scalars import UNITS_PER_LEAD


def change(kind: str, **fields: object) -> RosterChange:
    """A roster change with the fields that don't matter filled in."""
    common = {"schema_version": 1, "change_id": "c", "channel": "web"}
    return ROSTER_CHANGE.validate_python(
        {"type": kind, "created_at": "2026-11-21T09:00:00Z", **common, **fields}
    )


def roster_of(**weights: int) -> Roster:
    """A roster of the channel web; weights in millionths."""
    return Roster(Member(rank_digest("web", name), name, w, False) for name, w in weights.items())


def owed_one_by_one(units: list[int], leaver: int) -> list[int]:
    """The reference: unit by unit, from whoever is furthest on the other side."""
    units = list(units)
    for _ in range(abs(leaver)):
        if leaver < 0:
            furthest = max(units)
            units[next(r for r, u in enumerate(units) if u == furthest)] -= 1
        else:
            furthest = min(units)
            units[max(r for r, u in enumerate(units) if u == furthest)] += 1
    return units


@given(st.lists(st.integers(-12, 12), min_size=1, max_size=6))
def test_a_leavers_error_is_cancelled_down_to_one_level(units: list[int]) -> None:
    """The same levels as unit by unit; the first in rank are left lower; nobody's error grows."""
    leaver = -sum(units)
    after = list(units)
    cancel(after, leaver)
    assert sum(after) == 0
    assert sorted(owed_one_by_one(units, leaver)) == sorted(after)
    for before, now in zip(units, after, strict=True):
        assert abs(now) <= abs(before)
    moved = [now for before, now in zip(units, after, strict=True) if before != now]
    assert moved == sorted(moved)
    assert not moved or max(moved) - min(moved) <= 1


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=8), st.integers(1, 10**6))
def test_rounding_to_units_keeps_the_sum_and_moves_nobody_by_a_unit(
    errors: list[int], scale: int
) -> None:
    """Down, and one unit more for the largest remainders, of equals the last in rank."""
    errors[-1] -= sum(errors)
    units = rounded_units(errors, scale)
    assert sum(units) == 0
    assert all(abs(unit * scale - error) < scale for unit, error in zip(units, errors, strict=True))
    up = [(error % scale, rank) for rank, error in enumerate(errors) if units[rank] * scale > error]
    down = [(e % scale, r) for r, e in enumerate(errors) if units[r] * scale <= e and e % scale]
    assert not up or not down or min(up) > max(down)


def test_rank_is_drawn_by_lot_once_per_channel() -> None:
    """Digests ascending; another channel draws again."""
    names = [f"assignee-{n}" for n in range(10)]
    web = sorted(names, key=lambda name: rank_digest("web", name))
    phone = sorted(names, key=lambda name: rank_digest("phone", name))
    assert web != phone
    roster = Roster(Member(rank_digest("web", name), name, 1, False) for name in names)
    assert web == [member.assignee_id for member in roster.members]
    assert names == [roster.members[rank].assignee_id for rank in roster.by_assignee_id]


def test_a_correction_moves_the_error_and_spreads_the_counter_entry_by_weight() -> None:
    """A lead that did not count: everyone active takes a part, the corrected one included."""
    roster = roster_of(A=800_000, B=1_000_000, C=1_200_000)
    settled = settle(
        "web", roster, (0, 0, 0), change("cumulative_error_corrected", assignee_id="A", amount="-3")
    )
    after = dict(zip([m.assignee_id for m in roster.members], settled.errors, strict=True))
    one_lead = roster.error_denominator
    assert {
        "A": -3 * one_lead + 8 * one_lead // 10,
        "B": one_lead,
        "C": 12 * one_lead // 10,
    } == after


def test_a_lead_that_moved_is_a_correction_with_a_counterparty() -> None:
    """What one is given the other is charged; a paused one can be the other."""
    roster = roster_of(A=1, B=1)
    moved = change(
        "cumulative_error_corrected", assignee_id="A", amount="0.5", counter_assignee_id="B"
    )
    settled = settle("web", roster, (0, 0), moved)
    assert sorted(settled.errors) == [-UNITS_PER_LEAD, UNITS_PER_LEAD]


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("assignee_joined", {"assignee_id": "A", "weight": "1"}, Reason.ALREADY_A_MEMBER),
        ("assignee_left", {"assignee_id": "X"}, Reason.NOT_A_MEMBER),
        ("weight_changed", {"assignee_id": "X", "weight": "1"}, Reason.NOT_A_MEMBER),
        ("assignee_paused", {"assignee_id": "X"}, Reason.NOT_A_MEMBER),
        ("assignee_resumed", {"assignee_id": "X"}, Reason.NOT_A_MEMBER),
        ("cumulative_error_corrected", {"assignee_id": "X", "amount": "1"}, Reason.NOT_A_MEMBER),
        (
            "cumulative_error_corrected",
            {"assignee_id": "A", "amount": "1", "counter_assignee_id": "A"},
            Reason.NO_COUNTERPARTY,
        ),
        (
            "cumulative_error_corrected",
            {"assignee_id": "A", "amount": "1", "counter_assignee_id": "X"},
            Reason.NO_COUNTERPARTY,
        ),
        ("cumulative_error_corrected", {"assignee_id": "A", "amount": "1"}, Reason.NO_COUNTERPARTY),
    ],
)
def test_a_change_that_does_not_fit_the_roster_is_refused(
    kind: str, fields: dict[str, object], reason: Reason
) -> None:
    """With its reason; A is the only member and has weight 0."""
    with pytest.raises(CannotApply) as refusal:
        settle("web", roster_of(A=0), (0,), change(kind, **fields))
    assert reason is refusal.value.reason


def test_a_replacement_lets_all_leave_at_once_and_keeps_who_stays() -> None:
    """The leavers' errors are summed first: +5 and -5 cancel, and nobody else moves."""
    roster = roster_of(A=1, B=1, C=1, D=1)
    position = {m.assignee_id: r for r, m in enumerate(roster.members)}
    errors = [0] * 4
    for name, units in (("A", 5), ("B", -5), ("C", 7), ("D", -7)):
        errors[position[name]] = units * roster.weight_sum
    new = [{"assignee_id": "C", "weight": "2"}, {"assignee_id": "E", "weight": "1", "paused": True}]
    new.append({"assignee_id": "D", "weight": "0", "paused": True})
    settled = settle("web", roster, errors, change("roster_replaced", members=new))
    scale = settled.roster.weight_sum
    after = {
        m.assignee_id: (e // scale, m.weight_millionths, m.paused)
        for m, e in zip(settled.roster.members, settled.errors, strict=True)
    }
    assert {"C": (7, 2_000_000, False), "D": (-7, 0, True), "E": (0, 1_000_000, True)} == after
    assert {"A", "B"} == {name for name, _ in settled.left}


def test_a_roster_knows_what_a_decision_that_lists_it_takes() -> None:
    """An upper bound, held against the real thing in the encoding's tests."""
    roster = roster_of(**{"x" * 150: 1, "y": 1})
    assert roster.listing_bytes() > 2 * len(json.dumps("x" * 150))
    assert roster == roster_of(**{"y": 1, "x" * 150: 1})
    assert hash(roster) == hash(roster_of(**{"y": 1, "x" * 150: 1}))
    assert len(roster) == 2
