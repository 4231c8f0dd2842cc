"""The data of a branch network, from a directory to `Network`.

In: a directory of tables, each of them CSV, Excel or Parquet (`streams/planning/tables.py`). Out:
the network, and what maps and reports want besides: places, names, salaries.

| table | columns |
|---|---|
| bankers | banker_id, salary_thousands; capacity, or capacity_millions with latitude, longitude |
| branches | branch_id, capacity; latitude, longitude, location if there are any |
| loans | loan_id, loan_amount, loan_type (1 is an investment loan, 0 owner-occupied) |
| distances | banker_id, and a column for each branch; where it is missing, places say it |
| periods | period, branch_id, demand_share: a branch's share of its year; may be missing |

Further columns are left aside. Units, told by the column of the bankers' capacity:
- `capacity`: money is in "units"; a banker costs the distance + 0.1 x salary in thousands.
- `capacity_millions`: everything is in dollars; a banker costs the distance in degrees + 0.1 x
  salary in dollars. With distances in km a banker costs km x `travel_cost_per_km` instead.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from dispatcher.planning.network import Floats, Network
from streams.failure import Failed, WrongUsage
from streams.planning.distances import degrees_apart, km_apart
from streams.planning.tables import (
    Column,
    Problems,
    Table,
    above_zero,
    between,
    find_table,
    identifier,
    open_table,
    read_columns,
    text,
    zero_or_one,
)

BANKERS_MAX: Final = 20_000
BRANCHES_MAX: Final = 10_000
PAIRS_MAX: Final = 20_000_000
"""Of bankers and branches: 160 MB for each number that a pair has."""
LOANS_MAX: Final = 5_000_000
PERIODS_MAX: Final = 366

PAY_PER_SALARY: Final = 0.1
"""What a unit of salary adds to the objective, as the authors of the source document had it."""
TRAVEL_COST_PER_KM: Final = 1.0
"""What a km adds to the objective: as much as a degree does where distances are in degrees."""
_SHARES_TOLERANCE: Final = 1e-6

Distance = Literal["degrees", "km"]


@dataclass(frozen=True, eq=False)
class NetworkData:
    """A network with what the models don't need.

    Attributes:
        network: what the models need.
        salary_thousands: (P,) yearly, thousands of dollars.
        distance: (P, B) in `distance_unit`.
        distance_unit: "degrees", "km" or, as a table of distances has it, "units".
        banker_places: (P, 2) latitude and longitude in degrees, or None.
        branch_places: (B, 2) likewise.
        branch_names: B of them; the id where a branch has no location.
        period_names: Q of them, none without periods.
        demand_share: (Q, B) share of a branch's yearly demand in a period, or None.
    """

    network: Network
    salary_thousands: Floats
    distance: Floats
    distance_unit: str
    banker_places: Floats | None
    branch_places: Floats | None
    branch_names: tuple[str, ...]
    period_names: tuple[str, ...] = ()
    demand_share: Floats | None = None


def load_network(
    directory: Path,
    *,
    distance: Distance = "degrees",
    travel_cost_per_km: float = TRAVEL_COST_PER_KM,
) -> NetworkData:
    """Read a directory.

    Args:
        distance: how places are apart, where no table of distances says it.
        travel_cost_per_km: of a banker's way, in the objective; only for distances in km.

    Raises:
        Failed: up to 10 problems, each with file, row, column, and what to do.
        WrongUsage: distances in km where there are no places.
    """
    if not directory.is_dir():
        raise WrongUsage(f"there is no directory {directory}")
    problems = Problems()
    bankers = _Bankers(directory, problems)
    branches = _read(directory, "branches", _branch_columns, BRANCHES_MAX, problems)
    loans = _read(directory, "loans", lambda _: _LOAN_COLUMNS, LOANS_MAX, problems)
    problems.check()
    return _joined(directory, bankers, branches, loans, distance, travel_cost_per_km)


class _Bankers:
    """The table of bankers, and which units it is in."""

    def __init__(self, directory: Path, problems: Problems) -> None:
        self.in_dollars = False
        self.columns = _read(directory, "bankers", self._wanted, BANKERS_MAX, problems)

    def _wanted(self, table: Table) -> list[Column[Any]]:
        self.in_dollars = table.has("capacity_millions")
        if self.in_dollars and table.has("capacity"):
            raise Failed(f"{table.name} has capacity and capacity_millions; keep one of them")
        capacity = "capacity_millions" if self.in_dollars else "capacity"
        return [
            Column("banker_id", identifier, unique=True),
            Column("salary_thousands", between(0, 1e6)),
            Column(capacity, above_zero),
            *_place_columns(table),
        ]

    @property
    def capacity(self) -> Floats:
        """In the loans' money."""
        if self.in_dollars:
            return _floats(self.columns["capacity_millions"]) * 1e6
        return _floats(self.columns["capacity"])

    @property
    def pay(self) -> Floats:
        """In the objective."""
        salary = _floats(self.columns["salary_thousands"])
        return PAY_PER_SALARY * (salary * 1000 if self.in_dollars else salary)


