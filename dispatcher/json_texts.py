"""Strings as JSON, for events that are put together as text."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

_encode = msgspec.json.Encoder().encode


def json_text(text: str) -> str:
    """A string as JSON, in quotes."""
    return _encode(text).decode()


@lru_cache(maxsize=65_536)
def json_name(name: str) -> str:
    """The same, remembered: for names that come back."""
    return json_text(name)


def json_ids(ids: Sequence[str]) -> Sequence[str]:
    """Each id as it stands between the quotes.

    Ids hold no control characters, so JSON escapes only quotes and backslashes in them, and one
    look at all of them finds that there are none.
    """
    joined = "".join(ids)
    if '"' in joined or "\\" in joined:
        return [json_text(each)[1:-1] for each in ids]
    return ids
