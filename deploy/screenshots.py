"""The pictures of the board in README.

In: how many minutes of leads, or the address of a board that runs. Out: `pictures/board-*.png`, of
four pages in two themes, each small enough for a page that is read over a telephone.
"""

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from PIL import Image
from playwright.sync_api import Page, sync_playwright

PICTURES = Path(__file__).parent / "pictures"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHANNEL = "melbourne-website"
WIDTH = 1280
THEMES = ("light", "dark")
BYTES_MAX = 150_000
COLOURS = (128, 64, 32)
LEADS_LEAST = 5
"""Of the batch whose lead is explained: with fewer there is little to divide."""


class Shot(NamedTuple):
    """A page, and how much of it is shown: so many pixels at most."""

    name: str
    path: str
    height: int


def main() -> None:
    """Make all of them."""
    parser = argparse.ArgumentParser(prog="deploy/screenshots", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="of leads before the pictures")
    parser.add_argument("--url", help="of a board that runs already")
    given = parser.parse_args()
    if given.url:
        take_all(given.url.rstrip("/"))
        return
    with board() as url:
        print(f"leads come for {given.minutes:g} minutes", file=sys.stderr)
        time.sleep(given.minutes * 60)
        take_all(url)


@contextmanager
def board() -> Iterator[str]:
    """The demo with its board. Gives its address."""
    command = [Path(sys.executable).with_name("partidor"), "demo", "--board", "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout else ""
            if not said.startswith("The board: "):
                raise SystemExit("the demo did not start")
            yield said.split()[-1].rstrip("/")
        finally:
            process.terminate()


def take_all(url: str) -> None:
    """All pages in all themes."""
    shots = [
        Shot("overview", "/", 800),
        Shot("channel", f"/channel?name={CHANNEL}", 1_280),
        Shot("lead", f"/lead?id={quote(a_lead(url))}&channel={CHANNEL}", 1_100),
        Shot("operations", "/operations", 900),
    ]
    with sync_playwright() as playwright:
        # Without a sandbox: it may run as root, in a container; what it sees is ours.
        browser = playwright.chromium.launch(executable_path=program(), args=["--no-sandbox"])
        for theme in THEMES:
            dark = theme == "dark"
            context = browser.new_context(
                viewport={"width": WIDTH, "height": 900},
                color_scheme="dark" if dark else "light",
                locale="en-AU",
                timezone_id="Australia/Melbourne",
            )
            for shot in shots:
                path = PICTURES / f"board-{shot.name}-{theme}.png"
                take(context.new_page(), url, shot, path)
                print(f"{path.name}: {path.stat().st_size:,} bytes", file=sys.stderr)
        browser.close()


def program() -> str:
    """The browser that is installed."""
    names = (os.environ.get("PARTIDOR_TEST_BROWSER"), *PROGRAMS)
    found = next(filter(None, (shutil.which(name) for name in names if name)), None)
    if found is None:
        raise SystemExit("no Chromium or Chrome: install one (Debian: chromium)")
    return found


def a_lead(url: str) -> str:
    """The newest lead of a batch that had to be fine-tuned, or else of one that was divided."""
    decisions = asked(url, f"channels/{CHANNEL}/decisions?limit=200")["decisions"]
    batches = {
        each["batch_id"]
        for each in decisions
        if each["type"] == "batch_dispatched" and each["batch_size"] >= LEADS_LEAST
    }
    found = ""
    for lead_id in _leads_of(url, batches):
        (told, *_) = asked(url, f"leads/{quote(lead_id, safe='')}?channel={CHANNEL}")["assigned"]
        shares = [share for each in told.get("rounds") or () for share in each["shares"]]
        if any(share.get("fine_tuned") for share in shares):
            return lead_id
        found = found or lead_id
    if not found:
        raise SystemExit(f"no batch of {LEADS_LEAST} leads on {CHANNEL} yet: it takes minutes")
    return found


def _leads_of(url: str, batches: set[str]) -> Iterator[str]:
    """Leads of these batches, of one member after the other."""
    for member in asked(url, f"channels/{CHANNEL}/standings")["standings"]:
        name = quote(member["assignee_id"], safe="")
        path = f"channels/{CHANNEL}/assignees/{name}/assignments?limit=20"
        for each in asked(url, path)["assignments"]:
            if each["batch_id"] in batches:
                yield str(each["lead_id"])


def asked(url: str, path: str) -> Any:
    """What the API says."""
    # The views of the demo that this program started.
    with urllib.request.urlopen(f"{url}/api/{path}", timeout=30) as answer:  # nosec B310
        return json.load(answer)


def take(page: Page, url: str, shot: Shot, path: Path) -> None:
    """One picture, as small as it can be without looking it."""
    page.goto(f"{url}{shot.path}")
    # Live, with local times; or a page that doesn't change by itself.
    settled = "#connection[data-state=live], main:not([data-live])"
    page.wait_for_selector(settled, state="attached")
    height = min(shot.height, page.evaluate("() => document.documentElement.scrollHeight"))
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
    picture = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
    page.close()
    for colours in COLOURS:
        few = picture.convert("RGB").quantize(colours, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        if path.stat().st_size < BYTES_MAX:
            return
    raise SystemExit(f"{path.name} is larger than {BYTES_MAX:,} bytes: show less of the page")


if __name__ == "__main__":
    main()
