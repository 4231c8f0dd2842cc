import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from streams.failure import WrongUsage
from streams.views import access
from streams.views.access import COOKIE, Access, is_loopback, own_path

TOKEN = "a token that nobody guesses"


async def page(_: web.Request) -> web.StreamResponse:
    """What is behind it."""
    return web.Response(text="behind")


def asked(guard: Access, path: str, **headers: str) -> web.StreamResponse:
    """What is answered."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", path, headers={"Host": "127.0.0.1:6066", **names})
    return asyncio.run(guard.middleware()(request, page))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong token is answered later; not here."""
    monkeypatch.setattr(access, "REFUSED_WAIT_S", 0.0)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "views.example"])
def test_where_others_reach_it_a_token_is_needed(host: str) -> None:
    """It doesn't even start, and says what to do."""
    with pytest.raises(WrongUsage, match=r"views\.token"):
        Access(host, None)
    assert Access(host, TOKEN).asks_for_token


def test_a_short_token_is_refused() -> None:
    """It could be tried out."""
    with pytest.raises(WrongUsage, match="16 characters"):
        Access("127.0.0.1", "short")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:6066", 200),
        ("localhost:6066", 200),
        ("LOCALHOST", 200),
        ("[::1]:6066", 200),
        ("attacker.example:6066", 403),
        ("attacker.example", 403),
        ("127.0.0.1.attacker.example", 403),
        ("", 403),
    ],
)
def test_without_a_token_only_the_loopbacks_names_are_served(host: str, status: int) -> None:
    """A stranger's name that points at 127.0.0.1 reads nothing."""
    assert asked(Access("127.0.0.1", None), "/api/channels", Host=host).status == status


def test_the_token_lets_in() -> None:
    """As bearer, in any case of the word; under any name of the host."""
    guard = Access("0.0.0.0", TOKEN)
    for word in ("Bearer", "bearer"):
        found = asked(guard, "/api/channels", Authorization=f"{word} {TOKEN}", Host="views.example")
        assert found.status == 200
    for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer", "", TOKEN):
        found = asked(guard, "/api/channels", Authorization=wrong)
        assert (found.status, found.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_person_is_sent_to_sign_in() -> None:
    """With the page that they asked for; programs are told."""
    guard = Access("0.0.0.0", TOKEN)
    found = asked(guard, "/channel?name=a%26b", Accept="text/html,*/*")
    assert found.status == 303
    assert found.headers["Location"] == "/sign-in?next=/channel%3Fname%3Da%2526b"
    assert asked(guard, "/api/channels", Accept="text/html").status == 401


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/static/board.css"])
def test_what_tells_nothing_is_free(path: str) -> None:
    """Whether it is well, the form, styles."""
    assert asked(Access("0.0.0.0", TOKEN), path).status == 200


def test_signing_in_brings_a_cookie_that_lets_in() -> None:
    """Not the token itself; worth nothing with another token."""
    guard = Access("0.0.0.0", TOKEN)
    response = asyncio.run(guard.signed_in(TOKEN, secure=True))
    assert response is not None
    cookie = response.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["secure"]
    assert cookie["samesite"] == "Strict"
    assert TOKEN not in cookie.value
    sent = {"Cookie": f"{COOKIE}={cookie.value}"}
    assert asked(guard, "/api/channels", **sent).status == 200
    assert asked(Access("0.0.0.0", TOKEN + "2"), "/api/channels", **sent).status == 401
    assert asyncio.run(guard.signed_in("wrong", secure=True)) is None
    assert asyncio.run(Access("127.0.0.1", None).signed_in("", secure=True)) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/channel?name=web", "/channel?name=web"),
        ("", "/"),
        ("//attacker.example", "/"),
        ("/\\attacker.example", "/"),
        ("https://attacker.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("channel", "/"),
    ],
)
def test_one_goes_on_to_a_page_of_ours(given: str, meant: str) -> None:
    """Never to another server."""
    assert own_path(given) == meant


def test_what_the_loopback_is() -> None:
    """Names and addresses of this machine alone."""
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.1", "localhost.example", "")))
