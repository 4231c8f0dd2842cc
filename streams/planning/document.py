"""A plan as it stands in a file: what `partidor plan solve --json` prints and the others read.

One JSON object; bankers and branches with a summary of each, and every loan that goes somewhere.
Reading it takes no solver, so that plans can be published where none is installed.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ModelName = Literal["m1", "m2", "m3", "least-unused"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class BankerPlan(_Part):
    """A banker who works somewhere. `cost` in the objective's unit, the rest in loans' money."""

    banker_id: str
    branch_id: str
    capacity: float
    assigned_value: float
    unused_capacity: float
    cost: float


class BranchPlan(_Part):
    """A branch; `target_value` is the target's share of its capacity. All in the loans' money."""

    branch_id: str
    capacity: float
    target_value: float
    assigned_value: float
    investment_value: float


class LoanPlan(_Part):
    """A loan that a banker processes."""

    loan_id: str
    branch_id: str
    banker_id: str


class ConflictPlan(_Part):
    """Why a target can't be met."""

    branch_ids: list[str]
    limits: list[str]
    largest_target: float | None
    largest_target_bound: float


class PlanDocument(_Part):
    """A plan. `gap` is |objective - bound| / |objective|; `seconds` is the time of solving.

    `checked`: whether `partidor plan check` finds it sound; None where it wasn't asked.
    """

    model: ModelName
    status: Literal["optimal", "feasible", "infeasible", "time_limit"]
    target: float
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    rate: float | None = None
    seconds: float
    money: str
    cost: float | None = None
    revenue: float | None = None
    profit: float | None = None
    bankers_assigned: int | None = None
    unused_capacity: float | None = None
    bankers: list[BankerPlan] = []
    branches: list[BranchPlan] = []
    loans: list[LoanPlan] = []
    conflict: ConflictPlan | None = None
    checked: bool | None = None
    notes: list[str] = []
