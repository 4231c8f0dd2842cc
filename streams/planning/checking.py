"""Whether a plan keeps the limits and has the figures that it says it has: a second opinion.

In: a plan as JSON (`partidor plan solve --json`) and the CSV tables of its network. Out: for each
rule below how much was checked, and a sentence for each breach.

The rules are constraints (2) to (11) of the source document, on loans, bankers and branches as they
stand in the plan. Nothing is shared with the models: the tables are read by `exact_tables`, all
sums are exact fractions of the digits that stand there. A loan of one cent too many is a breach.

Formula (10) is printed without the factor that its explanation has: as printed it compares a part
with the whole and forbids nothing. Here investment loans are at most half of a branch's value.

Reported totals are floating-point numbers: they may miss the exact ones by a millionth of
themselves, and by what adding up costs.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Final

from streams.failure import Failed
from streams.planning.exact_curves import RATE_MAX, Curve, linear
from streams.planning.exact_tables import Tables, read_tables, shown
from streams.planning.reported import ReportedLoan, ReportedPlan, read_plans

RELATIVE: Final = Fraction(1, 10**6)
"""What a reported total may miss the exact one by, of itself."""
ROUNDING: Final = Fraction(1, 10**12)
"""And what by, of the largest number that it was added up from."""
BOUND_SLACK: Final = Fraction(1, 10**9)
"""What a bound may be on the wrong side of its objective by, relatively: a solver's last digits."""
BYTES_MAX: Final = 2**30


@dataclass
class Checked:
    """A rule, to how much it was applied, and who breaks it."""

    rule: str
    says: str
    count: int = 0
    breaches: list[str] = field(default_factory=list)


def check_file(
    path: Path, directory: Path, *, curve: Curve = linear, cost_per_km: Decimal | None = None
) -> list[tuple[ReportedPlan, list[Checked]]]:
    """Check every plan of a file.

    Raises:
        Failed: the file or the tables can't be read.
    """
    if path.stat().st_size > BYTES_MAX:
        raise Failed(f"{path} has over {BYTES_MAX:,} bytes; that is no plan")
    plans = read_plans(path.read_bytes())
    tables = read_tables(directory, cost_per_km=cost_per_km)
    return [(plan, check(plan, tables, curve)) for plan in plans]


def breaches(text: bytes, tables: Tables, curve: Curve = linear) -> list[str]:
    """What is wrong with the plans of a text, a line each with its rule.

    Raises:
        Failed: it holds no plans.
    """
    return [
        f"{checked.rule}: {breach}"
        for plan in read_plans(text)
        for checked in check(plan, tables, curve)
        for breach in checked.breaches
    ]


def check(plan: ReportedPlan, tables: Tables, curve: Curve = linear) -> list[Checked]:
    """Apply every rule to a plan."""
    if not plan.has_allocation:
        return [_without_allocation(plan)]
    found = _Found(plan, tables)
    rules: list[Checked] = [known_ids(found)]
    if rules[0].breaches:
        return rules  # all others look up the ids
    return [
        *rules,
        one_banker_for_a_loan(found),
        one_branch_for_a_banker(found),
        within_capacity_of_bankers(found),
        within_capacity_of_branches(found),
        targets_met(found),
        bankers_at_their_branch(found),
        half_investment(found),
        rate_allowed(found),
        lines_of_bankers(found),
        lines_of_branches(found),
        totals(found, curve),
        proof(found),
    ]


class _Sums(dict[str, Fraction]):
    """Sums by id; where there is nothing it is 0."""

    def __missing__(self, key: str) -> Fraction:
        return Fraction(0)


