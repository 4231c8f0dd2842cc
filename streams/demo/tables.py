"""What a supervisor reads: the source's table for a batch, standings, channels, checks."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal

from rich import box
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from schemas.outputs import BatchDispatched
from streams.cli.output import WIDTH_WITHOUT_TERMINAL, friendly
from streams.demo.fairness import Check, Fairness

CHANNELS_SHOWN_MAX: Final = 5
LEGEND: Final = """\
ratio         weight / sum of weights
fair share    leads of the batch x ratio
error         cumulative error: leads received - fair shares, over all batches;
              + is ahead, - is owed
ideal         fair share - error before
assigned      the whole number of leads that somebody gets
"""


class Sheet:
    """A title, a table that fits 80 columns, a last row below a line. Cells are plain text."""

    def __init__(self, title: str, *columns: str, texts: int = 1) -> None:
        """The first `texts` columns stand on the left, the others are numbers."""
        self._title = title
        self._table = Table(
            box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False
        )
        for place, column in enumerate(columns):
            side: Literal["left", "right"] = "left" if place < texts else "right"
            self._table.add_column(column, justify=side, vertical="bottom")

    def add(self, *cells: object) -> None:
        """Add a row."""
        self._table.add_row(*(Text(str(cell)) for cell in cells))

    def add_total(self, *cells: object) -> None:
        """Add the last row."""
        self._table.add_section()
        self.add(*cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The title on a line of its own, the table, an empty line."""
        yield Text(self._title, style="bold")
        yield self._table
        yield Text()


def show(*parts: Sheet | str) -> None:
    """On stdout, as wide as the terminal; without one nothing is squeezed or coloured."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_WITHOUT_TERMINAL
    for part in parts:
        if isinstance(part, str):
            # Broken by the terminal alone: what is to be copied stays one line.
            console.print(Text(part), soft_wrap=True)
        else:
            console.print(part)


def batch_sheet(decision: BatchDispatched, title: str) -> Sheet:
    """How one batch was divided: everybody's share, errors before and after, and the totals."""
    sheet = Sheet(
        f"{title}: {_leads(decision.batch_size)} on channel {decision.channel}",
        "assignee", "weight", "ratio", "fair share", "error\nbefore", "ideal", "assigned",
        "error\nafter",
    )  # fmt: skip
    shares = decision.shares
    weights = sum(Decimal(each.weight) for each in shares)
    for share in shares:
        sheet.add(
            share.assignee_id, share.weight, _places(Decimal(share.weight) / weights),
            _places(share.fair_share), friendly(share.cumulative_error_before),
            _places(share.ideal), share.assigned, friendly(share.cumulative_error_after),
        )  # fmt: skip
    sheet.add_total(
        "total", weights, _places(1),
        _places(sum(Decimal(each.fair_share) for each in shares)),
        _error(sum(Decimal(each.cumulative_error_before) for each in shares)),
        _places(sum(Decimal(each.ideal) for each in shares)),
        sum(each.assigned for each in shares),
        _error(sum(Decimal(each.cumulative_error_after) for each in shares)),
    )  # fmt: skip
    return sheet


def days_sheet(received: Mapping[str, list[int | None]], sizes: list[int]) -> Sheet:
    """Both days of the story together: leads per assignee and batch."""
    columns = [f"batch {number}" for number in range(1, len(sizes) + 1)]
    sheet = Sheet("Both days", "assignee", *columns, "total")
    for assignee_id, leads in received.items():
        cells = ["-" if each is None else each for each in leads]
        sheet.add(assignee_id, *cells, sum(each or 0 for each in leads))
    sheet.add_total("total", *sizes, sum(sizes))
    return sheet


def standings_sheet(document: Mapping[str, Any]) -> Sheet:
    """Everybody of a channel against their fair share, as the views serve it."""
    sheet = Sheet(
        f"Standings of {document['channel']} from `partidor views`:"
        f" {_leads(document['leads'])} in {document['batches']:,} batches",
        "assignee", "presence", "weight", "leads", "fair share", "from\nleavers", "error",
        texts=2,
    )  # fmt: skip
    for member in document["standings"]:
        sheet.add(
            member["assignee_id"], "paused" if member["paused"] else "active", member["weight"],
            f"{member['leads']:,}", _places(member["fair_share"]),
            friendly(member["adjustment"]), friendly(member["cumulative_error"]),
        )  # fmt: skip
    return sheet


def channels_sheet(channels: Iterable[Fairness]) -> Sheet:
    """The channels that came closest to what is promised, and all together."""
    found = sorted(channels, key=lambda each: each.used, reverse=True)
    sheet = Sheet(
        "How far anybody ever was from a fair share, in leads, against the promise",
        "channel", "people", "leads", "furthest\nahead", "at most\npromised", "most\nowed",
        "at most\npromised", "used",
    )  # fmt: skip
    for each in found[:CHANNELS_SHOWN_MAX]:
        low, high = each.bounds
        sheet.add(
            each.channel, each.members_most, f"{each.leads:,}", _error(each.furthest_ahead),
            _fraction(high), _error(each.most_owed), _fraction(low), f"{each.used:.0%}",
        )  # fmt: skip
    sheet.add_total(
        f"all {len(found)}", sum(each.members_most for each in found),
        f"{sum(each.leads for each in found):,}",
        _error(max(each.furthest_ahead for each in found)), "",
        _error(min(each.most_owed for each in found)), "",
        f"{max(each.used for each in found):.0%}",
    )  # fmt: skip
    return sheet


def checks_text(checks: Iterable[Check]) -> str:
    """What had to be so, and whether it is: a line each."""
    lines = (f"{'ok' if check.held else 'FAILED':<8}{check.text}" for check in checks)
    return "\n".join(["Checked", *lines, ""])


def _leads(count: int) -> str:
    return f"{count:,} lead{'' if count == 1 else 's'}"


def _places(value: str | Decimal | int) -> str:
    return f"{Decimal(value):,.4f}"


def _error(value: Decimal | int) -> str:
    return friendly(str(value))


def _fraction(value: Fraction) -> str:
    return friendly(f"{float(value):.12f}")
