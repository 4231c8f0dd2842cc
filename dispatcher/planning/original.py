"""The source document's own formulation, as it stands there: to measure ours against.

    x(l,b) = 1   where loan l goes to branch b
    z(l,p) = 1   where loan l goes to banker p
    y(p,b) = 1   where banker p works for branch b

Loans, bankers and branches are named one by one, and (9) has a constraint for every three of them:
350 bankers, 169 branches and 21,095 loans make 1.25 billion. What would take more than
`ENTRIES_MAX` coefficients is not built. Nothing but the benchmarks and the tests uses this.

Two things differ from what is printed. (10) has the factor that its explanation has: at most half.
And in models 2 and 3 the rate is given, where the document leaves it open: with an open rate the
objective is a product of variables, which HiGHS doesn't take. That makes them easier, not harder.
"""

from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np

from dispatcher.planning.effort import GAP
from dispatcher.planning.highs import INFINITY, Answer, LinearModel, Progress
from dispatcher.planning.network import Indices, Network
from dispatcher.planning.plan import NOBODY, Allocation, Plan, Status, gap_between
from dispatcher.planning.rates import LINEAR, AnyCurve, chosen_rate
from dispatcher.planning.search import RATIO_STEPS_MAX

ENTRIES_MAX: Final = 50_000_000
"""Coefficients of a model. One takes some 100 bytes while it is built and solved."""


class TooLarge(ValueError):
    """The model would have more coefficients than are built."""


class Size(NamedTuple):
    """How large the formulation is."""

    columns: int
    rows: int
    entries: int


class _Variables(NamedTuple):
    x: Indices
    z: Indices
    y: Indices


def size_of(network: Network) -> Size:
    """Binary variables, constraints and coefficients that a network takes."""
    (bankers, branches), loans = network.cost.shape, len(network.loan_ids)
    triples = loans * bankers * branches
    columns = loans * branches + loans * bankers + bankers * branches
    rows = 3 * loans + 2 * bankers + 3 * branches + triples
    to_branches, to_bankers = loans * branches, loans * bankers
    # (2) x, (3) z, (4) y, (5) z, (6, 7) x each, (8) x and z, (9) three each, (10) x
    entries = 5 * to_branches + 3 * to_bankers + bankers * branches + 3 * triples
    return Size(columns, rows, entries)


def original_m1(
    network: Network,
    target: float,
    *,
    time_limit_s: float = INFINITY,
    progress: Progress | None = None,
) -> Plan:
    """The document's model 1.

    Args:
        target: share of each branch's capacity that its loans have to reach, 0 to 1.
        time_limit_s: seconds in HiGHS at most.
        progress: told of objective and bound.

    Raises:
        TooLarge: more than `ENTRIES_MAX` coefficients.
    """
    model = LinearModel()
    v = _constrained(network, target, model)
    # (1) travel and salary of everybody at work
    model.objective((network.travel, v.y), (network.banker_pay[:, None], v.y))
    answer = model.solve(time_limit_s=time_limit_s, progress=progress)
    return _plan("m1", target, v, answer, 0.0, None)


def original_m2(
    network: Network,
    target: float,
    *,
    curve: AnyCurve = LINEAR,
    rate: float | None = None,
    time_limit_s: float = INFINITY,
    progress: Progress | None = None,
) -> Plan:
    """The document's model 2, at a rate in per cent; None for the best one. As `original_m1`."""
    chosen, earned = chosen_rate(curve, rate)
    v, answer = _profit(network, target, earned, 0.0, time_limit_s, progress)
    return _plan("m2", target, v, answer, earned, chosen)


def original_m3(
    network: Network,
    target: float,
    *,
    curve: AnyCurve = LINEAR,
    rate: float | None = None,
    time_limit_s: float = INFINITY,
) -> Plan:
    """The document's model 3, a ratio, by Dinkelbach's steps. As `original_m2`.

    With `a` the best profit per banker so far, maximise profit - a x bankers, with somebody at
    work: 0 just when `a` is best, and as long as it isn't, the new plan is better. The bound of
    the last step that was solved, over at least one banker, bounds the ratio.
    """
    chosen, earned = chosen_rate(curve, rate)
    ratio, bound, left_s = 0.0, INFINITY, time_limit_s
    best: Plan | None = None
    for _ in range(RATIO_STEPS_MAX):
        v, answer = _profit(network, target, earned, ratio, left_s, None, somebody=True)
        left_s -= answer.seconds
        bound = min(bound, ratio + max(0.0, answer.bound))
        plan = _plan("m3", target, v, answer, earned, chosen)
        if plan.allocation is None:
            # Later steps can't be infeasible: the plan so far is one of theirs.
            best = best or replace(plan, bound=_known(bound))
            break
        gained = float(answer.objective or 0.0) / plan.allocation.bankers_assigned
        if gained > 0 or best is None:
            ratio += gained
            best = plan
        best = replace(best, objective=ratio, bound=max(bound, ratio))
        done = answer.optimal and abs(gained) <= GAP * max(1.0, abs(ratio))
        if done or left_s <= 0:
            break
    assert best is not None
    if best.status is Status.INFEASIBLE:
        return best
    gap = gap_between(best.objective, best.bound)
    proven = gap is not None and gap <= GAP
    status = Status.TIME_LIMIT if best.allocation is None else Status.FEASIBLE
    return replace(best, status=Status.OPTIMAL if proven else status)


