import copy
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from schemas.outputs import AnyDecision, BatchDispatched
from streams.demo.fairness import Check, Fairness, assignment_checks, fairness, fairness_checks
from streams.demo.standings import folded_standings, standings_checks
from streams.demo.story import CHAPTERS
from streams.demo.tables import channels_sheet, checks_text, standings_sheet
from streams.generators import lead_stream
from tests.support.deciding import decided, decision_values
from tests.support.printing import printed

STORY = [event for chapter in CHAPTERS for event in chapter.events]
EVENTS = [*STORY, *lead_stream(3_000, 5)]


def failed(checks: list[Check]) -> list[str]:
    """What was told of the checks that did not hold."""
    return [check.text for check in checks if not check.held]


class Counted:
    """Assignments as they were read: two leads for A, one for B."""

    def __init__(self, *assigned: tuple[str, str, str]) -> None:
        self.count = len(assigned)
        self.leads = Counter(lead_id for _, _, lead_id in assigned)
        self.ids = {f"{channel}/1/{lead_id}" for channel, _, lead_id in assigned}
        self.by_assignee = Counter((channel, who) for channel, who, _ in assigned)


LEADS = ("L1", "L2", "L3")
CHANNELS = {"web": Fairness("web", assigned=Counter({"A": 2, "B": 1, "C": 0}))}
ALL = (("web", "A", "L1"), ("web", "B", "L2"), ("web", "A", "L3"))


def test_leads_that_are_all_assigned_once_pass() -> None:
    """As many, the same, to whom the decisions say."""
    assert failed(assignment_checks(LEADS, Counted(*ALL), CHANNELS, 0)) == []


@pytest.mark.parametrize(
    ("assigned", "told"),
    [
        (ALL[:2], "1 missing"),
        ((*ALL, ALL[0]), "1 too many"),
        ((*ALL[:2], ("web", "A", "L4")), "3 leads in = 3 assignments out"),
        ((*ALL[:2], ("web", "B", "L3")), "what the decisions say"),
    ],
    ids=["one missing", "one twice", "a stranger", "the wrong assignee"],
)
def test_leads_that_are_not_all_assigned_once_are_told(assigned: Any, told: str) -> None:
    """Missing, doubled, never sent, or to somebody else."""
    assert any(
        told in text for text in failed(assignment_checks(LEADS, Counted(*assigned), CHANNELS, 0))
    )


def test_a_dead_letter_is_told() -> None:
    """The demo sends nothing that can be refused."""
    assert "2" in failed(assignment_checks(LEADS, Counted(*ALL), CHANNELS, 2))[0]


def test_what_the_dispatcher_decides_is_fair() -> None:
    """Conserved and within what is promised, over the examples and a stream."""
    channels = fairness(decided(EVENTS))
    assert failed(fairness_checks(channels.values())) == []
    assert sum(each.leads for each in channels.values()) == 3_000 + 553
    assert sum(each.batches for each in channels.values()) == sum(
        event["type"] == "lead_batch" for event in EVENTS
    )
    assert channels["referrals"].corrected
    assert [each.channel for each in channels.values() if each.somebody_paused] == [
        "adelaide-fair", "adelaide-website", "brisbane-referral", "melbourne-phone",
        "sydney-partner",
    ]  # fmt: skip


def spoiled(**update: Any) -> list[AnyDecision]:
    """The decisions with one share of the last batch changed."""
    decisions = decided(EVENTS)
    last = decisions[-1]
    assert isinstance(last, BatchDispatched)
    shares = [last.shares[0].model_copy(update=update), *last.shares[1:]]
    return [*decisions[:-1], last.model_copy(update={"shares": shares})]


def test_errors_that_do_not_add_up_are_told() -> None:
    """One unit in the numerators is enough."""
    checks = fairness_checks(fairness(spoiled(cumulative_error_numerator="1")).values())
    assert "not after 1" in failed(checks)[0]


@pytest.mark.parametrize("error", ["1.000000000000", "-4.000000000000"])
def test_an_error_beyond_the_promise_is_told(error: str) -> None:
    """With the channel's name."""
    channels = fairness(spoiled(cumulative_error_after=error))
    broken = [each for each in channels.values() if not each.kept and not each.corrected]
    assert len(broken) == 1
    assert broken[0].used > 1
    assert any(broken[0].channel in text for text in failed(fairness_checks(channels.values())))


def test_a_channel_is_measured_against_the_promise_for_its_most_members() -> None:
    """The harmonic bound; with pauses (n - 1) / 2."""
    team = Fairness("web", members_most=3, furthest_ahead=Decimal("0.5"))
    assert team.bounds == (-(Fraction(1, 2) + Fraction(1, 3)), Fraction(2, 3))
    assert team.used == pytest.approx(0.75)
    team.somebody_paused = True
    assert team.bounds == (-1, 1)
    assert Fairness("nobody yet").used == 0


def documents() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[Any, int]]:
    """What was folded, served and stored, and the assignments: all the same."""
    values = decision_values(EVENTS)
    folded = folded_standings(values)
    stored = {
        name: {**each, "members": each["standings"], "standings": None}
        for name, each in copy.deepcopy(folded).items()
    }
    assigned = {
        (name, member["assignee_id"]): member["leads"]
        for name, each in folded.items()
        for member in each["standings"]
    }
    return folded, copy.deepcopy(folded), stored, assigned


def test_standings_that_are_the_same_everywhere_pass() -> None:
    """Views, Redis, decisions, assignments."""
    assert failed(standings_checks(*documents())) == []


def test_a_difference_between_any_two_is_told_with_the_channel() -> None:
    """In the views, in the assignments, in Redis."""
    folded, served, stored, assigned = documents()
    served["web"]["standings"][0]["fair_share"] = "0.000000000000"
    stored["phone"]["members"][0]["cumulative_error_numerator"] = "0"
    assigned["referrals", "A"] += 1
    texts = failed(standings_checks(folded, served, stored, assigned))
    assert [text.rpartition(" ")[2] for text in texts] == ["web", "referrals/A", "phone"]


def test_tables_fit_a_terminal_of_80_columns() -> None:
    """No number is broken over two lines."""
    channels = fairness(decided(lead_stream(20_000, 1)))
    folded = folded_standings(decision_values(EVENTS))
    lines = printed(channels_sheet(channels.values()), *map(standings_sheet, folded.values()))
    assert max(map(len, lines)) <= 80
    assert printed(channels_sheet(channels.values()), width=200) == printed(
        channels_sheet(channels.values())
    )
    widest = folded["melbourne-referral"]
    assert printed(standings_sheet(widest))[1:] == printed(standings_sheet(widest), width=200)[1:]


def test_checks_are_a_line_each() -> None:
    """What failed stands out without colours."""
    text = checks_text([Check("this is so", held=True), Check("this is not", held=False)])
    assert text.splitlines() == ["Checked", "ok      this is so", "FAILED  this is not"]
