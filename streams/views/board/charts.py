"""Pictures of numbers: inline SVG, made on the server.

In: numbers as the documents hold them. Out: markup that is safe in a page: all texts in it are
escaped, and nothing in it needs a style attribute or a script. Pure. Colours and line widths are
classes of `static/board.css`. A chart has one label that says the same in words; figures stand
beside it in the page.

Two kinds: bars of one line, whose lengths are percentages of whatever room the page gives them,
and charts over time, stretched to it (`preserveAspectRatio="none"`), one unit wide for each point.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup, escape

from streams.views.answers_port import Json
from streams.views.board.figures import number

_HEIGHT: Final = 100
"""Units from bottom to top of a chart over time."""

_ROOM: Final = 0.05
"""Of the whole height, free above and below a band: its ends are seen as ends."""


class Scale(NamedTuple):
    """From the least to the most that a picture shows."""

    least: float
    most: float

    def part(self, value: float) -> float:
        """Where a value lies: 0 at the least, 1 at the most; never outside."""
        width = self.most - self.least
        return min(max((value - self.least) / width, 0.0), 1.0) if width > 0 else 0.5


class Band(NamedTuple):
    """Between which cumulative errors are promised to stay."""

    low: float
    high: float


def band_of(promise: Json | None) -> Band | None:
    """The band of a promise that is known, in force, and does not rest."""
    if promise is None or not promise["in_force"] or promise["corrected"]:
        return None
    return Band(float(number(promise["low"])), float(number(promise["high"])))


def error_scale(errors: Iterable[object], band: Band | None) -> Scale:
    """One scale for all errors of a table, with zero and the whole band in it."""
    values = [float(number(each)) for each in errors if each is not None]
    values += [0.0, *(band or ())]
    least, most = min(values), max(values)
    if band is None:
        # Without a promise nothing says what is much: the larger side fills half of it.
        most = max(most, -least, 1.0)
        least = -most
    return Scale(least, most)


def error_bar(
    scale: Scale, band: Band | None, label: str, *, ahead: object = None, owed: object = None
) -> Markup:
    """A bar from zero to the right for who is ahead, to the left for who is owed; or both."""
    values = [float(number(each)) for each in (owed, ahead) if each is not None]
    low, high = min([0.0, *values]), max([0.0, *values])
    outside = band is not None and (low < band.low or high > band.high)
    kind = "out" if outside else ""
    drawn = [
        _across(scale, band.low, band.high, "band") if band is not None else "",
        _across(scale, low, high, kind),
        _tick(scale.part(0.0)),
    ]
    return _one_line("eb", label, drawn)


def received_bar(received: object, fair_share: object, most: float, label: str) -> Markup:
    """A bar of what somebody received, with a tick where their fair share is."""
    scale = Scale(0.0, most)
    drawn = [
        _across(scale, 0.0, float(number(received))),
        _tick(scale.part(float(number(fair_share)))),
    ]
    return _one_line("rb", label, drawn)


def sparkline(values: Sequence[int], label: str) -> Markup:
    """A small line of numbers, oldest on the left, with zero at the bottom."""
    most = max([1, *values])
    points = " ".join(
        f"{place},{round(_HEIGHT - each / most * _HEIGHT)}" for place, each in enumerate(values)
    )
    drawn = f'<polyline points="{points}"/>' if values else ""
    return _over_time("spark", max(len(values) - 1, 1), label, [drawn])


def columns(values: Sequence[object], label: str) -> Markup:
    """A column for each number."""
    numbers = [float(number(each)) for each in values]
    most = max([1.0, *numbers])
    drawn = "".join(
        f"M{place}.12 {_HEIGHT}V{_short(_HEIGHT - each / most * _HEIGHT)}h.76V{_HEIGHT}z"
        for place, each in enumerate(numbers)
        if each > 0
    )
    return _over_time("cols", len(numbers), label, [f'<path d="{drawn}"/>'])


def envelope(points: Sequence[tuple[object, object]], band: Band | None, label: str) -> Markup:
    """Between who was owed most and who was furthest ahead, in steps; gaps where nothing was."""
    whole = error_scale((each for pair in points for each in pair), band)
    room = (whole.most - whole.least) * _ROOM
    scale = Scale(whole.least - room, whole.most + room)

    def height(value: object) -> str:
        return _short(_HEIGHT * (1 - scale.part(float(number(value)))))

    drawn = []
    if band is not None:
        top, bottom = float(height(band.high)), float(height(band.low))
        drawn.append(
            f'<rect class="band" y="{_short(top)}" width="{len(points)}"'
            f' height="{_short(bottom - top)}"/>'
        )
    for first, run in _runs(points):
        along = "".join(f"V{height(ahead)}h1" for ahead, _ in run)
        back = "".join(f"V{height(owed)}h-1" for _, owed in reversed(run))
        drawn.append(f'<path d="M{first} {height(run[0][0])}{along}{back}z"/>')
    drawn.append(f'<path class="zero" d="M0 {height(0)}h{len(points)}"/>')
    return _over_time("env", len(points), label, drawn)


def lines(series: Sequence[tuple[str, Sequence[object]]], label: str) -> Markup:
    """Several lines over the same time, each with its class; gaps where nothing was."""
    most = max([1.0, *(float(number(each)) for _, values in series for each in values)])
    drawn = []
    for kind, values in series:
        for first, run in _runs([(each, each) for each in values]):
            # A point alone is a step of its own: a line of no length would not be seen.
            steps = "".join(
                f"V{_short(_HEIGHT - float(number(each)) / most * _HEIGHT)}h1" for each, _ in run
            )
            start = _short(_HEIGHT - float(number(run[0][0])) / most * _HEIGHT)
            drawn.append(f'<path class="{escape(kind)}" d="M{first} {start}{steps}"/>')
    width = max((len(values) for _, values in series), default=1)
    return _over_time("lines", width, label, drawn)


def _runs(
    points: Sequence[tuple[object, object]],
) -> Iterator[tuple[int, list[tuple[object, object]]]]:
    """Points without a hole between them, with the place of the first."""
    run: list[tuple[object, object]] = []
    for place, each in enumerate(points):
        if None not in each:
            run.append(each)
        elif run:
            yield place - len(run), run
            run = []
    if run:
        yield len(points) - len(run), run


def _across(scale: Scale, low: float, high: float, kind: str = "") -> str:
    left, right = scale.part(low), scale.part(high)
    named = f' class="{kind}"' if kind else ""
    # Left out where it is zero: there are hundreds of these in a page.
    where = f' x="{_percent(left)}"' if left else ""
    return f'<rect{named}{where} width="{_percent(right - left)}"/>'


def _tick(part: float) -> str:
    return f'<rect class="t" x="{_percent(part)}"/>'


def _percent(part: float) -> str:
    return f"{_short(part * 100)}%"


def _short(value: float) -> str:
    shown = f"{value:.1f}"
    return shown.removesuffix(".0")


def _one_line(kind: str, label: str, drawn: Iterable[str]) -> Markup:
    """The markup in `drawn` holds numbers and our own names only."""
    # Drawn here of numbers: nothing of it comes from events.
    trusted = map(Markup, drawn)
    inner = Markup("").join(trusted)
    return Markup('<svg class="{}" role="img" aria-label="{}">{}</svg>').format(kind, label, inner)


def _over_time(kind: str, width: int, label: str, drawn: Iterable[str]) -> Markup:
    # Drawn here of numbers: nothing of it comes from events.
    trusted = map(Markup, drawn)
    inner = Markup("").join(trusted)
    return Markup(
        '<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}"'
        ' preserveAspectRatio="none">{}</svg>'
    ).format(kind, label, max(width, 1), _HEIGHT, inner)