def _profit(
    network: Network,
    target: float,
    earned: float,
    per_banker: float,
    time_limit_s: float,
    progress: Progress | None,
    *,
    somebody: bool = False,
) -> tuple[_Variables, Answer]:
    model = LinearModel(maximise=True)
    v = _constrained(network, target, model)
    # (1) what loans earn, less travel and salary of everybody at work
    model.objective((network.loan_amount[:, None] * earned, v.x))
    model.objective((-network.travel, v.y), (-network.banker_pay[:, None] - per_banker, v.y))
    if somebody:
        # a ratio needs somebody to divide by
        model.constrain("somebody works", (1, v.y.ravel()), at_least=1)
    return v, model.solve(time_limit_s=time_limit_s, progress=progress)


def _constrained(network: Network, target: float, model: LinearModel) -> _Variables:
    """The variables, and constraints (2) to (10)."""
    size = size_of(network)
    if size.entries > ENTRIES_MAX:
        raise TooLarge(
            f"the document's formulation has {size.rows:,} constraints with {size.entries:,} "
            f"coefficients here; up to {ENTRIES_MAX:,} are built"
        )
    bankers, branches = network.cost.shape
    amount, loans = network.loan_amount, len(network.loan_ids)
    x, z, y = (
        model.binaries(loans, branches),
        model.binaries(loans, bankers),
        model.binaries(bankers, branches),
    )
    # (2) a loan goes to at most one branch
    model.constrain("(2)", (1, x), at_most=1)
    # (3) a loan goes to at most one banker
    model.constrain("(3)", (1, z), at_most=1)
    # (4) a banker works for at most one branch
    model.constrain("(4)", (1, y), at_most=1)
    # (5) loans of a banker are within their capacity
    model.constrain("(5)", (amount, z.T), at_most=network.banker_capacity)
    # (6) loans of a branch are within its capacity
    model.constrain("(6)", (amount, x.T), at_most=network.branch_capacity)
    # (7) loans of a branch reach the target
    model.constrain("(7)", (amount, x.T), at_least=target * network.branch_capacity)
    # (8) a loan that goes to a branch goes to a banker, and the other way round
    model.constrain("(8)", (1, x), (-1, z), equals=0)
    # (9) if loan l goes to branch b and banker p, then p works for b: x + z - y <= 1.5
    ones = _triples(x, z, y)
    model.constrain("(9)", (np.array([1.0, 1.0, -1.0]), ones), at_most=1.5)
    # (10) at most half of the value of a branch's loans are investment loans
    half = np.where(network.loan_is_investment, 0.5 * amount, -0.5 * amount)
    model.constrain("(10)", (half, x.T), at_most=0)
    return _Variables(x, z, y)


def _triples(x: Indices, z: Indices, y: Indices) -> Indices:
    """(L, P, B, 3): the three variables of every loan, banker and branch."""
    (loans, branches), bankers = x.shape, z.shape[1]
    shape = (loans, bankers, branches)
    parts = (x[:, None, :], z[:, :, None], y[None, :, :])
    return np.stack([np.broadcast_to(part, shape) for part in parts], axis=-1)


def _plan(
    model: str,
    target: float,
    v: _Variables,
    answer: Answer,
    earned: float,
    rate: float | None,
) -> Plan:
    bound = _known(answer.bound)
    if answer.values is None:
        status = Status.INFEASIBLE if answer.infeasible else Status.TIME_LIMIT
        return Plan(model, status, target, bound=None if answer.infeasible else bound, rate=rate)
    status = Status.OPTIMAL if answer.optimal else Status.FEASIBLE
    return Plan(model, status, target, answer.objective, bound, rate, earned,
                Allocation(_chosen(answer, v.y), _chosen(answer, v.z)))  # fmt: skip


def _known(bound: float) -> float | None:
    return bound if abs(bound) < INFINITY else None


def _chosen(answer: Answer, columns: Indices) -> Indices:
    """By row the column that is 1, or NOBODY."""
    assert answer.values is not None
    ones = answer.values[columns] > 0.5
    return np.where(ones.any(axis=1), ones.argmax(axis=1), NOBODY)
