"""A batch divided by value, and within limits."""

from collections.abc import Sequence
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.apportionment import apportion
from dispatcher.division import Divided, divide
from dispatcher.eligibility import Eligibility, Rules, Terms, eligibility_of
from dispatcher.measured_division import divide_measured
from dispatcher.requirements import NOTHING, Requirement
from dispatcher.roster import Member, Roster, rank_digest
from dispatcher.share_limits import Limit, LimitsOf, Mark
from dispatcher.values import ONE_LEAD, Measured
from schemas.scalars import MILLIONTHS, UNITS_PER_LEAD

VI = Requirement(("language=vi",))
INVESTMENT: Mark = ("purpose", "investment")
HALF = Limit(*INVESTMENT, 500_000)


def roster(*rows: tuple[str, int, bool]) -> Roster:
    """Members by name, weight in millionths, presence."""
    return Roster(Member(rank_digest("web", name), name, *rest) for name, *rest in rows)


def rules_of(
    team: Roster, terms: dict[str, Terms] | None = None, **limits: tuple[Limit, ...]
) -> Eligibility:
    """Terms and limits by name; by value."""
    return Eligibility(
        Rules(value_attribute="amount"),
        tuple((terms or {}).get(member.assignee_id, Terms()) for member in team.members),
        (0,) * len(team),
    ).with_limits(tuple(LimitsOf(name, of) for name, of in sorted(limits.items())))


def divided_by_value(team: Roster, errors: Sequence[int], values: list[int]) -> Divided:
    """Without anything that holds anybody up."""
    leads = Measured(True, values, [()] * len(values))
    return divide_measured([NOTHING] * len(values), team, errors, eligibility_of(team), leads)


def names(team: Roster, divided: Divided) -> list[str | None]:
    """Who gets each lead."""
    return [None if r is None else team.members[r].assignee_id for r in divided.takers]


TWO = roster(("A", 10**6, False), ("B", 10**6, False))
EQUAL = roster(("A", 10**6, False), ("B", 10**6, False), ("C", 10**6, False))


def test_the_largest_goes_first_and_the_order_is_that_of_the_batch() -> None:
    """600 to one, 400 and 250 to the other; nobody waits for the largest to go out first."""
    divided = divided_by_value(TWO, (0, 0), [250 * MILLIONTHS, 600 * MILLIONTHS, 400 * MILLIONTHS])
    small, large, middle = names(TWO, divided)
    assert small == middle != large
    assert sorted(divided.assigned_value or ()) == [600 * MILLIONTHS, 650 * MILLIONTHS]
    assert {abs(Fraction(e, TWO.error_denominator)) for e in divided.errors} == {25}


def test_of_equal_values_the_first_in_the_batch_goes_first() -> None:
    """To the first in rank, when nobody is owed more."""
    first = EQUAL.members[0].assignee_id
    assert names(EQUAL, divided_by_value(EQUAL, (0, 0, 0), [5, 5, 5]))[0] == first


def test_whoever_is_full_accrues_what_they_got_and_is_owed_nothing_behind_it() -> None:
    """One lead a day: the first that comes to them, the largest."""
    rules = rules_of(EQUAL, {"A": Terms(per_day=1)})
    values = [MILLIONTHS * n for n in (9, 8, 7, 6, 5, 4)]
    leads = Measured(True, values, [()] * 6)
    divided = divide_measured([NOTHING] * 6, EQUAL, (0, 0, 0), rules, leads)
    rank = EQUAL.rank("A")
    assert divided.assigned[rank] == 1
    assert divided.errors[rank] == 0
    assert sum(divided.assigned) == 6
    assert [EQUAL.members[each].assignee_id for each in divided.groups[0].capped] == ["A"]


SKILLED, BOUND = st.booleans(), st.none() | st.integers(0, 9)
MEMBERS = st.lists(
    st.tuples(
        st.integers(0, 3 * 10**6), st.booleans(), SKILLED, BOUND, st.none() | st.integers(0, 10**6)
    ),
    min_size=1,
    max_size=6,
)
Rows = list[tuple[int, bool, bool, int | None, int | None]]


def _team(rows: Rows) -> Roster:
    return roster(*((chr(65 + place), row[0], row[1]) for place, row in enumerate(rows)))


def _errors(rng: Random, members: int) -> list[int]:
    errors = [rng.randint(-UNITS_PER_LEAD, UNITS_PER_LEAD) for _ in range(members)]
    errors[0] -= sum(errors)
    return errors


