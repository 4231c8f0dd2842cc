import re

import pytest

from streams.views.board.static_files import StaticFiles
from tests.views_board import SampleAnswers, answered, shown


def test_a_page_names_every_file_by_its_content() -> None:
    """So browsers keep them for ever, and get new ones as soon as there are new ones."""
    html = shown(SampleAnswers(), "/")
    addresses = re.findall(r'"(/static/[^"?]+)\?v=([^"]+)"', html)
    assert {path for path, _ in addresses} == {
        "/static/board.css",
        "/static/board.js",
        "/static/icon.svg",
    }
    for path, version in addresses:
        response = answered(SampleAnswers(), path, v=version)
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert response.headers["ETag"] == f'"{version}"'


@pytest.mark.parametrize("version", ["", "another"])
def test_without_the_right_version_a_file_is_asked_for_again(version: str) -> None:
    """An old page in a cache gets today's file, and doesn't keep it."""
    response = answered(SampleAnswers(), "/static/board.css", v=version)
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.content_type == "text/css"


def test_nothing_but_these_files_can_be_reached() -> None:
    """Names are looked up, not opened."""
    for name in ("../pages.py", "..", "pages.py", ""):
        assert answered(SampleAnswers(), f"/static/{name}").status == 404


def test_the_files_need_nothing_from_elsewhere() -> None:
    """No import, no font, no picture, no address of another host."""
    static = StaticFiles()
    for name in ("board.css", "board.js"):
        found = static.get(name)
        assert found is not None
        assert not re.search(rb"https?://|@import|url\(|^import ", found.body, re.MULTILINE)