class _Found:
    """What the loans of a plan add up to, exactly."""

    def __init__(self, plan: ReportedPlan, tables: Tables) -> None:
        self.plan = plan
        self.tables = tables
        self.target = Fraction(plan.target)

    @cached_property
    def branches_of_banker(self) -> dict[str, list[str]]:
        """Where each banker of the plan works."""
        where: dict[str, list[str]] = defaultdict(list)
        for banker in self.plan.bankers:
            where[banker.banker_id].append(banker.branch_id)
        return where

    @cached_property
    def value_of_banker(self) -> _Sums:
        """Value of the loans of each."""
        return self._summed(self.plan.loans, lambda loan: loan.banker_id)

    @cached_property
    def value_of_branch(self) -> _Sums:
        """Value of the loans of each."""
        return self._summed(self.plan.loans, lambda loan: loan.branch_id)

    @cached_property
    def investment_of_branch(self) -> _Sums:
        """Value of the investment loans of each."""
        loans = [loan for loan in self.plan.loans if loan.loan_id in self.tables.investment]
        return self._summed(loans, lambda loan: loan.branch_id)

    @cached_property
    def value(self) -> Fraction:
        """Of all loans of the plan."""
        return sum(self.value_of_branch.values(), Fraction(0))

    @cached_property
    def cost(self) -> Fraction:
        """Of all bankers of the plan where they work."""
        cost = self.tables.cost
        return sum((cost(each.banker_id, each.branch_id) for each in self.plan.bankers), Fraction())

    @cached_property
    def capacity(self) -> Fraction:
        """Of all bankers of the plan."""
        capacities = self.tables.banker_capacity
        return sum((capacities[each.banker_id] for each in self.plan.bankers), Fraction())

    def _summed(self, loans: list[ReportedLoan], key: Callable[[ReportedLoan], str]) -> _Sums:
        sums = _Sums()
        for loan in loans:
            sums[key(loan)] += self.tables.loan_amount[loan.loan_id]
        return sums


def known_ids(found: _Found) -> Checked:
    """Whatever the plan names is in the tables, and all branches are in the plan."""
    plan, tables = found.plan, found.tables
    checked = Checked("ids", "every loan, banker and branch of the plan is in the tables")
    named = [
        ("loan", "loans", tables.loan_amount, (loan.loan_id for loan in plan.loans)),
        ("banker", "bankers", tables.banker_capacity, _bankers_named(plan)),
        ("branch", "branches", tables.branch_capacity, _branches_named(plan)),
    ]
    for kind, table, known, ids in named:
        for each in dict.fromkeys(ids):
            checked.count += 1
            if each not in known:
                checked.breaches.append(f"{kind} {each} of the plan is not in {table}.csv")
    if plan.money != tables.money:
        checked.breaches.append(
            f"the plan is in {plan.money}, the tables are in {tables.money}: another network"
        )
    return checked


def _bankers_named(plan: ReportedPlan) -> Iterator[str]:
    yield from (banker.banker_id for banker in plan.bankers)
    yield from (loan.banker_id for loan in plan.loans)


def _branches_named(plan: ReportedPlan) -> Iterator[str]:
    yield from (branch.branch_id for branch in plan.branches)
    yield from (banker.branch_id for banker in plan.bankers)
    yield from (loan.branch_id for loan in plan.loans)


def one_banker_for_a_loan(found: _Found) -> Checked:
    """Constraints (2) and (3)."""
    times = Counter(loan.loan_id for loan in found.plan.loans)
    checked = Checked("(2), (3)", "a loan goes to at most one branch and one banker", len(times))
    checked.breaches = [
        f"loan {loan_id} goes out {count} times" for loan_id, count in times.items() if count > 1
    ]
    return checked


def one_branch_for_a_banker(found: _Found) -> Checked:
    """Constraint (4)."""
    where = found.branches_of_banker
    checked = Checked("(4)", "a banker works for at most one branch", len(where))
    checked.breaches = [
        f"banker {banker_id} works {len(branches)} times: at {', '.join(branches)}"
        for banker_id, branches in where.items()
        if len(branches) > 1
    ]
    return checked


def within_capacity_of_bankers(found: _Found) -> Checked:
    """Constraint (5)."""
    checked = Checked(
        "(5)", "loans of a banker are within their capacity", len(found.value_of_banker)
    )
    for banker_id, value in found.value_of_banker.items():
        capacity = found.tables.banker_capacity[banker_id]
        if value > capacity:
            checked.breaches.append(
                f"banker {banker_id} processes {shown(value)}, "
                f"more than their capacity of {shown(capacity)}"
            )
    return checked


