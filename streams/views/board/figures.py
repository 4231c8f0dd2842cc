"""Numbers, moments and addresses as people read them.

In: values as they stand in the documents. Out: texts, or markup that is safe in a page.
Pure. A minus is the one of keyboards, so that what is copied into a spreadsheet is a number there.
"""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import quote, urlencode
from zlib import crc32

from markupsafe import Markup, escape

NOTHING: Final = "\N{EN DASH}"
"""Stands where there is no value: a dash, so that nobody takes it for a zero."""

_BEGINS: Final = "\u2068"
_ENDS: Final = "\u2069"
_WITHOUT_MARKS: Final = {ord(_BEGINS): None, ord(_ENDS): None}
_STRANGERS: Final = frozenset(
    {
        "able", "assignee_id", "batch_id", "capacity_reached", "change_id", "changed_by", "channel",
        "equal", "excluded", "forced_to", "lead_id", "outcome_id", "reason", "required_skills",
        "to_assignee_id", "went_on_to",
    }
)  # fmt: skip
"""Names under which texts of strangers stand."""

_BYTES_STEP: Final = 1024
_MINUTE_S: Final = 60
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400


def number(text: object) -> Decimal:
    """A decimal text or number; zero for what is none."""
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        return Decimal(0)
    return value if value.is_finite() else Decimal(0)


def count(value: object) -> str:
    """A whole number with its thousands set apart: `100,553`."""
    return NOTHING if value is None else f"{int(number(value)):,}"


def amount(text: object, places: int = 2) -> str:
    """An amount without a sign, such as a fair share: `13.33`."""
    return NOTHING if text is None else f"{round(number(text), places):,f}"


def signed(text: object, places: int = 2) -> str:
    """An amount with its sign, such as a cumulative error: `+0.33`, `-0.50`, `0.00`."""
    if text is None:
        return NOTHING
    value = round(number(text), places)
    return f"{abs(value):f}" if value == 0 else f"{value:+,f}"


def plain(text: object) -> str:
    """A decimal without zeros that say nothing: `1.2`, `3`."""
    if text is None:
        return NOTHING
    shown = f"{number(text):,f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def many(value: object, one: str, more: str | None = None) -> str:
    """A number with its noun: `1 lead`, `2,345 leads`."""
    found = number(value)
    return f"{count(found)} {one if found == 1 else more or one + 's'}"


def milliseconds(value: object) -> str:
    """A short time: `14 ms`, `1.5 s`, `12 min`."""
    if value is None:
        return NOTHING
    found_ms = number(value)
    if found_ms < 1000:
        return f"{int(found_ms)} ms"
    return seconds(found_ms / 1000)


def seconds(value: object) -> str:
    """A time: `1.5 s`, `12 min`, `3 h`, `2 d`."""
    if value is None:
        return NOTHING
    found_s = number(value)
    if found_s < 10:
        return f"{round(found_s, 1):f} s"
    if found_s < 2 * _MINUTE_S:
        return f"{int(found_s)} s"
    if found_s < 2 * _HOUR_S:
        return f"{int(found_s) // _MINUTE_S} min"
    if found_s < 2 * _DAY_S:
        return f"{int(found_s) // _HOUR_S} h"
    return f"{int(found_s) // _DAY_S} d"


def byte_size(value: object) -> str:
    """A size: `512 B`, `12.5 MiB`."""
    if value is None:
        return NOTHING
    size = number(value)
    for unit in ("B", "KiB", "MiB"):
        if size < _BYTES_STEP:
            return f"{int(size)} B" if unit == "B" else f"{round(size, 1):f} {unit}"
        size /= _BYTES_STEP
    return f"{round(size, 1):f} GiB"


def moment(text: object) -> str:
    """A moment in UTC to the second: `2026-11-22 10:00:00 UTC`; as it is where it is none."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return str(text)
    if found.tzinfo is None:
        return str(text)
    return found.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def address(path: str, fragment: str = "", **parameters: object) -> str:
    """An address of the board. Ids stand in the query: a path would be normalised by browsers."""
    given = {name: str(value) for name, value in parameters.items() if value not in (None, "")}
    query = urlencode(given, quote_via=quote, safe="")
    return path + (f"?{query}" if query else "") + (f"#{fragment}" if fragment else "")


def isolated(value: Any, name: str = "") -> Any:
    """A document whose ids are set apart from the text around them, whatever way they are read.

    Ids may be written from right to left; in a sentence they would turn what stands beside them.
    `marked` makes the marks around them markup.
    """
    if isinstance(value, dict):
        return {each: isolated(inner, each) for each, inner in value.items()}
    if isinstance(value, list):
        return [isolated(inner, name) for inner in value]
    if isinstance(value, str) and name in _STRANGERS:
        return _BEGINS + value.translate(_WITHOUT_MARKS) + _ENDS
    return value


def marked(text: str) -> Markup:
    """A sentence about an `isolated` document, escaped, each id in a <bdi>."""
    shown = str(escape(text)).replace(_BEGINS, "<bdi>").replace(_ENDS, "</bdi>")
    # Escaped above, all but our own tags.
    return Markup(shown)  # nosec B704


def key(text: object) -> str:
    """A short name for whatever a row is about, to know it again when the page changes."""
    return f"{crc32(str(text).encode(errors='surrogatepass')):x}"
