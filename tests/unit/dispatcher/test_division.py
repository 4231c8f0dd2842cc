"""A batch divided where not everybody may take everything."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.apportionment import apportion
from dispatcher.division import Divided, divide
from dispatcher.eligibility import Eligibility, Terms
from dispatcher.requirements import NOTHING, Requirement
from dispatcher.roster import Member, Roster, rank_digest
from schemas.scalars import UNITS_PER_LEAD

VI = Requirement(("language=vi",))
HOME = Requirement(("product=home",))
SKILLS = ("language=vi", "product=home")


def roster(*rows: tuple[str, int, bool]) -> Roster:
    """Members by name, weight in millionths, presence."""
    return Roster(Member(rank_digest("web", name), name, *rest) for name, *rest in rows)


def eligibility(team: Roster, terms: dict[str, Terms]) -> Eligibility:
    """Terms by name."""
    return Eligibility(
        terms=tuple(terms.get(member.assignee_id, Terms()) for member in team.members),
        taken_today=(0,) * len(team),
    )


def by_name(team: Roster, values: tuple[int, ...]) -> dict[str, int]:
    """Values by rank, by name."""
    return {member.assignee_id: value for member, value in zip(team.members, values, strict=True)}


EQUAL = roster(("A", 10**6, False), ("B", 10**6, False), ("C", 10**6, False))


def test_a_lead_goes_only_to_those_who_have_its_skills() -> None:
    """And the others aren't owed for it: each group is accrued within its set."""
    rules = eligibility(EQUAL, {"A": Terms(("language=vi",)), "B": Terms(("language=vi",))})
    divided = divide([VI] * 4, EQUAL, (0, 0, 0), rules)
    assert by_name(EQUAL, divided.assigned) == {"A": 2, "B": 2, "C": 0}
    assert divided.errors == (0, 0, 0)


def test_nobody_gets_more_than_their_room_and_nobody_is_owed_behind_it() -> None:
    """Whoever is full accrues what they got; the rest is divided among the others."""
    rules = eligibility(EQUAL, {"A": Terms(per_day=1)})
    divided = divide([NOTHING] * 9, EQUAL, (0, 0, 0), rules)
    assert by_name(EQUAL, divided.assigned) == {"A": 1, "B": 4, "C": 4}
    assert divided.errors == (0, 0, 0)
    (group,) = divided.groups
    assert [EQUAL.members[rank].assignee_id for rank in group.capped] == ["A"]


@pytest.mark.parametrize(
    ("requirement", "terms", "because"),
    [
        (VI, {}, "nobody_with_the_skills"),
        (NOTHING, dict.fromkeys("ABC", Terms(per_day=0)), "capacity_reached"),
        (VI, {"A": Terms(("language=vi",), 0)}, "capacity_reached"),
        (Requirement((), ("A", "B", "C")), {}, "returned_by_everybody"),
    ],
)
def test_what_nobody_may_take_waits_and_says_why(
    requirement: Requirement, terms: dict[str, Terms], because: str
) -> None:
    """Nothing is accrued for it."""
    divided = divide([requirement] * 2, EQUAL, (0, 0, 0), eligibility(EQUAL, terms))
    assert divided.takers == [None, None]
    assert divided.accrued == (0, 0, 0)
    (group,) = divided.groups
    assert group.parked_places == (0, 1)
    assert group.why_parked(EQUAL) == because


def test_nobody_active_is_a_reason_of_its_own() -> None:
    """Whatever the skills."""
    away = roster(("A", 10**6, True), ("B", 0, False))
    (group,) = divide([VI], away, (0, 0), eligibility(away, {})).groups
    assert group.why_parked(away) == "nobody_active"


def test_the_first_leads_go_and_the_last_wait() -> None:
    """Within a group that has more leads than there is room."""
    rules = eligibility(EQUAL, dict.fromkeys("ABC", Terms(per_day=1)))
    divided = divide([NOTHING] * 5, EQUAL, (0, 0, 0), rules)
    assert [taker is None for taker in divided.takers] == [False] * 3 + [True] * 2


def test_groups_go_in_the_order_of_their_first_leads() -> None:
    """So who has room for one lead only takes the earlier group's."""
    team = roster(("A", 10**6, False))
    rules = eligibility(team, {"A": Terms(SKILLS, per_day=1)})
    assert divide([HOME, VI], team, (0,), rules).takers == [0, None]
    assert divide([VI, HOME], team, (0,), rules).takers == [0, None]


