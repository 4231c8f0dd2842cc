"""The method's own examples, through a real Kafka and a real Redis."""

from fractions import Fraction

from tests.reference import events
from tests.support import oracle
from tests.support.installation import Installation
from tests.support.records import Json


def assigned(decisions: list[Json]) -> list[dict[str, int]]:
    """Per batch, who got how many."""
    return [
        {row["assignee_id"]: row["assigned"] for row in decision["shares"]}
        for decision in decisions
        if decision["type"] == "batch_dispatched"
    ]


def one_after_the_other(installation: Installation, story: list[Json]) -> None:
    """Process each event before the next is sent: rosters overtake batches otherwise."""
    for event in story:
        installation.process([event])


def test_the_seeds_cases_come_out_as_printed(installation: Installation) -> None:
    """27/33/40 and 13/17/20, then 115/127/58; A, B, A; and 26/33/41 from uneven errors."""
    installation.started()
    one_after_the_other(installation, events.the_seeds_story())
    assert assigned(installation.decisions("web")) == [
        {"A": 27, "B": 33, "C": 40},
        {"A": 13, "B": 17, "C": 20},
        {"B": 115, "C": 127, "D": 58},
    ]

    ones = [events.roster("r", {"A": "0.6", "B": "0.4"}, "ones")]
    ones += [events.lead_batch(f"one-{number}", 1, "ones") for number in (1, 2, 3)]
    one_after_the_other(installation, ones)
    takers = [event["assignee_id"] for event in installation.assignments("ones")]
    assert takers == ["A", "B", "A"]

    uneven = [
        events.roster("r", {"A": "0.8", "B": "1", "C": "1.2"}, "uneven"),
        {**events.correction("a", "A", "0.5", "C"), "channel": "uneven"},
        {**events.correction("b", "B", "0.6", "C"), "channel": "uneven"},
        events.lead_batch("hundred", 100, "uneven"),
    ]
    one_after_the_other(installation, uneven)
    (decision,) = installation.decisions("uneven", "batch_dispatched")
    assert assigned([decision]) == [{"A": 26, "B": 33, "C": 41}]
    before = [row["cumulative_error_before"] for row in decision["shares"]]
    assert before == ["0.500000000000", "0.600000000000", "-1.100000000000"]
    denominator = int(decision["error_denominator"])
    after = [
        Fraction(int(row["cumulative_error_numerator"]), denominator) for row in decision["shares"]
    ]
    assert after == [Fraction(-1, 6), Fraction(4, 15), Fraction(-1, 10)]
    oracle.check(installation)
