"""Plots, where matplotlib is (extra `plots`). The same figures give the same bytes.

In: comparisons, or series of numbers. Out: image files, SVG or PNG. Floats are good enough here.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from streams.failure import Failed, WrongUsage
from streams.whatif.baselines import LARGEST_REMAINDER, PAYS_BACK, ROUND_ROBIN
from streams.whatif.chairman import CHAIRMAN
from streams.whatif.comparison import PARTIDOR, WHAT_IF, Comparison
from streams.whatif.course import Course

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
CHANNELS_MAX: Final = 20
MEMBERS_MAX: Final = 40
"""In one plot."""

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
    """A row for each channel, at most `CHANNELS_MAX`.

    How far off anybody was over time, by method; what everybody received from Partidor; how many
    leads waited.
    """
    shown = comparisons[:CHANNELS_MAX]
    rows = len(shown)
    with drawing(path, rows, 3, squeeze=False, figsize=(15, 0.6 + 3.4 * rows)) as axes:
        for (errors, received, parked), comparison in zip(axes, shown, strict=True):
            _errors(errors, comparison)
            _received(received, comparison)
            _parked(parked, comparison)


def _errors(drawn: "Axes", comparison: Comparison) -> None:
    for scenario in comparison.scenarios:
        style = "--" if scenario.name == WHAT_IF else "-"
        for outcome in scenario.outcomes.values():
            points = [
                (each.at_ms, abs(float(outcome.leads(each.error)))) for each in outcome.over_time
            ]
            drawn.plot(
                *timed(extremes(points)),
                style,
                color=COLOURS[outcome.method],
                linewidth=1.1,
                label=f"{outcome.method}, {scenario.name}",
            )
    drawn.set_title(f"channel {comparison.channel}")
    dress(drawn, "largest error of anybody, leads", "center right")
    without_bound(drawn)


def _received(drawn: "Axes", comparison: Comparison) -> None:
    """Bars of what everybody received; a mark at each fair share."""
    outcomes = [scenario.outcomes[PARTIDOR] for scenario in comparison.scenarios]
    names = sorted({name for outcome in outcomes for name in outcome.received})[:MEMBERS_MAX]
    width = 0.8 / len(outcomes)
    for index, (outcome, scenario) in enumerate(zip(outcomes, comparison.scenarios, strict=True)):
        places = [place + index * width for place in range(len(names))]
        counts = [outcome.received.get(name, 0) for name in names]
        due = [float(outcome.leads(outcome.due.get(name, 0))) for name in names]
        drawn.bar(places, counts, width, label=f"received, {scenario.name}", alpha=0.7)
        drawn.plot(places, due, "k_", label=None if index else "fair share")
    middle = 0.4 - width / 2
    marks = [place + middle for place in range(len(names))]
    drawn.set_xticks(marks, names, fontsize=7, rotation=60, ha="right")
    drawn.set_ylabel("leads, by Partidor")
    drawn.grid(alpha=0.3, axis="y")
    drawn.legend(loc="best", fontsize=8)


def _parked(drawn: "Axes", comparison: Comparison) -> None:
    for scenario in comparison.scenarios:
        style = "--" if scenario.name == WHAT_IF else "-"
        points = waiting(scenario.course)
        drawn.step(*timed(points), style, where="post", linewidth=1.1, label=scenario.name)
    dress(drawn, "leads that wait, by Partidor")


def waiting(course: Course) -> list[tuple[int, float]]:
    """How many leads wait, from the first division to the last."""
    times = [step.at_ms for step in course.steps]
    line = [(at_ms, float(leads)) for at_ms, leads in course.parked]
    if not times:
        return line
    last = line[-1][1] if line else 0.0
    first_ms = min([times[0], *(at_ms for at_ms, _ in line)])
    return [(first_ms, 0.0), *line, (times[-1], last)]


def dress(
    drawn: "Axes", label: str, legend: Literal["upper left", "center right"] = "upper left"
) -> None:
    """What all plots over time have in common."""
    from matplotlib import dates

    locator = dates.AutoDateLocator(minticks=2, maxticks=8)
    drawn.xaxis.set_major_locator(locator)
    drawn.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
    drawn.set_ylabel(label)
    drawn.grid(alpha=0.3)
    drawn.legend(loc=legend, fontsize=8)


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
