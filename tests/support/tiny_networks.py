"""Branch networks small enough to try everything, drawn to be hard: seed in, network out.

All figures are whole numbers, costs are whole thousandths, targets have four decimals: nothing is
rounded on the way to a table or into a model. Each kind is hard in a way of its own (`KINDS`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Final

import numpy as np

from dispatcher.planning.network import Network

TARGET_UNITS: Final = 10_000
"""A target is a whole number of these parts of a capacity."""
COST_UNITS: Final = 1_000


@dataclass(frozen=True)
class TinyNetwork:
    """P bankers, B branches, L loans.

    Attributes:
        pay: (P) of a banker, thousandths.
        travel: (P, B) of a banker to a branch, thousandths.
        target: ten-thousandths of the branches' capacities.
    """

    banker_capacity: tuple[int, ...]
    pay: tuple[int, ...]
    travel: tuple[tuple[int, ...], ...]
    branch_capacity: tuple[int, ...]
    amount: tuple[int, ...]
    investment: tuple[bool, ...]
    target: int

    @property
    def share(self) -> float:
        """The target as models take it."""
        return self.target / TARGET_UNITS

    def cost(self, banker: int, branch: int) -> int:
        """Thousandths."""
        return self.pay[banker] + self.travel[banker][branch]

    def network(self) -> Network:
        """As models take it."""
        bankers, branches, loans = map(_ids, "PBL", self._sizes)
        return Network(
            banker_ids=bankers,
            banker_capacity=np.array(self.banker_capacity, float),
            banker_pay=np.array(self.pay, float) / COST_UNITS,
            travel=np.array(self.travel, float).reshape(len(bankers), len(branches)) / COST_UNITS,
            branch_ids=branches,
            branch_capacity=np.array(self.branch_capacity, float),
            loan_ids=loans,
            loan_amount=np.array(self.amount, float),
            loan_is_investment=np.array(self.investment, bool),
        )

    def write(self, directory: Path) -> None:
        """As tables; pay is a tenth of the salary in them."""
        bankers, branches, loans = map(_ids, "PBL", self._sizes)
        tables = {
            "bankers": [
                ["banker_id", "salary_thousands", "capacity"],
                *zip(bankers, (_thousandths(pay * 10) for pay in self.pay), self.banker_capacity,
                     strict=True),
            ],
            "branches": [
                ["branch_id", "capacity"], *zip(branches, self.branch_capacity, strict=True)
            ],
            "distances": [
                ["banker_id", *branches],
                *([banker, *map(_thousandths, row)]
                  for banker, row in zip(bankers, self.travel, strict=True)),
            ],
            "loans": [
                ["loan_id", "loan_amount", "loan_type"],
                *zip(loans, self.amount, map(int, self.investment), strict=True),
            ],
        }  # fmt: skip
        for name, rows in tables.items():
            lines = [",".join(map(str, row)) for row in rows]
            (directory / f"{name}.csv").write_text("\n".join(lines) + "\n")

    @property
    def _sizes(self) -> tuple[int, int, int]:
        return len(self.banker_capacity), len(self.branch_capacity), len(self.amount)


def tiny_networks(seed: int, count: int) -> Iterator[tuple[str, TinyNetwork]]:
    """Networks of all kinds in turn, each with the name of its kind."""
    random = Random(seed)
    kinds = list(KINDS.items())
    for number in range(count):
        name, kind = kinds[number % len(kinds)]
        yield name, kind(random)


def at_target(tiny: TinyNetwork, share: Fraction, above: int = 0) -> TinyNetwork:
    """The same at the largest target up to a share, or a few units above."""
    units = int(share * TARGET_UNITS) + above
    return replace(tiny, target=min(units, TARGET_UNITS))


def _ids(letter: str, count: int) -> tuple[str, ...]:
    return tuple(f"{letter}{number}" for number in range(1, count + 1))


def _thousandths(units: int) -> str:
    return f"{units // COST_UNITS}.{units % COST_UNITS:03}"


def _plain(random: Random) -> TinyNetwork:
    bankers, branches = random.choice((2, 2, 3, 3, 4)), random.choice((1, 2, 2, 3))
    loans = random.randint(3, 9 - bankers)
    return TinyNetwork(
        banker_capacity=tuple(random.choice((250, 500, 750, 1000)) for _ in range(bankers)),
        pay=tuple(random.randint(6_500, 9_500) for _ in range(bankers)),
        travel=tuple(
            tuple(random.randint(0, 9_000) for _ in range(branches)) for _ in range(bankers)
        ),
        branch_capacity=tuple(random.choice((500, 1000, 2000, 5000)) for _ in range(branches)),
        amount=tuple(random.randint(2, 12) * 50 for _ in range(loans)),
        investment=tuple(random.random() < 0.3 for _ in range(loans)),
        target=random.choice((0, 500, 1000, 1100, 2000, 3000)),
    )


def _odd_amounts(random: Random) -> TinyNetwork:
    """No two loans alike, nothing divides anything."""
    tiny = _plain(random)
    return replace(
        tiny,
        amount=tuple(random.randint(50, 700) for _ in tiny.amount),
        banker_capacity=tuple(random.randint(200, 1100) for _ in tiny.banker_capacity),
        branch_capacity=tuple(random.randint(400, 3000) for _ in tiny.branch_capacity),
        target=random.randint(1, 3500),
    )


def _ties(random: Random) -> TinyNetwork:
    """Bankers alike, loans alike, ways alike."""
    tiny = _plain(random)
    way = random.choice((0, 1_000))
    return replace(
        tiny,
        banker_capacity=(500,) * len(tiny.pay),
        pay=(8_000,) * len(tiny.pay),
        travel=tuple((way,) * len(row) for row in tiny.travel),
        amount=tuple(random.choice((100, 250)) for _ in tiny.amount),
    )


def _investment_heavy(random: Random) -> TinyNetwork:
    """Owner-occupied loans are what is scarce."""
    tiny = _plain(random)
    return replace(
        tiny,
        investment=tuple(random.random() < 0.75 for _ in tiny.amount),
        target=random.choice((300, 500, 1000)),
    )


def _just_fits(random: Random) -> TinyNetwork:
    """Capacities of bankers are sums of loans; branches' capacities too, and the target is 1."""
    tiny = _plain(random)
    loans = list(zip(tiny.amount, tiny.investment, strict=True))
    takers = [random.randrange(len(tiny.pay)) for _ in loans]
    works = [random.randrange(len(tiny.branch_capacity)) for _ in tiny.pay]
    of_banker = [0] * len(tiny.pay)
    of_branch = [0] * len(tiny.branch_capacity)
    for (amount, _), taker in zip(loans, takers, strict=True):
        of_banker[taker] += amount
        of_branch[works[taker]] += amount
    return replace(
        tiny,
        banker_capacity=tuple(value or 50 for value in of_banker),
        branch_capacity=tuple(value or 50 for value in of_branch),
        investment=tuple(random.random() < 0.15 for _ in loans),
        target=random.choice((5000, 8000, 9999, 10_000)),
    )


