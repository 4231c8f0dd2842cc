"""How many leads each gets: the four steps, exactly."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.apportionment import apportion
from schemas.scalars import UNITS_PER_LEAD

EIGHT_TEN_TWELVE = [800_000, 1_000_000, 1_200_000]


@pytest.mark.parametrize(
    ("batch_size", "weights", "errors", "assigned"),
    [
        # The method's own example: 100, then 50 with the errors of the first.
        (100, EIGHT_TEN_TWELVE, [0, 0, 0], [27, 33, 40]),
        (50, EIGHT_TEN_TWELVE, [10**18, -(10**18), 0], [13, 17, 20]),
        # Carried errors of .5, .6 and -1.1 leads, over 3 * 10^18.
        (100, EIGHT_TEN_TWELVE, [15 * 10**17, 18 * 10**17, -33 * 10**17], [26, 33, 41]),
        # Nobody gets less than none, however far ahead.
        (1, [1_000_000, 1_000_000], [6 * 10**18, -6 * 10**18], [0, 1]),
        # Ties: too many, take from the last; too few, give to the first.
        (3, [1_000_000, 1_000_000], [0, 0], [2, 1]),
        (1, [1_000_000] * 3, [0, 0, 0], [1, 0, 0]),
        (0, [1_000_000], [0], [0]),
        # Weight 0 has no fair share, yet settles what it is owed.
        (1, [0, 1_000_000], [-(10**18), 10**18], [1, 0]),
    ],
)
def test_a_batch_is_divided_as_the_method_says(
    batch_size: int, weights: list[int], errors: list[int], assigned: list[int]
) -> None:
    """Golden cases; errors are numerators over W 10^12."""
    assert assigned == apportion(batch_size, weights, errors).assigned


def test_without_active_weight_there_is_nobody_to_divide_among() -> None:
    """The caller parks the batch instead."""
    with pytest.raises(ValueError, match="nobody to take it"):
        apportion(1, [0, 0], [0, 0])


@st.composite
def divisions(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """A batch size, weights, and errors that sum to zero, some of them far off."""
    weights = draw(
        st.lists(st.sampled_from([0, 1, 500_000, 1_000_000, 1_200_000]), min_size=1, max_size=8)
    )
    weights[draw(st.integers(0, len(weights) - 1))] = draw(st.integers(1, 2_000_000))
    one_lead = sum(weights) * UNITS_PER_LEAD
    far = draw(st.sampled_from([1, 2, 30]))
    errors = [
        draw(st.integers(-far * one_lead, far * one_lead) | st.sampled_from([0, one_lead // 2]))
        for _ in weights
    ]
    errors[-1] -= sum(errors)
    return draw(st.integers(0, 40)), weights, errors


@given(divisions())
def test_the_four_steps_are_the_same_as_lead_after_lead_to_whoever_is_owed_most(
    division: tuple[int, list[int], list[int]],
) -> None:
    """Ties included; the batch is given out exactly, and the errors add up."""
    batch_size, weights, errors = division
    assigned, after = apportion(batch_size, weights, errors)
    assert batch_size == sum(assigned)
    assert min(assigned) >= 0
    assert assigned == _one_by_one(batch_size, weights, errors)
    one_lead = sum(weights) * UNITS_PER_LEAD
    assert after == [
        error + count * one_lead - batch_size * weight * UNITS_PER_LEAD
        for error, count, weight in zip(errors, assigned, weights, strict=True)
    ]


def _one_by_one(batch_size: int, weights: list[int], errors: list[int]) -> list[int]:
    one_lead = sum(weights) * UNITS_PER_LEAD
    now = [e - batch_size * w * UNITS_PER_LEAD for w, e in zip(weights, errors, strict=True)]
    assigned = [0] * len(weights)
    for _ in range(batch_size):
        eligible = [r for r, w in enumerate(weights) if w > 0 or now[r] < 0]
        rank = min(eligible, key=lambda r: (now[r], r))
        assigned[rank] += 1
        now[rank] += one_lead
    return assigned
