"""Plans as they were reported, for those who check them: numbers with the digits that they have.

In: JSON as `partidor plan solve --json` prints it. Out: `ReportedPlan`s. `document` has the same
plans for those who show them.
"""

import json
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from streams.failure import Failed


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class ReportedBanker(_Part):
    """Where a banker works, and how much of them is used."""

    banker_id: str
    branch_id: str
    capacity: Decimal
    assigned_value: Decimal
    unused_capacity: Decimal
    cost: Decimal


class ReportedBranch(_Part):
    """What a branch gets."""

    branch_id: str
    capacity: Decimal
    target_value: Decimal
    assigned_value: Decimal
    investment_value: Decimal


class ReportedLoan(_Part):
    """Where a loan goes."""

    loan_id: str
    branch_id: str
    banker_id: str


class ReportedPlan(_Part):
    """A plan as it was reported, every number with the digits that it has in the text."""

    model: Literal["m1", "m2", "m3", "least-unused"]
    status: Literal["optimal", "feasible", "infeasible", "time_limit"]
    target: Decimal
    objective: Decimal | None = None
    bound: Decimal | None = None
    gap: Decimal | None = None
    rate: Decimal | None = None
    money: str
    cost: Decimal | None = None
    revenue: Decimal | None = None
    profit: Decimal | None = None
    bankers_assigned: int | None = None
    unused_capacity: Decimal | None = None
    bankers: list[ReportedBanker] = []
    branches: list[ReportedBranch] = []
    loans: list[ReportedLoan] = []

    @property
    def has_allocation(self) -> bool:
        """Whether it says who works where; an infeasible one doesn't."""
        return self.status in ("optimal", "feasible")


def read_plans(text: bytes) -> list[ReportedPlan]:
    """The plans of a file: one, or a list of them for several targets.

    Raises:
        Failed: it holds something else.
    """
    try:
        content = json.loads(text, parse_float=Decimal, parse_constant=_refused)
        plans = content if isinstance(content, list) else [content]
        return [ReportedPlan.model_validate(plan) for plan in plans]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise Failed(f"this is no plan: {where}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise Failed(f"this is no JSON: {error}") from None


def _refused(constant: str) -> None:
    raise ValueError(f"{constant} is no number")