def _no_way(random: Random) -> TinyNetwork:
    """Everybody lives in every branch, and some work for nothing."""
    tiny = _plain(random)
    return replace(
        tiny,
        travel=tuple((0,) * len(row) for row in tiny.travel),
        pay=tuple(random.choice((0, 7_000, 9_000)) for _ in tiny.pay),
    )


def _no_target(random: Random) -> TinyNetwork:
    """Nothing is asked; costs from nothing to more than any loan earns."""
    tiny = _plain(random)
    factor = random.choice((0, 1, 3, 10))
    return replace(tiny, target=0, pay=tuple(pay * factor for pay in tiny.pay))


def _wide_branches(random: Random) -> TinyNetwork:
    """One branch could take more than all bankers together."""
    tiny = _plain(random)
    wide = sum(tiny.banker_capacity) * random.randint(2, 8)
    return replace(tiny, branch_capacity=(wide, *tiny.branch_capacity[1:]), target=
                   random.choice((300, 600, 1100)))  # fmt: skip


def _loans_too_large(random: Random) -> TinyNetwork:
    """Some loans are larger than what any banker can take, or any branch."""
    tiny = _plain(random)
    return replace(
        tiny,
        amount=tuple(
            random.choice((1050, 2500)) if random.random() < 0.35 else amount
            for amount in tiny.amount
        ),
    )


def _large_money(random: Random) -> TinyNetwork:
    """Dollars, as in a network of a real size."""
    tiny = _odd_amounts(random)
    return replace(
        tiny,
        banker_capacity=tuple(value * 1_000_003 for value in tiny.banker_capacity),
        branch_capacity=tuple(value * 1_000_033 for value in tiny.branch_capacity),
        amount=tuple(value * 1_000_000 + random.randint(-999, 999) for value in tiny.amount),
    )


KINDS: Final[dict[str, Callable[[Random], TinyNetwork]]] = {
    "plain": _plain,
    "odd amounts": _odd_amounts,
    "ties": _ties,
    "investment heavy": _investment_heavy,
    "just fits": _just_fits,
    "no way": _no_way,
    "no target": _no_target,
    "wide branches": _wide_branches,
    "loans too large": _loans_too_large,
    "large money": _large_money,
}
