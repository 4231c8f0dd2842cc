"""`partidor assign`: the spreadsheet, replaced."""

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streams import whole_files

STATE_HEAD = '{"type":"partidor_state","schema_version":1,"channels":'
ROSTER = "assignee_id,weight\nA,0.8\nB,1\nC,1.2\n"


class Desk:
    """A directory with a roster and a state, and the command on them."""

    def __init__(self, directory: Path, partidor: Any) -> None:
        """Starts with the method's own roster and no state."""
        self.directory = directory
        self.state = directory / "state.json"
        self.roster = directory / "roster.csv"
        self.roster.write_text(ROSTER)
        self._partidor = partidor

    def leads(self, name: str, count: int, first: int = 0) -> Path:
        """A file of leads with ids."""
        rows = [f"L{number},Name {number}\n" for number in range(first, first + count)]
        file = self.directory / name
        file.write_text("lead_id,name\n" + "".join(rows))
        return file

    def assign(self, leads: Path, *more: str, channel: str = "web") -> Any:
        """Run the command."""
        return self._partidor(
            "assign", leads, "--roster", self.roster, "--state", self.state,
            "--channel", channel, *more,
        )  # fmt: skip

    def members(self, channel: str = "web") -> dict[str, str]:
        """The exact errors in the state, as numerators."""
        stored = json.loads(self.state.read_text())["channels"][channel]["records"]
        return {name: error for name, _, _, error in stored[channel]["members"]}


@pytest.fixture
def desk(tmp_path: Path, partidor: Any) -> Desk:
    """A directory of its own."""
    return Desk(tmp_path, partidor)


def _counts(output: str) -> dict[str, int]:
    rows = csv.DictReader(io.StringIO(output))
    return dict(Counter(row["assignee_id"] for row in rows))


def test_the_story_of_the_method_comes_out(desk: Desk) -> None:
    """27, 33, 40, then 13, 17, 20; A leaves, D joins: 115, 127, 58 of 300."""
    assert _counts(desk.assign(desk.leads("1.csv", 100)).out) == {"A": 27, "B": 33, "C": 40}
    assert _counts(desk.assign(desk.leads("2.csv", 50, 100)).out) == {"A": 13, "B": 17, "C": 20}
    desk.roster.write_text("assignee_id,weight\nB,1\nC,1.1\nD,0.5\n")
    last = desk.assign(desk.leads("3.csv", 300, 150))
    assert _counts(last.out) == {"B": 115, "C": 127, "D": 58}
    assert "the roster changed" in last.err


def test_the_output_is_the_input_and_two_columns(desk: Desk) -> None:
    """Columns, quotes and line breaks in cells stay; positions count the rows."""
    leads = desk.directory / "leads.csv"
    leads.write_text('lead_id,"a, b",note\nL1,"x ""y""","two\nlines"\n\nL2,,\n', newline="")
    desk.roster.write_text("assignee_id,weight\nA,1\n")
    result = desk.assign(leads)
    assert list(csv.reader(io.StringIO(result.out))) == [
        ["lead_id", "a, b", "note", "assignee_id", "position"],
        ["L1", 'x "y"', "two\nlines", "A", "1"],
        ["L2", "", "", "A", "2"],
    ]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(("delimiter", "mark"), [(";", "\ufeff"), ("\t", ""), (",", "\ufeff")])
