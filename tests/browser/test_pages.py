"""Every page of the board, as a person finds it who has just opened it."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest

from tests.browser.looks import (
    HEIGHT,
    THEMES,
    WIDTHS,
    accessibility_violations,
    focus_problems,
    picture,
    too_wide,
)
from tests.browser.scenes import (
    CROWD,
    DESKS,
    Scene,
    address,
    open_scene,
    play_everything,
)
from tests.browser.visits import Visit

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

    from streams.local import Stack

PAGE_BYTES_MAX = 100_000
TEXT_BUT_TIMES = """() => {
  const copy = document.querySelector("main").cloneNode(true);
  for (const time of copy.querySelectorAll("time")) time.textContent = "time";
  return copy.textContent;
}"""


class Shown(NamedTuple):
    """A page that there is: where, what it is called, and with which status it comes."""

    path: str
    heading: str
    title: str
    status: int = 200


PAGES = {
    "overview": Shown("/", "Channels", "Channels"),
    "overview-found": Shown("/?find=desk-1", "Channels", "Channels"),
    "overview-nothing-found": Shown("/?find=nowhere", "Channels", "Channels"),
    "overview-second": Shown("/?after=desk-40", "Channels", "Channels"),
    "channel": Shown("/channel?name=web", "web", "web"),
    "channel-days": Shown("/channel?name=web&span=days", "web", "web"),
    "channel-rules": Shown("/channel?name=care", "care", "care"),
    "channel-value": Shown("/channel?name=loans", "loans", "loans"),
    "channel-waiting": Shown("/channel?name=waiting", "waiting", "waiting"),
    "channel-crowd": Shown("/channel?name=crowd", "crowd", "crowd"),
    "channel-branch": Shown("/channel?name=hub/carlton", "hub/carlton", "hub/carlton"),
    "assignee": Shown("/assignee?channel=web&name=B", "B", "B on web"),
    "assignee-gone": Shown("/assignee?channel=web&name=A", "A", "A on web"),
    "assignee-paused": Shown("/assignee?channel=care&name=D", "D", "D on care"),
    "lead-search": Shown("/lead", "Find a lead", "Find a lead"),
    "lead": Shown("/lead?id=L17&channel=web", "Lead L17", "Lead L17"),
    "lead-returned": Shown("/lead?id=care-0", "Lead care-0", "Lead care-0"),
    "lead-value": Shown("/lead?id=loan-2", "Lead loan-2", "Lead loan-2"),
    "lead-nowhere": Shown("/lead?id=nowhere", "Lead nowhere", "Lead nowhere", 404),
    "operations": Shown("/operations", "Operations", "Operations"),
    "decision-batch": Shown("/decision?channel=web&version=4", "Decision 4", "Decision 4 of web"),
    "decision-change": Shown("/decision?channel=web&version=6", "Decision 6", "Decision 6 of web"),
    "not-there": Shown("/channel?name=nowhere", "Not there", "Not there", 404),
    "wrong-question": Shown("/channel", "A wrong question", "A wrong question", 400),
    "no-such-page": Shown("/nowhere", "Not there", "Not there", 404),
}


@pytest.fixture(scope="module")
def whole_scene(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A company's channels."""
    servers, directory = (stack.bootstrap_servers, stack.redis_url), tmp_path_factory.mktemp("all")
    with open_scene(servers, directory, play_everything) as scene:
        yield scene


@pytest.mark.parametrize("name", PAGES)
def test_a_page_comes_whole_and_nothing_goes_wrong_in_it(name: str, board: Visit) -> None:
    """Status, one heading, title; no error, no warning, nothing blocked, nothing from elsewhere."""
    shown = PAGES[name]
    board.open(shown.path, shown.status)
    assert board.heading == shown.heading
    assert board.page.title() == f"{shown.title} · Partidor"
    assert board.complaints == []
    assert any(url.endswith(".js") or ".js?" in url for url in board.requested)


