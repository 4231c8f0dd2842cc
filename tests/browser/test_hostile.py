"""Whatever strangers put into names and reasons stands on the board as text; nothing of it runs.

Sent through Kafka, decided by the dispatcher, read and shown as any other event is.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.scenes import HOSTILE, RUNNING, Scene, address, open_scene, play_harm
from tests.browser.visits import Visit
from tests.reference import events
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from streams.local import Stack

ATTRIBUTES = {"PARTIDOR_VIEWS__ATTRIBUTES": "true"}


@pytest.fixture(scope="module")
def whole_scene(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Channels whose every name means harm, and views that show attributes too."""
    servers, directory = (stack.bootstrap_servers, stack.redis_url), tmp_path_factory.mktemp("harm")
    with open_scene(servers, directory, play_harm, ATTRIBUTES) as scene:
        yield scene


def unharmed(board: Visit) -> None:
    """Nothing ran, nothing asked, nothing left, nothing was complained of."""
    assert board.page.evaluate("() => window.pwned") is None
    assert board.complaints == []
    hosts = board.page.evaluate("() => [...document.links].map((link) => link.href)")
    assert {urlsplit(url).scheme for url in hosts} == {"http"}
    assert {urlsplit(url).netloc for url in hosts} == {urlsplit(board.base).netloc}
    # Nothing of a name has become a part of the page.
    assert board.page.locator("main script, main img, main iframe, main object").count() == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_every_page_that_shows_it(name: str, board: Visit) -> None:
    """As channel, assignee, lead, batch, change, reason, author, skill and attribute."""
    text = HOSTILE[name]
    pages = {
        "/": None,
        address("/", find=text): None,
        address("/channel", name=text): text,
        address("/channel", name=text, span="days"): text,
        address("/assignee", channel=text, name=text): text,
        address("/assignee", channel=text, name="B"): "B",
        address("/lead", id=text): f"Lead {text}",
        address("/lead", id=text, channel=text): f"Lead {text}",
        "/operations": None,
    }
    for path, heading in pages.items():
        board.open(path)
        if path != "/operations":
            assert text in board.text, path
        if heading is not None:
            assert board.heading == heading
        unharmed(board)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text_on_every_decision(name: str, board: Visit, scene: Scene) -> None:
    """Each of a channel's: its rules, its roster, skills, leads, and one that came back."""
    text = HOSTILE[name]
    last = scene.versions()[text]
    assert last >= 10
    for version in range(1, last + 1):
        board.open(address("/decision", channel=text, version=version))
        assert board.heading == f"Decision {version}"
        assert text in board.text
        unharmed(board)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_told_as_what_happened(name: str, board: Visit) -> None:
    """The list of a channel's events has its batch, its parked batch, its author and its reason."""
    # Within a sentence an id is set apart by marks of its own; those it brings are left out.
    text = HOSTILE[name].replace("\u2069", "")
    board.open(address("/channel", name=HOSTILE[name]))
    told = board.page.locator("#live_events").text_content() or ""
    for part in (
        f"of batch {text} divided",
        f"by {text}: {text}",
        f"{text} gave lead {text} back",
        f"ignored: batch {text}",
        f"ignored: change {text}",
        f"ignored: outcome {text}",
    ):
        assert part in told
    assert HOSTILE[name] in (board.page.locator("#live_parked").text_content() or "")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_s_links_lead_to_what_they_name(name: str, board: Visit) -> None:
    """From the channels to the channel, the assignee, the lead, and back up."""
    text = HOSTILE[name]
    board.open(address("/", find=text))
    follow(board, "#live_channels th a", text, text)
    follow(board, "#live_assignees th a", text, text)
    follow(board, "#live_leads th a", text, f"Lead {text}")
    follow(board, "article h2 a", text, text)
    follow(board, ".crumb a", text, text)
    assert board.page.locator("#live_events").count() == 1
    assert board.complaints == []


def follow(board: Visit, selector: str, text: str, heading: str) -> None:
    """Click the link of a text, and come to the page that it names."""
    links = board.page.locator(selector)
    place = links.all_text_contents().index(text)
    before = board.page.url
    links.nth(place).click()
    board.until_true(lambda: board.page.url != before, "another page opens")
    board.page.wait_for_load_state()
    assert board.heading == heading


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_typed_into_a_form_is_text_again(name: str, board: Visit) -> None:
    """The field says what was typed, and finds it."""
    text = HOSTILE[name]
    board.open("/")
    board.page.fill("#find-channel", text)
    board.page.press("#find-channel", "Enter")
    board.page.wait_for_url("**/?find=**")
    assert board.page.input_value("#find-channel") == text
    assert text in board.page.locator("#live_channels th a").all_text_contents()
    unharmed(board)


@pytest.mark.parametrize("name", RUNNING)
def test_what_comes_while_a_page_is_open_does_not_run_either(
    name: str, board: Visit, scene: Scene
) -> None:
    """An update is put into the page by script: it is text all the same."""
    text = HOSTILE[name]
    board.open(address("/channel", name=text))
    batch_id = f"later {text}"
    scene.installation.publish([events.lead_batch(batch_id, [f"later {text}"], text)])
    board.until_true(
        lambda: batch_id in (board.page.locator("#live_events").text_content() or ""),
        "the batch appears",
    )
    unharmed(board)


@pytest.mark.parametrize("name", RUNNING)
def test_the_same_strings_do_run_where_nothing_escapes_them(
    name: str, new_context: Callable[..., "BrowserContext"]
) -> None:
    """A control: these tests would notice."""
    page = new_context().new_page()
    page.set_content(f"<title>control {HOSTILE[name]}</title><p>{HOSTILE[name]}</p>")
    wait_until(lambda: page.evaluate("() => window.pwned") == 1, "it runs", 10)


def test_a_request_to_elsewhere_is_noticed(new_context: Callable[..., "BrowserContext"]) -> None:
    """A control: of a page that leaves, a visit complains."""
    visit = Visit(new_context(), "http://127.0.0.1:1")
    visit.page.route("**/*", lambda route: route.fulfill(body="<p>elsewhere</p>"))
    visit.page.goto("http://elsewhere.example/")
    visit.page.evaluate("() => console.error('noticed')")
    wait_until(lambda: bool(visit.page.evaluate("1")) and len(visit.complaints) > 1, "noticed", 10)
    assert visit.complaints == ["left for http://elsewhere.example/", "console: error: noticed"]