def test_a_spreadsheet_gets_its_own_dialect_back(
    delimiter: str, mark: str, line_end: str, desk: Desk
) -> None:
    """Delimiter, byte order mark and line ends are those of the input."""
    leads, out = desk.directory / "leads.csv", desk.directory / "out.csv"
    rows = [["lead_id", "name"], ["L1", "Ann, Bob; Cy"], ["L2", "D"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end).writerows(rows)
    leads.write_text(mark + text.getvalue(), encoding="utf-8", newline="")
    assert desk.assign(leads, "--output", str(out)).exit_code == 0
    written = out.read_bytes().decode()
    assert written.startswith(mark + "lead_id" + delimiter)
    assert written.count(line_end) == 3
    assert ("\r" in written) == (line_end == "\r\n")
    assert written.removeprefix(mark).splitlines()[2].startswith(f"L2{delimiter}D{delimiter}")


def test_the_same_batch_again_gives_the_same_output_and_moves_nothing(desk: Desk) -> None:
    """Whatever the roster says by then, even if it is gone."""
    leads = desk.leads("1.csv", 100)
    first = desk.assign(leads, "--batch-id", "b1")
    state = desk.state.read_bytes()
    desk.roster.unlink()
    again = desk.assign(leads, "--batch-id", "b1")
    assert (again.exit_code, again.out) == (0, first.out)
    assert "nothing moved" in again.err
    assert desk.state.read_bytes() == state


def test_without_a_batch_id_the_leads_are_their_own_name(desk: Desk) -> None:
    """The same file again is the same batch; another one isn't."""
    leads = desk.leads("1.csv", 10)
    first = desk.assign(leads)
    assert desk.assign(leads).out == first.out
    assert "was assigned before" in desk.assign(leads).err
    assert "was assigned before" not in desk.assign(desk.leads("2.csv", 10, 10)).err


def test_a_batch_id_with_other_leads_is_refused(desk: Desk) -> None:
    """Nothing moves, nothing comes out."""
    desk.assign(desk.leads("1.csv", 10), "--batch-id", "b1")
    state = desk.state.read_bytes()
    refused = desk.assign(desk.leads("2.csv", 10, 10), "--batch-id", "b1")
    assert (refused.exit_code, refused.out) == (1, "")
    assert "used before for other leads" in refused.err
    assert desk.state.read_bytes() == state


def test_results_of_twenty_batches_are_kept_and_older_ones_are_refused(desk: Desk) -> None:
    """An older batch is still known, so its leads aren't divided twice."""
    outputs = []
    for number in range(22):
        leads = desk.leads(f"{number}.csv", 3, 3 * number)
        outputs.append(desk.assign(leads, "--batch-id", f"b{number}").out)
    state = desk.state.read_bytes()
    for number in range(2, 22):
        again = desk.assign(desk.directory / f"{number}.csv", "--batch-id", f"b{number}")
        assert (again.exit_code, again.out) == (0, outputs[number])
    for number in range(2):
        old = desk.assign(desk.directory / f"{number}.csv", "--batch-id", f"b{number}")
        assert (old.exit_code, old.out) == (1, "")
        assert "too long ago" in old.err
    assert desk.state.read_bytes() == state


def test_after_a_crash_between_commit_and_output_the_same_command_gives_the_output(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is the commit point: the batch is assigned once, its output can be had again."""
    leads, out = desk.leads("1.csv", 100), desk.directory / "out.csv"
    expected = _elsewhere(desk).assign(leads, "--batch-id", "b1").out

    def crash_at_the_output(path: Path, data: bytes) -> None:
        if path == out:
            raise KeyboardInterrupt
        write_whole(path, data)

    write_whole = whole_files.write_whole
    monkeypatch.setattr(whole_files, "write_whole", crash_at_the_output)
    crashed = desk.assign(leads, "--batch-id", "b1", "--output", str(out))
    assert crashed.exit_code == 130
    assert not out.exists()
    committed = desk.members()
    monkeypatch.undo()
    assert desk.assign(leads, "--batch-id", "b1", "--output", str(out)).exit_code == 0
    assert out.read_bytes().decode() == expected
    assert desk.members() == committed


def _elsewhere(desk: Desk) -> Desk:
    """The same desk with a state of its own."""
    directory = desk.directory / "elsewhere"
    directory.mkdir()
    return Desk(directory, desk._partidor)


def test_a_crash_before_the_commit_leaves_the_old_state(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is replaced as a whole; nothing half-written stays behind."""
    desk.assign(desk.leads("1.csv", 10))
    before = desk.state.read_bytes()

    def crash(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", crash)
    assert desk.assign(desk.leads("2.csv", 10, 10)).exit_code == 130
    assert desk.state.read_bytes() == before
    assert not list(desk.directory.glob(".*tmp"))


def test_an_output_that_cannot_be_written_is_told_and_can_be_had_again(desk: Desk) -> None:
    """The disk is full after the commit: the message says what to do, and doing it helps."""
    leads = desk.leads("1.csv", 100)
    full = desk.assign(leads, "--output", "/dev/full")
    assert full.exit_code == 1
    assert "run the same command again" in full.err
    again = desk.assign(leads)
    assert (again.exit_code, len(again.out.splitlines())) == (0, 101)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lead_id,name\nL1,a\nL2,b\nL1,c\n", "row 4: lead_id 'L1' stands in row 2 already"),
        ("lead_id,name\nL1,a\n,b\n", "row 3: lead_id: String should have at least 1 character"),
        (f"lead_id,name\n{'x' * 201},a\n", "row 2: lead_id"),
        ('lead_id,name\nL1,a\n"L\n2",b\n', "row 3: lead_id"),
        ("lead_id,name\nL1,a,b\n", "row 2: 3 cells under 2 columns"),
        ('lead_id,name\nL1,"a\nL2,b\n', "row 2: unexpected end of data"),
        ("lead_id,lead_id\nL1,L2\n", "two columns are called lead_id"),
        ("lead_id,assignee_id\nL1,A\n", "has a column assignee_id already"),
        ("lead_id,Position\nL1,1\n", "has a column position already"),
        ("", "no header"),
        ("\n\n", "no header"),
    ],
)
def test_a_wrong_file_is_refused_as_a_whole_with_its_row(text: str, told: str, desk: Desk) -> None:
    """No lead of it is assigned, and there is no state of it."""
    leads = desk.directory / "leads.csv"
    leads.write_text(text)
    result = desk.assign(leads)
    assert (result.exit_code, result.out) == (1, "")
    assert told in result.err
    assert not desk.state.exists()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("lead_id,name\nL1,é\n".encode("latin-1"), "line 2: not UTF-8"),
        ("lead_id,name\nL1,a\n".encode("utf-16"), "is UTF-16"),
    ],
)
def test_another_encoding_is_told(data: bytes, told: str, desk: Desk) -> None:
    """Names would be garbled otherwise."""
    leads = desk.directory / "leads.csv"
    leads.write_bytes(data)
    result = desk.assign(leads)
    assert result.exit_code == 1
    assert told in result.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("assignee_id,weight\nA,0.8\nA,1\n", "row 3: assignee 'A' stands in row 2 already"),
        ("assignee_id,weight\nA,.5\n", "row 2: weight"),
        ("assignee_id,weight\nA,1000001\n", "row 2: weight"),
        ("assignee_id,weight\nA,-1\n", "row 2: weight"),
        ("assignee_id,weight\nA,0.1234567\n", "row 2: weight"),
        ("assignee_id,weight\n,1\n", "row 2: assignee_id"),
        ("assignee_id,weight,paused\nA,1,perhaps\n", "row 2: paused is yes or no"),
        ("name,weight\nA,1\n", "assignee_id and weight"),
        ("assignee_id,weight\nA,0\n", "nobody on the roster can take leads"),
        ("assignee_id,weight,paused\nA,1,yes\n", "nobody on the roster can take leads"),
        ("assignee_id,weight\n", "nobody on the roster can take leads"),
    ],
)
def test_a_wrong_roster_moves_nothing(text: str, told: str, desk: Desk) -> None:
    """Also one that nobody can take leads on."""
    desk.roster.write_text(text)
    result = desk.assign(desk.leads("1.csv", 10))
    assert (result.exit_code, result.out) == (1, "")
    assert told in result.err
    assert not desk.state.exists()


