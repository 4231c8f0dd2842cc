"""The board over HTTP: which page stands where, and the headers that it comes with.

In: requests. Out: HTML, script and styles, and the events of open pages. Read-only: every question
is a GET, and its ids stand in the query, because browsers normalise ".." and "/" in paths.

Nothing may run or load but what this process serves (`Content-Security-Policy`), and no other site
may put a page into a frame. What is refused is a page too, in the same frame.
"""

import asyncio
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from aiohttp import web
from aiohttp.typedefs import Middleware

from streams.views.access import is_for_a_person
from streams.views.answers_port import Answers, Json, NotThere, Refused
from streams.views.board.contents import (
    Ask,
    Query,
    asked,
    asked_version,
    assignee,
    channel,
    decision,
    overview,
    problem,
)
from streams.views.board.lead_contents import lead
from streams.views.board.live import Live
from streams.views.board.operations_contents import operations
from streams.views.board.rendering import Page, Renderer
from streams.views.board.static_files import StaticFiles
from streams.views.web import Handler

PAGES: Final[dict[str, Ask]] = {
    "/": overview,
    "/channel": channel,
    "/assignee": assignee,
    "/lead": lead,
    "/operations": operations,
    "/decision": decision,
}
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
UNEXPECTED: Final = "Unexpected; the log of the views says more."
FOR_EVER: Final = "public, max-age=31536000, immutable"
WRITE_MAX_S: Final = 30.0
"""A tab that takes nothing for so long is gone: its place is given to others."""

log = structlog.get_logger("board")


def add_board(application: web.Application, answers: Answers) -> "Board":
    """Serve the board. Call `close` of what is returned when the server stops."""
    board, router = Board(answers), application.router
    application.middlewares.append(board.middleware())
    for path in PAGES:
        router.add_get(path, board.page)
    # Not HEAD: nobody would read the events.
    router.add_get("/live", board.live, allow_head=False)
    router.add_get("/static/{name}", board.static)
    return board


class Board:
    """The handlers."""

    def __init__(self, answers: Answers) -> None:
        """Static files are read now; nothing is asked yet."""
        self._answers = answers
        self._static = StaticFiles()
        self._renderer = Renderer(self._static)
        self._live = Live(answers, self._renderer, self.page_at, self._static.version)

    def close(self) -> None:
        """End all live connections; the server waits for them otherwise."""
        self._live.close()

    @property
    def listening(self) -> int:
        """How many tabs are kept up to date."""
        return self._live.listening

    async def page_at(self, address: str) -> Page:
        """The page at a path with its query; what is refused is a page too."""
        parts = urlsplit(address)
        return await self._page(parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)))

    async def _page(self, path: str, query: Query) -> Page:
        try:
            if path not in PAGES:
                raise NotThere("The board has no such page.")
            return await PAGES[path](self._answers, query)
        except Refused as refused:
            return problem(refused)
        except Exception:
            log.exception("a page failed", path=path)
            return problem(Refused(UNEXPECTED))

    async def page(self, request: web.Request) -> web.Response:
        """Any page."""
        if request.path == "/decision" and request.query.get("as") == "json":
            return await self._decision_as_json(request.query)
        page = await self._page(request.path, request.query)
        try:
            text = self._renderer.page(page)
        except Exception:
            log.exception("a page can't be shown", path=request.path)
            page = problem(Refused(UNEXPECTED))
            text = self._renderer.page(page)
        response = web.Response(
            text=text,
            status=page.status,
            content_type="text/html",
            headers={**HEADERS, **page.headers},
        )
        response.enable_compression()
        return response

    def middleware(self) -> Middleware:
        """Where nothing is served a person finds a page that leads back, not a line of JSON."""

        @web.middleware
        async def pages_for_people(request: web.Request, handler: Handler) -> web.StreamResponse:
            try:
                return await handler(request)
            except web.HTTPNotFound:
                if not is_for_a_person(request):
                    raise
                return await self.page(request)

        return pages_for_people

    def sign_in(self, onwards: str, *, refused: bool = False) -> web.Response:
        """The form that asks for the token; `onwards` is the path that was asked for.

        It is sent as `token` and `next` by POST to the path where it stands. `refused`: the token
        that was given is not the one.
        """
        context = {"onwards": onwards, "refused": refused}
        page = Page("sign_in", "Sign in", context, 401 if refused else 200, live=False)
        return web.Response(
            text=self._renderer.page(page),
            status=page.status,
            content_type="text/html",
            headers=HEADERS,
        )

    async def _decision_as_json(self, query: Query) -> web.Response:
        status, document = 200, Json()
        try:
            version = asked_version(query, "version") or 0
            document = await self._answers.decision(asked(query, "channel"), version)
        except Refused as refused:
            status, document = refused.status, {"error": refused.message}
        body = msgspec.json.format(msgspec.json.encode(document), indent=2)
        return web.Response(body=body, status=status, content_type="application/json")

    async def static(self, request: web.Request) -> web.Response:
        """Script, styles or icon. With the right version in the address it is kept for ever."""
        found = self._static.get(request.match_info["name"])
        if found is None:
            return web.Response(status=404, text="no such file")
        tag = f'"{found.version}"'
        versioned = request.query.get("v") == found.version
        headers = {
            "Cache-Control": FOR_EVER if versioned else "no-cache",
            "ETag": tag,
            "X-Content-Type-Options": "nosniff",
        }
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers=headers)
        response = web.Response(
            body=found.body, content_type=found.content_type, charset="utf-8", headers=headers
        )
        response.enable_compression()
        return response

    async def live(self, request: web.Request) -> web.StreamResponse:
        """The events of an open page, until the tab or this process ends."""
        if not self._live.take_place():
            return web.Response(
                status=503, text="too many open pages", headers={"Retry-After": "30"}
            )
        response = web.StreamResponse(headers={**HEADERS, "X-Accel-Buffering": "no"})
        response.content_type = "text/event-stream"
        address, kind = request.query.get("page", "/"), request.query.get("kind", "")
        events = self._live.events(address, kind, gone=lambda: request.transport is None)
        try:
            await response.prepare(request)
            async for event in events:
                await asyncio.wait_for(response.write(event), WRITE_MAX_S)
        except (ConnectionError, TimeoutError):
            # The tab is gone; it comes back by itself if it is not.
            pass
        except Exception:
            # Too late for another answer: the tab asks again, ever later.
            log.exception("an open page failed", page=address)
        finally:
            await events.aclose()
            self._live.give_place_back()
        return response
