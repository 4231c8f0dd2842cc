"""What the views answer over HTTP: JSON, read-only.

- `/healthz`: 200 once all partitions that this process reads are caught up, else 503; either way
  how far each is.
- `/channels`: the channels in order of name; `after` and `limit` page through them.
- `/channels/{channel}/standings`: everyone's standing; the name percent-encoded.

Until a partition is caught up its channels answer 503: half of the numbers would look like all of
them. A channel of another process's partition is 421. Errors are JSON too: `{"error": "..."}`.
"""

import heapq
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import faust
import msgspec
import structlog
from aiohttp import web as aiohttp_web
from faust.web import Request, Response, View, Web

from schemas.partitioning import partition_of
from streams.views.documents import channel_standings, channel_summary
from streams.views.partitions import PartitionStandings, Views

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
RETRY_AFTER_S: Final = 1

log = structlog.get_logger("views")
Handler = Callable[[aiohttp_web.Request], Awaitable[aiohttp_web.StreamResponse]]


def add_pages(app: faust.App, views: Views, channels_per_page_max: int) -> None:
    """Serve the views."""
    pages = _Pages(views, channels_per_page_max)

    @app.page("/healthz")
    async def healthz(view: View, _request: Request) -> Response:
        return pages.healthz(view.web)

    @app.page("/channels")
    async def channels(view: View, request: Request) -> Response:
        return pages.channels(view.web, request.query)

    @app.page("/channels/{channel}/standings")
    async def standings(view: View, _request: Request, channel: str) -> Response:
        return pages.standings(view.web, channel)


@aiohttp_web.middleware
async def errors_as_json(
    request: aiohttp_web.Request, handler: Handler
) -> aiohttp_web.StreamResponse:
    """The same headers on all answers; what aiohttp itself refuses is JSON too."""
    try:
        response = await handler(request)
    except aiohttp_web.HTTPException as error:
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        body = _json({"error": error.reason})
        response = aiohttp_web.Response(
            body=body, status=error.status, headers=kept, content_type="application/json"
        )
    except Exception:
        log.exception("a request failed", path=request.path)
        body = _json({"error": "unexpected; the log says more"})
        response = aiohttp_web.Response(body=body, status=500, content_type="application/json")
    response.headers.update(HEADERS)
    return response


_json = msgspec.json.Encoder().encode


class _Pages:
    """The answers."""

    def __init__(self, views: Views, channels_per_page_max: int) -> None:
        self._views = views
        self._channels_per_page_max = channels_per_page_max

    def healthz(self, web: Web) -> Response:
        caught_up = self._views.caught_up
        answer = {
            "status": "ok" if caught_up else "catching up",
            "partitions": [
                _partition(self._views.partitions[number])
                for number in sorted(self._views.partitions)
            ],
        }
        return _answer(web, answer, status=200 if caught_up else 503)

    def channels(self, web: Web, query: Mapping[str, str]) -> Response:
        if not self._views.caught_up:
            return _catching_up(web)
        after, limit = query.get("after", ""), self._channels_per_page_max
        if "limit" in query:
            given = query["limit"]
            if not (given.isascii() and given.isdigit() and 1 <= int(given[:9]) <= limit):
                return _error(web, 400, f"limit is a number from 1 to {limit}")
            limit = int(given)
        found = (each for each in self._views.standings() if each.channel > after)
        page = heapq.nsmallest(limit + 1, found, key=lambda each: each.channel)
        more = len(page) > limit
        answer = {
            "channels": [channel_summary(each) for each in page[:limit]],
            "next_after": page[limit - 1].channel if more else None,
        }
        return _answer(web, answer)

    def standings(self, web: Web, channel: str) -> Response:
        try:
            number = partition_of(channel.encode(), self._views.partition_count)
        except UnicodeEncodeError:
            return _error(web, 400, "a channel's name is UTF-8, percent-encoded")
        held = self._views.partitions.get(number)
        if held is None and self._views.partitions:
            return _error(web, 421, f"partition {number} is read by another process")
        if held is None or not held.caught_up:
            return _catching_up(web)
        standing = held.channels.get(channel)
        if standing is None:
            return _error(web, 404, "no such channel")
        return _answer(web, channel_standings(standing))


def _partition(held: PartitionStandings) -> dict[str, Any]:
    return {
        "partition": held.number,
        "caught_up": held.caught_up,
        "next_offset": held.next_offset or 0,
        "end_offset": held.end_offset,
        "channels": len(held.channels),
        "unreadable": held.unreadable,
        "gaps": held.gaps,
    }


def _answer(
    web: Web, value: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return web.bytes(_json(value), content_type="application/json", status=status, headers=headers)


def _error(web: Web, status: int, error: str) -> Response:
    return _answer(web, {"error": error}, status=status)


def _catching_up(web: Web) -> Response:
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    return _answer(web, {"error": "catching up"}, status=503, headers=retry)
