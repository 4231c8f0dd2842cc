"""CSV files as spreadsheets write them: read with their dialect, written again in it.

In: the bytes of a file. Out: a header and rows, each row with the number that a spreadsheet shows
beside it; and the bytes of the same table with further columns.

Understood: UTF-8 with or without a byte order mark; comma, semicolon or tab, whichever the first
line holds most of; quoted cells with line breaks; blank rows, which are left out. A row that is
shorter than the header is filled up with empty cells; a longer one is refused.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from streams.failure import Failed

BYTE_ORDER_MARK: Final = "\ufeff"
_DELIMITERS: Final = ",;\t"
_UTF_16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells; `number` counts from 1, the header included, as spreadsheets do."""

    number: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file. `name` is what errors call it."""

    name: str
    header: list[str]
    rows: list[Row]
    delimiter: str
    line_end: str
    has_byte_order_mark: bool

    def column(self, wanted: str) -> int | None:
        """The place of a column, from 0; None where there is none. Raises Failed for two.

        Capital letters and blanks around a column's name make no difference.
        """
        places = [at for at, name in enumerate(self.header) if name.strip().casefold() == wanted]
        if len(places) > 1:
            raise Failed(f"{self.name}: two columns are called {wanted}")
        return places[0] if places else None

    def failure(self, row: Row, what: str) -> Failed:
        """What is wrong in a row."""
        return Failed(f"{self.name} row {row.number}: {what}")


def read_table(data: bytes, name: str) -> Table:
    """Read a CSV file. Raises Failed, with the row."""
    text = _decoded(data, name)
    has_mark = text.startswith(BYTE_ORDER_MARK)
    text = text.removeprefix(BYTE_ORDER_MARK)
    first_line = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=_outside_quotes(first_line).count)
    rows = list(_rows(text, delimiter, name))
    if not rows:
        raise Failed(f"{name}: no header; the first row names the columns")
    header = rows[0].cells
    line_end = "\r\n" if first_line.endswith("\r") else "\n"
    body = [_fitted(row, len(header), name) for row in rows[1:]]
    return Table(name, header, body, delimiter, line_end, has_mark)


def written_table(
    table: Table, more_names: Sequence[str], more_cells: Sequence[Sequence[str]]
) -> bytes:
    """The same table with further columns at its right, in its own dialect."""
    out = io.StringIO()
    if table.has_byte_order_mark:
        out.write(BYTE_ORDER_MARK)
    writer = csv.writer(out, delimiter=table.delimiter, lineterminator=table.line_end)
    writer.writerow([*table.header, *more_names])
    for row, more in zip(table.rows, more_cells, strict=True):
        writer.writerow([*row.cells, *more])
    return out.getvalue().encode()


def _decoded(data: bytes, name: str) -> str:
    if data.startswith(_UTF_16_MARKS):
        raise Failed(f"{name} is UTF-16; save it as CSV UTF-8")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Failed(f"{name} line {line}: not UTF-8; save it as CSV UTF-8") from None


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _rows(text: str, delimiter: str, name: str) -> Iterator[Row]:
    """The rows that hold anything."""
    # Strict: a quote that is never closed is an error, and doesn't swallow the rest of the file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    try:
        for number, cells in enumerate(reader, start=1):
            if any(cells):
                yield Row(number, cells)
    except csv.Error as error:
        raise Failed(f"{name} row {number + 1}: {error}") from None


def _fitted(row: Row, width: int, name: str) -> Row:
    cells = row.cells
    if any(cells[width:]):
        raise Failed(f"{name} row {row.number}: {len(cells)} cells under {width} columns")
    return Row(row.number, cells[:width] + [""] * (width - len(cells)))
