"""CSV files as events: cut into batches, checked, and the checks that need no Kafka."""

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.limits import Limits
from schemas.inputs import LeadBatch
from streams.csv_tables import read_table, written_table
from streams.failure import Failed
from streams.lead_files import BatchEvent, batch_events

NOW = "2026-11-21T09:00:00Z"


DEFAULT_LIMITS = Limits()


def _batches(
    text: str, limits: Limits = DEFAULT_LIMITS, batch_id: str | None = "b1"
) -> list[BatchEvent]:
    return batch_events(read_table(text.encode(), "leads.csv"), "web", batch_id, NOW, limits)


def _read(batch: BatchEvent) -> LeadBatch:
    return LeadBatch.model_validate_json(batch.value)


def test_every_column_but_the_id_is_an_attribute() -> None:
    """Values are text, as the file has them; names without blanks around them."""
    (batch,) = _batches("phone, lead_id ,suburb\n+61 4,L1,Carlton\n,L2,\n")
    event = _read(batch)
    assert [lead.lead_id for lead in event.leads] == ["L1", "L2"]
    assert event.leads[0].attributes == {"phone": "+61 4", "suburb": "Carlton"}
    assert event.leads[1].attributes == {"phone": "", "suburb": ""}
    assert (event.batch_id, event.channel, batch.leads) == ("b1", "web", 2)


def test_more_leads_than_a_batch_holds_become_several_batches() -> None:
    """All of them, in order, always cut at the same places."""
    text = "lead_id\n" + "".join(f"L{number}\n" for number in range(25))
    events = [_read(batch) for batch in _batches(text, Limits(leads_per_batch_max=10))]
    assert [event.batch_id for event in events] == ["b1", "b1.2", "b1.3"]
    ids = [lead.lead_id for event in events for lead in event.leads]
    assert ids == [f"L{number}" for number in range(25)]


def test_more_bytes_than_a_batch_holds_become_several_batches() -> None:
    """No event is over the input limit, and none is much smaller than it has to be."""
    text = "lead_id,note\n" + "".join(f"L{n},{'é' * (n % 300)}\n" for n in range(500))
    batches = _batches(text, Limits(input_bytes_max=20_000))
    assert sum(batch.leads for batch in batches) == 500
    assert all(len(batch.value) <= 20_000 for batch in batches)
    assert all(len(batch.value) > 18_000 for batch in batches[:-1])


def test_the_same_file_gives_the_same_batch_id() -> None:
    """Without a name of its own a batch is called after its leads."""
    first, again, other = (
        _read(_batches(text, batch_id=None)[0]).batch_id
        for text in ("lead_id\nL1\n", "lead_id\nL1\n", "lead_id\nL2\n")
    )
    assert first == again != other


def test_a_table_without_rows_is_an_empty_batch() -> None:
    """Valid, like any empty batch."""
    (batch,) = _batches("lead_id\n")
    assert batch.leads == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("lead_id,,x\nL1,a,b\n", "column 2 has no name"),
        ("lead_id,x,x\nL1,a,b\n", "two columns are called 'x'"),
        ("lead_id,x\nL1," + "y" * 17_000 + "\n", "row 2: attributes"),
        ("lead_id,x\nL1,a\nL1,b\n", "row 3: lead_id 'L1' stands in row 2 already"),
    ],
)
def test_what_cannot_be_an_event_is_told_with_its_place(text: str, told: str) -> None:
    """Before anything is sent."""
    with pytest.raises(Failed, match=told):
        _batches(text)


