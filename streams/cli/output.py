"""What all commands print with: data to stdout, notes to stderr, tables where people read them."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

WIDTH_WITHOUT_TERMINAL: Final = 200
"""Columns. Tables that go to a file or a pipe are not squeezed into 80."""

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


def note(text: str) -> None:
    """A line for the person at the terminal."""
    sys.stderr.write(text + "\n")


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    import msgspec

    text = msgspec.json.format(msgspec.json.encode(value), indent=2)
    print_lines([text])


def print_lines(lines: Iterable[bytes]) -> None:
    """Lines of bytes on stdout, at once."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join(line + b"\n" for line in lines))
    sys.stdout.buffer.flush()


class Listing:
    """A table with a title. Cells are plain text: what stands in them is never read as markup."""

    def __init__(self, title: str, *columns: str, right: Iterable[str] = ()) -> None:
        """The columns named in `right` hold numbers and stand on the right."""
        from rich import box
        from rich.table import Table

        self._title = title
        self._table = Table(box=box.SIMPLE_HEAD)
        numeric = set(right)
        for column in columns:
            justify: Literal["left", "right"] = "right" if column in numeric else "left"
            self._table.add_column(column, justify=justify, overflow="fold")

    def add(self, *cells: object) -> None:
        """Add a row; None is an empty cell."""
        from rich.text import Text

        self._table.add_row(*(Text("" if cell is None else str(cell)) for cell in cells))

    def __rich_console__(
        self, console: "Console", options: "ConsoleOptions"
    ) -> "Iterator[RenderableType]":
        """The title on a line of its own, as wide as it is, and the table below."""
        from rich.text import Text

        yield Text(self._title, style="bold")
        yield self._table


def print_listings(*listings: Listing, to_stderr: bool = False) -> None:
    """Print tables, as wide as the terminal, or wide enough where there is none."""
    from rich.console import Console

    stream = sys.stderr if to_stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    console = Console(file=stream, width=width, highlight=False)
    for listing in listings:
        console.print(listing)


def friendly(decimal: str) -> str:
    """A decimal with 12 places, shown with 4 and its sign."""
    from decimal import Decimal

    value = round(Decimal(decimal), 4)
    return "0.0000" if value == 0 else f"{value:+f}"


def amount(decimal: str) -> str:
    """A decimal with 12 places, without those that say nothing."""
    return decimal.rstrip("0").rstrip(".")


def time_text(milliseconds: int) -> str:
    """A moment as people read it: UTC, to the second."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


Advance = Callable[[int, int], None]
"""Moves a progress bar on: by how much of the total, and how many leads that held."""


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Advance]:
    """A bar on stderr with leads and leads/s; nothing where nobody looks at it."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    columns = (
        TextColumn(what),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[leads]:,} leads"),
        TextColumn("{task.fields[rate]:,.0f} leads/s"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=False) as progress:
        task = progress.add_task(what, total=total, leads=0, rate=0.0)
        so_far = 0

        def advance(steps: int, leads: int) -> None:
            nonlocal so_far
            so_far += leads
            elapsed_s = progress.tasks[task].elapsed or 0
            rate = so_far / elapsed_s if elapsed_s else 0.0
            progress.update(task, advance=steps, leads=so_far, rate=rate)

        yield advance


Passed = Callable[[int], None]
"""Told how many offsets were passed."""


def nobody_looks(total: int) -> Passed:
    """In place of a bar's beginning."""
    del total
    return lambda _: None


@contextmanager
def offsets_bar(what: str) -> Iterator[Callable[[int], Passed]]:
    """A bar on stderr of offsets that are passed; nothing where nobody looks at it.

    Called with how many there are, it gives what is told of each step.
    """
    if not sys.stderr.isatty():
        yield nobody_looks
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn(what), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:

        def begins(total: int) -> Passed:
            task = progress.add_task(what, total=total)
            return lambda count: progress.update(task, advance=count)

        yield begins
