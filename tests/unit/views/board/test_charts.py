import re
from xml.etree import ElementTree as ET

from streams.views.board.charts import (
    Band,
    Scale,
    band_of,
    columns,
    envelope,
    error_bar,
    error_scale,
    lines,
    received_bar,
    sparkline,
)
from tests.views_board.documents import promise

BAND = Band(-2.0, 1.0)


def drawn(markup: str) -> ET.Element:
    """The picture, which is well-formed, has its label, and needs no style of its own."""
    picture = ET.fromstring(markup)
    assert picture.tag == "svg"
    assert picture.attrib["role"] == "img"
    assert "style" not in markup
    return picture


def part(text: str) -> float:
    """A percentage."""
    assert text.endswith("%")
    return float(text[:-1])


def test_an_error_bar_grows_from_zero_within_the_promise() -> None:
    """Owed to the left, ahead to the right, on the scale of the band."""
    scale = error_scale(["-1", "0.5"], BAND)
    assert scale == Scale(-2.0, 1.0)
    picture = drawn(error_bar(scale, BAND, "both", ahead="0.5", owed="-1"))
    band, bar, zero = picture.findall("rect")
    assert (band.attrib["class"], part(band.attrib["width"])) == ("band", 100)
    assert (part(bar.attrib["x"]), part(bar.attrib["width"])) == (33.3, 50)
    assert (zero.attrib["class"], part(zero.attrib["x"])) == ("t", 66.7)


def test_an_error_beyond_the_promise_is_marked_and_still_in_the_picture() -> None:
    """The scale grows with it."""
    scale = error_scale(["2.5"], BAND)
    assert scale == Scale(-2.0, 2.5)
    _, bar, _ = drawn(error_bar(scale, BAND, "far", ahead="2.5")).findall("rect")
    assert bar.attrib["class"] == "out"
    assert part(bar.attrib.get("x", "0%")) + part(bar.attrib["width"]) == 100


def test_without_a_promise_errors_have_no_band_and_zero_is_in_the_middle() -> None:
    """A promise that rests or is not known has no bounds to show."""
    assert band_of(None) is None
    assert band_of(promise(in_force=False)) is None
    assert band_of(promise(corrected=True)) is None
    scale = error_scale([None, "-3"], None)
    assert scale == Scale(-3.0, 3.0)
    assert "band" not in error_bar(scale, None, "no bounds", ahead="-3")


def test_what_was_received_is_a_bar_with_a_tick_at_the_fair_share() -> None:
    """Both on the scale of the longest of the table."""
    bar, tick = drawn(received_bar(30, "26.5", 53.0, "30 of 26.50")).findall("rect")
    assert part(bar.attrib["width"]) == 56.6
    assert part(tick.attrib["x"]) == 50
    assert len(drawn(received_bar(0, "0", 0.0, "nothing yet"))) == 2


def test_labels_are_escaped() -> None:
    """Whatever stands in them."""
    label = '"><script>alert(1)</script>'
    picture = drawn(sparkline([1, 2], label))
    assert picture.attrib["aria-label"] == label
    assert "<script" not in sparkline([1, 2], label)


def test_a_sparkline_has_a_point_for_each_number_and_zero_at_the_bottom() -> None:
    """The most is at the top."""
    picture = drawn(sparkline([0, 5, 10], "rates"))
    (line,) = picture
    assert line.attrib["points"] == "0,100 1,50 2,0"
    assert not list(drawn(sparkline([], "nothing")))


def test_columns_stand_where_their_numbers_do() -> None:
    """What is zero has none."""
    (path,) = drawn(columns([10, 0, 5], "leads"))
    assert re.findall(r"M(\d)", path.attrib["d"]) == ["0", "2"]
    assert "V0h" in path.attrib["d"]
    assert "V50h" in path.attrib["d"]
    assert drawn(columns([], "nothing")).find("path") is not None


def test_an_envelope_has_gaps_where_nothing_was_divided() -> None:
    """Two runs, two areas, a band and a line at zero."""
    points = [("0.5", "-0.5"), (None, None), ("1", "-1"), ("0", "0")]
    picture = drawn(envelope(points, BAND, "errors"))
    areas = [each.attrib["d"] for each in picture.findall("path") if "class" not in each.attrib]
    assert [area[:3] for area in areas] == ["M0 ", "M2 "]
    assert len(picture.findall("rect")) == 1
    (zero,) = drawn(envelope([(None, None)] * 3, None, "nothing"))
    assert zero.attrib["class"] == "zero"


def test_several_lines_share_one_scale() -> None:
    """Each has its class, and gaps of its own."""
    picture = drawn(lines([("p99", [100, None, 50]), ("p50", [10, 10, 10])], "delays"))
    assert [each.attrib["class"] for each in picture] == ["p99", "p99", "p50"]
    assert [each.attrib["d"] for each in picture][1:] == ["M2 50V50h1", "M0 90V90h1V90h1V90h1"]
