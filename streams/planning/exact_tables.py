"""The tables of a branch network, read once more and exactly: what plans are checked against.

In: a directory of CSV tables. Out: capacities, amounts and costs as exact fractions of what stands
there; distances in degrees with 40 digits.

It shares nothing with `loading` and the models, on purpose: an error there is not made here again.
It does without their help, too: the first wrong cell ends it.
"""

import csv
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from fractions import Fraction
from pathlib import Path
from typing import Final

from streams.failure import Failed

DIGITS: Final = 40
_EXPONENT_MAX: Final = 30
"""Of ten, either way; an exact fraction of more would fill the memory with zeros."""
_EARTH_RADIUS_KM: Final = 6371.0088

Row = dict[str, str]
Place = tuple[Decimal, Decimal]
Travel = Callable[[str, str], Fraction]
Point = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Tables:
    """A network by id, in exact fractions.

    Attributes:
        banker_capacity, branch_capacity, loan_amount: in the money of the loans.
        pay: of a banker, in the objective.
        investment: ids of the investment loans.
        travel: (banker_id, branch_id) -> what the way adds to the objective.
        money: "dollars" or "units".
    """

    banker_capacity: dict[str, Fraction]
    pay: dict[str, Fraction]
    branch_capacity: dict[str, Fraction]
    loan_amount: dict[str, Fraction]
    investment: frozenset[str]
    travel: Travel
    money: str

    def cost(self, banker_id: str, branch_id: str) -> Fraction:
        """What a banker at a branch adds to the objective."""
        return self.pay[banker_id] + self.travel(banker_id, branch_id)


def read_tables(directory: Path, *, cost_per_km: Decimal | None = None) -> Tables:
    """Read a directory in either layout: `capacity` in units, or `capacity_millions` in dollars.

    Args:
        cost_per_km: of a banker's way along a great circle, in place of degrees.

    Raises:
        Failed: a table is missing, is no CSV, or a cell is not what it should be.
    """
    bankers = _by_id(directory, "bankers", "banker_id")
    branches = _by_id(directory, "branches", "branch_id")
    loans = _by_id(directory, "loans", "loan_id")
    in_dollars = all("capacity_millions" in row for row in bankers.values())
    column, unit = ("capacity_millions", 10**6) if in_dollars else ("capacity", 1)
    # A tenth of the salary, in the money of the table.
    per_salary = Fraction(1000 if in_dollars else 1, 10)
    amounts = _numbers("loans", loans, "loan_amount")
    return Tables(
        banker_capacity={
            each: value * unit for each, value in _numbers("bankers", bankers, column).items()
        },
        pay={
            each: value * per_salary
            for each, value in _numbers("bankers", bankers, "salary_thousands").items()
        },
        branch_capacity=_numbers("branches", branches, "capacity"),
        loan_amount=amounts,
        investment=_of_type_1(loans),
        travel=_travel(directory, bankers, branches, cost_per_km),
        money="dollars" if in_dollars else "units",
    )


def read_points(path: Path) -> list[Point]:
    """The columns rate and value of a table, as it goes up.

    Raises:
        Failed: it can't be read as such.
    """
    rows = list(_rows(path, keep_case=False))
    try:
        points = [(exact(row["rate"]), exact(row["value"])) for row in rows]
    except (KeyError, ValueError) as error:
        raise Failed(f"{path.name} has no numbers in columns rate and value: {error}") from None
    if len({rate for rate, _ in points}) < max(len(points), 2):
        raise Failed(f"{path.name}: a curve needs two or more points, each at its own rate")
    return sorted(points)


def exact(text: str) -> Fraction:
    """A decimal as the fraction that it is. Raises ValueError."""
    try:
        value = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite() or (value and abs(value.adjusted()) > _EXPONENT_MAX):
        raise ValueError(f"{text!r} is not a number up to 1e{_EXPONENT_MAX}")
    return Fraction(value)


def _of_type_1(loans: dict[str, Row]) -> frozenset[str]:
    types = _numbers("loans", loans, "loan_type")
    for loan_id, kind in types.items():
        if kind not in (0, 1):
            raise Failed(f"loans.csv: loan_type of {loan_id} is {kind}, neither 0 nor 1")
    return frozenset(loan_id for loan_id, kind in types.items() if kind == 1)


