"""Which loan goes to whom, once it is known who works where: as much value as fits.

In: a network and the branch of each banker. Out: an allocation within all limits but perhaps the
targets, and as close as it comes to what can be served. No search for a proof: the bound comes from
flows (`search`), and with enough loans this meets capacities to the dollar.

1. Each banker has room for what can be served: capacities of bankers and branches, or, where loans
   are scarce, the same part of the way from target to capacity everywhere.
2. Loans go out, the largest first, to who has most room left for their kind.
3. What little room is left is closed by exchanging one or two loans of a banker for one or two that
   nobody has, of one kind, such that the gain is as large as fits.
"""

from dataclasses import dataclass, field
from heapq import heapify, heapreplace
from typing import Final

import numpy as np

from dispatcher.planning.network import Floats, Indices, Network
from dispatcher.planning.plan import NOBODY, Allocation

EXCHANGES_MAX: Final = 12
"""Exchanges for one banker; each closes most of the room that is left."""
LOOKED_AT_MAX: Final = 400
"""Loans of one side that are combined in pairs: 80,000 pairs."""


def fill(network: Network, branch_of_banker: Indices, target: float) -> Allocation:
    """Give loans to the bankers at work."""
    loads = _Loads(network, branch_of_banker)
    _deal_out(loads, _wanted(loads, target))
    _add_what_fits(loads)
    for banker in loads.at_work:
        _close(loads, int(banker))
    return Allocation(branch_of_banker, loads.banker_of_loan)


@dataclass
class _Loads:
    """What everybody has so far.

    Attributes:
        at_work: indices of bankers.
        room: (P,) what a banker could take by their own capacity.
        branch_room: (B,) what a branch could take.
        investment_room: (B,) how much more in investment loans: owner-occupied less investment.
    """

    network: Network
    branch_of_banker: Indices
    at_work: Indices = field(init=False)
    banker_of_loan: Indices = field(init=False)
    room: Floats = field(init=False)
    branch_room: Floats = field(init=False)
    investment_room: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.at_work = np.flatnonzero(self.branch_of_banker != NOBODY)
        self.banker_of_loan = np.full(len(self.network.loan_ids), NOBODY, dtype=np.int64)
        self.room = self.network.banker_capacity.copy()
        self.branch_room = self.network.branch_capacity.copy()
        self.investment_room = np.zeros(len(self.network.branch_ids))

    def give(self, loan: int, banker: int) -> None:
        self.banker_of_loan[loan] = banker
        self._count(loan, banker, float(self.network.loan_amount[loan]))

    def take(self, loan: int) -> None:
        banker = int(self.banker_of_loan[loan])
        self.banker_of_loan[loan] = NOBODY
        self._count(loan, banker, -float(self.network.loan_amount[loan]))

    def _count(self, loan: int, banker: int, amount: float) -> None:
        branch = self.branch_of_banker[banker]
        self.room[banker] -= amount
        self.branch_room[branch] -= amount
        self.investment_room[branch] += -amount if self.network.loan_is_investment[loan] else amount

    def fits(self, banker: int) -> float:
        """What a banker can take more, by both capacities."""
        return float(min(self.room[banker], self.branch_room[self.branch_of_banker[banker]]))

    def most(self, banker: int, *, investment: bool) -> float:
        """The largest loan of a kind, or gain by an exchange, that a banker may get."""
        fits = self.fits(banker)
        branch = self.branch_of_banker[banker]
        return min(fits, float(self.investment_room[branch])) if investment else fits

    def of_kind(self, banker: int, *, investment: bool) -> Indices:
        """Loans of a banker, or of NOBODY."""
        return np.flatnonzero(
            (self.banker_of_loan == banker) & (self.network.loan_is_investment == investment)
        )


def _wanted(loads: _Loads, target: float) -> tuple[Floats, Floats]:
    """(P,) value of owner-occupied, and of investment loans, that each is to get."""
    network = loads.network
    bankers = loads.at_work
    branches = loads.branch_of_banker[bankers]
    capacity = np.bincount(
        branches, weights=network.banker_capacity[bankers], minlength=len(network.branch_ids)
    )
    most = np.minimum(capacity, network.branch_capacity)
    least = np.minimum(target * network.branch_capacity, most)
    investments = min(network.investment_total, network.owner_total)
    supply = network.owner_total + investments
    span = float((most - least).sum())
    way = 1.0 if span <= 0 else min(1.0, max(0.0, (supply - float(least.sum())) / span))
    value = least + way * (most - least)
    of_banker = np.zeros(len(network.banker_ids))
    of_banker[bankers] = value[branches] * network.banker_capacity[bankers] / capacity[branches]
    owner_part = network.owner_total / supply if supply else 1.0
    return of_banker * owner_part, of_banker * (1 - owner_part)


