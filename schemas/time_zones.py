"""Time zones by their IANA names, from the `tzdata` package alone.

The operating system's own files differ from machine to machine; a channel's days may not.
"""

from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, StringConstraints

_NAME_LENGTH_MAX: Final = 64


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    return frozenset((files("tzdata") / "zones").read_text().split())


@lru_cache(maxsize=1_024)
def zone(name: str) -> ZoneInfo:
    """The time zone. Raises ValueError for a name that is none."""
    if name not in _names():
        raise ValueError('a time zone is an IANA name, as in "Australia/Sydney"')
    place = files("tzdata") / "zoneinfo"
    for part in name.split("/"):
        place = place / part
    with place.open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


def _checked(name: str) -> str:
    zone(name)
    return name


TimeZone = Annotated[
    str,
    StringConstraints(strict=True, max_length=_NAME_LENGTH_MAX),
    AfterValidator(_checked),
    Field(description='IANA name of a time zone, as in "Australia/Sydney"'),
]