def _travel(
    directory: Path,
    bankers: dict[str, Row],
    branches: dict[str, Row],
    cost_per_km: Decimal | None,
) -> Travel:
    if (directory / "distances.csv").is_file():
        if cost_per_km is not None:
            raise Failed("distances.csv says the distances; leave it or the cost of a km out")
        return _from_table(directory, bankers, branches)
    of_banker, of_branch = _places("bankers", bankers), _places("branches", branches)
    if cost_per_km is None:
        return lambda banker, branch: degrees_apart(of_banker[banker], of_branch[branch])
    per_km = Fraction(cost_per_km)
    return lambda banker, branch: per_km * km_apart(of_banker[banker], of_branch[branch])


def _from_table(directory: Path, bankers: dict[str, Row], branches: dict[str, Row]) -> Travel:
    rows = _by_id(directory, "distances", "banker_id", keep_case=True)
    for missing in (each for each in bankers if each not in rows):
        raise Failed(f"distances.csv has no row for banker {missing}")
    apart = {branch_id: _numbers("distances", rows, branch_id) for branch_id in branches}
    return lambda banker, branch: apart[branch][banker]


def degrees_apart(one: Place, other: Place) -> Fraction:
    """The length of the straight line in degrees, to 40 digits."""
    digits = Context(prec=DIGITS)
    squares = (digits.multiply(a - b, a - b) for a, b in zip(one, other, strict=True))
    return Fraction(digits.sqrt(digits.add(*squares)))


def km_apart(one: Place, other: Place) -> Fraction:
    """Along the great circle, from the chord between both points; to 9 digits and more."""
    a, b = _on_unit_sphere(one), _on_unit_sphere(other)
    half_chord = min(math.dist(a, b) / 2, 1.0)
    return Fraction(2 * _EARTH_RADIUS_KM * math.asin(half_chord))


def _on_unit_sphere(place: Place) -> tuple[float, float, float]:
    latitude, longitude = (math.radians(degrees) for degrees in place)
    return (
        math.cos(latitude) * math.cos(longitude),
        math.cos(latitude) * math.sin(longitude),
        math.sin(latitude),
    )


def _places(name: str, rows: dict[str, Row]) -> dict[str, Place]:
    latitudes = _numbers(name, rows, "latitude")
    longitudes = _numbers(name, rows, "longitude")
    return {each: (_decimal(latitudes[each]), _decimal(longitudes[each])) for each in rows}


def _decimal(value: Fraction) -> Decimal:
    """Exact again: the fraction was a decimal of at most 40 digits."""
    return Context(prec=DIGITS).divide(Decimal(value.numerator), Decimal(value.denominator))


def _numbers(name: str, rows: dict[str, Row], column: str) -> dict[str, Fraction]:
    try:
        return {each: exact(row[column]) for each, row in rows.items()}
    except KeyError:
        raise Failed(f"{name}.csv has no column {column}") from None
    except ValueError as error:
        raise Failed(f"{name}.csv, column {column}: {error}") from None


def _by_id(directory: Path, name: str, column: str, *, keep_case: bool = False) -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for row in _rows(directory / f"{name}.csv", keep_case=keep_case):
        if column not in row:
            raise Failed(f"{name}.csv has no column {column}")
        if row[column] in rows:
            raise Failed(f"{name}.csv has {column} {row[column]} twice")
        rows[row[column]] = row
    return rows


def _rows(path: Path, *, keep_case: bool) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() if keep_case else name.strip().casefold()
                      for name in next(reader, [])]  # fmt: skip
            for cells in reader:
                if any(cells):
                    yield dict(zip(header, cells, strict=True))
    except FileNotFoundError:
        raise Failed(f"there is no {path}; plans are checked against tables in CSV") from None
    except (csv.Error, ValueError) as error:
        raise Failed(f"{path.name} can't be read as CSV in UTF-8: {error}") from None


def shown(value: Fraction) -> str:
    """With the digits that it has, at most 10 after the point."""
    scaled = round(value * 10**10)
    if not scaled and value:
        return f"{float(value):.3g}"
    whole, part = divmod(abs(scaled), 10**10)
    decimals = f".{part:010}".rstrip("0").rstrip(".")
    return f"{'-' if value < 0 else ''}{whole:,}{decimals}"
