"""Standings as `partidor views` serves them, and whether they are what everybody else says.

In: the views over HTTP, the decisions, Redis, the counted assignments. Out: each channel's
standings, and in words where two of them differ.
"""

import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar, cast
from urllib.error import HTTPError, URLError
from urllib.parse import quote

import msgspec

from streams.channel_view import channel_view
from streams.demo.processes import Running
from streams.failure import Failed
from streams.state_reader import StateReader
from streams.views.decisions import read_decision
from streams.views.documents import channel_standings
from streams.views.standings import folded

WAIT_MAX_S: Final = 30.0
"""For Redis and the views to come to the last decision; they follow within a second."""

POLL_S: Final = 0.05
HTTP_TIMEOUT_S: Final = 10.0

Document = dict[str, Any]
T = TypeVar("T")


def expected_standings(decisions: Iterable[bytes]) -> dict[str, Document]:
    """The decisions folded by ourselves: what the views must come to serve, by channel."""
    return {name: channel_standings(each) for name, each in folded_values(decisions).items()}


def folded_values(decisions: Iterable[bytes]) -> Mapping[str, Any]:
    """Decisions as bytes, read and folded."""
    return folded(read_decision(value) for value in decisions)


def served_standings(running: Running, expected: Mapping[str, Document]) -> dict[str, Document]:
    """What the views serve of each channel, once they are as far. Raises Failed."""
    return {
        name: _when(
            running,
            f"the standings of {name}",
            lambda name=name: _served(f"{running.views_url}/channels/{quote(name, safe='')}/standings"),
            lambda found, version=document["state_version"]: found["state_version"] >= version,
        )
        for name, document in expected.items()
    }


def stored_errors(running: Running, expected: Mapping[str, Document]) -> dict[str, Document]:
    """Each channel as `partidor show` reads it from Redis, once that is as far. Raises Failed."""
    reader = StateReader(running.settings)
    return {
        name: _when(
            running,
            f"channel {name} in Redis",
            lambda name=name: channel_view(reader.channel(name), 0),
            lambda found, version=document["state_version"]: found["state_version"] >= version,
        )
        for name, document in expected.items()
    }