def within_capacity_of_branches(found: _Found) -> Checked:
    """Constraint (6)."""
    capacities = found.tables.branch_capacity
    checked = Checked("(6)", "loans of a branch are within its capacity", len(capacities))
    for branch_id, capacity in capacities.items():
        value = found.value_of_branch[branch_id]
        if value > capacity:
            checked.breaches.append(
                f"branch {branch_id} gets {shown(value)}, "
                f"more than its capacity of {shown(capacity)}"
            )
    return checked


def targets_met(found: _Found) -> Checked:
    """Constraint (7), of every branch in the tables."""
    capacities = found.tables.branch_capacity
    checked = Checked("(7)", "loans of a branch reach the target", len(capacities))
    for branch_id, capacity in capacities.items():
        value, target = found.value_of_branch[branch_id], found.target * capacity
        if value < target:
            checked.breaches.append(
                f"branch {branch_id} gets {shown(value)}, less than its target of {shown(target)}"
            )
    return checked


def bankers_at_their_branch(found: _Found) -> Checked:
    """Constraints (8) and (9)."""
    where = found.branches_of_banker
    checked = Checked(
        "(8), (9)", "who processes a loan works for its branch", len(found.plan.loans)
    )
    for loan in found.plan.loans:
        branches = where.get(loan.banker_id, [])
        if loan.branch_id not in branches:
            works = f"works at {', '.join(branches)}" if branches else "works nowhere"
            checked.breaches.append(
                f"loan {loan.loan_id} is at branch {loan.branch_id}, "
                f"but its banker {loan.banker_id} {works}"
            )
    return checked


def half_investment(found: _Found) -> Checked:
    """Constraint (10), with its factor."""
    checked = Checked(
        "(10)", "at most half of a branch's value is in investment loans",
        len(found.tables.branch_capacity),
    )  # fmt: skip
    for branch_id in found.tables.branch_capacity:
        value, part = found.value_of_branch[branch_id], found.investment_of_branch[branch_id]
        if 2 * part > value:
            checked.breaches.append(
                f"branch {branch_id} has {shown(part)} in investment loans, "
                f"more than half of its {shown(value)}"
            )
    return checked


def rate_allowed(found: _Found) -> Checked:
    """Constraint (11), of models that have a rate."""
    checked = Checked("(11)", "the rate is between 0 and 24 per cent")
    if found.plan.model in ("m2", "m3"):
        checked.count = 1
        rate = found.plan.rate
        if rate is None:
            checked.breaches.append(f"{found.plan.model} has no rate")
        elif not 0 <= rate <= RATE_MAX:
            checked.breaches.append(f"the rate is {rate} per cent")
    return checked


def lines_of_bankers(found: _Found) -> Checked:
    """What the plan says of each banker."""
    checked = Checked("bankers", "what the plan says of a banker is what its loans add up to")
    for line in found.plan.bankers:
        checked.count += 1
        capacity = found.tables.banker_capacity[line.banker_id]
        value = found.value_of_banker[line.banker_id]
        cost = found.tables.cost(line.banker_id, line.branch_id)
        checked.breaches += _differences(
            f"banker {line.banker_id}",
            ("capacity", line.capacity, capacity, capacity),
            ("assigned_value", line.assigned_value, value, capacity),
            ("unused_capacity", line.unused_capacity, capacity - value, capacity),
            ("cost", line.cost, cost, cost),
        )
    return checked


def lines_of_branches(found: _Found) -> Checked:
    """What the plan says of each branch; each has one line."""
    checked = Checked("branches", "what the plan says of a branch is what its loans add up to")
    lines = Counter(line.branch_id for line in found.plan.branches)
    for branch_id in found.tables.branch_capacity:
        if lines[branch_id] != 1:
            checked.breaches.append(f"branch {branch_id} has {lines[branch_id]} lines, not one")
    for line in found.plan.branches:
        checked.count += 1
        capacity = found.tables.branch_capacity[line.branch_id]
        value = found.value_of_branch[line.branch_id]
        part = found.investment_of_branch[line.branch_id]
        checked.breaches += _differences(
            f"branch {line.branch_id}",
            ("capacity", line.capacity, capacity, capacity),
            ("target_value", line.target_value, found.target * capacity, capacity),
            ("assigned_value", line.assigned_value, value, capacity),
            ("investment_value", line.investment_value, part, capacity),
        )
    return checked


