"""The board: pages for people who watch channels all day, made on the server.

In: answers (see `streams.views.answers_port`). Out: HTML that is complete without JavaScript, and
with it changes by itself. Nothing is fetched from elsewhere, and no script or style stands in a
page, so that what a stranger put into an id can never run.

Follow the data: a request -> `pages` (routes, headers) -> `contents`, `lead_contents`,
`operations_contents` (asks, and says which template shows it) -> `rendering` (Jinja2; `figures`,
`wording` and `charts` are what it says numbers, decisions and pictures with). `live` sends the
parts of an open page that changed; `static_files` holds script, styles and icon.
"""

from streams.views.board.pages import Board, add_board

__all__ = ["Board", "add_board"]
