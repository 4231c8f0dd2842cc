"""What the views answer over HTTP: JSON under `/api`, read-only, and whether they are well.

- `/healthz`: 200 once all partitions that this process reads are caught up, else 503; either way
  how far each is.
- `/metrics`: for Prometheus (see `metrics`), without a token: there is nothing of anybody in it.
- `/api/...`: see `openapi.ROUTES`, and `/api/openapi.json`, which is made of it.

Until a partition is caught up its channels answer 503: half of the numbers would look like all of
them. A channel of another process's partition is 421. Errors are JSON too: `{"error": "..."}`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from schemas.scalars import ID_LENGTH_MAX
from streams.views.answers_port import Answers, BadQuestion, CatchingUp, Refused
from streams.views.api_live import ApiLive
from streams.views.openapi import document
from streams.views.operations import partition_document
from streams.views.partitions import Views

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
RETRY_AFTER_S: Final = 1
ROWS_PER_PAGE: Final = 50
MEMBERS_PER_PAGE: Final = 100
"""Unless more or fewer are asked for."""
COMPRESSED_FROM_BYTES: Final = 2_048
VERSION_MAX: Final = 2**53 - 1
"""JSON numbers beyond it lose digits in browsers."""

log = structlog.get_logger("views")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_json = msgspec.json.Encoder().encode


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The same headers on all answers; what aiohttp itself refuses is JSON too."""
    response: web.StreamResponse
    try:
        response = await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        kept = {name: error.headers[name] for name in ("Allow",) if name in error.headers}
        response = answer({"error": error.reason}, status=error.status, headers=kept)
    except Refused as refused:
        waits = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(refused, CatchingUp) else {}
        response = answer({"error": refused.message}, status=refused.status, headers=waits)
    except Exception:
        log.exception("a request failed", path=request.path)
        response = answer({"error": "unexpected; the log says more"}, status=500)
    if not response.prepared:
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
    return response


def answer(
    value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """A document."""
    body = _json(value)
    response = web.Response(
        body=body, status=status, headers=headers, content_type="application/json"
    )
    if len(body) > COMPRESSED_FROM_BYTES:
        response.enable_compression()
    return response


def add_api(
    router: web.UrlDispatcher,
    views: Views,
    answers: Answers,
    live: ApiLive,
    channels_per_page_max: int,
) -> None:
    """Serve the documents."""
    api = _Api(views, answers, live, channels_per_page_max)
    router.add_get("/healthz", api.healthz)
    router.add_get("/api/openapi.json", api.openapi)
    router.add_get("/api/channels", api.channels)
    router.add_get("/api/channels/{channel}", api.channel)
    router.add_get("/api/channels/{channel}/standings", api.standings)
    router.add_get("/api/channels/{channel}/decisions", api.decisions)
    router.add_get("/api/channels/{channel}/decisions/{state_version}", api.decision)
    router.add_get("/api/channels/{channel}/assignees/{assignee_id}", api.assignee)
    router.add_get("/api/channels/{channel}/assignees/{assignee_id}/assignments", api.assignments)
    router.add_get("/api/leads/{lead_id}", api.lead)
    router.add_get("/api/operations", api.operations)
    router.add_get("/api/live", api.live)


class _Api:
    """The handlers."""

    def __init__(
        self, views: Views, answers: Answers, live: ApiLive, channels_per_page_max: int
    ) -> None:
        self._views = views
        self._answers = answers
        self._live = live
        self._channels_per_page = min(ROWS_PER_PAGE, channels_per_page_max)
        self._openapi = document(channels_per_page_max)

    async def healthz(self, _request: web.Request) -> web.Response:
        caught_up = self._views.caught_up
        held = self._views.partitions
        found = {
            "status": "ok" if caught_up else "catching up",
            "partitions": [partition_document(held[number]) for number in sorted(held)],
        }
        return answer(found, status=200 if caught_up else 503)

    async def openapi(self, _request: web.Request) -> web.Response:
        return answer(self._openapi)

    async def channels(self, request: web.Request) -> web.Response:
        asked = _Question(request, "after", "limit", "find")
        found = await self._answers.channels(
            asked.text("after"), asked.number("limit", self._channels_per_page), asked.text("find")
        )
        return answer(found)

    async def channel(self, request: web.Request) -> web.Response:
        return answer(await self._answers.channel(_Question(request).channel))

    async def standings(self, request: web.Request) -> web.Response:
        asked = _Question(request, "after", "limit")
        found = await self._answers.standings(
            asked.channel, asked.text("after"), asked.number("limit", MEMBERS_PER_PAGE)
        )
        return answer(found)

    async def decisions(self, request: web.Request) -> web.Response:
        asked = _Question(request, "before", "limit")
        found = await self._answers.decisions(
            asked.channel, asked.version("before"), asked.number("limit", ROWS_PER_PAGE)
        )
        return answer(found)

    async def decision(self, request: web.Request) -> web.Response:
        asked = _Question(request)
        version = _whole_number(request.match_info["state_version"], "state_version", VERSION_MAX)
        return answer(await self._answers.decision(asked.channel, version))

    async def assignee(self, request: web.Request) -> web.Response:
        asked = _Question(request)
        return answer(await self._answers.assignee(asked.channel, asked.part("assignee_id")))

    async def assignments(self, request: web.Request) -> web.Response:
        asked = _Question(request, "before", "limit")
        found = await self._answers.assignments(
            asked.channel,
            asked.part("assignee_id"),
            asked.version("before"),
            asked.number("limit", ROWS_PER_PAGE),
        )
        return answer(found)

    async def lead(self, request: web.Request) -> web.Response:
        asked = _Question(request, "channel")
        found = await self._answers.lead(asked.part("lead_id"), asked.text("channel") or None)
        return answer(found)

    async def operations(self, _request: web.Request) -> web.Response:
        return answer(await self._answers.operations())

    async def live(self, request: web.Request) -> web.StreamResponse:
        channel = _Question(request, "channel").text("channel") or None
        if channel is not None:
            await self._answers.channel(channel)
        return await self._live.serve(request, channel)


class _Question:
    """What a request asks; the names of its query are known, and each stands there once."""

    def __init__(self, request: web.Request, *names: str) -> None:
        self._request = request
        self._query = request.query
        for name in self._query:
            if name not in names:
                raise BadQuestion(f"nothing is asked by {name[:50]!r} here")
            if len(self._query.getall(name)) > 1:
                raise BadQuestion(f"{name} stands there twice")

    @property
    def channel(self) -> str:
        return self.part("channel")

    def part(self, name: str) -> str:
        """Of the path, decoded."""
        return _checked(self._request.match_info[name], name)

    def text(self, name: str) -> str:
        return _checked(self._query.get(name, ""), name)

    def number(self, name: str, default: int) -> int:
        given = self._query.get(name)
        return default if given is None else _whole_number(given, name, 1_000_000)

    def version(self, name: str) -> int | None:
        given = self._query.get(name)
        return None if given is None else _whole_number(given, name, VERSION_MAX)


def _checked(text: str, name: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadQuestion(f"{name} is UTF-8, percent-encoded") from None
    if len(text) > ID_LENGTH_MAX:
        raise BadQuestion(f"{name} has {ID_LENGTH_MAX} characters at most")
    return text


def _whole_number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and 1 <= int(text) <= most):
        raise BadQuestion(f"{name} is a whole number from 1 to {most}")
    return int(text)
