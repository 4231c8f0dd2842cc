"""A branch network drawn from a seed, of any size, in the way of the source document's section 4.

In: suburbs with median price and sales, the places of branches, how many of everything. Out: the
tables of `streams/planning/data/nab-victoria`, and if wanted `periods.csv`, row by row: what is in
memory does not grow with the loans. The same seed gives the same bytes; every table has a stream
of its own, so that more bankers leave the loans as they are.

- Loans: of each suburb as many as it had sales, or in their proportion; the amount normal around
  the suburb's median with a standard deviation of 100 dollars, in whole dollars; investment or
  owner-occupied with the same chance.
- Branches: at the places of real ones; more of them than these lie near one of these. Capacity =
  value of all loans x price / sum of prices x uniform(0.95, 1). The price is the median of the
  branch's suburb, or of the nearest branch whose suburb has one.
- Bankers: salary uniform from 65,000 to 95,000 dollars; tenure and capacity follow from it; homes
  around the centres of seven places in proportion to their people.
- Periods: a branch's demand goes up and down once a year around its average.

Where the section does not agree with itself or with its data:
- 3.16 and 63.42 are rounded. They give 0.5 years to the lowest salary, as they should, and 9.994
  years to the highest, which should have 10.
- A tenure of exactly 7.5 years is in two of its bands: here the lower one, 750 million.
- Its 350 bankers are divided by the people of the places and not by the percentages it prints,
  which are rounded: 19 % of 350 is 66.5, its Greater Geelong has 68. So it is done here.
- It has them live in these places; those of its data lie evenly in rectangles, and that of
  Melbourne is 136 km wide.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import NormalDist
from typing import Any, Final

import numpy as np

from streams.failure import Failed
from streams.planning.distances import km_apart
from streams.planning.tables import (
    Column,
    Problems,
    above_zero,
    between,
    open_table,
    read_columns,
    text,
)

DATA: Final = Path(__file__).parent / "data" / "nab-victoria"
SUBURBS_MAX: Final = 100_000
PLACES_MAX: Final = 10_000

LOAN_DEVIATION_DOLLARS: Final = 100
SALARIES_THOUSANDS: Final = (65, 95)
CAPACITY_FACTORS: Final = (0.95, 1.0)
NEARBY_KM: Final = 5.0
"""Standard deviation of where a further branch lies, from the real one."""
KM_PER_DEGREE: Final = 111.195
"""Of latitude, on the sphere that distances are computed on."""
SHARE_UNITS: Final = 10**9
"""Shares of demand are written in billionths, so that they sum to exactly 1."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where bankers live. `people` in ten thousands; `spread_km` is a standard deviation."""

    name: str
    people: int
    latitude: float
    longitude: float
    spread_km: float


PLACES: Final = (
    Place("Melbourne city", 17, -37.814, 144.963, 4),
    Place("Greater Geelong", 27, -38.150, 144.362, 8),
    Place("Wyndham", 29, -37.890, 144.655, 6),
    Place("Casey", 36, -38.065, 145.300, 7),
    Place("Greater Bendigo", 12, -36.757, 144.279, 8),
    Place("Ballarat", 12, -37.562, 143.850, 6),
    Place("Shepparton", 6, -36.383, 145.400, 5),
)


@dataclass(frozen=True, slots=True)
class Suburb:
    """Prices in dollars; sales in a quarter."""

    name: str
    median_price: float
    sales: int