@given(MEMBERS, st.integers(0, 60), st.randoms(use_true_random=False))
def test_with_all_values_one_it_is_the_division_by_count(
    rows: Rows, leads: int, rng: Random
) -> None:
    """The same counts, errors and totals to the last unit: groups, capacities, owners, by hand."""
    team = _team(rows)
    terms = {
        chr(65 + place): Terms(("language=vi",) if row[2] else (), row[3])
        for place, row in enumerate(rows)
    }
    rules = rules_of(team, terms)
    errors = _errors(rng, len(team))
    owners = ("", "", "", "A", "B", "stranger")
    asked = [
        rng.choice((NOTHING, NOTHING, VI))._replace(owner=rng.choice(owners)) for _ in range(leads)
    ]
    forced = {place: rng.randrange(len(team)) for place in range(leads) if rng.random() < 0.1}
    by_count = divide(asked, team, errors, rules, forced)
    ones = Measured(True, [ONE_LEAD] * leads, [()] * leads)
    by_value = divide_measured(asked, team, errors, rules, ones, forced)
    assert by_value.assigned == by_count.assigned
    assert by_value.accrued == by_count.accrued
    assert by_value.errors == by_count.errors
    assert by_value.assigned_value == tuple(n * ONE_LEAD for n in by_count.assigned)
    assert [len(g.parked_places) for g in by_value.groups] == [
        len(g.parked_places) for g in by_count.groups
    ]
    told = [(g.capped, g.forced_to, g.because) for g in by_value.groups]
    assert told == [(g.capped, g.forced_to, g.because) for g in by_count.groups]


def test_a_lead_goes_to_its_owner_by_value_but_not_over_a_limit_of_theirs() -> None:
    """10 makes no room for 30, with 20 more it does; what A may not take is divided."""
    rules = rules_of(TWO, A=(HALF,))
    values = [MILLIONTHS * n for n in (10, 30, 20, 30)]
    leads = Measured(True, values, [(), (INVESTMENT,), (), (INVESTMENT,)])
    divided = divide_measured([NOTHING._replace(owner="A")] * 4, TWO, (0, 0), rules, leads)
    assert names(TWO, divided) == ["A", "B", "A", "A"]
    owned, rest = divided.groups
    assert (owned.places, owned.because, owned.lead_by_lead) == ((0, 2, 3), "owner", True)
    assert (rest.places, rest.because, rest.lead_by_lead) == ((1,), "", True)
    # Half of 60 was B's due; B alone might have the other 30.
    assert Fraction(divided.errors[TWO.rank("A")], TWO.error_denominator) == 30
    assert sum(divided.errors) == 0
    assert divided.limits == (
        LimitsOf("A", (Limit(*INVESTMENT, 500_000, 30 * 10**6, 60 * 10**6),)),
    )


def test_an_owner_takes_as_many_as_they_have_room_for_the_first_of_the_batch() -> None:
    """However large the others are; one who is away, unskilled or without a weight takes none."""
    team = roster(("A", 10**6, False), ("B", 10**6, False), ("C", 10**6, True), ("D", 0, False))
    rules = rules_of(team, {"A": Terms(per_day=1)})
    leads = Measured(True, [MILLIONTHS * n for n in (5, 9, 5, 5)], [()] * 4)
    asked = [NOTHING._replace(owner=name) for name in "AACD"]
    divided = divide_measured(asked, team, (0, 0, 0, 0), rules, leads)
    assert names(team, divided) == ["A", "B", "B", "B"]
    assert [each.because for each in divided.groups] == ["owner", ""]
    unskilled = divide_measured(
        [VI._replace(owner="B")], team, (0, 0, 0, 0), rules, Measured(True, [1], [()])
    )
    assert unskilled.groups[0].parked_places == (0,)


@given(MEMBERS, st.integers(0, 200), st.randoms(use_true_random=False))
def test_without_rules_it_is_the_four_steps(rows: Rows, leads: int, rng: Random) -> None:
    """The method itself, with one unit of value for a lead."""
    team = _team(rows)
    if not team.weight_sum:
        return
    errors = _errors(rng, len(team))
    divided = divided_by_value(team, errors, [ONE_LEAD] * leads)
    expected = apportion(leads, team.active_weights, [errors[rank] for rank in team.active])
    assert [divided.assigned[rank] for rank in team.active] == expected.assigned
    assert [divided.errors[rank] for rank in team.active] == expected.errors


@given(MEMBERS, st.integers(0, 40), st.booleans(), st.randoms(use_true_random=False))
def test_nobody_gets_a_lead_over_a_limit_and_all_is_conserved(
    rows: Rows, leads: int, by_value: bool, rng: Random
) -> None:
    """At each lead of the kind, in the order in which they were divided; sum zero."""
    team = _team(rows)
    limits = {
        chr(65 + place): (Limit(*INVESTMENT, row[4]),)
        for place, row in enumerate(rows)
        if row[4] is not None
    }
    terms = {chr(65 + place): Terms((), row[3]) for place, row in enumerate(rows)}
    rules = rules_of(team, terms, **limits)
    values = [rng.choice((0, 1, 10**6, 10**9, 10**18)) for _ in range(leads)]
    values = values if by_value else [ONE_LEAD] * leads
    marks: list[tuple[Mark, ...]] = [rng.choice(((), (INVESTMENT,))) for _ in range(leads)]
    marks = marks if limits else [()] * leads
    errors = _errors(rng, len(team))
    divided = divide_measured(
        [NOTHING] * leads, team, errors, rules, Measured(by_value, values, marks)
    )
    assert sum(divided.errors) == 0
    unit = team.error_denominator // MILLIONTHS
    got = [0] * len(team)
    for place, rank in enumerate(divided.takers):
        if rank is not None:
            got[rank] += values[place] * unit
    for rank, before in enumerate(errors):
        assert divided.errors[rank] == before + got[rank] - divided.accrued[rank]
    if any(marks):
        _check_limits(team, limits, values, marks, divided)