def _deal_out(loads: _Loads, wanted: tuple[Floats, Floats]) -> None:
    """Largest first, to who has most room left; owner-occupied first, as they make room."""
    if not len(loads.at_work):
        return
    amounts = loads.network.loan_amount
    for investment in (False, True):
        kind = loads.network.loan_is_investment == investment
        loans = np.flatnonzero(kind)[np.argsort(-amounts[kind], kind="stable")]
        rooms = [(-float(wanted[investment][banker]), int(banker)) for banker in loads.at_work]
        heapify(rooms)
        for loan in loans:
            room, banker = rooms[0]
            amount = float(amounts[loan])
            if amount <= -room and amount <= loads.most(banker, investment=investment):
                loads.give(int(loan), banker)
                heapreplace(rooms, (room + amount, banker))


def _add_what_fits(loads: _Loads) -> None:
    """What nobody has, largest first, to who has most room for it by capacity."""
    if not len(loads.at_work):
        return
    for investment in (False, True):
        loans = loads.of_kind(NOBODY, investment=investment)
        for loan in loans[np.argsort(-loads.network.loan_amount[loans], kind="stable")]:
            amount = float(loads.network.loan_amount[loan])
            rooms = np.minimum(
                loads.room[loads.at_work],
                loads.branch_room[loads.branch_of_banker[loads.at_work]],
            )
            if investment:
                branches = loads.branch_of_banker[loads.at_work]
                rooms = np.minimum(rooms, loads.investment_room[branches])
            best = int(np.argmax(rooms))
            if rooms[best] >= amount:
                loads.give(int(loan), int(loads.at_work[best]))


def _close(loads: _Loads, banker: int) -> None:
    """Exchange loans until no exchange gains anything, or nothing is left to gain."""
    for _ in range(EXCHANGES_MAX):
        best: tuple[float, list[int], list[int]] = (0.0, [], [])
        for investment in (False, True):
            most = loads.most(banker, investment=investment)
            if most <= 0:
                continue
            mine = loads.of_kind(banker, investment=investment)
            free = loads.of_kind(NOBODY, investment=investment)
            found = _best_exchange(loads.network.loan_amount, mine, free, most)
            best = max(best, found, key=lambda each: each[0])
        gain, leaving, coming = best
        if gain <= 0:
            return
        for loan in leaving:
            loads.take(loan)
        for loan in coming:
            loads.give(loan, banker)
        if loads.fits(banker) <= 0:
            return


def _best_exchange(
    amounts: Floats, mine: Indices, free: Indices, most: float
) -> tuple[float, list[int], list[int]]:
    """The exchange that gains most, and at most `most`: gain, loans that leave, loans that come."""
    best: tuple[float, list[int], list[int]] = (0.0, [], [])
    for leaving, leaving_sum in (_none(), _singles(amounts, mine), _pairs(amounts, mine)):
        for coming, coming_sum in (_singles(amounts, free), _pairs(amounts, free)):
            if not len(leaving) or not len(coming):
                continue
            order = np.argsort(coming_sum, kind="stable")
            ascending = coming_sum[order]
            place = np.searchsorted(ascending, leaving_sum + most, side="right") - 1
            gain = np.where(place >= 0, ascending[np.maximum(place, 0)] - leaving_sum, 0.0)
            at = int(np.argmax(gain))
            if gain[at] > best[0]:
                there = coming[order[place[at]]]
                best = (float(gain[at]), leaving[at].tolist(), there.tolist())
            if best[0] >= most:
                return best
    return best


def _none() -> tuple[Indices, Floats]:
    return np.zeros((1, 0), dtype=np.int64), np.zeros(1)


def _singles(amounts: Floats, loans: Indices) -> tuple[Indices, Floats]:
    return loans[:, None], amounts[loans]


def _pairs(amounts: Floats, loans: Indices) -> tuple[Indices, Floats]:
    """All pairs of the loans, or of as many of them, evenly spread over amounts, as is bounded."""
    some = loans[np.argsort(amounts[loans], kind="stable")]
    if len(some) > LOOKED_AT_MAX:
        some = some[np.linspace(0, len(some) - 1, LOOKED_AT_MAX).astype(np.int64)]
    first, second = np.triu_indices(len(some), k=1)
    pairs = np.stack([some[first], some[second]], axis=1)
    return pairs, amounts[some[first]] + amounts[some[second]]