def _place_columns(table: Table) -> list[Column[Any]]:
    """Both or none; with one of them the other is missed."""
    if not table.has("latitude") and not table.has("longitude"):
        return []
    return [Column("latitude", between(-90, 90)), Column("longitude", between(-180, 180))]


def _branch_columns(table: Table) -> list[Column[Any]]:
    location = [Column("location", text)] if table.has("location") else []
    return [
        Column("branch_id", identifier, unique=True),
        Column("capacity", above_zero),
        *location,
        *_place_columns(table),
    ]


_LOAN_COLUMNS: Final[list[Column[Any]]] = [
    Column("loan_id", identifier, unique=True),
    Column("loan_amount", above_zero),
    Column("loan_type", zero_or_one),
]


def _read(
    directory: Path,
    name: str,
    columns: Callable[[Table], list[Column[Any]]],
    rows_max: int,
    problems: Problems,
) -> dict[str, list[Any]]:
    path = find_table(directory, name)
    if path is None:
        problems.add(f"{directory} has no {name}.csv, {name}.xlsx or {name}.parquet; add one")
        return {}
    table = open_table(path)
    return read_columns(table, columns(table), rows_max, problems)


def _joined(
    directory: Path,
    bankers: _Bankers,
    branches: dict[str, list[Any]],
    loans: dict[str, list[Any]],
    wanted: Distance,
    travel_cost_per_km: float,
) -> NetworkData:
    banker_ids, branch_ids = bankers.columns["banker_id"], branches["branch_id"]
    pairs = len(banker_ids) * len(branch_ids)
    if pairs > PAIRS_MAX:
        raise Failed(f"{pairs:,} pairs of banker and branch; at most {PAIRS_MAX:,} are planned")
    banker_places, branch_places = _places(bankers.columns), _places(branches)
    table = find_table(directory, "distances")
    if table is not None:
        if wanted == "km":
            raise WrongUsage(f"{table.name} says the distances; leave it or --distance km out")
        apart, unit = _distances(table, banker_ids, branch_ids), "units"
    else:
        apart, unit = _apart(directory, banker_places, branch_places, wanted), wanted
    network = Network(
        banker_ids=tuple(banker_ids),
        banker_capacity=bankers.capacity,
        banker_pay=bankers.pay,
        travel=apart * travel_cost_per_km if unit == "km" else apart,
        branch_ids=tuple(branch_ids),
        branch_capacity=_floats(branches["capacity"]),
        loan_ids=tuple(loans["loan_id"]),
        loan_amount=_floats(loans["loan_amount"]),
        loan_is_investment=np.array(loans["loan_type"], dtype=np.bool_),
        money="dollars" if bankers.in_dollars else "units",
    )
    names = branches.get("location", branch_ids)
    period_names, shares = _periods(directory, branch_ids)
    return NetworkData(
        network=network,
        salary_thousands=_floats(bankers.columns["salary_thousands"]),
        distance=apart,
        distance_unit=unit,
        banker_places=banker_places,
        branch_places=branch_places,
        branch_names=tuple(name or own for name, own in zip(names, branch_ids, strict=True)),
        period_names=period_names,
        demand_share=shares,
    )


def _floats(values: list[float]) -> Floats:
    return np.array(values, dtype=np.float64)


def _places(columns: dict[str, list[Any]]) -> Floats | None:
    if "latitude" not in columns:
        return None
    return np.column_stack([_floats(columns["latitude"]), _floats(columns["longitude"])])