MEMBERS = st.lists(
    st.tuples(st.integers(0, 3 * 10**6), st.booleans(), st.sets(st.sampled_from(SKILLS)),
              st.none() | st.integers(0, 9)),
    min_size=1, max_size=7,
)  # fmt: skip
REQUIREMENTS = st.lists(
    st.sampled_from([NOTHING, NOTHING, VI, HOME, Requirement(SKILLS)]), max_size=40
)


@given(MEMBERS, REQUIREMENTS, st.randoms())
def test_whatever_the_rules_it_is_conserved_and_allowed(
    rows: list[tuple[int, bool, set[str], int | None]],
    requirements: list[Requirement],
    rng: "object",
) -> None:
    """Sum zero, nobody over their room, no lead without the skill, every lead once or waiting."""
    names = [chr(ord("A") + place) for place in range(len(rows))]
    team = roster(*((name, row[0], row[1]) for name, row in zip(names, rows, strict=True)))
    terms = {
        name: Terms(tuple(sorted(row[2])), row[3]) for name, row in zip(names, rows, strict=True)
    }
    rules = eligibility(team, terms)
    errors = _random_errors(rng, len(team))
    divided = divide(requirements, team, errors, rules)
    assert sum(divided.errors) == 0
    _check_allowed(team, terms, requirements, divided)
    denominator = team.error_denominator
    for rank, error in enumerate(errors):
        moved = divided.assigned[rank] * denominator - divided.accrued[rank]
        assert divided.errors[rank] == error + moved
    assert sum(divided.accrued) == sum(divided.assigned) * denominator


def _random_errors(rng: "object", members: int) -> list[int]:
    errors = [rng.randint(-UNITS_PER_LEAD, UNITS_PER_LEAD) for _ in range(members)]  # type: ignore[attr-defined]
    errors[0] -= sum(errors)
    return errors


def _check_allowed(
    team: Roster, terms: dict[str, Terms], requirements: list[Requirement], divided: Divided
) -> None:
    counts = dict.fromkeys(terms, 0)
    for requirement, taker in zip(requirements, divided.takers, strict=True):
        if taker is None:
            continue
        member = team.members[taker]
        assert not member.paused
        assert set(requirement.skills) <= set(terms[member.assignee_id].skills)
        counts[member.assignee_id] += 1
    assert counts == by_name(team, divided.assigned)
    for name, count in counts.items():
        room = terms[name].per_day
        assert room is None or count <= room
    # What waits, waits because nobody who may take it has weight and room left.
    for requirement, taker in zip(requirements, divided.takers, strict=True):
        if taker is not None:
            continue
        for member in team.members:
            able = set(requirement.skills) <= set(terms[member.assignee_id].skills)
            room = terms[member.assignee_id].per_day
            if not member.paused and member.weight_millionths and able:
                assert room is not None
                assert counts[member.assignee_id] == room


@given(MEMBERS, st.integers(0, 200), st.randoms())
def test_equal_sets_are_the_method_itself(
    rows: list[tuple[int, bool, set[str], int | None]], leads: int, rng: "object"
) -> None:
    """Without skills and capacities: the same counts and the same errors to the last digit."""
    team = roster(*((chr(65 + place), row[0], row[1]) for place, row in enumerate(rows)))
    if not team.weight_sum:
        return
    errors = _random_errors(rng, len(team))
    divided = divide([NOTHING] * leads, team, errors, eligibility(team, {}))
    expected = apportion(leads, team.active_weights, [errors[rank] for rank in team.active])
    assert [divided.assigned[rank] for rank in team.active] == expected.assigned
    assert [divided.errors[rank] for rank in team.active] == expected.errors


def test_a_fair_share_within_a_set_is_rounded_to_the_unit_of_the_errors() -> None:
    """Two of three equals share one lead among themselves and a third who can't: 1/2 each."""
    rules = eligibility(EQUAL, {"A": Terms(("language=vi",)), "B": Terms(("language=vi",))})
    divided = divide([VI], EQUAL, (0, 0, 0), rules)
    denominator = EQUAL.error_denominator
    halves = {name: Fraction(n, denominator) for name, n in by_name(EQUAL, divided.accrued).items()}
    assert halves == {"A": Fraction(1, 2), "B": Fraction(1, 2), "C": 0}