def test_a_bad_row_behind_the_first_batch_is_told_with_its_own_number() -> None:
    """Rows count through the whole file, whichever batch they would go out in."""
    text = "lead_id\n" + "".join(f"L{number}\n" for number in range(15)) + "x" * 201 + "\n"
    with pytest.raises(Failed, match="row 17: lead_id"):
        _batches(text, Limits(leads_per_batch_max=10))


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        '\ufeffa;"b ; c"\r\n1;"x\r\ny"\r\n',
        "a\tb\n1\t2\n",
        "one\n1\n",
    ],
)
def test_a_table_is_written_as_it_was_read(text: str) -> None:
    """With no further columns the bytes are the same."""
    table = read_table(text.encode(), "t.csv")
    assert written_table(table, (), [()] * len(table.rows)).decode() == text


def test_rows_are_numbered_as_a_spreadsheet_shows_them() -> None:
    """Blank rows count, line breaks in cells don't."""
    table = read_table(b'a,b\n"x\ny",1\n\n,\nz,2\n', "t.csv")
    assert [(row.number, row.cells[0]) for row in table.rows] == [(2, "x\ny"), (5, "z")]


def test_short_rows_are_filled_up_and_long_ones_refused() -> None:
    """Empty cells at the end are no cells."""
    assert read_table(b"a,b\n1\n", "t.csv").rows[0].cells == ["1", ""]
    assert read_table(b"a,b\n1,2,,\n", "t.csv").rows[0].cells == ["1", "2"]
    with pytest.raises(Failed, match="row 2: 3 cells under 2 columns"):
        read_table(b"a,b\n1,2,3\n", "t.csv")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"no event", "not JSON"),
        (b'{"type":"lead_batch"}', "invalid_event"),
        (b'{"type":"whim"}', "invalid_event"),
    ],
)
def test_a_file_with_a_bad_line_is_not_sent_at_all(line: bytes, told: str, partidor: Any) -> None:
    """Every bad line is told with its number; no broker is asked for anything."""
    result = partidor("publish", "-", stdin=b"\n" + line + b"\n" + line + b"\n")
    assert result.exit_code == 1
    assert "line 2" in result.err
    assert "line 3" in result.err
    assert told in result.err
    assert result.err.splitlines()[-1] == "nothing was sent"


def test_a_batch_with_one_bad_lead_is_not_sent_at_all(partidor: Any) -> None:
    """The dispatcher would take the others; whoever publishes can mend it first."""
    event = {
        "type": "lead_batch", "schema_version": 1, "batch_id": "b1", "channel": "web",
        "created_at": NOW, "leads": [{"lead_id": "L1"}, {"lead_id": ""}],
    }  # fmt: skip
    result = partidor("publish", "-", stdin=json.dumps(event).encode())
    assert result.exit_code == 1
    assert "line 1: lead 2: lead_id" in result.err


def test_many_bad_lines_are_told_by_the_first_few(partidor: Any) -> None:
    """A wrong file doesn't fill the screen."""
    result = partidor("publish", "-", stdin=b"x\n" * 1000)
    assert "and 990 more lines" in result.err
    assert len(result.err.splitlines()) == 12


def test_a_csv_file_needs_a_channel_and_events_need_none(partidor: Any, tmp_path: Path) -> None:
    """Whose leads they are stands in events, and has to be said of a CSV."""
    file = tmp_path / "leads.csv"
    file.write_text("lead_id\nL1\n")
    assert partidor("publish", file).exit_code == 2
    assert partidor("publish", "-", "--batch-id", "b1").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["join", "web", "A", ".5"], "weight"),
        (["join", "web", "A", "1000001"], "weight"),
        (["weight", "web", "A", "0.1234567"], "weight"),
        (["join", "", "A", "1"], "channel"),
        (["leave", "web", "x" * 201], "assignee_id"),
        (["correct", "web", "A", "--amount", "100001"], "amount"),
        (["correct", "web", "A", "--amount", "three"], "amount"),
        (["pause", "web", "A", "--change-id", "\x07"], "change_id"),
    ],
)
def test_a_wrong_roster_change_is_wrong_usage(
    arguments: list[str], told: str, partidor: Any
) -> None:
    """It is checked before any broker is asked."""
    result = partidor("roster", *arguments)
    assert result.exit_code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1
