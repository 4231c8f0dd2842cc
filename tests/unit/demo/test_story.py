from fractions import Fraction

import pytest

from schemas.outputs import BatchDispatched
from streams.demo.story import CARRIED, CHAPTERS, DAYS, SINGLES, days_by_assignee, differences
from streams.demo.tables import batch_sheet, days_sheet
from tests.support.deciding import decided
from tests.support.printing import printed


def divided() -> dict[str, BatchDispatched]:
    """The batches of the examples, as the dispatcher divides them."""
    events = [event for chapter in CHAPTERS for event in chapter.events]
    return {each.batch_id: each for each in decided(events) if isinstance(each, BatchDispatched)}


def test_the_examples_come_out_as_their_source_says() -> None:
    """All of them, the errors of the last one exactly."""
    for chapter in CHAPTERS:
        assert differences(chapter, divided()) == []


def test_the_expected_figures_are_those_of_the_source() -> None:
    """27/33/40, 13/17/20, 115/127/58; A, B, A; 26/33/41 with -1/6, 4/15, -1/10."""
    figures = [list(each.values()) for day in DAYS for each in day.expected]
    assert figures == [[27, 33, 40], [13, 17, 20], [115, 127, 58]]
    assert [max(each, key=lambda name: each[name]) for each in SINGLES.expected] == ["A", "B", "A"]
    assert list(CARRIED.expected[0].values()) == [26, 33, 41]
    assert CARRIED.errors_after == {
        "A": Fraction(-1, 6),
        "B": Fraction(4, 15),
        "C": Fraction(-1, 10),
    }


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.title)
def test_a_batch_that_is_divided_otherwise_is_told(chapter: object) -> None:
    """One lead more for one and one less for another is enough."""
    batches = divided()
    wrong = batches[chapter.batch_ids[0]]  # type: ignore[attr-defined]
    shares = [
        share.model_copy(update={"assigned": share.assigned + by})
        for share, by in zip(wrong.shares, (1, -1, 0), strict=False)
    ]
    batches[wrong.batch_id] = wrong.model_copy(update={"shares": shares})
    assert wrong.batch_id in differences(chapter, batches)[0]  # type: ignore[arg-type]


def test_an_error_that_is_another_in_the_last_digit_is_told() -> None:
    """Errors are compared exactly."""
    batches = divided()
    wrong = batches[CARRIED.batch_ids[-1]]
    first = wrong.shares[0]
    numerator = str(int(first.cumulative_error_numerator) + 1)
    other = first.model_copy(update={"cumulative_error_numerator": numerator})
    batches[wrong.batch_id] = wrong.model_copy(update={"shares": [other, *wrong.shares[1:]]})
    assert len(differences(CARRIED, batches)) == 1


def test_the_table_of_a_batch_is_the_sources_table() -> None:
    """Weight, ratio, fair share, error before, ideal, assigned, error after; then the totals."""
    lines = printed(batch_sheet(divided()[CARRIED.batch_ids[0]], "Carried"))
    rows = [line.split() for line in lines if line[:1] in "ABC"]
    assert ["A", "0.8", "0.2667", "26.6667", "+0.5000", "26.1667", "26", "-0.1667"] in rows
    assert ["B", "1", "0.3333", "33.3333", "+0.6000", "32.7333", "33", "+0.2667"] in rows
    assert ["C", "1.2", "0.4000", "40.0000", "-1.1000", "41.1000", "41", "-0.1000"] in rows
    totals = "total 3.0 1.0000 100.0000 0.0000 100.0000 100 0.0000"
    assert [line.split() for line in lines if line.startswith("total")] == [totals.split()]


def test_the_two_days_add_up_to_the_sources_totals() -> None:
    """A 40, B 165, C 187, D 58: 450 leads."""
    received = days_by_assignee(divided())
    assert {name: sum(each or 0 for each in leads) for name, leads in received.items()} == {
        "A": 40, "B": 165, "C": 187, "D": 58,
    }  # fmt: skip
    lines = printed(days_sheet(received, [100, 50, 300]))
    assert ["A", "27", "13", "-", "40"] in [line.split() for line in lines]
    assert ["total", "100", "50", "300", "450"] in [line.split() for line in lines]
