"""Every way to send the bankers of a small network to its branches, and what loans can do there.

In: exact tables (`streams.planning.exact_tables`) of a network such as the source document's dummy:
6 bankers x 3 branches x 15 loans. Out: at a target, all ways of least cost, and the least and the
greatest value of loans with each. Whole numbers throughout, no solver.

Loans of one amount and kind are alike, so that a set of loans is a small vector of counts, and
there are few of them (3,072 in the dummy). For each set of bankers it is computed once which sets
of loans they can process together; a branch with these bankers may have those of them that are
within its target, its capacity, and the half that may be investment. Branches are then put
together, one after the other, as long as there are loans for both.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import lcm, prod

import numpy as np
from numpy.typing import NDArray

from streams.planning.exact_tables import Tables

Sets = NDArray[np.bool_]
"""(M,) which sets of loans are meant."""
Bankers = frozenset[str]


@dataclass(frozen=True)
class Way:
    """Who works where, and what of it is possible. `branch_of` by banker.

    Attributes:
        capacity: of those who work.
        least_value, most_value: of the loans that they can have, within all limits.
    """

    branch_of: tuple[tuple[str, str], ...]
    cost: Fraction
    capacity: Fraction
    least_value: Fraction
    most_value: Fraction

    @property
    def least_unused(self) -> Fraction:
        """With as many loans as they can have."""
        return self.capacity - self.most_value

    @property
    def greatest_unused(self) -> Fraction:
        """With as few as they may have."""
        return self.capacity - self.least_value


class Packings:
    """A network, opened for questions at one target after another."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        alike = Counter(
            (amount, loan_id in tables.investment) for loan_id, amount in tables.loan_amount.items()
        )
        unit = Fraction(1, lcm(*(each.denominator for each in tables.loan_amount.values())))
        self._unit = unit
        self._counts = np.array(list(alike.values()))
        amounts = np.array([int(amount / unit) for amount, _ in alike])
        kinds = np.array([is_investment for _, is_investment in alike])
        sets = np.array(list(product(*(range(count + 1) for count in self._counts))))
        self._value = sets @ amounts
        self._investment = sets @ (amounts * kinds)
        self._whole, self._part = _parts(sets, self._counts)
        self._processed = lru_cache(maxsize=None)(self._processed_by)
        self._ways = sorted(self._all_ways(), key=lambda way: way[0])

    def cheapest(self, targets: Sequence[Fraction]) -> Iterator[list[Way]]:
        """All ways of least cost at each target; none where it can't be met.

        Args:
            targets: going up. What fails at one of them fails at those after it.
        """
        left = self._ways
        for target in targets:
            found: list[Way] = []
            failed = 0
            for cost, branch_of in left:
                if found and cost > found[0].cost:
                    break
                way = self.way(branch_of, target)
                if way is not None:
                    found.append(way)
                failed += not found
            left = left[failed:]
            yield found

    def best(self, target: Fraction, score: Callable[[Way], Fraction]) -> list[Way]:
        """All ways at a target with the greatest score.

        Args:
            score: of a way with at least one banker; it grows with `most_value`.
        """
        found: list[Way] = []
        for way in sorted(self._at_most(), key=score, reverse=True):
            if found and score(way) < score(found[0]):
                break
            real = self.way(dict(way.branch_of), target)
            if real is not None and (not found or score(real) >= score(found[0])):
                found = [*(each for each in found if score(each) == score(real)), real]
        return found

    def _at_most(self) -> Iterator[Way]:
        """All ways as they would be if every capacity were filled."""
        for cost, branch_of in self._ways:
            capacity = self._capacity(branch_of)
            if branch_of:
                yield Way(tuple(sorted(branch_of.items())), cost, capacity, Fraction(), capacity)

    def _capacity(self, bankers: Iterable[str]) -> Fraction:
        return sum((self.tables.banker_capacity[each] for each in bankers), Fraction())

    def way(self, branch_of: dict[str, str], target: Fraction) -> Way | None:
        """What loans can do with these bankers at these branches; None: not meet the target."""
        tables = self.tables
        together: Sets | None = None
        for branch_id, capacity in tables.branch_capacity.items():
            bankers = frozenset(each for each, at in branch_of.items() if at == branch_id)
            if self._capacity(bankers) < target * capacity:
                return None
            own = self._processed(bankers) & self._allowed(capacity, target)
            together = own if together is None else self._joined(together, own)
            if not together.any():
                return None
        values = self._value[together]
        return Way(
            branch_of=tuple(sorted(branch_of.items())),
            cost=sum((tables.cost(*each) for each in branch_of.items()), Fraction()),
            capacity=self._capacity(branch_of),
            least_value=int(values.min()) * self._unit,
            most_value=int(values.max()) * self._unit,
        )

    def _all_ways(self) -> Iterator[tuple[Fraction, dict[str, str]]]:
        choices = [None, *self.tables.branch_capacity]
        for chosen in product(choices, repeat=len(self.tables.pay)):
            pairs = zip(self.tables.pay, chosen, strict=True)
            branch_of = {banker: branch for banker, branch in pairs if branch is not None}
            costs = (self.tables.cost(*each) for each in branch_of.items())
            yield sum(costs, Fraction()), branch_of

    def _allowed(self, capacity: Fraction, target: Fraction) -> Sets:
        """Sets within target and capacity of a branch, at most half of it investment."""
        value = self._value
        low, high = target * capacity / self._unit, capacity / self._unit
        above = value * low.denominator >= low.numerator
        within = value * high.denominator <= high.numerator
        allowed: Sets = above & within & (2 * self._investment <= value)
        return allowed

    def _processed_by(self, bankers: Bankers) -> Sets:
        """Sets that these bankers can process together."""
        if not bankers:
            nothing: Sets = self._value == 0
            return nothing
        first = min(bankers)
        limit = self.tables.banker_capacity[first] / self._unit
        alone: Sets = self._value * limit.denominator <= limit.numerator
        return self._joined(self._processed(bankers - {first}), alone)

    def _joined(self, some: Sets, others: Sets) -> Sets:
        """Sets that are one of these and one of those together, within what loans there are."""
        hits = some[self._part] & others[self._whole - self._part]
        joined = np.zeros(len(some), bool)
        joined[self._whole[hits]] = True
        return joined


def _parts(
    sets: NDArray[np.int64], counts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of a set and a part of it. The number of the rest is the difference of theirs."""
    weights = np.array([prod((counts[at + 1 :] + 1).tolist()) for at in range(len(counts))])
    assert (sets @ weights == np.arange(len(sets))).all()
    whole, part = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for count, weight in zip(counts, weights, strict=True):
        pairs = [(a, b) for a in range(count + 1) for b in range(a + 1)]
        whole = np.concatenate([whole + a * weight for a, _ in pairs])
        part = np.concatenate([part + b * weight for _, b in pairs])
    return whole, part
