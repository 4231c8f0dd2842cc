"""Pictures of networks and plans: what stands in them, and that people can read them."""

import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dispatcher.planning.rates import EXPONENTIAL, LINEAR
from streams.planning import loading
from streams.planning.document import PlanDocument
from streams.planning.figures import models, style, targets
from streams.planning.figures.gallery import detailed, pictures
from streams.planning.figures.network_map import map_picture
from streams.planning.figures.style import ALLOWED, Picture, image_of, letters_on, save
from streams.planning.loading import NetworkData, load_network
from tests.support.plans import CHEAP, THREE, greedy_plan, small_plans, written_plan

DATA = Path(loading.__file__).parent / "data"
LETTERS_LEAST_POINTS = 8


@pytest.fixture(scope="module")
def small() -> NetworkData:
    """Six bankers, three branches."""
    return load_network(DATA / "dummy")


@pytest.fixture(scope="module")
def large() -> NetworkData:
    """350 bankers, 169 branches."""
    return load_network(DATA / "nab-victoria")


@pytest.fixture(scope="module")
def of_small(small: NetworkData) -> list[Picture]:
    """All that hand-made plans allow."""
    return pictures(small_plans(small.network), small)


@pytest.fixture(scope="module")
def of_large(large: NetworkData) -> list[Picture]:
    """All that greedy plans at two targets allow."""
    plans = [
        greedy_plan(large.network, "m1", 0.05),
        greedy_plan(large.network, "m1", 0.1),
        greedy_plan(large.network, "m2", 0.1, rate=12.0),
    ]
    return pictures(plans, large)


@pytest.fixture(scope="module")
def drawn(of_small: list[Picture], of_large: list[Picture]) -> list[Picture]:
    """Both."""
    return [*of_small, *of_large]


def test_plans_of_the_small_network_allow_these(of_small: list[Picture]) -> None:
    """It has no places, so there is no map."""
    assert [picture.name for picture in of_small] == [
        "figure-3-data",
        "figure-4-allocations-m1",
        "figure-5-unused-m1",
        "figure-6-models",
        "figure-7-profit",
    ]


def test_plans_of_a_network_with_places_allow_maps_too(of_large: list[Picture]) -> None:
    """One for each plan in detail."""
    names = [picture.name for picture in of_large]
    assert names[-3:] == ["map-m1-5", "map-m1-10", "map-m2-10-rate-12"]
    assert "figure-4-allocations-m1" in names


def test_one_plan_allows_its_data_only(small: NetworkData) -> None:
    """Nothing to compare, and nothing earned."""
    only = [written_plan(small.network, "m1", 0.05, CHEAP)]
    assert [picture.name for picture in pictures(only, small)] == ["figure-3-data"]


def test_every_axis_says_what_it_shows_and_in_which_unit(drawn: list[Picture]) -> None:
    """Tables have no axes."""
    unit = re.compile(r"\((id|ids)\)|, |count|degrees")
    seen = 0
    for picture in drawn:
        for axes in picture.figure.axes:
            if not axes.axison:
                continue
            labels = [axes.get_ylabel(), axes.get_xlabel()]
            if axes.get_label() == "<colorbar>":
                labels = [axes.get_ylabel()]
            for label in labels:
                assert unit.search(label), f"{picture.name}: {label!r}"
                seen += 1
    assert seen > 20


