"""Tables as offices write them: CSV, Excel or Parquet, read row by row.

In: a directory and the name of a table. Out: the table's header and its rows, with the number
that a spreadsheet shows beside each; columns of ids and numbers; and a list of what is wrong.

Rules:
- A table is one file, `NAME.csv`, `NAME.xlsx` or `NAME.parquet`; two of them are one too many.
- CSV: UTF-8 with or without a byte order mark, any line ends, separated by commas. Where cells
  are separated otherwise, "1.234" may mean a thousand times as much as here: refused.
- Excel: the first sheet, values and not formulas. Parquet: its rows count from 1.
- Blank rows are left out. Capital letters and blanks around a column's name make no difference.
- A file has at most `BYTES_MAX` bytes, unpacked as well; a table as many rows as its reader says.
"""

import csv
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from streams.failure import Failed

ENDINGS: Final = (".csv", ".xlsx", ".parquet")
BYTES_MAX: Final = 2**30
SHOWN_MAX: Final = 10
"""Of problems; the others are counted."""
NUMBER_MAX: Final = 1e15
"""What is larger is a slip of the pen, in any currency."""
ID_LENGTH_MAX: Final = 200

_PLAIN_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_QUOTED_LENGTH_MAX: Final = 40

Cells = Sequence[Any]
Value = TypeVar("Value")


@dataclass
class Problems:
    """What is wrong with some tables, one line each."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, line: str) -> None:
        """Keep the first `SHOWN_MAX`, count all."""
        self.count += 1
        if len(self.lines) < SHOWN_MAX:
            self.lines.append(line)

    def check(self) -> None:
        """Raises Failed with what was added, if anything was."""
        if not self.count:
            return
        lines = list(self.lines)
        if self.count > len(lines):
            lines.append(f"and {self.count - len(lines):,} more")
        if len(lines) == 1:
            raise Failed(lines[0])
        raise Failed("\n  ".join([f"{self.count:,} problems in the data:", *lines]))


@dataclass(frozen=True)
class Table:
    """A table that is being read. `rows` gives the number and the cells of each, once."""

    name: str
    header: list[str]
    rows: Iterator[tuple[int, Cells]]

    def has(self, column: str) -> bool:
        """Whether a column is there."""
        return column in self.header


@dataclass(frozen=True)
class Column(Generic[Value]):
    """A column and how a cell of it is read: the value, or ValueError with what is wrong."""

    name: str
    read: Callable[[Any], Value]
    unique: bool = False


def find_table(directory: Path, name: str) -> Path | None:
    """The file of a table, or None. Raises Failed for two."""
    there = [path for ending in ENDINGS if (path := directory / f"{name}{ending}").is_file()]
    if len(there) > 1:
        files = " and ".join(path.name for path in there)
        raise Failed(f"{directory} has {files}; keep one of them")
    return there[0] if there else None


def open_table(path: Path, *, keep_case: bool = False) -> Table:
    """Read the header of a table; its rows are read as they are asked for.

    Args:
        keep_case: the names of the columns are data: as they stand.

    Raises:
        Failed: no header, two columns of one name, or nothing that can be read as such a file.
    """
    size = path.stat().st_size
    if size > BYTES_MAX:
        raise Failed(f"{path.name} has {size:,} bytes; at most {BYTES_MAX:,} are read")
    rows = _READERS[path.suffix](path)
    _, first = next(rows, (0, None))
    if first is None:
        raise Failed(f"{path.name} is empty; its first row names the columns")
    header = [_column_name(cell, keep_case=keep_case) for cell in first]
    while header and not header[-1]:
        header.pop()
    for name in header:
        if header.count(name) > 1:
            raise Failed(f"{path.name}: two columns are called {name!r}; keep one")
    return Table(path.name, header, rows)


def _column_name(cell: Any, *, keep_case: bool) -> str:
    try:
        name = identifier(cell) if keep_case else str("" if cell is None else cell).strip()
    except ValueError as error:
        raise Failed(f"a column's name {error}") from None
    return name if keep_case else name.casefold()


def read_columns(
    table: Table, columns: Sequence[Column[Any]], rows_max: int, problems: Problems
) -> dict[str, list[Any]]:
    """The values of some columns, in order. A row with a problem is added to `problems` only."""
    missing = [column.name for column in columns if not table.has(column.name)]
    for name in missing:
        there = ", ".join(table.header)
        problems.add(f"{table.name} has no column {name}; its first row names {there}")
    if missing:
        return {}
    values: dict[str, list[Any]] = {column.name: [] for column in columns}
    plan = [(column, table.header.index(column.name), values[column.name]) for column in columns]
    seen: dict[str, dict[Any, int]] = {column.name: {} for column in columns if column.unique}
    count = 0
    for number, cells in table.rows:
        count += 1
        if count > rows_max:
            raise Failed(f"{table.name} has more than {rows_max:,} rows; no more are read")
        fitting = _fitted(cells, len(table.header))
        if fitting is None:
            what = f"{len(cells)} cells under {len(table.header)} columns"
            problems.add(f"{table.name} row {number}: {what}; quote cells that contain commas")
            continue
        for column, at, into in plan:
            try:
                value = column.read(fitting[at])
                if column.unique:
                    _check_new(value, number, seen[column.name])
                into.append(value)
            except ValueError as error:
                problems.add(f"{table.name} row {number}, column {column.name}: {error}")
    if not count:
        problems.add(f"{table.name} has a header and no rows")
    return values


def _check_new(value: Any, number: int, seen: dict[Any, int]) -> None:
    first = seen.setdefault(value, number)
    if first != number:
        raise ValueError(f"{value!r} stands in row {first} already; every id once")


def _fitted(cells: Cells, width: int) -> Cells | None:
    """As many cells as columns: empty ones more or fewer make no difference, but in CSV."""
    if len(cells) == width:
        return cells
    if isinstance(cells, list) or any(cell is not None for cell in cells[width:]):
        return None
    return (*cells[:width], *[None] * (width - len(cells)))


def identifier(cell: Any) -> str:
    """An id: the text as it stands; of a spreadsheet's whole number its digits."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if cell is None or cell == "":
        raise ValueError("is empty; give an id")
    if isinstance(cell, bool) or not isinstance(cell, str | int):
        raise ValueError(f"{_shown(cell)} is no id; format the column as text")
    text = str(cell)
    if len(text) > ID_LENGTH_MAX:
        raise ValueError(f"{_shown(text)} is longer than {ID_LENGTH_MAX} characters; shorten it")
    if text != text.strip() or _CONTROL.search(text):
        raise ValueError(f"{_shown(text)} has blanks around it or control characters; remove them")
    return text


