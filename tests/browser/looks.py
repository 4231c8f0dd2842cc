"""What is measured on a page: accessibility, width, focus, and pictures of it.

In: an open page. Out: what is wrong with it, in words; nothing when all is well.
"""

from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FloatRect, Page

WIDTHS = (320, 768, 1440)
"""Pixels: a small telephone, a tablet, a desk."""
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
HEIGHT = 900
FOCUSABLE = "a[href], button, input:not([type=hidden]), summary, [tabindex='0']"
STOPS_MAX = 600

PICTURE_HEIGHT_MAX = 4_000

_axe = Axe()
_SIZE = """() => {
  const { clientWidth: width, scrollHeight: height } = document.documentElement;
  return { width, height };
}"""

_TOO_WIDE = """() => {
  const over = document.documentElement.scrollWidth - innerWidth;
  if (over <= 0) return [];
  const wide = [...document.querySelectorAll("body *")].filter((element) =>
    element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(".scroll"));
  return [`${over} px`, ...wide.slice(0, 5).map((element) =>
    `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 40)}`)];
}"""
_NUMBER = f"""() => {{
  const all = [...document.querySelectorAll("{FOCUSABLE}")]
    .filter((element) => element.checkVisibility({{ visibilityProperty: true }}));
  window.stops = new Map(all.map((element, place) => [element, place]));
  return all.map((element) => element.outerHTML.slice(0, 120));
}}"""
_STOP = """() => {
  const element = document.activeElement, style = getComputedStyle(element);
  const outlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
  return [window.stops.get(element) ?? -1, outlined, element.outerHTML.slice(0, 120)];
}"""


def accessibility_violations(page: Page) -> list[str]:
    """Rules of axe that the page breaks, with the first elements that do."""
    response: dict[str, Any] = _axe.run(page).response
    return [
        f"{each['id']}: {[node['html'][:140] for node in each['nodes'][:3]]}"
        for each in response["violations"]
    ]


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways."""
    found: list[str] = page.evaluate(_TOO_WIDE)
    return found


def focus_problems(page: Page) -> list[str]:
    """What the Tab key doesn't reach, and what it reaches without showing it."""
    wanted: list[str] = page.evaluate(_NUMBER)
    reached: set[int] = set()
    problems = []
    for _ in range(min(len(wanted) + 5, STOPS_MAX)):
        page.keyboard.press("Tab")
        place, outlined, element = page.evaluate(_STOP)
        if place in reached:
            break
        if place >= 0:
            reached.add(place)
            if not outlined:
                problems.append(f"shows no focus: {element}")
    missed = [element for place, element in enumerate(wanted) if place not in reached]
    return problems + [f"not reached: {element}" for element in missed]


def picture(page: Page, path: Path) -> None:
    """Keep a picture of the page, from its top to where nobody scrolls any more."""
    size: dict[str, float] = page.evaluate(_SIZE)
    clip: FloatRect = {
        "x": 0,
        "y": 0,
        "width": size["width"],
        "height": min(size["height"], PICTURE_HEIGHT_MAX),
    }
    page.screenshot(path=path, full_page=True, animations="disabled", clip=clip)