def test_a_roster_of_a_semicolon_file_has_decimal_commas(desk: Desk) -> None:
    """As spreadsheets write them where commas don't separate cells."""
    desk.roster.write_text("assignee_id;weight\nA;0,8\nB;1\nC;1,2\n")
    assert _counts(desk.assign(desk.leads("1.csv", 100)).out) == {"A": 27, "B": 33, "C": 40}


def test_presence_changes_only_when_the_roster_says_so(desk: Desk) -> None:
    """Without a column paused who is paused stays paused; with it an empty cell is no."""
    desk.roster.write_text("assignee_id,weight,paused\nA,1,yes\nB,1,\n")
    assert _counts(desk.assign(desk.leads("1.csv", 10)).out) == {"B": 10}
    desk.roster.write_text("assignee_id,weight\nA,1\nB,1\n")
    still = desk.assign(desk.leads("2.csv", 10, 10))
    assert _counts(still.out) == {"B": 10}
    assert "the roster changed" not in still.err
    desk.roster.write_text("assignee_id,weight,paused\nA,1,\nB,1,\n")
    assert _counts(desk.assign(desk.leads("3.csv", 10, 20)).out) == {"A": 5, "B": 5}


def test_a_roster_that_comes_back_is_a_change_each_time(desk: Desk) -> None:
    """From A, B to A and back: no change is taken for an earlier one."""
    for number, text in enumerate(["A,1\nB,1\n", "A,1\n", "A,1\nB,1\n", "A,1\n"]):
        desk.roster.write_text("assignee_id,weight\n" + text)
        result = desk.assign(desk.leads(f"{number}.csv", 4, 4 * number))
        assert "the roster changed" in result.err
        assert len(_counts(result.out)) == 1 + text.count("B")