@pytest.mark.parametrize("name", PAGES)
def test_no_rule_of_accessibility_is_broken(name: str, board: Visit) -> None:
    """On the narrowest and on the widest screen, in either theme."""
    board.open(PAGES[name].path, PAGES[name].status)
    for width in (WIDTHS[0], WIDTHS[-1]):
        board.page.set_viewport_size({"width": width, "height": HEIGHT})
        for theme in THEMES:
            board.page.emulate_media(color_scheme=theme)
            assert accessibility_violations(board.page) == [], (width, theme)


@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(name: str, board: Visit, artefacts: Path) -> None:
    """From a small telephone to a desk; pictures of all pages are kept for people to look at."""
    board.open(PAGES[name].path, PAGES[name].status)
    for width in WIDTHS:
        board.page.set_viewport_size({"width": width, "height": HEIGHT})
        assert too_wide(board.page) == [], width
        for theme in THEMES:
            board.page.emulate_media(color_scheme=theme)
            picture(board.page, artefacts / f"{name}-{width}-{theme}.png")


@pytest.mark.parametrize(
    "name",
    ["overview", "channel", "channel-rules", "assignee", "lead", "operations", "decision-batch"],
)
def test_every_link_field_and_button_is_reached_by_keyboard_and_shows_it(
    name: str, board: Visit
) -> None:
    """By the Tab key alone, from the top of the page."""
    board.open(PAGES[name].path)
    assert focus_problems(board.page) == []


def test_the_skip_link_comes_first_and_leads_past_the_navigation(board: Visit) -> None:
    """One key to it, one key through it, and the next stop lies in the content."""
    board.open("/")
    board.page.keyboard.press("Tab")
    assert focused(board.page, "textContent") == "Skip to the content"
    board.page.keyboard.press("Enter")
    assert focused(board.page, "id") == "main"
    board.page.keyboard.press("Tab")
    assert board.page.evaluate("() => document.activeElement.closest('main') !== null")


def focused(page: "Page", what: str) -> str:
    """A property of the element that has the focus."""
    return str(page.evaluate(f"() => document.activeElement.{what}"))


