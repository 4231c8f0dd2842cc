"""The loans of a year, and a plan for them when none is given.

The plan is valid and nearly full, and needs no solver: every banker works, every branch is filled
to its capacity as far as whole loans go, investment loans are at most half of each.
"""

import csv
import heapq
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from streams.planning.document import BankerPlan, BranchPlan, LoanPlan, PlanDocument

OWNER_PART = 0.502
"""Of a branch's capacity, for owner-occupied loans; investment loans get what is left of it."""


class Loan(NamedTuple):
    """A loan in whole dollars."""

    loan_id: str
    amount: int
    is_investment: bool

    def lead(self) -> dict[str, object]:
        """As it is sent."""
        purpose = "investment" if self.is_investment else "owner-occupied"
        attributes = {"amount": self.amount, "purpose": purpose}
        return {"lead_id": self.loan_id, "attributes": attributes}


class Place(NamedTuple):
    """A branch, or a banker, and what it can take in dollars."""

    name: str
    capacity: int


def read_loans(directory: Path) -> list[Loan]:
    """`loans.csv`."""
    return [
        Loan(row["loan_id"], _whole(row["loan_amount"]), row["loan_type"] == "1")
        for row in _rows(directory / "loans.csv")
    ]


def read_branches(directory: Path) -> list[Place]:
    """`branches.csv`."""
    return [Place(r["branch_id"], _whole(r["capacity"])) for r in _rows(directory / "branches.csv")]


def read_bankers(directory: Path) -> list[Place]:
    """`bankers.csv`."""
    return [
        Place(row["banker_id"], _whole(row["capacity_millions"]) * 1_000_000)
        for row in _rows(directory / "bankers.csv")
    ]


def full_plan(
    branches: Sequence[Place], bankers: Sequence[Place], loans: Sequence[Loan]
) -> PlanDocument:
    """The largest loans first, each to where most is free of what its kind may take."""
    owner = [loan for loan in loans if not loan.is_investment]
    investment = [loan for loan in loans if loan.is_investment]
    rooms = [int(branch.capacity * OWNER_PART) for branch in branches]
    of_owner = _filled(owner, rooms)
    got = [sum(loan.amount for loan in taken) for taken in of_owner]
    left = [
        min(branch.capacity - value, value) for branch, value in zip(branches, got, strict=True)
    ]
    of_investment = _filled(investment, left)
    taken = [first + second for first, second in zip(of_owner, of_investment, strict=True)]
    return _document(branches, _staff(branches, bankers), taken)


def _filled(loans: Sequence[Loan], rooms: Sequence[int]) -> list[list[Loan]]:
    """Who gets which, so that nobody gets more than they have room for."""
    taken: list[list[Loan]] = [[] for _ in rooms]
    heap = [(-room, place) for place, room in enumerate(rooms)]
    heapq.heapify(heap)
    for loan in sorted(loans, key=lambda each: (-each.amount, each.loan_id)):
        room, place = heap[0]
        if -room >= loan.amount:
            heapq.heapreplace(heap, (room + loan.amount, place))
            taken[place].append(loan)
    return taken


def _staff(branches: Sequence[Place], bankers: Sequence[Place]) -> list[list[Place]]:
    """The bankers of each branch, all of them; the largest where most is to be done."""
    staff: list[list[Place]] = [[] for _ in branches]
    heap = [(-branch.capacity, place) for place, branch in enumerate(branches)]
    heapq.heapify(heap)
    waiting = sorted(bankers, key=lambda each: (-each.capacity, each.name))
    for at, banker in enumerate(waiting):
        place = at if at < len(branches) else heap[0][1]
        if at >= len(branches):
            share = branches[place].capacity // (len(staff[place]) + 2)
            heapq.heapreplace(heap, (-share, place))
        staff[place].append(banker)
    return staff


def _document(
    branches: Sequence[Place], staff: Sequence[Sequence[Place]], taken: Sequence[Sequence[Loan]]
) -> PlanDocument:
    rows: list[LoanPlan] = []
    bankers: list[BankerPlan] = []
    summaries: list[BranchPlan] = []
    for branch, people, loans in zip(branches, staff, taken, strict=True):
        total = sum(loan.amount for loan in loans)
        rooms = [min(banker.capacity, -(-total // len(people)) + 6_000_000) for banker in people]
        shared = _filled(loans, rooms)
        for banker, theirs in zip(people, shared, strict=True):
            value = sum(loan.amount for loan in theirs)
            bankers.append(
                BankerPlan(
                    banker_id=banker.name,
                    branch_id=branch.name,
                    capacity=banker.capacity,
                    assigned_value=value,
                    unused_capacity=banker.capacity - value,
                    cost=0,
                )
            )
            rows += [
                LoanPlan(loan_id=loan.loan_id, branch_id=branch.name, banker_id=banker.name)
                for loan in theirs
            ]
        summaries.append(
            BranchPlan(
                branch_id=branch.name,
                capacity=branch.capacity,
                target_value=branch.capacity,
                assigned_value=total,
                investment_value=sum(loan.amount for loan in loans if loan.is_investment),
            )
        )
    return PlanDocument(
        model="m1",
        status="feasible",
        target=1.0,
        seconds=0.0,
        money="dollars",
        bankers_assigned=len(bankers),
        bankers=bankers,
        branches=summaries,
        loans=rows,
    )


def _whole(text: str) -> int:
    number = float(text)
    assert number == int(number), f"{text} is no whole number of dollars"
    return int(number)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
