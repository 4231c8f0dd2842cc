"""Standings as `partidor views` serves them, and whether they are what everybody else says.

In: the views over HTTP, the decisions, Redis, the counted assignments. Out: each channel's
standings, and in words where two of them differ.
"""

import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import quote

import msgspec

from streams.channel_view import channel_view
from streams.demo.fairness import Check
from streams.demo.processes import Running
from streams.failure import Failed
from streams.state_reader import StateReader
from streams.views.decisions import read_decision
from streams.views.documents import channel_facts
from streams.views.folding import folded

WAIT_MAX_S: Final = 30.0
"""For Redis and the views to come to the last decision; they follow within a second."""

POLL_S: Final = 0.05
HTTP_TIMEOUT_S: Final = 10.0
MEMBERS_MAX: Final = 1_000
"""Of a channel of the demo, by far."""

Document = dict[str, Any]
Documents = Mapping[str, Document]
"""By channel."""


def folded_standings(decisions: Iterable[bytes]) -> dict[str, Document]:
    """The decisions as they stand in Kafka, read and folded here: what the views have to serve."""
    standings = folded(read_decision(value) for value in decisions)
    return {channel: channel_facts(each) for channel, each in standings.items()}


def served_standings(running: Running, expected: Documents) -> dict[str, Document]:
    """What the views serve of each channel, once they are as far as expected. Raises Failed."""
    return _all(running, expected, "the views", lambda channel: _served(running, channel))


def stored_channels(running: Running, expected: Documents) -> dict[str, Document]:
    """Each channel as `partidor show` finds it in Redis, once that is as far. Raises Failed."""
    reader = StateReader(running.settings)

    def stored(channel: str) -> Document | None:
        try:
            return channel_view(reader.channel(channel), last=0)
        except Failed:
            return None  # not there yet

    return _all(running, expected, "Redis", stored)


def _all(
    running: Running, expected: Documents, where: str, ask: Callable[[str], Document | None]
) -> dict[str, Document]:
    deadline = time.monotonic() + WAIT_MAX_S
    found: dict[str, Document] = {}
    for channel, document in expected.items():
        while True:
            answer = ask(channel)
            if answer is not None and answer["state_version"] >= document["state_version"]:
                found[channel] = answer
                break
            running.check()
            if time.monotonic() > deadline:
                raise Failed(f"{where} had not come to the last decision on {channel} in time")
            time.sleep(POLL_S)
    return found


def _served(running: Running, channel: str) -> Document | None:
    """The views' answer; None while they have none."""
    url = f"{running.views_url}/api/channels/{quote(channel, safe='')}"
    try:
        document = _fetched(url)
        members = _fetched(f"{url}/standings?limit={MEMBERS_MAX}")
    except (OSError, HTTPException):
        return None  # still starting, or still catching up
    if members["state_version"] != document["state_version"]:
        return None  # it went on between the two
    return {**document, "standings": members["standings"]}


def _fetched(url: str) -> Document:
    # The views that the demo started.
    with urllib.request.urlopen(url, timeout=HTTP_TIMEOUT_S) as answer:  # nosec B310
        return msgspec.json.decode(answer.read(), type=Document)


def standings_checks(
    folded_by_us: Documents,
    served: Documents,
    stored: Documents,
    assigned: Mapping[tuple[str, str], int],
) -> list[Check]:
    """Views, Redis, decisions and assignments say the same.

    Args:
        folded_by_us: from `folded_standings`.
        served: from the views.
        stored: from Redis.
        assigned: assignments by channel and assignee, as they were counted.
    """
    count = len(folded_by_us)
    other_views = [name for name in folded_by_us if not _contains(served, folded_by_us, name)]
    other_errors = [
        name for name, each in folded_by_us.items() if _errors(stored[name]) != _errors(each)
    ]
    other_leads = [
        f"{channel}/{member['assignee_id']}"
        for channel, each in served.items()
        for member in each["standings"]
        if member["leads"] != assigned.get((channel, member["assignee_id"]), 0)
    ]
    return [
        _same(f"the views serve what the decisions of {count} channels add up to",
              other_views),
        _same("the leads in these standings are the assignments that were counted", other_leads),
        _same(f"Redis holds the same cumulative errors of {count} channels, to the last digit",
              other_errors),
    ]  # fmt: skip


def _contains(served: Documents, expected: Documents, channel: str) -> bool:
    """Whether the views serve what is expected; that they serve more is their affair."""
    return without_further(served[channel], expected[channel]) == expected[channel]


def without_further(served: Document, expected: Document) -> Document:
    """What is served, as far as it is expected: the rest depends on the time."""
    found = {name: served[name] for name in expected if name in served}
    rows = zip(served["standings"], expected["standings"], strict=False)
    known = [{name: row[name] for name in wanted if name in row} for row, wanted in rows]
    return {**found, "standings": known + served["standings"][len(known) :]}


def _errors(document: Document) -> tuple[object, ...]:
    """What is exact in a channel's document, of the views or of Redis."""
    members = document.get("standings") or document.get("members") or []
    errors = {each["assignee_id"]: each["cumulative_error_numerator"] for each in members}
    return document["state_version"], document["error_denominator"], errors


def _same(text: str, different: list[str]) -> Check:
    names = f"; not of {', '.join(different[:3])}" if different else ""
    return Check(text + names, not different)
