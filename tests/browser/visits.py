"""A tab that somebody has open, and everything in it that must not happen.

In: a browser's context and the address of the board. Out: pages, and `complaints`: errors and
warnings of the console, violations of the content security policy, errors of scripts, dialogs,
requests that fail or that leave for another server.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, Response

from tests.support.waiting import wait_until

LIVE_S = 20.0
NOTICE_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
REFUSED_DOCUMENT = "Failed to load resource: the server responded with a status of"
LEFT_BEHIND = "net::ERR_ABORTED"
"""How the connection of a page ends that is left for another one."""


class Visit:
    """One tab."""

    def __init__(self, context: BrowserContext, base: str) -> None:
        """`base` is the board's address, without a slash at the end."""
        self.base = base
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.requested: list[str] = []
        self._may_be_refused = False
        self.page.add_init_script(NOTICE_VIOLATIONS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"script: {error}"))
        self.page.on("dialog", self._on_dialog)
        self.page.on("request", self._on_request)
        self.page.on("requestfailed", self._on_failed)

    def open(self, path: str, status: int = 200) -> Response:
        """Go to a path of the board, and wait until its live connection stands, if it has one."""
        self._may_be_refused = status != 200
        response = self.page.goto(f"{self.base}{path}")
        assert response is not None
        assert response.status == status, (path, response.status)
        self.until_settled()
        return response

    def until_settled(self) -> None:
        """Wait until the page is as it stays: live, or said not to be."""
        self.until(
            """() => !document.querySelector("main")?.matches("[data-live]")
                || document.getElementById("connection")?.textContent === "live" """,
            "the page is live",
            LIVE_S,
        )

    def until(self, script: str, what: str, timeout_s: float = LIVE_S) -> None:
        """Wait until a function in the page says yes.

        From outside: the page's policy forbids what Playwright's own waiting does inside of it.
        """
        wait_until(
            lambda: bool(self.page.evaluate(script)),
            lambda: f"{what}: {self.page.url} says {self.text[-2_000:]}",
            timeout_s,
        )

    def until_true(self, holds: Callable[[], bool], what: str, timeout_s: float = LIVE_S) -> None:
        """Wait until something that is asked here holds."""
        wait_until(holds, lambda: f"{what}: {self.page.url} says {self.text[-2_000:]}", timeout_s)

    @property
    def text(self) -> str:
        """All text of the page's content."""
        return str(self.page.evaluate("() => document.querySelector('main')?.textContent ?? ''"))

    @property
    def heading(self) -> str:
        """The text of its one h1."""
        headings = self.page.locator("h1")
        assert headings.count() == 1, headings.all_inner_texts()
        return headings.text_content() or ""

    @property
    def connection(self) -> str:
        """What the page says of its connection."""
        return self.page.locator("#connection").text_content() or ""

    def close(self) -> None:
        """Close the tab."""
        self.page.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        own = message.location.get("url") == self.page.url
        if self._may_be_refused and own and message.text.startswith(REFUSED_DOCUMENT):
            return  # the browser's own word about a page that says 404, as it is to
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.type}: {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        self.requested.append(request.url)
        if urlsplit(request.url).netloc != urlsplit(self.base).netloc:
            self.complaints.append(f"left for {request.url}")

    def _on_failed(self, request: Request) -> None:
        path = urlsplit(request.url).path
        # The browser brings the icon in its own time, also after the page has loaded.
        left_early = path == "/live" or path.endswith("/icon.svg") or request.method == "HEAD"
        if request.failure == LEFT_BEHIND and left_early:
            return
        self.complaints.append(f"failed: {request.url}: {request.failure}")
