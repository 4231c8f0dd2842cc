"""What has changed, as server-sent events: for programs that want to know without asking again.

In: the versions of the channels. Out: an event for each look at which some had changed, with the
channels and their versions; the first one has all of them. Nothing is repeated, so whoever reads
slowly gets fewer events and misses no version that is still the newest.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from streams.views.answers_port import CatchingUp

LOOK_S: Final = 0.25
HEARTBEAT_S: Final = 15.0
CONNECTIONS_MAX: Final = 100
"""Programs that listen at once, to one process."""

WRITE_MAX_S: Final = 30.0
"""Who takes nothing for so long is gone."""
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Type": "text/event-stream",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}

Versions = Callable[[str | None], Mapping[str, int]]
"""The state version of every channel, or of one."""


class ApiLive:
    """All who listen."""

    def __init__(self, versions: Versions) -> None:
        """Nobody yet."""
        self._versions = versions
        self._listening = 0
        self._closed = False

    @property
    def listening(self) -> int:
        """How many listen."""
        return self._listening

    def close(self) -> None:
        """End every connection, within a look."""
        self._closed = True

    async def serve(self, request: web.Request, channel: str | None) -> web.StreamResponse:
        """Events until the reader has gone. Raises CatchingUp if too many listen."""
        if self._listening >= CONNECTIONS_MAX:
            raise CatchingUp(f"{CONNECTIONS_MAX} listen already: ask again later")
        self._listening += 1
        try:
            response = web.StreamResponse(headers=HEADERS)
            await response.prepare(request)
            with suppress(ConnectionError, TimeoutError):
                await self._tell(response, request, channel)
            return response
        finally:
            self._listening -= 1

    async def _tell(
        self, response: web.StreamResponse, request: web.Request, channel: str | None
    ) -> None:
        seen: dict[str, int] = {}
        spoke_at_s = 0.0
        while not self._closed and request.transport is not None:
            versions = dict(self._versions(channel))
            changed = {name: each for name, each in versions.items() if seen.get(name) != each}
            now_s = time.monotonic()
            if changed:
                data = msgspec.json.encode({"state_versions": changed})
                event = b"event: changed\ndata: " + data + b"\n\n"
                await asyncio.wait_for(response.write(event), WRITE_MAX_S)
                seen, spoke_at_s = versions, now_s
            elif now_s - spoke_at_s >= HEARTBEAT_S:
                await asyncio.wait_for(response.write(b": still here\n\n"), WRITE_MAX_S)
                spoke_at_s = now_s
            await asyncio.sleep(LOOK_S)
