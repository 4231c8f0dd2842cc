"""`partidor explain` and `partidor statement`, asked of a file."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference import events
from tests.support.audit import decided
from tests.support.records import Json


def written(outputs: list[Json]) -> bytes:
    """As `partidor replay` gives it."""
    return b"".join(json.dumps(output).encode() + b"\n" for output in outputs)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The method's own story, decided."""
    file = tmp_path / "outputs.jsonl"
    file.write_bytes(written(decided(events.the_seeds_story())[0]))
    return file


def test_a_lead_is_explained_in_words_and_as_json(partidor: Any, log: Path) -> None:
    """Both say the same; exit 0 because it is the same when recomputed."""
    words = partidor("explain", "L17", "--channel", "web", "--file", log)
    assert (words.exit_code, words.err) == (0, "")
    assert words.out.count("Checked: recomputed from the decision, the same.") == 3
    assert "Lead L17 went to B on channel web" in words.out
    told = json.loads(partidor("explain", "L17", "--file", log, "--json").out)
    assert [each["assignee_id"] for each in told["assigned"]] == ["B", "C", "B"]
    assert all(each["checked"] for each in told["assigned"])
    assert "attributes" not in json.dumps(told)


def test_stdin_is_read_like_a_file(partidor: Any, log: Path) -> None:
    """What a pipe brings; dead letters in it are passed over."""
    piped = b'{"type":"dead_letter","reason":"not_json","line":1}\n\n' + log.read_bytes()
    assert partidor("explain", "L1", "--file", "-", stdin=piped).exit_code == 0
    asked = ("statement", "A", "--channel", "web", "--file")
    assert partidor(*asked, "-", stdin=piped).out == partidor(*asked, log).out


def test_a_share_that_was_changed_is_shown_with_exit_code_1(partidor: Any, tmp_path: Path) -> None:
    """In both commands."""
    outputs, _ = decided(events.the_seeds_story())
    decision = next(each for each in outputs if each["type"] == "batch_dispatched")
    decision["shares"][1]["assigned"] = 34
    file = tmp_path / "changed.jsonl"
    file.write_bytes(written(outputs))
    explained = partidor("explain", "L17", "--file", file)
    assert explained.exit_code == 1
    assert "assigned of B: 34 in the log, 33 recomputed" in explained.out
    stated = partidor("statement", "B", "--channel", "web", "--file", file)
    assert stated.exit_code == 1
    assert "it doesn't add up: -1 leads are missing" in stated.err


def test_a_statement_is_a_table_a_csv_file_or_json(partidor: Any, log: Path) -> None:
    """With the same lines."""
    asked = ("statement", "B", "--channel", "web", "--file", log)
    table = partidor(*asked)
    assert (table.exit_code, table.err) == (0, "")
    assert "batch day-1-second, 50 leads" in table.out
    sums = "0 + 165 leads - 2150/13 fair shares + 0 adjustments = -5/13"
    assert table.out.endswith(f"Adds up exactly: {sums}\n")
    rows = list(csv.DictReader(io.StringIO(partidor(*asked, "--csv").out)))
    lines = json.loads(partidor(*asked, "--json").out)["lines"]
    assert [row["what"] for row in rows[1:-1]] == [line["what"] for line in lines]
    assert partidor(*asked, "--csv", "--json").exit_code == 2


def test_times_are_days_or_moments(partidor: Any, log: Path) -> None:
    """A day is included, in UTC."""
    asked = ("statement", "B", "--channel", "web", "--json", "--file", log)
    whole = json.loads(partidor(*asked).out)
    same = partidor(*asked, "--from", "2026-11-21", "--to", "2026-11-21")
    assert json.loads(same.out) == whole
    later = json.loads(partidor(*asked, "--from", "2026-11-21T20:00:01+11:00").out)
    assert (later["lines"], later["opening"]) == ([], whole["closing"])
    wrong = partidor(*asked, "--from", "yesterday")
    assert (wrong.exit_code, "no day and no time" in wrong.err) == (2, True)


def test_what_is_not_there_is_said_in_one_line(partidor: Any, log: Path, tmp_path: Path) -> None:
    """A lead, an assignee, a file, a file of something else."""
    nobody = partidor("statement", "Q", "--channel", "web", "--file", log)
    assert nobody.err == "partidor: no decision of channel web in the log lists Q\n"
    lead = partidor("explain", "L999", "--file", log)
    assert (lead.exit_code, lead.err.count("\n")) == (1, 1)
    assert "no assignment of lead L999 is in the log" in lead.err
    assert partidor("explain", "L1", "--file", tmp_path / "none").exit_code == 2
    other = tmp_path / "leads.csv"
    other.write_text("lead_id\nL1\n")
    assert "line 1 is no output event" in partidor("explain", "L1", "--file", other).err


def test_of_a_very_long_roster_the_rows_that_say_most_are_shown(
    partidor: Any, tmp_path: Path
) -> None:
    """All of them are in the JSON."""
    many = events.roster("r", {f"M{number:03}": "1" for number in range(200)})
    outputs, _ = decided([many, events.lead_batch("b1", 3), events.lead_batch("b2", ["last"])])
    file = tmp_path / "many.jsonl"
    file.write_bytes(written(outputs))
    words = partidor("explain", "last", "--file", file)
    assert words.exit_code == 0
    assert "... 170 more, see --json" in words.out
    told = json.loads(partidor("explain", "last", "--file", file, "--json").out)["assigned"][0]
    assert len(told["rounds"][0]["shares"]) == 200
    assert f" {told['assignee_id']} " in words.out
