"""Plans from files, checked against the network that they are for.

In: files as `partidor plan solve --json` or `--out` writes them, one plan each or a list. Out:
`PlanDocument`s, of which every banker, branch and loan is one of the network's, at its cost.
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from streams.failure import Failed
from streams.planning.document import PlanDocument
from streams.planning.loading import NetworkData
from streams.planning.solving import per_cent

BYTES_MAX: Final = 2**30
PLANS_MAX: Final = 1_000
_TOLERANCE: Final = 1e-6
_ONE_OR_MORE: Final[TypeAdapter[PlanDocument | list[PlanDocument]]] = TypeAdapter(
    PlanDocument | list[PlanDocument]
)


def read_plans(paths: Iterable[Path]) -> list[PlanDocument]:
    """All plans of some files, by model and target. Raises Failed."""
    plans: list[PlanDocument] = []
    for path in paths:
        if path.stat().st_size > BYTES_MAX:
            raise Failed(f"{path} has more than {BYTES_MAX:,} bytes; no more are read")
        try:
            read = _ONE_OR_MORE.validate_json(path.read_bytes())
        except ValidationError as error:
            raise Failed(f"{path} is no plan: {_first(error)}") from None
        plans += read if isinstance(read, list) else [read]
    if len(plans) > PLANS_MAX:
        raise Failed(f"{len(plans):,} plans; at most {PLANS_MAX:,} are shown together")
    return sorted(plans, key=lambda plan: (plan.model, plan.target))


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    # The first parts say which of the two forms was tried.
    where = ".".join(str(part) for part in first["loc"][1:])
    return f"{where}: {first['msg']}" if where else first["msg"]


def check_belongs(plan: PlanDocument, data: NetworkData) -> None:
    """Raises Failed for a plan of another network, or of the same with other costs."""
    network = data.network
    what = name_of(plan)
    if plan.money != network.money:
        raise Failed(f"{what} is in {plan.money}, the data in {network.money}; name its own data")
    banker_at = {banker_id: at for at, banker_id in enumerate(network.banker_ids)}
    branch_at = {branch_id: at for at, branch_id in enumerate(network.branch_ids)}
    loans = set(network.loan_ids)
    _check_known(what, "branch", (each.branch_id for each in plan.branches), branch_at)
    _check_known(what, "banker", (each.banker_id for each in plan.bankers), banker_at)
    _check_known(what, "branch", (each.branch_id for each in plan.bankers), branch_at)
    _check_known(what, "loan", (each.loan_id for each in plan.loans), loans)
    for each in plan.bankers:
        cost = network.cost[banker_at[each.banker_id], branch_at[each.branch_id]]
        if not math.isclose(cost, each.cost, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE):
            raise Failed(
                f"{what}: banker {each.banker_id!r} costs {each.cost:g} there and {cost:g} by the"
                " data; give the --cost-per-km that it was solved with"
            )


def _check_known(what: str, kind: str, ids: Iterable[str], known: Iterable[str]) -> None:
    strangers = set(ids).difference(known)
    if strangers:
        raise Failed(f"{what} names {kind} {min(strangers)!r}, not in the data; name its own data")


def name_of(plan: PlanDocument) -> str:
    """What people call a plan."""
    model = plan.model.upper() if plan.model[0] == "m" else plan.model
    return f"{model} at {per_cent(plan.target)}{rate_of(plan)}"


def rate_of(plan: PlanDocument) -> str:
    """What a name says of a plan's rate."""
    return "" if plan.rate is None else f", rate {plan.rate:g} %"


def with_answer(plans: Iterable[PlanDocument]) -> list[PlanDocument]:
    """Those that say who works where."""
    return [plan for plan in plans if plan.bankers_assigned is not None]
