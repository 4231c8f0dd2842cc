"""How an error came about: a statement adds up to the last digit, or says that it doesn't."""

import copy
import csv
import io
import json
from fractions import Fraction

import pytest

from dispatcher import encoding
from streams.audit.statement_forms import COLUMNS, as_object, csv_rows
from streams.audit.statements import NotListed
from tests.reference import events, roster_writer
from tests.reference.histories import history
from tests.reference.replayer import replayed
from tests.support.audit import decided, dispatched, errors, given_back, listed, stated
from tests.support.records import Json

HISTORIES = 48
EVENTS = 40
MANY = tuple(f"N{number}" for number in range(40))
CHANNEL = "channel-1"


def random_events(seed: int, monkeypatch: pytest.MonkeyPatch) -> list[Json]:
    """Every other history has rules; some have long rosters, or decisions that list few."""
    monkeypatch.setattr(roster_writer, "NAMES", (*roster_writer.NAMES[:14], *MANY))
    monkeypatch.setattr(encoding, "ALL_MEMBERS_LISTED_MAX", 20 if seed % 3 else 1)
    members_max = 40 if seed % 5 == 0 else 8
    mix = {"rules": seed % 2 == 1, "outcomes": seed % 4 > 1, "members_max": members_max}
    mix["values"] = seed % 6 in (2, 3)
    return history(seed, 1, EVENTS, leads_max=30, **mix)


def given_up(outputs: list[Json], name: str) -> int:
    """Leads that somebody had and that don't count for them any more."""
    recorded = [each for each in outputs if each["type"] == "outcome_recorded"]
    return sum(
        bool(each.get("credited")) or each["outcome_type"] == "lead_reassigned"
        for each in recorded
        if each["assignee_id"] == name and any(row["assignee_id"] == name for row in each["shares"])
    )


def test_the_method_s_story_is_a_statement_of_three_batches() -> None:
    """B: 33, 17 and 115 leads, 150/3 + 300 x 1/2.6 fair shares."""
    outputs, _ = decided(events.the_seeds_story())
    found = stated(outputs, "B")
    batches = [line for line in found.lines if line.movement.leads]
    assert [line.movement.leads for line in batches] == [33, 17, 115]
    assert [line.error_after for line in batches] == [Fraction(-1, 3), 0, Fraction(-5, 13)]
    assert (found.opening, found.closing) == (0, Fraction(-5, 13))
    assert (found.leads, found.fair_share) == (165, Fraction(2150, 13))
    assert found.missing == 0
    assert not found.differences
    assert found.opening_note is None


