"""Open pages, kept up to date: server-sent events with the parts that changed.

In: the address of a page, and the answers. Out: events, as long as somebody reads them. All tabs
that show the same page share its rendering.

The rules:

- Whether anything changed is looked at every 250 ms (`Answers.stamp`: cheap). A page is made again
  when something did, or after 5 s: "the last minute" moves on by itself.
- Making pages takes at most about a tenth of the time, however many different ones are open, and a
  tab is sent at most 64 KiB a second: a page that is large or busy changes less often. The newest
  state is always the one that is sent; what lay between is left out.
- Only regions whose HTML changed are sent. Who connects gets all of them once, since nothing is
  known of what they see. A page that has become another one (caught up; the partition gone) is
  sent whole.
- When `close` is called, every connection ends within a look.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from streams.views.answers_port import Answers
from streams.views.board.rendering import Page, Renderer

CONNECTIONS_MAX: Final = 500
"""Tabs that are kept up to date at once, by one process. Each costs a socket and some memory."""

LOOK_S: Final = 0.25
MOVES_ON_S: Final = 5.0
HEARTBEAT_S: Final = 15.0
RENDERING_SHARE: Final = 0.1
"""Of the time, for making pages."""

BYTES_PER_S: Final = 64 * 1024
"""What one tab is sent at most, on average."""

HEARTBEAT: Final = b": still here\n\n"

AskAt = Callable[[str], Awaitable[Page]]
"""The page at an address. Never refuses: a refusal is a page too."""


@dataclass
class _Open:
    """A page that somebody has open; shared by all who do."""

    address: str
    tabs: int = 0
    page: Page | None = None
    regions: dict[str, str] = field(default_factory=dict)
    stamp: int = 0
    made_at_s: float = 0.0
    not_before_s: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Live:
    """All open pages."""

    def __init__(
        self,
        answers: Answers,
        renderer: Renderer,
        ask: AskAt,
        version: str,
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep_s: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`version` is the one of the static files; a page with another one is loaded again."""
        self._answers = answers
        self._renderer = renderer
        self._ask = ask
        self._version = version
        self._now_s = now_s
        self._sleep_s = sleep_s
        self._open: dict[str, _Open] = {}
        self._places_taken = 0
        self._closed = False

    @property
    def listening(self) -> int:
        """How many tabs are kept up to date."""
        return self._places_taken

    def take_place(self) -> bool:
        """Whether one more tab can be kept up to date; who got a place gives it back."""
        if self._closed or self._places_taken >= CONNECTIONS_MAX:
            return False
        self._places_taken += 1
        return True

    def give_place_back(self) -> None:
        """A tab has gone."""
        self._places_taken -= 1

    def close(self) -> None:
        """End every connection."""
        self._closed = True

    async def events(
        self, address: str, kind: str, gone: Callable[[], bool] = lambda: False
    ) -> AsyncGenerator[bytes]:
        """What changes on the page at an address, until the reader has `gone`.

        `kind` is the one of the page that the reader sees now.
        """
        shared = self._open.setdefault(address, _Open(address))
        shared.tabs += 1
        try:
            yield _event("hello", {"version": self._version})
            async for event in self._changes(shared, kind, gone):
                yield event
        finally:
            shared.tabs -= 1
            if not shared.tabs:
                self._open.pop(address, None)

    async def _changes(
        self, shared: _Open, kind: str, gone: Callable[[], bool]
    ) -> AsyncIterator[bytes]:
        seen: dict[str, str] = {}
        spoke_at_s = self._now_s()
        not_before_s = 0.0
        while not (self._closed or gone()):
            now_s = self._now_s()
            if now_s >= not_before_s:
                page = await self._current(shared)
                event = self._difference(shared, page, kind, seen)
                kind, seen = kind_of(page), shared.regions
                if event is not None:
                    yield event
                    spoke_at_s = self._now_s()
                    not_before_s = spoke_at_s + len(event) / BYTES_PER_S
                if not page.live:
                    yield _event("done", {})
                    return
            if now_s - spoke_at_s >= HEARTBEAT_S:
                yield HEARTBEAT
                spoke_at_s = now_s
            await self._sleep_s(LOOK_S)

    async def _current(self, shared: _Open) -> Page:
        """The page as it is now, or was a moment ago."""
        async with shared.lock:
            watched = shared.page.watched if shared.page else None
            # Taken before asking: what changes in between is seen at the next look.
            stamp, now_s = self._answers.stamp(watched), self._now_s()
            if shared.page is not None and not self._is_due(shared, stamp, now_s):
                return shared.page
            shared.page = await self._ask(shared.address)
            shared.regions = self._renderer.regions(shared.page)
            shared.stamp, shared.made_at_s = stamp, self._now_s()
            cost_s = (shared.made_at_s - now_s) / RENDERING_SHARE * len(self._open)
            shared.not_before_s = shared.made_at_s + min(cost_s, MOVES_ON_S)
            return shared.page

    @staticmethod
    def _is_due(shared: _Open, stamp: int, now_s: float) -> bool:
        if now_s < shared.not_before_s:
            return False
        return stamp != shared.stamp or now_s - shared.made_at_s >= MOVES_ON_S

    def _difference(
        self, shared: _Open, page: Page, kind: str, seen: dict[str, str]
    ) -> bytes | None:
        """The event that takes a reader from what they see to what is; None if that is the same."""
        if kind not in ("", kind_of(page)):
            return _event("turned", {"kind": kind_of(page), **self._renderer.main(page)})
        changed = {name: html for name, html in shared.regions.items() if seen.get(name) != html}
        return _event("regions", changed) if changed else None


def kind_of(page: Page) -> str:
    """What tells pages apart whose regions can't be put in place of each other's."""
    return f"{page.template}-{page.status}"


def _event(name: str, value: dict[str, str]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"