@dataclass(frozen=True, slots=True)
class Site:
    """Where a branch is, and the median price around it in dollars."""

    location: str
    latitude: float
    longitude: float
    price: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be drawn.

    Attributes:
        loans: None for one for each sale.
        periods: of the year; 0 for none.
        season: how far demand goes up and down, as a share of its average, 0 to 1.
    """

    seed: int
    bankers: int = 350
    branches: int = 169
    loans: int | None = None
    periods: int = 0
    season: float = 0.3


@dataclass(frozen=True, slots=True)
class Drawn:
    """What was drawn, in dollars."""

    bankers: int
    branches: int
    loans: int
    loans_value: int
    branch_capacity: int
    banker_capacity: int


def generate(recipe: Recipe, directory: Path, suburbs_file: Path | None = None) -> Drawn:
    """Write the tables of a network into a directory that is there.

    Args:
        suburbs_file: a table with suburb, median_price, sales; None for that of Victoria.

    Raises:
        Failed: the suburbs can't be read, or had no sales.
    """
    suburbs = read_suburbs(suburbs_file or DATA / "suburbs.csv")
    sites = _sites(recipe, suburbs)
    rows = ((each.name, _short(each.median_price), each.sales) for each in suburbs)
    _write(directory / "suburbs.csv", ("suburb", "median_price", "sales"), rows)
    loans, value = _write_loans(recipe, suburbs, directory / "loans.csv")
    branch_capacity = _write_branches(recipe, sites, value, directory / "branches.csv")
    banker_capacity = _write_bankers(recipe, directory / "bankers.csv")
    if recipe.periods:
        header = ("period", "branch_id", "demand_share")
        _write(directory / "periods.csv", header, _period_rows(recipe))
    return Drawn(recipe.bankers, recipe.branches, loans, value, branch_capacity, banker_capacity)


def read_suburbs(path: Path) -> list[Suburb]:
    """The suburbs of a file. Raises Failed."""
    problems = Problems()
    columns: list[Column[Any]] = [
        Column("suburb", text),
        Column("median_price", above_zero),
        Column("sales", between(0, 1e9)),
    ]
    read = read_columns(open_table(path), columns, SUBURBS_MAX, problems)
    problems.check()
    suburbs = [
        Suburb(name, price, round(sales))
        for name, price, sales in zip(*(read[column.name] for column in columns), strict=True)
    ]
    if not any(suburb.sales for suburb in suburbs):
        raise Failed(f"{path.name}: no suburb has sales; loans are drawn in their proportion")
    return suburbs


def divided(total: int, weights: Sequence[int]) -> list[int]:
    """A whole number in the proportion of weights: largest remainders, of equals the first."""
    whole = sum(weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    order = sorted(range(len(weights)), key=lambda at: -remainders[at])
    for at in order[: total - sum(parts)]:
        parts[at] += 1
    return parts


def tenure_years(salary_thousands: float) -> float:
    """What the source document takes a salary to say of a tenure."""
    return (salary_thousands - 63.42) / 3.16


def capacity_millions(tenure: float) -> int:
    """The value of loans that a banker of a tenure in years can process in a year."""
    if tenure < 2.5:
        return 250
    if tenure < 5:
        return 500
    return 750 if tenure <= 7.5 else 1000


def _stream(recipe: Recipe, of: str) -> Random:
    """The random numbers of one table. Only `random()` is asked: its course is promised."""
    return Random(f"{recipe.seed}/{of}")


def _uniform(random: Random, least: float, most: float) -> float:
    return least + (most - least) * random.random()


def _normal(random: Random, mean: float, deviation: float) -> float:
    # Never 0, which has no quantile.
    return mean + deviation * NormalDist().inv_cdf(random.random() or 2**-53)


def _write_loans(recipe: Recipe, suburbs: Sequence[Suburb], path: Path) -> tuple[int, int]:
    """How many, and their value."""
    random = _stream(recipe, "loans")
    sales = [suburb.sales for suburb in suburbs]
    counts = sales if recipe.loans is None else divided(recipe.loans, sales)
    number = value = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("loan_id,loan_amount,loan_type\n")
        for suburb, count in zip(suburbs, counts, strict=True):
            for _ in range(count):
                number += 1
                drawn = _normal(random, suburb.median_price, LOAN_DEVIATION_DOLLARS)
                amount = max(1, round(drawn))
                value += amount
                file.write(f"{number},{amount},{int(random.random() < 0.5)}\n")
    return number, value


def _write_branches(recipe: Recipe, sites: Sequence[Site], value: int, path: Path) -> int:
    """Their capacity."""
    random = _stream(recipe, "capacities")
    prices = sum(site.price for site in sites)
    capacities = [
        max(1, round(value * site.price / prices * _uniform(random, *CAPACITY_FACTORS)))
        for site in sites
    ]
    rows = (
        (number, site.location, f"{site.longitude:.6f}", f"{site.latitude:.6f}", capacity)
        for number, (site, capacity) in enumerate(zip(sites, capacities, strict=True), start=1)
    )
    _write(path, ("branch_id", "location", "longitude", "latitude", "capacity"), rows)
    return sum(capacities)


def _write_bankers(recipe: Recipe, path: Path) -> int:
    """Their capacity, dollars."""
    millions = 0

    def rows() -> Iterator[tuple[object, ...]]:
        nonlocal millions
        random = _stream(recipe, "bankers")
        for number, place in enumerate(_homes(recipe.bankers), start=1):
            latitude, longitude = _around(random, place.latitude, place.longitude, place.spread_km)
            salary = round(_uniform(random, *SALARIES_THOUSANDS), 6)
            tenure = tenure_years(salary)
            capacity = capacity_millions(tenure)
            millions += capacity
            where = f"{latitude:.6f}", f"{longitude:.6f}"
            yield number, *where, f"{tenure:.6f}", capacity, f"{salary:.6f}"

    header = ("banker_id", "latitude", "longitude", "tenure_years", "capacity_millions")
    _write(path, (*header, "salary_thousands"), rows())
    return millions * 10**6


def _homes(bankers: int) -> Iterator[Place]:
    counts = divided(bankers, [place.people for place in PLACES])
    for place, count in zip(PLACES, counts, strict=True):
        for _ in range(count):
            yield place


def _around(
    random: Random, latitude: float, longitude: float, spread_km: float
) -> tuple[float, float]:
    """A place near another; north-south and east-west alike."""
    north = _normal(random, 0, spread_km) / KM_PER_DEGREE
    east = _normal(random, 0, spread_km) / KM_PER_DEGREE / math.cos(math.radians(latitude))
    return latitude + north, longitude + east


def _period_rows(recipe: Recipe) -> Iterator[tuple[object, ...]]:
    """The high season of a branch is within a quarter of a year of everybody's."""
    random = _stream(recipe, "periods")
    common = random.random()
    for branch in range(1, recipe.branches + 1):
        peak = common + _uniform(random, -0.25, 0.25)
        turns = [(period + 0.5) / recipe.periods - peak for period in range(recipe.periods)]
        weights = [1 + recipe.season * math.cos(2 * math.pi * turn) for turn in turns]
        units = divided(SHARE_UNITS, [round(weight * SHARE_UNITS) for weight in weights])
        for period, share in enumerate(units, start=1):
            yield period, branch, f"{share / SHARE_UNITS:.9f}"


