"""What all pictures have in common: colours, letters, and how they become files.

Rules:
- Colours are those of Okabe and Ito, which people with any kind of colour vision tell apart, and
  greys. None of them says anything alone: a letter, a hatch or a mark says the same.
- Every axis says what it shows and in which unit.
- The same data give the same bytes: no date, no random ids, nobody's own settings.
"""

import functools
import io
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

from streams.failure import Failed
from streams.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ORANGE: Final = "#E69F00"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
YELLOW: Final = "#F0E442"
BLUE: Final = "#0072B2"
VERMILION: Final = "#D55E00"
PURPLE: Final = "#CC79A7"
BLACK: Final = "#000000"
WHITE: Final = "#FFFFFF"
GREYS: Final = ("#4D4D4D", "#767676", "#BBBBBB", "#E5E5E5")
DARK_GREY, GREY, LIGHT_GREY, PALE_GREY = GREYS

PALETTE: Final = (SKY, ORANGE, GREEN, YELLOW, BLUE, VERMILION, PURPLE)
"""For things that are told apart, in this order."""
ALLOWED: Final = frozenset({*PALETTE, *GREYS, BLACK, WHITE})

OWNER_OCCUPIED: Final[dict[str, Any]] = {"facecolor": SKY, "edgecolor": BLACK, "linewidth": 0.6}
INVESTMENT: Final[dict[str, Any]] = {
    "facecolor": ORANGE,
    "edgecolor": BLACK,
    "linewidth": 0.6,
    "hatch": "//",
}

MILLION: Final = 1e6
DOTS_PER_INCH: Final = 130

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure that is drawn.

    Attributes:
        name: of its files, without an ending.
        title: a heading for it.
        alt: what it shows, for people who can't see it.
    """

    name: str
    title: str
    alt: str
    figure: "Figure"

    def __post_init__(self) -> None:
        """Lay it out once: each time that it is saved would move things by another hair."""
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")


@dataclass(frozen=True, slots=True)
class Money:
    """How values are shown: divided by `scale`, and in which unit."""

    scale: float
    unit: str

    def text(self, value: float) -> str:
        """A value with what people want to know of it, without the unit."""
        shown = value / self.scale
        digits = 0 if abs(shown) >= 1000 or shown == round(shown) else 1
        return f"{shown:,.{digits}f}"


def money_of(unit: str, largest: float) -> Money:
    """Millions where values are large."""
    if largest >= MILLION:
        return Money(MILLION, f"million {unit}")
    return Money(1.0, unit)


def check_installed() -> None:
    """Raises Failed when matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise Failed('figures need matplotlib: pip install "partidor[planning]"') from None
    del mpl


def _style() -> AbstractContextManager[None]:
    import matplotlib as mpl

    fixed: dict[Any, Any] = {
        **{name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"},
        "axes.grid": False,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 11,
        "font.size": 10,
        "hatch.linewidth": 0.7,
        "legend.fontsize": 9,
        "svg.fonttype": "none",
        "svg.hashsalt": "partidor",
        # Ids are no formulas, whatever stands in them.
        "text.parse_math": False,
    }
    return mpl.rc_context(fixed)


def styled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """A function that draws or saves, in this style whatever the process had set."""

    @functools.wraps(function)
    def within(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        check_installed()
        with _style():
            return function(*args, **kwargs)

    return within


def new_figure(width_inches: float, height_inches: float) -> "Figure":
    """An empty figure that no other part of the process knows of."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    padded = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width_inches, height_inches), layout=padded)


@styled
def image_of(picture: Picture, kind: str) -> bytes:
    """The bytes of an image file, `svg` or `png`."""
    out = io.BytesIO()
    # Neither a date nor a version of the program that drew it: the same picture, the same bytes.
    left_out = ("Date", "Creator", "Format", "Type") if kind == "svg" else ("Software",)
    metadata: dict[str, Any] = dict.fromkeys(left_out)
    picture.figure.savefig(out, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return out.getvalue()


def save(picture: Picture, directory: Path) -> list[Path]:
    """Write it as SVG and as PNG."""
    paths = [directory / f"{picture.name}.{kind}" for kind in ("svg", "png")]
    for path in paths:
        write_whole(path, image_of(picture, path.suffix[1:]))
    return paths


def letters_on(colour: str) -> str:
    """Black or white, whichever is read better on a colour (WCAG's relative luminance)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return BLACK if (luminance + 0.05) / 0.05 >= 1.05 / (luminance + 0.05) else WHITE


def counted(axes: "Axes") -> None:
    """The vertical axis counts things: no halves of them."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))
    thousands_apart(axes)


def thousands_apart(axes: "Axes") -> None:
    """The numbers beside the vertical axis, as everywhere else in a report."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.10g}".replace("-", "\N{MINUS SIGN}"))


def light_grid(axes: "Axes", axis: Any = "y") -> None:
    """Lines to read values by, behind everything."""
    axes.grid(visible=True, axis=axis, color=PALE_GREY, linewidth=0.8)
    axes.set_axisbelow(True)
