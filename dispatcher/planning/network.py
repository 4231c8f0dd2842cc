"""A branch network: who could work where at what cost, and the loans of a year.

Everything is in the loans' own money, but for the cost of a banker, which is in the objective's.
Where a network has both in dollars, they are the same.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Indices = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Network:
    """P bankers, B branches and L loans, by position.

    Attributes:
        banker_ids: P of them.
        banker_capacity: (P,) value of loans that a banker can process in a year, above 0.
        banker_pay: (P,) what paying a banker adds to the objective.
        travel: (P, B) what a banker's way to a branch adds to the objective.
        branch_ids: B of them.
        branch_capacity: (B,) value of loans that a branch can take in a year, above 0.
        loan_ids: L of them.
        loan_amount: (L,) value of a loan, above 0.
        loan_is_investment: (L,) true for an investment loan, else owner-occupied.
        money: unit of all values, as people say it: "dollars".

    Raises:
        ValueError: shapes don't fit together, a number is not finite, or a value not above 0.
    """

    banker_ids: tuple[str, ...]
    banker_capacity: Floats
    banker_pay: Floats
    travel: Floats
    branch_ids: tuple[str, ...]
    branch_capacity: Floats
    loan_ids: tuple[str, ...]
    loan_amount: Floats
    loan_is_investment: Bools
    money: str = "units"

    def __post_init__(self) -> None:
        """Check that it fits together."""
        bankers, branches, loans = len(self.banker_ids), len(self.branch_ids), len(self.loan_ids)
        for name, array, shape in (
            ("banker_capacity", self.banker_capacity, (bankers,)),
            ("banker_pay", self.banker_pay, (bankers,)),
            ("travel", self.travel, (bankers, branches)),
            ("branch_capacity", self.branch_capacity, (branches,)),
            ("loan_amount", self.loan_amount, (loans,)),
            ("loan_is_investment", self.loan_is_investment, (loans,)),
        ):
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}, not {shape}")
            if not np.isfinite(array).all():
                raise ValueError(f"{name} holds something that is not a finite number")
        for name in ("banker_capacity", "branch_capacity", "loan_amount"):
            if not (getattr(self, name) > 0).all():
                raise ValueError(f"{name} holds a value that is not above 0")
        for name, ids in (
            ("banker", self.banker_ids),
            ("branch", self.branch_ids),
            ("loan", self.loan_ids),
        ):
            if len(set(ids)) != len(ids):
                raise ValueError(f"two of the {name} ids are the same")

    @cached_property
    def cost(self) -> Floats:
        """(P, B) what a banker at a branch adds to the objective: pay and travel."""
        total: Floats = self.banker_pay[:, None] + self.travel
        return total

    @cached_property
    def owner_total(self) -> float:
        """Value of all owner-occupied loans."""
        return float(self.loan_amount[~self.loan_is_investment].sum())

    @cached_property
    def investment_total(self) -> float:
        """Value of all investment loans."""
        return float(self.loan_amount[self.loan_is_investment].sum())