def _apart(
    directory: Path, bankers: Floats | None, branches: Floats | None, wanted: Distance
) -> Floats:
    for name, places in (("bankers", bankers), ("branches", branches)):
        if places is None:
            raise Failed(
                f"{directory} has no distances.csv, and {name} no columns latitude and longitude;"
                " add one or the other"
            )
    assert bankers is not None
    assert branches is not None
    return km_apart(bankers, branches) if wanted == "km" else degrees_apart(bankers, branches)


def _distances(path: Path, banker_ids: list[str], branch_ids: list[str]) -> Floats:
    """(P, B) from a table, whose columns and rows may stand in any order."""
    problems = Problems()
    table = open_table(path, keep_case=True)
    known = {"banker_id", *branch_ids}
    for name in table.header:
        if name not in known:
            problems.add(f"{table.name}: column {name!r} is no branch; remove it or add the branch")
    columns: list[Column[Any]] = [Column("banker_id", identifier, unique=True)]
    columns += [Column(branch_id, between(0, 1e9)) for branch_id in branch_ids]
    read = read_columns(table, columns, BANKERS_MAX, problems)
    problems.check()
    _check_same(table.name, read["banker_id"], banker_ids, "banker", problems)
    problems.check()
    row_of = {banker_id: row for row, banker_id in enumerate(read["banker_id"])}
    order = [row_of[banker_id] for banker_id in banker_ids]
    by_row: Floats = np.column_stack([_floats(read[branch_id]) for branch_id in branch_ids])
    return by_row[order]


def _check_same(
    name: str, there: list[str], wanted: list[str], kind: str, problems: Problems
) -> None:
    """Every one of the ids, and no other."""
    theirs, ours = set(there), set(wanted)
    for missing in (each for each in wanted if each not in theirs):
        problems.add(f"{name} has no row for {kind} {missing!r}; add it")
    for stranger in (each for each in there if each not in ours):
        problems.add(f"{name} names {kind} {stranger!r}, whom no other table has; remove the row")


def _periods(directory: Path, branch_ids: list[str]) -> tuple[tuple[str, ...], Floats | None]:
    """The names of the periods in the order in which they come, and (Q, B) shares."""
    path = find_table(directory, "periods")
    if path is None:
        return (), None
    problems = Problems()
    table = open_table(path)
    columns: list[Column[Any]] = [
        Column("period", identifier),
        Column("branch_id", identifier),
        Column("demand_share", between(0, 1)),
    ]
    read = read_columns(table, columns, PERIODS_MAX * BRANCHES_MAX, problems)
    problems.check()
    names = tuple(dict.fromkeys(read["period"]))
    if len(names) > PERIODS_MAX:
        raise Failed(f"{table.name} has {len(names)} periods; at most {PERIODS_MAX} are planned")
    _check_same(table.name, list(dict.fromkeys(read["branch_id"])), branch_ids, "branch", problems)
    problems.check()
    shares = _shares(table.name, read, names, branch_ids, problems)
    problems.check()
    return names, shares


def _shares(
    name: str,
    read: dict[str, list[Any]],
    names: tuple[str, ...],
    branch_ids: list[str],
    problems: Problems,
) -> Floats:
    """(Q, B); every pair once, and 1 over the periods of a branch."""
    row_of = {period: row for row, period in enumerate(names)}
    column_of = {branch_id: column for column, branch_id in enumerate(branch_ids)}
    shares = np.full((len(names), len(branch_ids)), np.nan)
    for period, branch_id, share in zip(*read.values(), strict=True):
        at = row_of[period], column_of[branch_id]
        if not np.isnan(shares[at]):
            problems.add(f"{name} has period {period!r} of branch {branch_id!r} twice; keep one")
        shares[at] = share
    for row, column in np.argwhere(np.isnan(shares)):
        problems.add(f"{name} lacks period {names[row]!r} of branch {branch_ids[column]!r}; add it")
    for column, total in enumerate(shares.sum(axis=0)):
        if abs(total - 1) > _SHARES_TOLERANCE:
            what = f"the shares of branch {branch_ids[column]!r} sum to {total:g}"
            problems.add(f"{name}: {what}; they have to sum to 1")
    return shares