def tab_to(page: "Page", selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never came to {selector}")


def test_a_channel_is_found_with_the_keyboard_alone(board: Visit) -> None:
    """Typed, entered, and followed to its page."""
    board.open("/")
    tab_to(board.page, "#find-channel")
    board.page.keyboard.type("desk-17")
    board.page.keyboard.press("Enter")
    board.page.wait_for_url("**/?find=desk-17")
    tab_to(board.page, "main table a")
    board.page.keyboard.press("Enter")
    board.page.wait_for_url("**/channel?name=desk-17")
    assert board.heading == "desk-17"


def test_a_lead_is_found_with_the_keyboard_alone(board: Visit) -> None:
    """From any page, and from there to whom it went."""
    board.open("/operations")
    tab_to(board.page, "#find-lead")
    board.page.keyboard.type("crowd-2-17")
    board.page.keyboard.press("Enter")
    board.page.wait_for_url("**/lead?id=crowd-2-17")
    assert board.heading == "Lead crowd-2-17"
    tab_to(board.page, "main h2 a")
    whom = focused(board.page, "textContent")
    board.page.keyboard.press("Enter")
    board.page.wait_for_url("**/assignee?**")
    assert board.heading == whom


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_complete_without_javascript(
    name: str, scene: Scene, new_context: Callable[..., "BrowserContext"]
) -> None:
    """It shows the same texts; only times are told in UTC."""
    shown = PAGES[name]
    texts = []
    for javascript in (False, True):
        visit = Visit(new_context(java_script_enabled=javascript), scene.base)
        response = visit.page.goto(f"{scene.base}{shown.path}")
        assert response is not None
        assert response.status == shown.status
        assert visit.heading == shown.heading
        texts.append(re.sub(r"[\d.,]+", "#", str(visit.page.evaluate(TEXT_BUT_TIMES))))
    assert texts[0] == texts[1]


def test_forms_work_without_javascript(
    scene: Scene, new_context: Callable[..., "BrowserContext"]
) -> None:
    """To a channel by a part of its name, and to a lead by its id and channel."""
    visit = Visit(new_context(java_script_enabled=False), scene.base)
    page = visit.page
    page.goto(f"{scene.base}/")
    page.fill("#find-channel", "desk-4")
    page.click("form[action='/'] button")
    assert page.locator("main tbody tr").count() == 10
    page.goto(f"{scene.base}/lead")
    page.fill("#lead-id", "L17")
    page.fill("#lead-channel", "web")
    page.click("main form button")
    assert visit.heading == "Lead L17"
    assert page.locator("article.time").count() == 3


def test_pages_of_channels_page_through_all_of_them(board: Visit, scene: Scene) -> None:
    """Each channel once, in order; the last page has no next one."""
    board.open("/")
    names: list[str] = []
    while True:
        names += board.page.locator("main tbody th a").all_text_contents()
        following = board.page.get_by_role("link", name="Next channels")
        if not following.count():
            break
        following.click()
        board.page.wait_for_load_state()
    assert names == sorted(scene.versions())
    assert len(names) > DESKS


def test_pages_of_assignees_page_through_all_of_them(board: Visit) -> None:
    """A hundred, then the rest."""
    board.open("/channel?name=crowd")
    assert board.page.locator("#live_assignees tbody tr").count() == 100
    board.page.get_by_role("link", name="Next assignees").click()
    board.page.wait_for_url("**after=**")
    assert board.page.locator("#live_assignees tbody tr").count() == CROWD - 100


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?after=desk-40",
        "/channel?name=crowd",
        "/channel?name=crowd&span=days",
        "/channel?name=crowd&after=agent-099",
        "/assignee?channel=crowd&name=agent-007",
        "/decision?channel=crowd&version=1",
        "/decision?channel=crowd&version=3",
        "/lead?id=crowd-2-17",
    ],
)
def test_no_page_is_larger_than_100_kb(path: str, scene: Scene) -> None:
    """Not even those of 150 assignees and of more channels than a page holds, uncompressed."""
    with cast("HTTPResponse", urllib.request.urlopen(f"{scene.base}{path}", timeout=30)) as answer:
        assert len(answer.read()) < PAGE_BYTES_MAX


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere"])
def test_an_address_without_a_page_is_json_for_programs(path: str, scene: Scene) -> None:
    """Below /api it is for browsers as well."""
    accepts = {"Accept": "text/html"} if path.startswith("/api/") else {}
    request = urllib.request.Request(f"{scene.base}{path}", headers=accepts)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    with refused.value as answer:
        assert (answer.code, json.load(answer)) == (404, {"error": "Not Found"})


def test_a_cascade_is_told_on_every_level(board: Visit, scene: Scene) -> None:
    """A lead of a banker's leads back through the branch to the hub."""
    ended = next(each for each in scene.installation.assignments("hub/carlton/homeloans"))
    board.open(address("/lead", id=ended["lead_id"]))
    for channel in ("hub", "hub/carlton", "hub/carlton/homeloans"):
        assert board.page.get_by_role("link", name=channel, exact=True).count() >= 1, channel


def test_dead_letters_are_counted_by_reason_in_words(board: Visit, scene: Scene) -> None:
    """As many as the topic holds; the meaning stands beside each reason."""
    reasons = [letter.errors["reason"] for letter in scene.installation.dead_letters()]
    assert len(set(reasons)) >= 2
    board.open("/operations")
    rows = board.page.locator("#live_dead_letters tbody tr").all()
    told = {
        row.locator("th bdi").inner_text(): int(row.locator("td").first.inner_text())
        for row in rows
    }
    assert told == {each.replace("_", " "): reasons.count(each) for each in reasons}
    assert all(row.locator("th small").inner_text() for row in rows)
