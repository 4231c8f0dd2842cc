"""Pages and their live regions, from templates.

In: a `Page`: which template, with what. Out: HTML of the whole page, or of its live regions alone.
A live region is a block of the template whose name begins with `live_`; in the page it stands in
an element with the block's name as its id. Templates escape everything that isn't `Markup`.
Helpers are globals of the environment, not imports of a template: a block that is rendered by
itself doesn't see what stands beside it.
"""

from dataclasses import dataclass, field
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from streams.audit.explanation_text import leads
from streams.views.answers_port import Json
from streams.views.board import charts, figures, wording
from streams.views.board.static_files import StaticFiles

LIVE_PREFIX: Final = "live_"
MAIN: Final = "main"
"""The region that all others lie in: it is sent when a page has become another one."""


@dataclass(frozen=True)
class Page:
    """What a request is answered with, before it is HTML.

    Attributes:
        template: the file's name, without `.html`.
        title: of the window; the frame adds the product's name.
        context: what the template shows.
        status: of HTTP.
        live: whether it changes by itself while it is open.
        watched: the channel whose changes are waited for; None for those of any channel.
        headers: further ones, such as Retry-After.
    """

    template: str
    title: str
    context: Json
    status: int = 200
    live: bool = True
    watched: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Renderer:
    """The templates, ready."""

    def __init__(self, static: StaticFiles) -> None:
        """Templates are compiled when they are first used, and kept."""
        self._environment = Environment(
            loader=PackageLoader("streams.views.board"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(_FILTERS)
        self._environment.globals.update(
            static=static.address,
            version=static.version,
            charts=charts,
            wording=wording,
            url=figures.address,
        )
        module = self._environment.get_template("macros.html").module
        self._environment.globals["ui"] = module

    def page(self, page: Page) -> str:
        """The whole page."""
        template = self._environment.get_template(f"{page.template}.html")
        return template.render(page.context, page=page)

    def regions(self, page: Page) -> dict[str, str]:
        """The live regions, by the id of the element that each stands in."""
        template = self._environment.get_template(f"{page.template}.html")
        names = [name for name in template.blocks if name.startswith(LIVE_PREFIX)]
        return {name: self._block(page, name) for name in names}

    def main(self, page: Page) -> dict[str, str]:
        """All of the page but its frame, as one region."""
        return {MAIN: self._block(page, MAIN)}

    def _block(self, page: Page, name: str) -> str:
        template = self._environment.get_template(f"{page.template}.html")
        context = template.new_context({**page.context, "page": page})
        return "".join(template.blocks[name](context))


def _time(text: Any) -> Markup:
    """A moment in UTC, marked up; the script of the board turns it into local time."""
    if not text:
        return escape(figures.NOTHING)
    return Markup('<time datetime="{}">{}</time>').format(text, figures.moment(text))


_FILTERS: Final = {
    "amount": figures.amount,
    "bytes": figures.byte_size,
    "count": figures.count,
    "happened": lambda short: figures.marked(wording.happened(figures.isolated(short))),
    "key": figures.key,
    "leads4": leads,
    "many": figures.many,
    "marked": figures.marked,
    "ms": figures.milliseconds,
    "plain": figures.plain,
    "seconds": figures.seconds,
    "signed": figures.signed,
    "time": _time,
    "words": wording.words,
}