def text(cell: Any) -> str:
    """Any text; nothing is empty text."""
    return "" if cell is None else str(cell).strip()


def number(cell: Any) -> float:
    """A finite number, at most `NUMBER_MAX` either way."""
    if cell is None or cell == "":
        raise ValueError("is empty; give a number")
    if isinstance(cell, str):
        if not _PLAIN_NUMBER.fullmatch(cell.strip()):
            raise ValueError(f"{_shown(cell)} is not a number; write it like 1234.5")
    elif isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        raise ValueError(f"{_shown(cell)} is not a number; format the column as numbers")
    value = float("inf")
    with suppress(OverflowError):
        value = float(cell)
    if not abs(value) <= NUMBER_MAX:
        raise ValueError(f"{_shown(cell)} is not a finite number up to {NUMBER_MAX:g}")
    return value


def between(least: float, most: float) -> Callable[[Any], float]:
    """A number from `least` to `most`."""

    def read(cell: Any) -> float:
        value = number(cell)
        if not least <= value <= most:
            raise ValueError(f"{_shown(cell)} is not between {least:g} and {most:g}")
        return value

    return read


def above_zero(cell: Any) -> float:
    """A number above 0."""
    value = number(cell)
    if value <= 0:
        raise ValueError(f"{_shown(cell)} is not above 0")
    return value


def zero_or_one(cell: Any) -> bool:
    """1 is true, 0 is false."""
    value = number(cell)
    if value not in (0.0, 1.0):
        raise ValueError(f"{_shown(cell)} is neither 0 nor 1")
    return value == 1.0


def _shown(cell: Any) -> str:
    quoted = repr(cell)
    if len(quoted) <= _QUOTED_LENGTH_MAX:
        return quoted
    return quoted[:_QUOTED_LENGTH_MAX] + "..."


def _csv_rows(path: Path) -> Iterator[tuple[int, Cells]]:
    """Rows of text; the first decides whether commas separate."""
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # Strict: a quote that is never closed is an error, and doesn't swallow what follows.
            for number, cells in enumerate(csv.reader(file, strict=True), start=1):
                if number == 1:
                    _check_commas(path.name, cells)
                if any(cells):
                    yield number, cells
    except UnicodeDecodeError:
        raise Failed(f"{path.name} is not UTF-8; save it as CSV UTF-8") from None
    except csv.Error as error:
        raise Failed(f"{path.name} row {number + 1}: {error}") from None


def _check_commas(name: str, cells: list[str]) -> None:
    for separator, called in ((";", "semicolons"), ("\t", "tabs")):
        if len(cells) == 1 and separator in cells[0]:
            raise Failed(
                f"{name} is separated by {called}; save it separated by commas, with points in"
                " numbers (1234.5)"
            )


def _excel_rows(path: Path) -> Iterator[tuple[int, Cells]]:
    """Rows of the first sheet."""
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(path) as parts:
            unpacked = sum(part.file_size for part in parts.infolist())
        if unpacked > BYTES_MAX:
            raise Failed(f"{path.name} unpacks to {unpacked:,} bytes; at most {BYTES_MAX:,}")
        book = load_workbook(path, read_only=True, data_only=True)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError) as error:
        raise Failed(f"{path.name} is no Excel workbook (.xlsx): {error}") from None
    try:
        rows = book.worksheets[0].iter_rows(values_only=True)
        for number, cells in enumerate(rows, start=1):
            if any(cell is not None for cell in cells):
                yield number, cells
    finally:
        book.close()


def _parquet_rows(path: Path) -> Iterator[tuple[int, Cells]]:
    """The names of the columns as row 0, then the rows, some thousands in memory at a time."""
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            yield 0, tuple(file.schema_arrow.names)
            number = 0
            for batch in file.iter_batches(batch_size=10_000):
                for cells in zip(*(part.to_pylist() for part in batch.columns), strict=True):
                    number += 1
                    yield number, cells
    except ArrowException as error:
        first_line = str(error).partition("\n")[0]
        raise Failed(f"{path.name} is no Parquet file: {first_line}") from None


_READERS: Final = {".csv": _csv_rows, ".xlsx": _excel_rows, ".parquet": _parquet_rows}
