"""The data of a network at a glance: the source document's Figure 3.

In: a network. Out: one picture of branches, bankers, loans and distances; of a small network
every one of them, of a large one how they are distributed.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from streams.planning.figures.style import (
    BLACK,
    BLUE,
    GREEN,
    INVESTMENT,
    OWNER_OCCUPIED,
    SKY,
    YELLOW,
    Money,
    Picture,
    counted,
    letters_on,
    light_grid,
    money_of,
    new_figure,
    styled,
)
from streams.planning.loading import NetworkData

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALL_BANKERS_MAX: Final = 12
SMALL_BRANCHES_MAX: Final = 12
SMALL_LOANS_MAX: Final = 40
BINS: Final = 40


def is_small(data: NetworkData) -> bool:
    """Whether everything can be shown one by one."""
    network = data.network
    return (
        len(network.banker_ids) <= SMALL_BANKERS_MAX
        and len(network.branch_ids) <= SMALL_BRANCHES_MAX
        and len(network.loan_ids) <= SMALL_LOANS_MAX
    )


@styled
def data_picture(data: NetworkData) -> Picture:
    """Four panels."""
    figure = new_figure(11, 7.5)
    panels = figure.subplots(2, 2)
    if is_small(data):
        _every_one(panels, data)
    else:
        _distributions(panels, data)
    network = data.network
    money = money_of(network.money, network.loan_amount.sum())
    investments = int(network.loan_is_investment.sum())
    alt = (
        f"Four panels. {len(network.branch_ids):,} branches with a capacity of"
        f" {money.text(network.branch_capacity.sum())} {money.unit} in all;"
        f" {len(network.banker_ids):,} bankers with {money.text(network.banker_capacity.sum())};"
        f" {len(network.loan_ids):,} loans worth {money.text(network.loan_amount.sum())},"
        f" {investments:,} of them investments; distances in {data.distance_unit}."
    )
    return Picture("figure-3-data", "The data", alt, figure)


def _every_one(panels: Any, data: NetworkData) -> None:
    network = data.network
    largest = max(network.branch_capacity.max(), network.banker_capacity.max())
    money = money_of(network.money, float(largest))
    _bars(panels[0, 0], network.branch_ids, network.branch_capacity, money, GREEN)
    panels[0, 0].set_xlabel("branch (id)")
    panels[0, 0].set_title("Capacity of the branches")
    _bars(panels[0, 1], network.banker_ids, network.banker_capacity, money, SKY)
    labels = [
        f"{banker}\n{salary:.1f}"
        for banker, salary in zip(network.banker_ids, data.salary_thousands, strict=True)
    ]
    panels[0, 1].set_xticks(range(len(labels)), labels)
    panels[0, 1].set_xlabel("banker (id), and salary in thousand dollars a year")
    panels[0, 1].set_title("Capacity and salary of the bankers")
    _loans(panels[1, 0], data)
    _distances(panels[1, 1], data)


def _bars(axes: "Axes", ids: tuple[str, ...], values: Any, money: Money, colour: str) -> None:
    bars = axes.bar(
        range(len(ids)), values / money.scale, color=colour, edgecolor=BLACK, linewidth=0.6
    )
    axes.bar_label(bars, [money.text(value) for value in values], padding=2, fontsize=9)
    axes.set_xticks(range(len(ids)), list(ids))
    axes.set_ylabel(f"capacity, {money.unit}")
    counted(axes)
    axes.margins(y=0.12)


def _loans(axes: "Axes", data: NetworkData) -> None:
    """A bar for each, by kind."""
    network = data.network
    money = money_of(network.money, network.loan_amount.max())
    places = np.arange(len(network.loan_ids))
    for wanted, label, look in (
        (False, "owner-occupied", OWNER_OCCUPIED),
        (True, "investment", INVESTMENT),
    ):
        of_kind = network.loan_is_investment == wanted
        heights = network.loan_amount[of_kind] / money.scale
        axes.bar(places[of_kind], heights, label=label, **look)
    axes.set_xticks(places, list(network.loan_ids), fontsize=9)
    axes.set_xlabel("loan (id)")
    axes.set_ylabel(f"amount, {money.unit}")
    axes.set_title("Loans")
    axes.margins(y=0.2)
    axes.legend(loc="upper left", ncols=2, frameon=False)
    light_grid(axes)


def _distances(axes: "Axes", data: NetworkData) -> None:
    """A table in colours."""
    network = data.network
    drawn = axes.imshow(data.distance, cmap="cividis_r", aspect="auto")
    shades = (255 * drawn.to_rgba(data.distance)).round().astype(int)
    for (row, column), value in np.ndenumerate(data.distance):
        colour = "#{:02X}{:02X}{:02X}".format(*shades[row, column])
        text = f"{value:.3g}"
        axes.text(column, row, text, ha="center", va="center", color=letters_on(colour))
    axes.set_xticks(range(len(network.branch_ids)), list(network.branch_ids))
    axes.set_yticks(range(len(network.banker_ids)), list(network.banker_ids))
    axes.set_xlabel("branch (id)")
    axes.set_ylabel("banker (id)")
    axes.set_title(f"Distance from banker to branch, {data.distance_unit}")


def _distributions(panels: Any, data: NetworkData) -> None:
    network = data.network
    _histogram(
        panels[0, 0], network.branch_capacity, network.money, "capacity", "branches", color=GREEN
    )
    panels[0, 0].set_title(f"{len(network.branch_ids):,} branches")
    _salaries(panels[0, 1], data)
    _amounts(panels[1, 0], data)
    nearest = data.distance.min(axis=1)
    axes = panels[1, 1]
    axes.hist(nearest, BINS, color=YELLOW, edgecolor=BLACK, linewidth=0.6)
    axes.set_xlabel(f"distance to the nearest branch, {data.distance_unit}")
    axes.set_ylabel("bankers, count")
    counted(axes)
    axes.set_title("How near a branch is")
    light_grid(axes)


def _histogram(
    axes: "Axes", values: Any, money_unit: str, what: str, things: str, **look: Any
) -> None:
    money = money_of(money_unit, float(values.max()))
    axes.hist(values / money.scale, BINS, edgecolor=BLACK, linewidth=0.6, **look)
    axes.set_xlabel(f"{what}, {money.unit}")
    axes.set_ylabel(f"{things}, count")
    counted(axes)
    light_grid(axes)


def _salaries(axes: "Axes", data: NetworkData) -> None:
    """A point for each banker."""
    network = data.network
    money = money_of(network.money, float(network.banker_capacity.max()))
    axes.plot(
        data.salary_thousands, network.banker_capacity / money.scale, "o",
        color=BLUE, markersize=4, markerfacecolor="none",
    )  # fmt: skip
    axes.set_xlabel("salary, thousand dollars a year")
    axes.set_ylabel(f"capacity, {money.unit}")
    axes.set_ylim(bottom=0)
    axes.set_title(f"{len(network.banker_ids):,} bankers")
    light_grid(axes)


def _amounts(axes: "Axes", data: NetworkData) -> None:
    """Loans by amount, the two kinds on each other."""
    network = data.network
    money = money_of(network.money, float(network.loan_amount.max()))
    amounts = network.loan_amount / money.scale
    # A few very large loans would press all others into one bar.
    most = float(np.quantile(amounts, 0.99))
    edges = np.linspace(float(amounts.min()), most, BINS + 1)
    bottom = np.zeros(BINS)
    for wanted, label, look in (
        (False, "owner-occupied", OWNER_OCCUPIED),
        (True, "investment", INVESTMENT),
    ):
        counts, _ = np.histogram(amounts[network.loan_is_investment == wanted], edges)
        axes.bar(
            edges[:-1], counts, np.diff(edges), bottom=bottom, align="edge", label=label, **look
        )
        bottom = bottom + counts
    above = int((amounts > most).sum())
    axes.set_xlabel(f"amount, {money.unit} ({above:,} above {most:,.2f} not shown)")
    axes.set_ylabel("loans, count")
    counted(axes)
    axes.set_title(f"{len(amounts):,} loans")
    axes.legend(frameon=False)
    light_grid(axes)
