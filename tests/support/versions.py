"""Other versions of Partidor: the released one, and one that comes after this.

The released one is its wheel in `tests/upgrade/`, unpacked. The next one is this version with more
in everything that it writes: an optional field in each event, in each record of the changelog and
in what a dispatcher says of itself, as a later version may add them.
"""

import functools
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

RELEASED = Path(__file__).parents[1] / "upgrade" / "partidor-0.1.0-py3-none-any.whl"
ADDED = b',"added_later":{"deep":[1,{"a":null}],"text":"\xc3\xa4"}}'


def unpacked(directory: Path, wheel: Path = RELEASED) -> Path:
    """The packages of a released version: a directory for PYTHONPATH."""
    found = directory / wheel.stem
    if not found.exists():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(found)
    return found


def with_more(value: bytes | str | None) -> Any:
    """A JSON object with one more field, a list with one more entry; bytes stay bytes."""
    if value is None:
        return None
    text = value.encode() if isinstance(value, str) else value
    more = text[:-1] + (ADDED if text.endswith(b"}") else b',"added later"]')
    return more.decode() if isinstance(value, str) else more


def be_the_next() -> None:
    """Make this process write what the next version writes."""
    from dispatcher.redis_store import RedisStore
    from streams import deciding, task

    for owner, name in (
        (task, "changed_records"),
        (task, "all_records"),
    ):
        _replace(owner, name, _records)
    _replace(task, "applied_offsets_value", with_more)
    _replace(task, "record_value", with_more)
    _replace(deciding, "encode_decision", with_more)
    _replace(deciding, "encode_assignments", lambda found: [with_more(each) for each in found])
    original = RedisStore.write_status

    def write_status(self: RedisStore, slot: str, status: bytes, lifetime_ms: int) -> None:
        original(self, slot, with_more(status), lifetime_ms)

    RedisStore.write_status = write_status  # type: ignore[method-assign]


def _records(found: Iterable[tuple[bytes, bytes | None]]) -> Iterator[tuple[bytes, bytes | None]]:
    for key, value in found:
        yield key, with_more(value)


def _replace(owner: Any, name: str, change: Callable[[Any], Any]) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def changed(*arguments: Any, **named: Any) -> Any:
        return change(original(*arguments, **named))

    setattr(owner, name, changed)
