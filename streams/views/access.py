"""Who may ask: whoever reaches the loopback, or has the token.

In: requests. Out: the same, or a refusal.

- On the loopback without a token, the name in `Host` has to be the loopback's: a page of a stranger
  whose name was made to point at 127.0.0.1 (DNS rebinding) can't read what a browser would show it.
- Anywhere else a token is needed: as `Authorization: Bearer TOKEN`, or, for browsers, a cookie that
  signing in brings. The cookie isn't the token, and a new token makes it worthless.
"""

import asyncio
import hashlib
import hmac
import ipaddress
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import hdrs, web
from aiohttp.typedefs import Middleware

from streams.failure import WrongUsage
from streams.views.web import Handler, answer

COOKIE: Final = "partidor-views"
COOKIE_AGE_MAX_S: Final = 12 * 3_600
"""A working day; then somebody signs in again."""
TOKEN_LENGTH_MIN: Final = 16
REFUSED_WAIT_S: Final = 1.0
"""How long a wrong token is answered later: so many guesses a second there are, times the next."""
REFUSALS_AT_ONCE_MAX: Final = 8
FREE_PATHS: Final = frozenset({"/healthz", "/metrics", "/sign-in"})
FREE_PREFIX: Final = "/static/"
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})


class Access:
    """Decides about requests."""

    def __init__(self, host: str, token: str | None) -> None:
        """Raises WrongUsage for an address that others reach, without a token."""
        if token is not None and len(token) < TOKEN_LENGTH_MIN:
            raise WrongUsage(f"views.token has {TOKEN_LENGTH_MIN} characters at least")
        if token is None and not is_loopback(host):
            raise WrongUsage(
                f"views.host {host} can be reached by others: set views.token too"
                " (PARTIDOR_VIEWS__TOKEN), or listen on 127.0.0.1"
            )
        self._token = token
        self._refusing = asyncio.Semaphore(REFUSALS_AT_ONCE_MAX)

    @property
    def asks_for_token(self) -> bool:
        """Whether somebody has to sign in."""
        return self._token is not None

    def middleware(self) -> Middleware:
        """To be the outermost one that answers."""

        @web.middleware
        async def access(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = await self._refusal(request)
            return await handler(request) if refusal is None else refusal

        return access

    async def signed_in(self, given: str, *, secure: bool) -> web.Response | None:
        """A response with the cookie, for the right token; None for a wrong one, after a while."""
        if self._token is None or not _same(given, self._token):
            await self._wait()
            return None
        response = web.Response(status=303)
        response.set_cookie(
            COOKIE,
            _cookie_of(self._token),
            max_age=COOKIE_AGE_MAX_S,
            httponly=True,
            samesite="Strict",
            secure=secure,
        )
        return response

    async def _refusal(self, request: web.Request) -> web.StreamResponse | None:
        if self._token is None:
            if _host_name(request) in LOOPBACK_NAMES:
                return None
            return answer(
                {"error": "ask for 127.0.0.1 or localhost; for other names set views.token"},
                status=403,
            )
        if request.path in FREE_PATHS or request.path.startswith(FREE_PREFIX):
            return None
        if self._is_known(request):
            return None
        if hdrs.AUTHORIZATION in request.headers:
            await self._wait()
        if is_for_a_person(request):
            return web.Response(
                status=303, headers={hdrs.LOCATION: f"/sign-in?next={quote(request.path_qs)}"}
            )
        return answer(
            {"error": "a token is needed: Authorization: Bearer TOKEN"},
            status=401,
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )

    def _is_known(self, request: web.Request) -> bool:
        token = self._token or ""
        kind, _, given = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        if kind.casefold() == "bearer" and _same(given.strip(), token):
            return True
        return _same(request.cookies.get(COOKIE, ""), _cookie_of(token))

    async def _wait(self) -> None:
        async with self._refusing:
            await asyncio.sleep(REFUSED_WAIT_S)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def own_path(given: str) -> str:
    """Where to go on after signing in: a path of ours, never another server's address."""
    parts = urlsplit(given)
    is_ours = given.startswith("/") and not parts.scheme and not parts.netloc
    return given if is_ours and "\\" not in given and not given.startswith("//") else "/"


def is_for_a_person(request: web.Request) -> bool:
    """Whether somebody asks with a browser, and can do more with a page than with JSON."""
    return (
        request.method == hdrs.METH_GET
        and not request.path.startswith("/api/")
        and "text/html" in request.headers.get(hdrs.ACCEPT, "")
    )


def _host_name(request: web.Request) -> str:
    host = request.host.casefold()
    return host if host in LOOPBACK_NAMES else host.rpartition(":")[0]


def _cookie_of(token: str) -> str:
    return hmac.new(token.encode(), b"partidor views: signed in", hashlib.sha256).hexdigest()


def _same(given: str, meant: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), meant.encode())
