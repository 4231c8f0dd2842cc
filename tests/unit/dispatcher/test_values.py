"""What a lead counts, and how far errors in value can ever be from zero."""

from fractions import Fraction
from random import Random

import pytest

from dispatcher.events import BatchReceived, InputRef
from dispatcher.promise import Promise
from dispatcher.roster import Member, Roster, rank_digest, settle
from dispatcher.values import InvalidValue, lead_value, measured, only_with_value
from schemas.inputs import ROSTER_CHANGE
from schemas.reasons import Reason
from tests.unit.dispatcher.test_measured_division import divided_by_value

MEMBERS_MAX = 6


@pytest.mark.parametrize(
    ("raw", "millionths"),
    [
        ("250000", 250_000_000_000),
        ("1250.5", 1_250_500_000),
        ('"1250.5"', 1_250_500_000),
        ("0", 0),
        ("-0.0", 0),
        ("1e3", 1_000_000_000),
        ("1.5E-5", 15),
        ("0.0000010", 1),
        ("1000000000000", 10**18),
        ('"1000000000000.000000"', 10**18),
        ("0e999", 0),
        ("0.1", 100_000),
        ("999999999999.999999", 10**18 - 1),
    ],
)
def test_a_value_is_a_number_or_a_decimal_string_read_exactly(raw: str, millionths: int) -> None:
    """No float stands between the text and the whole number."""
    assert lead_value(f'{{"amount": {raw}}}', "amount") == millionths


@pytest.mark.parametrize(
    "raw",
    [
        "-1", "1000000000000.000001", "1e13", "0.0000001", "1e-7", "1e999", "1e99999", "true",
        "null", "[]", "{}", '""', '"-1"', '"1e3"', '" 1"', '"1,5"', '"much"', '"1000000000001"',
        "1" + "0" * 80, '"0.1234567"', '"\\u0661"',
    ],
)  # fmt: skip
def test_anything_else_says_what_to_do_and_nothing_of_the_lead(raw: str) -> None:
    """What stands in attributes may be personal."""
    with pytest.raises(InvalidValue, match=r"'amount'.* divides leads by it; send the lead") as why:
        lead_value(f'{{"amount": {raw}, "phone": "0400"}}', "amount")
    assert raw.strip('"') not in str(why.value).replace("1000000000000", "") or raw in ('""', "-1")
    with pytest.raises(InvalidValue, match="is missing"):
        lead_value("{}", "amount")


def test_a_lead_without_value_leaves_its_batch_and_the_places_are_kept() -> None:
    """It becomes a dead letter with its place in the event; the others go on."""
    leads = ['{"amount":1}', '{"amount":"x"}', "{}", '{"amount":"2.5"}']
    event = BatchReceived(
        "web", "b", "", ["L1", "L2", "L3", "L4"], leads, (), "h", "", InputRef("t", 0, 0)
    )
    kept = only_with_value(event, "amount")
    assert kept.lead_ids == ["L1", "L4"]
    assert [(lead.place, lead.reason) for lead in kept.rejected_leads] == [
        (2, Reason.INVALID_LEAD),
        (3, Reason.INVALID_LEAD),
    ]
    assert kept.leads_in_event == 4
    assert only_with_value(kept, "amount") is kept


def test_leads_that_waited_before_values_were_asked_for_count_nothing() -> None:
    """They are not lost, and nobody is charged."""
    assert measured(["{}", '{"amount":3}'], "amount", ()).values == [0, 3_000_000]
    assert measured(["{}", '{"amount":3}'], None, ()).values == [10**6, 10**6]


def _team(rng: Random, names: list[str], *, pauses: bool) -> Roster:
    weights = rng.choice(((1_000_000,), (800_000, 1_000_000, 1_200_000), (1, 7, 10**6, 10**12)))
    return Roster(
        Member(rank_digest("web", name), name, rng.choice(weights), pauses and rng.random() < 0.2)
        for name in names
    )


