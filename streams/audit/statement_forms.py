"""A statement as rows of a spreadsheet and as an object for JSON.

Amounts stand twice: with 12 decimals for people, and as exact fractions, which add up to the last
digit; in CSV as numerator and denominator.
"""

from collections.abc import Iterator
from fractions import Fraction

from streams.audit.decision_log import Json
from streams.audit.statements import Line, Statement, decimal12

COLUMNS = (
    "decided_at", "state_version", "what", "leads", "fair_share", "adjustment", "error_after",
    "fair_share_numerator", "fair_share_denominator", "adjustment_numerator",
    "adjustment_denominator", "error_after_numerator", "error_after_denominator",
)  # fmt: skip


def csv_rows(statement: Statement) -> Iterator[list[str]]:
    """Header, opening figure, every movement, closing figure with the totals.

    A last column tells what leads count, where any are measured by value.
    """
    for row in _rows(statement):
        yield row if statement.by_value else row[:-1]


def _rows(statement: Statement) -> Iterator[list[str]]:
    yield [*COLUMNS, "value"]
    yield [*_figure("opening", statement.opening), ""]
    for line in statement.lines:
        yield [*_line(line), decimal12(line.movement.received)]
    totals = _cells(
        "", "", "closing, with totals", str(statement.leads), statement.fair_share,
        statement.adjustment, statement.closing,
    )  # fmt: skip
    yield [*totals, decimal12(statement.received)]


def _line(line: Line) -> list[str]:
    moved = line.movement
    return _cells(
        line.decided_at, str(line.state_version), moved.what, str(moved.leads), moved.fair_share,
        moved.adjustment, line.error_after,
    )  # fmt: skip


def _figure(what: str, error: Fraction) -> list[str]:
    exact = [str(error.numerator), str(error.denominator)]
    return ["", "", what, "", "", "", decimal12(error), "", "", "", "", *exact]


def _cells(*cells: str | Fraction) -> list[str]:
    """The cells, and behind them each fraction in two: one cell would be read as a date."""
    texts = [decimal12(each) if isinstance(each, Fraction) else each for each in cells]
    exact = [each for each in cells if isinstance(each, Fraction)]
    return texts + [str(n) for each in exact for n in (each.numerator, each.denominator)]


def as_object(statement: Statement) -> Json:
    """Everything, with what is wrong in it."""
    return {
        "channel": statement.channel,
        "assignee_id": statement.assignee_id,
        "opening": _both(statement.opening),
        "opening_note": statement.opening_note,
        "lines": [
            {
                "decided_at": line.decided_at,
                "state_version": line.state_version,
                "what": line.movement.what,
                "leads": line.movement.leads,
                **({"value": _both(line.movement.received)} if statement.by_value else {}),
                "fair_share": _both(line.movement.fair_share),
                "adjustment": _both(line.movement.adjustment),
                "error_after": _both(line.error_after),
            }
            for line in statement.lines
        ],
        "leads": statement.leads,
        **({"value": _both(statement.received)} if statement.by_value else {}),
        "fair_share": _both(statement.fair_share),
        "adjustment": _both(statement.adjustment),
        "closing": _both(statement.closing),
        "missing": str(statement.missing),
        "differences": [each._asdict() for each in statement.differences],
    }


def _both(amount: Fraction) -> Json:
    return {"leads": decimal12(amount), "exact": str(amount)}