@pytest.mark.no_cover  # traced, it takes five times as long
def test_every_statement_of_random_histories_adds_up_to_the_state(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And to the independent reference; leads are those that were received."""
    lines = adjusted = 0
    for seed in range(HISTORIES):
        inputs = random_events(seed, monkeypatch)
        outputs, replay = decided(inputs)
        if CHANNEL not in replay.states:
            continue
        _, reference = replayed([json.dumps(event) for event in inputs])
        expected = {name: seat.error for name, seat in reference[CHANNEL].members.items()}
        assert errors(replay, CHANNEL) == expected
        for name in listed(outputs, CHANNEL):
            found = stated(outputs, name, CHANNEL)
            where = (seed, name)
            assert found.missing == 0, where
            assert not found.differences, (where, found.differences)
            assert (found.opening, found.closing) == (0, expected.get(name, 0)), where
            assert not found.not_told, where
            received = sum(
                each["type"] == "lead_assigned" and each["assignee_id"] == name for each in outputs
            )
            assert found.leads == received - given_up(outputs, name), where
            lines += len(found.lines)
            adjusted += found.adjustment != 0
    assert lines > 2_000
    assert adjusted > 60


@pytest.mark.no_cover
def test_a_log_that_begins_late_opens_with_the_first_decision_that_lists_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says so, and adds up all the same."""
    notes = 0
    for seed in range(40):
        outputs, replay = decided(random_events(seed, monkeypatch))
        kept = outputs[len(outputs) // 2 :]
        for name in listed(kept, CHANNEL):
            found = stated(kept, name, CHANNEL)
            assert found.missing == 0, (seed, name)
            assert not found.differences, (seed, name, found.differences)
            assert found.closing == errors(replay, CHANNEL).get(name, 0)
            notes += found.opening_note is not None
    assert notes > 40


def test_what_isn_t_listed_moves_all_the_same() -> None:
    """A decision of forty lists who received leads; the others fell behind by their fair share."""
    many = events.roster("r", {f"M{number:02}": "1" for number in range(40)})
    outputs, replay = decided([many, *(events.lead_batch(f"b{n}", 3) for n in range(5))])
    assert not any(each["shares_complete"] for each in dispatched(outputs))
    for name, error in errors(replay, "web").items():
        found = stated(outputs, name)
        assert (found.closing, found.missing, found.fair_share) == (error, 0, Fraction(15, 40))


def test_a_time_is_cut_where_its_decisions_are() -> None:
    """What closes one month opens the next; together they are the whole."""
    inputs = events.the_seeds_story()
    for day, event in enumerate(inputs, start=1):
        event["created_at"] = f"2026-11-{day:02}T09:00:00Z"
    outputs, _ = decided(inputs)
    day_ms, first_ms = 86_400_000, 1_793_491_200_000  # 2026-11-01T00:00:00Z
    early = stated(outputs, "B", to_ms=first_ms + 4 * day_ms)
    late = stated(outputs, "B", from_ms=first_ms + 4 * day_ms)
    assert [line.state_version for line in early.lines] == [2, 4]
    assert [line.state_version for line in late.lines] == [5, 9]
    assert early.closing == late.opening == Fraction(-1, 3)
    assert (early.missing, late.missing) == (0, 0)
    nothing = stated(outputs, "B", from_ms=first_ms + 20 * day_ms)
    assert (nothing.lines, nothing.opening, nothing.closing) == ([], *[late.closing] * 2)
    before = stated(outputs, "B", to_ms=first_ms)
    assert (before.lines, before.opening, before.closing) == ([], 0, 0)


def test_corrections_leavers_and_rounding_are_lines_of_their_own() -> None:
    """Each with its words."""
    outputs, _ = decided(
        [
            events.roster("r", {"A": "0.7", "B": "1", "C": "1.2"}),
            events.lead_batch("b1", 10),
            {**events.correction("c1", "A", "-3"), "reason": "test calls"},
            events.correction("c2", "B", "0.5", "C"),
            events.change("assignee_left", "l", assignee_id="A"),
            events.change("assignee_paused", "p", assignee_id="B"),
        ]
    )
    texts = {name: [line.movement.what for line in stated(outputs, name).lines] for name in "ABC"}
    assert "correction: test calls" in texts["A"]
    assert "counter-entry of a correction of A: test calls" in texts["A"]
    assert texts["A"][-1] == "A left: settled among the others"
    assert "correction" in texts["B"]
    assert "counter-entry of a correction of B" in texts["C"]
    assert "settlement of A, who left" in texts["B"] + texts["C"]
    assert texts["B"][-1] == "B paused"
    assert any(text.startswith("rounding: ") for text in texts["A"])
    assert stated(outputs, "A").closing == 0


def test_a_figure_that_was_changed_and_a_decision_that_is_missing_are_noticed() -> None:
    """Each of a member's figures; the sum doesn't hide them."""
    outputs, _ = decided(events.the_seeds_story())
    for name, value in dispatched(outputs)[1]["shares"][1].items():
        if name in ("assignee_id", "weight"):
            continue
        changed = copy.deepcopy(outputs)
        row = dispatched(changed)[1]["shares"][1]
        row[name] = value + 1 if isinstance(value, int) else value[:-1] + "5"
        found = stated(changed, "B")
        assert found.differences, name
    gone = dispatched(outputs)[0]
    found = stated([each for each in outputs if each is not gone], "B")
    assert found.differences[0].stated == "5 after 3"
    assert [line.movement.what for line in found.lines][1] == "not in the log"


def test_a_lead_that_was_given_back_is_a_lead_less_and_its_fair_shares_come_back() -> None:
    """Outcomes move whole leads of those they name, and by weight the rest."""
    found = stated(given_back(), "B")
    moved = [(line.movement.leads, line.movement.fair_share) for line in found.lines]
    half = Fraction(1, 2)
    assert moved == [(0, 0), (1, 1), (-1, 0), (0, -half), (1, half)]
    assert (found.missing, found.differences, found.leads) == (0, [], 1)
    assert stated(given_back(), "A").missing == 0


def test_csv_and_json_hold_every_line_with_exact_figures() -> None:
    """Opening figure first, closing figure and totals last."""
    outputs, _ = decided(events.the_seeds_story())
    found = stated(outputs, "B")
    text = io.StringIO()
    csv.writer(text).writerows(csv_rows(found))
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == len(found.lines) + 2
    assert all(None not in row and None not in row.values() for row in rows)
    error = Fraction(0)
    for row in rows[1:-1]:
        error += int(row["leads"])
        error -= Fraction(int(row["fair_share_numerator"]), int(row["fair_share_denominator"]))
        error += Fraction(int(row["adjustment_numerator"]), int(row["adjustment_denominator"]))
        after = Fraction(int(row["error_after_numerator"]), int(row["error_after_denominator"]))
        assert error == after
    assert (rows[-1]["leads"], rows[-1]["error_after"]) == ("165", "-0.384615384615")
    whole = as_object(found)
    assert (whole["closing"]["exact"], whole["missing"]) == ("-5/13", "0")
    assert len(whole["lines"]) == len(found.lines)


def test_somebody_whom_no_decision_lists_has_no_statement() -> None:
    """Rather than one of zeros."""
    outputs, _ = decided(events.the_seeds_story())
    with pytest.raises(NotListed, match="no decision of channel web in the log lists Q"):
        stated(outputs, "Q")
