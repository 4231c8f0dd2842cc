"""Signing in: the one thing that is sent here, and only to read.

In: the token, in a form. Out: a cookie, and on to the page that was asked for.
"""

from aiohttp import hdrs, web

from streams.views.access import Access, own_path
from streams.views.board import Board

FORM_BYTES_MAX = 8 * 1024


def add_sign_in(router: web.UrlDispatcher, access: Access, board: Board) -> None:
    """Serve the form, and take what it sends; nothing where no token is asked for."""
    if not access.asks_for_token:
        return

    async def form(request: web.Request) -> web.StreamResponse:
        return board.sign_in(own_path(request.query.get("next", "/")))

    async def sent(request: web.Request) -> web.StreamResponse:
        if (request.content_length or 0) > FORM_BYTES_MAX:
            raise web.HTTPRequestEntityTooLarge(FORM_BYTES_MAX, request.content_length or 0)
        given = await request.post()
        onwards = own_path(str(given.get("next", "/")))
        response = await access.signed_in(
            str(given.get("token", "")), secure=request.scheme == "https"
        )
        if response is None:
            return board.sign_in(onwards, refused=True)
        response.headers[hdrs.LOCATION] = onwards
        return response

    router.add_get("/sign-in", form)
    router.add_post("/sign-in", sent)