def test_leads_without_an_id_get_one_of_row_and_content(desk: Desk) -> None:
    """Two equal rows are two leads; the same file again is the same batch."""
    leads = desk.directory / "leads.csv"
    leads.write_text("name,phone\nAnn,1\nAnn,1\n")
    first = desk.assign(leads, "--batch-id", "b1")
    assert len(first.out.splitlines()) == 3
    assert desk.assign(leads, "--batch-id", "b1").out == first.out
    leads.write_text("name,phone\nAnn,1\nAnn,2\n")
    assert "other leads" in desk.assign(leads, "--batch-id", "b1").err


def test_an_empty_batch_is_assigned_too(desk: Desk) -> None:
    """A header alone: no leads, and the same again."""
    leads = desk.leads("1.csv", 0)
    for _ in range(2):
        result = desk.assign(leads, "--batch-id", "b1")
        assert (result.exit_code, result.out) == (0, "lead_id,name,assignee_id,position\n")


def test_channels_share_a_file_and_nothing_else(desk: Desk) -> None:
    """Each has its own roster, errors and batches, whatever its name holds."""
    leads = desk.leads("1.csv", 10)
    names = ["web", "a/b", "50%", "Ä"]
    for name in names:
        assert desk.assign(leads, "--batch-id", "b1", channel=name).exit_code == 0
    for name in names:
        assert "was assigned before" in desk.assign(leads, "--batch-id", "b1", channel=name).err


def test_a_batch_over_the_limit_names_the_setting(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is a setting; bytes don't count, there is no broker."""
    monkeypatch.setenv("PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX", "99")
    monkeypatch.setenv("PARTIDOR_LIMITS__INPUT_BYTES_MAX", "1024")
    refused = desk.assign(desk.leads("1.csv", 100))
    assert refused.exit_code == 1
    assert "PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX" in refused.err
    assert desk.assign(desk.leads("2.csv", 99)).exit_code == 0


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "no JSON",
        '{"type":"partidor_state","schema_version":2,"channels":{}}',
        STATE_HEAD + '{"web":{"records":{},"results":[]}}}',
        STATE_HEAD + '{"web":{"records":{"web":{"channel":1}},"results":[]}}}',
    ],
)
def test_a_damaged_state_is_never_overwritten(text: str, desk: Desk) -> None:
    """What can't be read is somebody else's file, or needs a person."""
    desk.state.write_text(text)
    result = desk.assign(desk.leads("1.csv", 10))
    assert (result.exit_code, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
    assert desk.state.read_text() == text


@pytest.mark.parametrize("other", ["leads.csv", "roster.csv", "state.json"])
def test_the_output_never_replaces_an_input(other: str, desk: Desk) -> None:
    """A slip of the hand doesn't cost the leads, the roster or the state."""
    leads = desk.leads("leads.csv", 10)
    before = leads.read_text()
    result = desk.assign(leads, "--output", str(desk.directory / other))
    assert result.exit_code == 2
    assert leads.read_text() == before


def test_names_are_checked_before_anything_else(desk: Desk) -> None:
    """Channel and batch id are ids like all others."""
    leads = desk.leads("1.csv", 1)
    assert "--channel" in desk.assign(leads, channel="").err
    assert "--batch-id" in desk.assign(leads, "--batch-id", "x" * 201).err
    assert "no directory" in desk.assign(leads, "--output", "no/such/out.csv").err
    assert not desk.state.exists()


def test_two_at_once_take_turns(desk: Desk, tmp_path: Path) -> None:
    """Neither run loses what the other did: every batch is in the state."""
    program = "import sys; from streams.cli import main; sys.exit(main(sys.argv[1:]))"
    processes = []
    for number in range(6):
        leads = desk.leads(f"{number}.csv", 5, 5 * number)
        arguments = [
            "assign", str(leads), "--roster", str(desk.roster), "--state", str(desk.state),
            "--channel", "web", "--output", str(tmp_path / f"{number}.out"),
        ]  # fmt: skip
        processes.append(subprocess.Popen([sys.executable, "-c", program, *arguments]))
    for process in processes:
        assert process.wait(60) == 0
    results = json.loads(desk.state.read_text())["channels"]["web"]["results"]
    assert len(results) == 6


def test_a_state_in_use_is_told_after_a_while(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds the lock: the wait ends, and says so."""
    monkeypatch.setattr(whole_files, "LOCK_WAIT_MAX_S", 0.2)
    with whole_files.locked(desk.state):
        result = desk.assign(desk.leads("1.csv", 1))
    assert result.exit_code == 1
    assert "in use" in result.err