def _change(kind: str, **fields: object) -> object:
    return ROSTER_CHANGE.validate_python(
        {"type": kind, "schema_version": 1, "change_id": "c", "channel": "web",
         "created_at": "2026-11-21T09:00:00Z", **fields}
    )  # fmt: skip


@pytest.mark.parametrize("pauses", [False, True])
@pytest.mark.parametrize("weights_change", [False, True])
def test_errors_stay_within_the_bound_times_the_largest_value(
    pauses: bool, weights_change: bool
) -> None:
    """A search: adversarial values, sizes, weights, joins and leaves; how near it comes is told."""
    nearest = Fraction(0)
    for seed in range(400):
        rng = Random(seed)
        names = [chr(65 + n) for n in range(rng.randint(2, MEMBERS_MAX))]
        roster, errors, promise = _team(rng, names, pauses=pauses), (0,) * len(names), Promise()
        largest = rng.choice((1, 10**6, 10**12))
        for _ in range(40):
            if weights_change and rng.random() < 0.4:
                roster, errors = _changed(rng, roster, errors, pauses=pauses)
                promise = promise.after(roster, errors)
            if not roster.weight_sum:
                continue
            pool = rng.choice(((largest,), (1, largest), (largest // 2 + 1, largest), (0, 1)))
            values = [rng.choice(pool) for _ in range(rng.choice((1, 1, 1, 2, 3, 9)))]
            errors = divided_by_value(roster, errors, values).errors
            promise = promise.with_value(max(values)).after(roster, errors)
            assert sum(errors) == 0
            assert promise.holds(errors, roster.error_denominator), (seed, errors)
            assert promise.could_be_uncorrected(errors, roster.error_denominator), (seed, errors)
            used = promise.used(errors, roster.error_denominator)
            nearest = max(nearest, Fraction(used) if max(values) == largest else Fraction(0))
    # It is a search, not a triviality: half of what is promised is seen.
    assert nearest > Fraction(1, 2)


def _changed(
    rng: Random, roster: Roster, errors: tuple[int, ...], *, pauses: bool
) -> tuple[Roster, tuple[int, ...]]:
    names = [member.assignee_id for member in roster.members]
    absent = [chr(65 + n) for n in range(MEMBERS_MAX) if chr(65 + n) not in names]
    weight = rng.choice(("0", "0.8", "1", "3", "1000"))
    kind, fields = rng.choice(
        [
            ("weight_changed", {"assignee_id": rng.choice(names), "weight": weight}),
            ("weight_changed", {"assignee_id": rng.choice(names), "weight": weight}),
            ("assignee_left", {"assignee_id": rng.choice(names)}),
            ("assignee_joined", {"assignee_id": rng.choice(absent or ["Z"]), "weight": weight}),
            ("assignee_paused", {"assignee_id": rng.choice(names)}),
            ("assignee_resumed", {"assignee_id": rng.choice(names)}),
        ]
    )
    if ("Z" in fields.values() or (kind == "assignee_left" and len(names) < 2)) or (
        kind == "assignee_paused" and not pauses
    ):
        return roster, errors
    settled = settle("web", roster, errors, _change(kind, **fields))  # type: ignore[arg-type]
    return settled.roster, settled.errors


def test_the_bounds_are_reached_so_no_smaller_ones_hold() -> None:
    """Two equals and one lead: half of it either way; and the largest counts, not the last."""
    roster = Roster(
        Member(rank_digest("web", name), name, 10**6, paused=False) for name in ("A", "B")
    )
    errors = divided_by_value(roster, (0, 0), [7_000_000]).errors
    promise = Promise(2).with_value(7_000_000).after(roster, errors)
    low, high = promise.bounds_leads()
    exact = sorted(Fraction(error, roster.error_denominator) for error in errors)
    assert exact == [low, high] == [Fraction(-7, 2), Fraction(7, 2)]
    assert promise.with_value(1).bounds_leads() == (low, high)
    # All zero again: from then on the next lead says how much it is.
    errors = divided_by_value(roster, errors, [7_000_000]).errors
    assert promise.after(roster, errors).bounds_leads() == (0, 0)
