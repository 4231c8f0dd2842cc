"""Plots, where matplotlib is (extra `plots`). The same figures give the same bytes.

In: comparisons, or series of numbers. Out: image files, SVG or PNG. Floats are good enough here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streams.failure import Failed, WrongUsage
from streams.whatif.baselines import LARGEST_REMAINDER, PAYS_BACK, ROUND_ROBIN
from streams.whatif.chairman import CHAIRMAN
from streams.whatif.comparison import PARTIDOR, WHAT_IF, Comparison

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ENDINGS: Final = (".svg", ".png")
COLOURS: Final = {
    PARTIDOR: "tab:blue",
    ROUND_ROBIN: "tab:orange",
    LARGEST_REMAINDER: "tab:red",
    PAYS_BACK: "tab:purple",
    CHAIRMAN: "tab:green",
}
POINTS_MAX: Final = 300
"""Drawn of a line at most: the extremes of stretches of it, so that nothing large is left out."""


def check_plottable(path: Path) -> None:
    """Whether a plot can be made, asked before anything is computed.

    Raises WrongUsage for a wrong ending or directory, Failed without matplotlib.
    """
    if path.suffix.lower() not in ENDINGS:
        raise WrongUsage(f"--plot: {path} ends neither in .svg nor in .png")
    if not path.resolve().parent.is_dir():
        raise WrongUsage(f"--plot: there is no directory {path.parent}")
    check_installed()


def check_installed() -> None:
    """Raises Failed when matplotlib is missing."""
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise Failed(
            'plots need matplotlib: pip install "partidor[plots]"; tables go without'
        ) from None
    mpl.use("Agg")


@contextmanager
def drawing(path: Path, rows: int = 1, columns: int = 1, **more: Any) -> Iterator[Any]:
    """A figure's axes; saved when all is drawn. Raises Failed when matplotlib is missing."""
    check_installed()
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    with mpl.rc_context():
        # Nobody's own style, no random ids, and letters as text, which takes a third.
        mpl.rcdefaults()
        fixed: dict[Any, Any] = {"svg.hashsalt": "partidor", "svg.fonttype": "none", "font.size": 9}
        mpl.rcParams.update(fixed)
        figure, axes = plt.subplots(rows, columns, layout="constrained", **more)
        try:
            yield axes
            _save(figure, path)
        finally:
            plt.close(figure)


def _save(figure: "Figure", path: Path) -> None:
    # Neither a date nor a version of the program that drew it: the same picture, the same bytes.
    left_out = ("Date", "Creator", "Format", "Type") if _is_svg(path) else ("Software",)
    metadata: dict[str, Any] = dict.fromkeys(left_out)
    figure.savefig(path, dpi=110, metadata=metadata)


def _is_svg(path: Path) -> bool:
    return path.suffix.lower() == ".svg"


def plot_comparisons(comparisons: Sequence[Comparison], path: Path) -> None:
    """For each channel, how far off anybody was over time, by method; a row for each channel."""
    rows = len(comparisons)
    with drawing(path, rows, squeeze=False, figsize=(9, 1 + 3.2 * rows)) as axes:
        for (drawn,), comparison in zip(axes, comparisons, strict=True):
            for scenario in comparison.scenarios:
                style = "--" if scenario.name == WHAT_IF else "-"
                for outcome in scenario.outcomes.values():
                    points = [
                        (each.at_ms, abs(float(outcome.leads(each.error))))
                        for each in outcome.over_time
                    ]
                    drawn.plot(
                        *timed(extremes(points)),
                        style,
                        color=COLOURS[outcome.method],
                        linewidth=1.1,
                        label=f"{outcome.method}, {scenario.name}",
                    )
            drawn.set_title(f"channel {comparison.channel}")
            dress(drawn, "largest error of anybody, leads")
            without_bound(drawn)


def dress(drawn: "Axes", label: str) -> None:
    """What all plots over time have in common."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=2, maxticks=8)
    drawn.xaxis.set_major_locator(locator)
    drawn.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    drawn.set_ylabel(label)
    drawn.grid(alpha=0.3)
    drawn.legend(loc="upper left", fontsize=8)


def without_bound(drawn: "Axes") -> None:
    """Straight up to one lead, and in powers of ten above: errors under and far over one."""
    drawn.set_yscale("symlog", linthresh=1)
    drawn.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    drawn.set_ylim(bottom=0)


def timed(points: Sequence[tuple[int, float]]) -> tuple[Any, Any]:
    """(milliseconds since 1970, value) as matplotlib takes them: moments, and values."""
    return [datetime.fromtimestamp(at_ms / 1000, UTC) for at_ms, _ in points], [
        value for _, value in points
    ]


def extremes(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Of a long line the least and the largest of each stretch, in order."""
    if len(points) <= POINTS_MAX:
        return list(points)
    stretch = -(-2 * len(points) // POINTS_MAX)
    kept: list[tuple[int, float]] = []
    for start in range(0, len(points), stretch):
        part = range(start, min(start + stretch, len(points)))
        least = min(part, key=lambda index: points[index][1])
        most = max(part, key=lambda index: points[index][1])
        kept += [points[index] for index in sorted({least, most})]
    return kept
