"""`partidor what-if` and `partidor simulate`, as they are called."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.reference import events


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The story of the method: 100 and 50 leads, then A leaves and D comes, then 300."""
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(json.dumps(e).encode() + b"\n" for e in events.the_seeds_story()))
    return path


def test_everybody_s_leads_under_every_method_are_printed(partidor: Any, file: Path) -> None:
    """As JSON with every digit."""
    result = partidor("what-if", "--file", file, "--json")
    assert (result.exit_code, result.err) == (0, "")
    (channel,) = json.loads(result.out)["channels"]
    (scenario,) = channel["scenarios"]
    assert (channel["channel"], scenario["scenario"], scenario["leads"]) == (
        "web",
        "as it was",
        450,
    )
    methods = {each["method"]: each for each in scenario["methods"]}
    assert list(methods) == [
        "partidor", "round robin", "largest remainder", "chairman (hindsight)",
    ]  # fmt: skip
    received = {each["assignee_id"]: each["received"] for each in methods["partidor"]["members"]}
    assert received == {"A": 40, "B": 165, "C": 187, "D": 58}
    turns = {each["assignee_id"]: each["received"] for each in methods["round robin"]["members"]}
    assert turns == {"A": 50, "B": 150, "C": 150, "D": 100}


def test_tables_say_the_same(partidor: Any, file: Path) -> None:
    """With what would have been beside what was."""
    result = partidor("what-if", "--file", file, "--weight", "D=1", "--without", "A")
    assert result.exit_code == 0
    assert "Channel web: 450 leads" in result.out
    assert "as it was and what if" in result.out
    assert "least possible" in result.out


def test_csv_has_a_row_for_each_member_and_method(partidor: Any, file: Path) -> None:
    """Fair shares of each method add up to the leads."""
    out = partidor("what-if", "--file", file, "--csv").out
    rows = list(csv.DictReader(out.splitlines()))
    assert len(rows) == 4 * 4
    for method in {row["method"] for row in rows}:
        own = [row for row in rows if row["method"] == method]
        assert sum(int(row["received"]) for row in own) == 450
        assert abs(sum(float(row["fair_share"]) for row in own) - 450) < 1e-9


def test_roster_changes_are_added_from_a_file(partidor: Any, file: Path, tmp_path: Path) -> None:
    """Here a pause before everything."""
    also = tmp_path / "also.jsonl"
    also.write_text(json.dumps(events.change("assignee_paused", "p", assignee_id="B")))
    out = partidor("what-if", "--file", file, "--also", also, "--json").out
    _, what_if = json.loads(out)["channels"][0]["scenarios"]
    received = {e["assignee_id"]: e["received"] for e in what_if["methods"][0]["members"]}
    assert "B" not in received


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--weight", "A"], "--weight is ASSIGNEE=WEIGHT, as in agent-01=0.5, not 'A'"),
        (["--weight", "A=heavy"], "--weight A=heavy: a weight is digits, then at most 6 decimals"),
        (["--weight", "A=1", "--without", "A"], "--weight and --without both name 'A'"),
        (["--without", "Z"], "--without: 'Z' never joins in this history; it has A, B, C, D"),
        (["--json", "--csv"], "--json or --csv, not both"),
        (["--plot", "errors.pdf"], "ends neither in .svg nor in .png"),
        (["--also", "nowhere.jsonl"], "there is no file nowhere.jsonl"),
    ],
)
def test_wrong_usage_says_what_is_right(
    arguments: list[str], says: str, partidor: Any, file: Path
) -> None:
    """One line, exit 2."""
    result = partidor("what-if", "--file", file, *arguments)
    assert result.exit_code == 2
    assert says in result.err
    assert result.err.count("\n") == 1


def test_a_file_of_changes_holds_no_batches(partidor: Any, file: Path) -> None:
    """The line is named."""
    result = partidor("what-if", "--file", file, "--also", file)
    assert result.exit_code == 1
    assert "line 4: a lead batch; only roster changes can be added" in result.err


def test_an_unknown_channel_is_told_with_those_there_are(partidor: Any, file: Path) -> None:
    """So that a typing error is seen."""
    result = partidor("what-if", "--file", file, "--channel", "wep")
    assert result.exit_code == 1
    assert "no lead batch of channel 'wep' in this history; there are web" in result.err


def test_a_history_without_leads_is_none(partidor: Any) -> None:
    """Nothing can be compared."""
    result = partidor("what-if", "--file", "-", stdin=b"no event\n")
    assert result.exit_code == 1
    assert "there is no lead batch" in result.err


def test_what_is_no_event_is_counted(partidor: Any, file: Path) -> None:
    """It would have been a dead letter."""
    result = partidor("what-if", "--file", "-", "--json", stdin=file.read_bytes() + b"no event\n")
    assert result.exit_code == 0
    assert "1 inputs are no valid events" in result.err


def test_a_plot_is_drawn_the_same_each_time(partidor: Any, file: Path, tmp_path: Path) -> None:
    """SVG or PNG, by the ending."""
    for name in ("one.svg", "two.svg", "three.png"):
        assert partidor("what-if", "--file", file, "--plot", tmp_path / name).exit_code == 0
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert (tmp_path / "three.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_plots_fail_and_say_what_to_install(
    partidor: Any, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables go without."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    plotted = partidor("what-if", "--file", file, "--plot", tmp_path / "errors.svg")
    assert plotted.exit_code == 1
    assert 'plots need matplotlib: pip install "partidor[plots]"' in plotted.err
    assert partidor("what-if", "--file", file).exit_code == 0
    simulated = partidor("simulate", "--report", tmp_path / "report")
    assert simulated.exit_code == 1
    assert not (tmp_path / "report").exists()
    assert partidor("simulate", "--report", tmp_path / "r", "--no-plots").exit_code == 0


def test_a_simulation_is_the_same_bytes_each_time(partidor: Any, tmp_path: Path) -> None:
    """Events, standings, report and pictures."""
    for name in ("one", "two"):
        arguments = ["--days", "6", "--seed", "5", "--capacity", "9", "--report", tmp_path / name]
        assert partidor("simulate", *arguments).exit_code == 0
    written = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert written == [
        "errors.svg", "events.jsonl", "received.svg", "report.md", "standings.csv", "waiting.svg",
    ]  # fmt: skip
    for name in written:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    again = partidor("what-if", "--file", tmp_path / "one" / "events.jsonl", "--json")
    assert again.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--batches", "5"], "--batches is LEAST-MOST, as in 1-12, not '5'"),
        (["--batches", "9-3"], "--batches is LEAST-MOST"),
        (["--story", "war"], "--story is one of newcomer, absence, small-batches, or all"),
        (["--days", "0"], "--days"),
    ],
)
def test_a_wrong_simulation_says_what_is_right(
    arguments: list[str], says: str, partidor: Any, tmp_path: Path
) -> None:
    """One line, exit 2, nothing written."""
    result = partidor("simulate", "--report", tmp_path / "report", *arguments)
    assert result.exit_code == 2
    assert says in result.err
    assert not (tmp_path / "report").exists()


def test_a_story_is_told_into_three_files(partidor: Any, tmp_path: Path) -> None:
    """The table, the picture, the events."""
    assert partidor("simulate", "--story", "absence", "--report", tmp_path).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "absence.jsonl", "absence.md", "absence.svg",
    ]  # fmt: skip