def test_only_colours_that_everybody_tells_apart_are_used(drawn: list[Picture]) -> None:
    """Of Okabe and Ito, greys, and cividis where there are too many things for those."""
    shades = {to_hex(colormaps["cividis"](value)).upper() for value in range(256)}
    # What a picture of colours contains is in its pixels; its svg has no colours for it.
    for picture in drawn:
        image = image_of(picture, "svg").decode()
        found = {colour.upper() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", image)}
        assert found <= {*ALLOWED, *shades}, picture.name
        assert "stroke: #" in image


def test_letters_are_large_enough(drawn: list[Picture]) -> None:
    """In points, at the size of the file."""
    for picture in drawn:
        sizes = [text.get_fontsize() for text in _texts(picture.figure)]
        assert sizes
        assert min(sizes) >= LETTERS_LEAST_POINTS


def test_nothing_is_cut_off(drawn: list[Picture]) -> None:
    """All that is drawn lies within the file; in inches, to half a pixel."""
    for picture in drawn:
        of_all = picture.figure.get_tightbbox()
        width, height = picture.figure.get_size_inches()
        assert min(of_all.x0, of_all.y0) > -0.005, picture.name
        assert of_all.x1 < width + 0.005, picture.name
        assert of_all.y1 < height + 0.005, picture.name


def _texts(figure: Figure) -> list:
    from matplotlib.text import Text

    return [each for each in figure.findobj(Text) if each.get_text().strip()]


def test_every_picture_can_be_heard_and_none_twice(drawn: list[Picture]) -> None:
    """A sentence and more for each."""
    assert all(len(picture.alt) > 40 and picture.alt.endswith(".") for picture in drawn)
    assert len({picture.alt for picture in drawn}) == len(drawn)


def test_the_same_plans_give_the_same_bytes(small: NetworkData, of_small: list[Picture]) -> None:
    """As SVG and as PNG, whatever style the process has set."""
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None}):
        again = pictures(small_plans(small.network), small)
        for one, other in zip(of_small, again, strict=True):
            assert image_of(one, "svg") == image_of(other, "svg"), one.name
        assert image_of(of_small[-1], "png") == image_of(again[-1], "png")


def test_pictures_are_saved_as_svg_and_png(of_small: list[Picture], tmp_path: Path) -> None:
    """Both are what they are called."""
    svg, png = save(of_small[0], tmp_path)
    assert svg.read_bytes().startswith(b"<?xml")
    assert png.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("colour", style.PALETTE)
def test_letters_on_colours_can_be_read(colour: str) -> None:
    """4.5 to 1 at least, as WCAG asks of text."""
    assert _contrast(colour, letters_on(colour)) >= 4.5


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_neighbouring_targets_with_the_same_allocation_are_one_row(small: NetworkData) -> None:
    """And a target that can't be met says so."""
    plans = [plan for plan in small_plans(small.network) if plan.model == "m1"]
    assert targets.rows_of(plans) == [
        ("5 to 6 %", "", {"1": "C", "3": "B", "4": "A"}),
        ("11 %", "", {"1": "C", "5": "A", "6": "B"}),
        ("35 %", "infeasible", None),
    ]


def test_a_cell_of_the_grid_is_the_letter_of_the_banker_s_branch(of_small: list[Picture]) -> None:
    """Row by row, so that no colour is needed."""
    (axes,) = of_small[1].figure.axes
    letters = {tuple(map(int, t.get_position())): t.get_text() for t in axes.texts[:6]}
    assert letters == {
        (0, 0): "C", (2, 0): "B", (3, 0): "A",
        (0, 1): "C", (4, 1): "A", (5, 1): "B",
    }  # fmt: skip
    assert axes.texts[6].get_text() == "infeasible"


def test_alternative_optima_are_a_band_from_the_least_to_the_most(small: NetworkData) -> None:
    """At 6 % two plans cost the same; one leaves 200 units more unused."""
    plans = [plan for plan in small_plans(small.network) if plan.model == "m1"]
    at, least, most = targets.unused_by_target(plans)
    assert at.tolist() == pytest.approx([5, 6, 11])
    assert (most - least).tolist() == [0, 200, 0]


def test_worse_plans_are_no_alternatives(small: NetworkData) -> None:
    """Of two plans at a target only those with the best objective count."""
    plans = [
        written_plan(small.network, "m1", 0.05, CHEAP),
        written_plan(small.network, "m1", 0.05, {**CHEAP, "2": ("C", ())}),
    ]
    _, least, most = targets.unused_by_target(plans)
    assert least.tolist() == most.tolist() == [100]