def _check_limits(
    team: Roster,
    limits: dict[str, tuple[Limit, ...]],
    values: list[int],
    marks: list[tuple[Mark, ...]],
    divided: Divided,
) -> None:
    now = {name: limit for name, (limit,) in limits.items()}
    for place in sorted(range(len(values)), key=lambda place: (-values[place], place)):
        rank = divided.takers[place]
        if rank is None or (name := team.members[rank].assignee_id) not in now:
            continue
        matches = bool(marks[place])
        now[name] = now[name].counting(values[place], matches=matches)
        if matches and values[place]:
            of_kind, of_all = now[name].matching, now[name].total
            assert of_kind * MILLIONTHS <= now[name].share_max * of_all
    after = {each.assignee_id: each.limits[0] for each in divided.limits or ()}
    assert after == now


def test_a_kind_has_to_be_earned_by_other_leads() -> None:
    """At most half: nothing at first; as much as others afterwards."""
    rules = rules_of(TWO, A=(HALF,), B=(HALF,))

    def divided(rules: Eligibility, value: int, *marks: Mark) -> Divided:
        return divide_measured(
            [NOTHING], TWO, (0, 0), rules, Measured(True, [value * MILLIONTHS], [marks])
        )

    parked = divided(rules, 3, INVESTMENT)
    assert parked.takers == [None]
    assert parked.accrued == (0, 0)
    assert parked.groups[0].why_parked(TWO) == "limit_reached"
    other = divided(rules, 3)
    assert other.limits is not None
    rules = rules.with_limits(other.limits)
    assert divided(rules, 4, INVESTMENT).takers == [None]
    assert divided(rules, 3, INVESTMENT).takers == other.takers


def test_what_a_limit_kept_from_somebody_is_never_owed_to_them() -> None:
    """Twenty investments go to B alone; the next lead that A may take is shared as ever."""
    rules = rules_of(TWO, A=(Limit(*INVESTMENT, 0),))
    kind = Measured(True, [MILLIONTHS] * 20, [(INVESTMENT,)] * 20)
    divided = divide_measured([NOTHING] * 20, TWO, (0, 0), rules, kind)
    assert set(names(TWO, divided)) == {"B"}
    assert divided.errors == (0, 0)


def test_somebody_limited_and_somebody_full_accrue_only_what_they_may_take() -> None:
    """Of three, A may take no investment and C has room for one lead."""
    rules = rules_of(EQUAL, {"C": Terms(per_day=1)}, A=(Limit(*INVESTMENT, 0),))
    kind = Measured(False, [ONE_LEAD] * 4, [(INVESTMENT,)] * 4)
    divided = divide_measured([NOTHING] * 4, EQUAL, (0, 0, 0), rules, kind)
    by_name = dict(zip([m.assignee_id for m in EQUAL.members], divided.assigned, strict=True))
    assert by_name == {"A": 0, "B": 3, "C": 1}
    assert divided.errors == (0, 0, 0)
    assert divided.assigned_value is None


@pytest.mark.parametrize("by_value", [True, False])
def test_a_lead_by_hand_is_not_held_up_by_a_limit_but_counts_for_it(by_value: bool) -> None:
    """It accrues to those who could have had it."""
    rules = rules_of(TWO, A=(HALF,))
    lead = Measured(by_value, [ONE_LEAD], [(INVESTMENT,)])
    divided = divide_measured([NOTHING], TWO, (0, 0), rules, lead, {0: TWO.rank("A")})
    assert names(TWO, divided) == ["A"]
    assert divided.accrued[TWO.rank("B")] == TWO.error_denominator
    assert divided.limits == (LimitsOf("A", (Limit(*INVESTMENT, 500_000, ONE_LEAD, ONE_LEAD),)),)


def test_weight_0_settles_what_is_carried_and_takes_no_more() -> None:
    """Even when everybody else is far ahead; who is paused is owed all of it."""
    team = roster(("A", 0, False), ("B", 10**6, False), ("C", 10**6, True))
    lead = team.error_denominator
    owed = {"A": -lead, "B": 10 * lead, "C": -9 * lead}
    errors = [owed[member.assignee_id] for member in team.members]
    divided = divided_by_value(team, errors, [ONE_LEAD] * 3)
    assert sorted(filter(None, names(team, divided))) == ["A", "B", "B"]