def totals(found: _Found, curve: Curve) -> Checked:
    """What the plan says of all, and its objective."""
    plan, cost, capacity = found.plan, found.cost, found.capacity
    count = Fraction(len(plan.bankers))
    figures: list[_Figure] = [
        ("bankers_assigned", plan.bankers_assigned, count, count),
        ("cost", plan.cost, cost, cost),
        ("unused_capacity", plan.unused_capacity, capacity - found.value, capacity),
    ]
    checked = Checked("totals", "totals and objective are what the plan adds up to")
    if plan.model == "m1":
        figures.append(("objective", plan.objective, cost, cost))
    elif plan.model == "least-unused":
        figures.append(("objective", plan.objective, capacity - found.value, capacity))
    elif plan.rate is not None:  # without one is a breach already
        revenue = found.value * curve(plan.rate) * Fraction(plan.rate) / 100
        profit, largest = revenue - cost, max([revenue, cost])
        figures += [
            ("revenue", plan.revenue, revenue, revenue),
            ("profit", plan.profit, profit, largest),
        ]
        if plan.model == "m2":
            figures.append(("objective", plan.objective, profit, largest))
        elif count:
            figures.append(("objective", plan.objective, profit / count, largest))
        else:
            checked.breaches.append("m3 is a profit per banker, and nobody works")
    checked.count = len(figures)
    checked.breaches += _differences("the plan", *figures)
    return checked


def proof(found: _Found) -> Checked:
    """The bound is on its side of the objective, and the gap is the distance of both."""
    plan = found.plan
    checked = Checked("bound", "the bound is on the right side, and the gap is its distance", 1)
    if plan.objective is None:
        checked.breaches.append(f"the plan is {plan.status} and has no objective")
        return checked
    if plan.bound is None:
        if plan.status == "optimal":
            checked.breaches.append("the plan is called optimal and has no bound")
        if plan.gap is not None:
            checked.breaches.append(f"the gap is {plan.gap}, without a bound")
        return checked
    objective, bound = Fraction(plan.objective), Fraction(plan.bound)
    better: Fraction = bound - objective if plan.model in ("m2", "m3") else objective - bound
    if better < -BOUND_SLACK * max([Fraction(1), abs(objective)]):
        checked.breaches.append(
            f"the objective of {shown(objective)} is better than its bound of {shown(bound)}"
        )
    if plan.gap is None:
        checked.breaches.append("there is a bound and no gap")
    elif objective:
        gap = abs(better / objective)
        checked.breaches += _differences("the plan", ("gap", plan.gap, gap, Fraction(1)))
    elif bool(bound) != bool(plan.gap):
        checked.breaches.append(f"the plan: gap is {plan.gap}, with 0 and {shown(bound)}")
    return checked


_Figure = tuple[str, Decimal | int | None, Fraction, Fraction]
"""Name, as reported, exact, and the largest number that it was added up from."""


def _differences(of: str, *figures: _Figure) -> Iterator[str]:
    for name, reported, true, scale in figures:
        if reported is None:
            yield f"{of}: {name} is missing; it is {shown(true)}"
        elif abs(Fraction(reported) - true) > RELATIVE * abs(true) + ROUNDING * abs(scale):
            yield f"{of}: {name} is {reported}, and should be {shown(true)}"


def _without_allocation(plan: ReportedPlan) -> Checked:
    """Nothing can be right or wrong in it but that it has nothing."""
    checked = Checked("nothing", f"a plan that is {plan.status} allocates nothing", 1)
    if plan.bankers or plan.loans or plan.objective is not None:
        checked.breaches.append(f"the plan is {plan.status} and allocates all the same")
    return checked