def _sites(recipe: Recipe, suburbs: Sequence[Suburb]) -> list[Site]:
    """Where the branches are: some of the real ones, or all and more near them."""
    random = _stream(recipe, "branches")
    real = _real_sites(suburbs, random)
    if recipe.branches <= len(real):
        shuffled = sorted(range(len(real)), key=lambda _: random.random())
        return [real[at] for at in sorted(shuffled[: recipe.branches])]
    return [*real, *(_near(random, real) for _ in range(recipe.branches - len(real)))]


def _near(random: Random, real: Sequence[Site]) -> Site:
    site = real[int(random.random() * len(real))]
    latitude, longitude = _around(random, site.latitude, site.longitude, NEARBY_KM)
    return Site(f"near {site.location}", latitude, longitude, site.price)


def _real_sites(suburbs: Sequence[Suburb], random: Random) -> list[Site]:
    """The branches of Victoria with the price around each."""
    problems = Problems()
    columns: list[Column[Any]] = [
        Column("location", text),
        Column("latitude", between(-90, 90)),
        Column("longitude", between(-180, 180)),
    ]
    read = read_columns(open_table(DATA / "branches.csv"), columns, PLACES_MAX, problems)
    problems.check()
    prices = _prices(read, {each.name.casefold(): each.median_price for each in suburbs})
    if prices is None:
        # Suburbs of elsewhere: any of them may be around any branch.
        prices = [
            suburbs[int(random.random() * len(suburbs))].median_price for _ in read["location"]
        ]
    return [Site(*each) for each in zip(*read.values(), prices, strict=True)]


def _prices(read: dict[str, list[Any]], medians: dict[str, float]) -> list[float] | None:
    """Of each branch's suburb, else of the nearest branch that has one; None where none has.

    A location ends in suburb, state and postcode.
    """
    names = [location.split(", ")[-3].casefold() for location in read["location"]]
    known = [at for at, name in enumerate(names) if name in medians]
    if not known:
        return None
    places = np.column_stack([read["latitude"], read["longitude"]])
    nearest = km_apart(places, places[known]).argmin(axis=1)
    return [
        medians[name if name in medians else names[known[near]]]
        for name, near in zip(names, nearest, strict=True)
    ]


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _write(path: Path, header: Sequence[str], rows: Iterator[tuple[object, ...]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
