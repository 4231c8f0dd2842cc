"""What a lead asks of whoever takes it: skills, not to have given it back, to be its owner.

In: a lead's attributes and the channel's rules. Out: a requirement. Leads with equal requirements
may be taken by the same assignees.
"""

from functools import lru_cache
from typing import Final, NamedTuple, cast

import msgspec


class Requirement(NamedTuple):
    """What a lead asks.

    Attributes:
        skills: all of them, ascending.
        excluded: assignees who may not take it, ascending.
        owner: who gets it if they may take it; "" for whoever is owed most.
    """

    skills: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    owner: str = ""


NOTHING: Final = Requirement()
_REMEMBERED_MAX: Final = 4_096

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode


def required_of(attributes: str, names: tuple[str, ...]) -> Requirement:
    """The requirement of a lead.

    Args:
        attributes: a JSON object as text.
        names: of the attributes whose values are required skills: {"language": "vi"} requires
            "language=vi". A list requires each of its values; null, or no such attribute, nothing.
            Numbers and the like stand for their JSON text.
    """
    if not names:
        return NOTHING
    fields = fields_of(attributes)
    given = tuple((name, bytes(fields[name])) for name in names if name in fields)
    return _requirement(given) if given else NOTHING


def fields_of(attributes: str) -> dict[str, msgspec.Raw]:
    """The attributes of a lead, each still as JSON."""
    return _decode_fields(attributes)


@lru_cache(maxsize=1_024)
def texts_in(raw: bytes) -> tuple[str, ...]:
    """What an attribute says: its text, or the texts of a list; null, nothing."""
    value = _value(raw)
    return tuple(
        each if isinstance(each, str) else _text(each)
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    )


@lru_cache(maxsize=_REMEMBERED_MAX)
def _requirement(given: tuple[tuple[str, bytes], ...]) -> Requirement:
    skills: set[str] = set()
    for name, raw in given:
        skills.update(f"{name}={text}" for text in texts_in(raw))
    return Requirement(tuple(sorted(skills)))


def _value(raw: bytes) -> object:
    """A JSON value; one that cannot be held, such as 1e999, is its own text."""
    try:
        return cast("object", _decode_any(raw))
    except msgspec.DecodeError:
        return raw.decode()


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