def test_profit_by_rate_is_that_of_the_best_plan_given(small: NetworkData) -> None:
    """2,400 units at 12 % earn 144; nothing is earned at 0 and at 24 %."""
    plan = written_plan(small.network, "m2", 0.11, THREE, rate=12.0)
    line = models.profits(LINEAR, [plan], np.array([0.0, 12.0, 24.0]))
    assert plan.cost is not None
    assert line.tolist() == pytest.approx([-plan.cost, 144 - plan.cost, -plan.cost])


@pytest.mark.parametrize(("curve", "rate"), [(LINEAR, 12.0), (LINEAR, 7.0), (EXPONENTIAL, 8.0)])
def test_the_curve_of_a_plan_is_told_by_its_revenue(
    small: NetworkData, curve: models.AnyCurve, rate: float
) -> None:
    """A plan doesn't name it."""
    plan = written_plan(small.network, "m2", 0.11, THREE, rate=rate, curve=curve)
    assert models.curve_of(plan) is curve
    other = plan.model_copy(update={"revenue": 1.0})
    assert models.curve_of(other) is None


def test_models_are_compared_at_the_target_that_most_of_them_have(small: NetworkData) -> None:
    """Here 11 %; greatest profit first."""
    compared = models.comparable(small_plans(small.network))
    assert [(plan.model, plan.target) for plan in compared] == [
        ("m2", 0.11), ("m3", 0.11), ("least-unused", 0.11), ("m1", 0.11),
    ]  # fmt: skip
    assert models.comparable(small_plans(small.network)[:3]) == []


def test_models_are_compared_with_the_same_r(small: NetworkData) -> None:
    """A plan for another one is left aside, though it comes first."""
    other = written_plan(small.network, "m2", 0.11, CHEAP, rate=8.0, curve=EXPONENTIAL)
    compared = models.comparable([other, *small_plans(small.network)])
    assert [plan.rate for plan in compared] == [12, 12, None, None]


def test_many_plans_are_not_all_told_in_detail(small: NetworkData) -> None:
    """Of those of one model the one that leaves least unused, of equals the smallest target."""
    network = small.network
    plans = [written_plan(network, "m1", number / 100, CHEAP) for number in range(3, 12)]
    assert [plan.target for plan in detailed(plans)] == [0.03]
    assert detailed(plans[:6]) == plans[:6]


def test_a_map_has_a_line_from_each_banker_at_work_to_the_branch(
    large: NetworkData, of_large: list[Picture]
) -> None:
    """In both panels; longitude across, latitude up."""
    plan = greedy_plan(large.network, "m1", 0.1)
    whole, near = map_picture(plan, large).figure.axes
    for axes in (whole, near):
        (lines,) = [each for each in axes.collections if each.get_label() == "way to work"]
        segments = lines.get_segments()
        assert len(segments) == 169
    banker = large.network.banker_ids.index(plan.bankers[0].banker_id)
    assert large.banker_places is not None
    assert segments[0][0].tolist() == large.banker_places[banker][::-1].tolist()
    width, height = (np.diff(limits)[0] for limits in (near.get_xlim(), near.get_ylim()))
    assert height * 111.195 == pytest.approx(70, rel=1e-3)
    assert width * 111.195 * np.cos(np.radians(-37.8)) == pytest.approx(70, rel=1e-2)


def test_plans_without_an_answer_break_nothing(small: NetworkData) -> None:
    """Two targets that can't be met: a grid that says so, and no more."""
    from tests.support.plans import infeasible_plan

    none: list[PlanDocument] = [infeasible_plan(0.35), infeasible_plan(0.4)]
    names = [picture.name for picture in pictures(none, small)]
    assert names == ["figure-3-data", "figure-4-allocations-m1"]
