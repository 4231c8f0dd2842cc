"""The browser that is installed, opened once for each file, and tabs in it."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.browser.scenes import Scene
from tests.browser.visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext

VARIABLE = "PARTIDOR_TEST_BROWSER"
ARTEFACTS_VARIABLE = "PARTIDOR_TEST_ARTEFACTS"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "browser"
PERSON: dict[str, Any] = {
    "locale": "en-AU",
    "timezone_id": "Australia/Melbourne",
    "viewport": {"width": 1440, "height": 900},
}
"""Who looks at the board in these tests: not in UTC, so that local times show."""


def browser_program() -> str | None:
    """The browser to run: the one that is named, else the first that is installed."""
    named = os.environ.get(VARIABLE)
    if named:
        return shutil.which(named)
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(scope="module")
def opened_browser() -> Iterator["Browser"]:
    """The browser itself, once it is known to be there.

    Anew for each file: as long as Playwright runs, so does its event loop, and nobody else in this
    process can have one. Files of other kinds follow in it.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox: it may run as root, in a container; what it sees is ours.
        browser = playwright.chromium.launch(
            executable_path=browser_program(), args=["--no-sandbox"]
        )
        yield browser
        browser.close()


@pytest.fixture
def browser(left_out: Callable[[str, str], NoReturn], request: pytest.FixtureRequest) -> "Browser":
    """The browser; without one the test is left out before anything is started for it."""
    if browser_program() is None:
        left_out(
            "no Chromium or Chrome",
            f"install one (Debian: chromium), or name one with {VARIABLE}",
        )
    found: Browser = request.getfixturevalue("opened_browser")
    return found


@pytest.fixture
def new_context(browser: "Browser") -> Iterator[Callable[..., "BrowserContext"]]:
    """Opens what a person has of their own: cookies, a theme, a width. Closed with the test."""
    contexts = []

    def opened(**options: Any) -> "BrowserContext":
        contexts.append(browser.new_context(**{**PERSON, **options}))
        return contexts[-1]

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def person(opened_browser: "Browser") -> Iterator["BrowserContext"]:
    """Somebody who looks at boards that ask for no token: there is nothing to remember of them."""
    context = opened_browser.new_context(**PERSON)
    yield context
    context.close()


@pytest.fixture
def visit(browser: "Browser", request: pytest.FixtureRequest) -> Iterator[Callable[[str], Visit]]:
    """Opens a tab on a board, given its address. Closed with the test."""
    context: BrowserContext = request.getfixturevalue("person")
    yield lambda base: Visit(context, base)
    for page in context.pages:
        page.close()


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where pictures and figures are kept for people to look at."""
    directory = Path(os.environ.get(ARTEFACTS_VARIABLE) or ARTEFACTS)
    directory.mkdir(parents=True, exist_ok=True)
    return directory


@pytest.fixture
def scene(browser: "Browser", request: pytest.FixtureRequest) -> Scene:
    """The `whole_scene` of the file, where there is a browser to look at it."""
    found: Scene = request.getfixturevalue("whole_scene")
    return found


@pytest.fixture
def board(scene: Scene, visit: Callable[[str], Visit]) -> Visit:
    """A tab of its own on the board."""
    return visit(scene.base)
