"""Plans as one HTML file that people can send: tables, figures, and what was assumed.

In: a network, plans for it, pictures. Out: a document that asks nothing of the network it is
opened in: no address in it leads elsewhere, images are inside it, there are no scripts, and a
policy in its head forbids them. What comes from data is text, never markup. The same plans give
the same bytes.
"""

import base64
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from streams.planning.document import PlanDocument
from streams.planning.figures.gallery import detailed
from streams.planning.figures.models import TITLES, figures_of
from streams.planning.figures.style import MILLION, Money, Picture, image_of, money_of
from streams.planning.loading import PAY_PER_SALARY, NetworkData
from streams.planning.plan_files import name_of, rate_of, with_answer
from streams.planning.solving import per_cent

TITLE: Final = "Plan of a branch network"
LOANS_LISTED_MAX: Final = 100
"""More loans than these are told as sums."""
BRANCHES_NAMED_MAX: Final = 20
NOTES_MAX: Final = 20
_NOTHING: Final = "-"

STATUSES: Final = {
    "optimal": "no plan is better by more than the gap.",
    "feasible": "a plan that keeps all limits; none can be better than the bound.",
    "infeasible": "proven that no plan keeps all limits.",
    "time_limit": "neither a plan nor a proof that there is none when the time ended.",
}


@dataclass(frozen=True)
class Shown:
    """A table of texts. `numbers` are the columns on the right, `words` those that want room."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int]
    words: frozenset[int] = frozenset()


def report(plans: Sequence[PlanDocument], data: NetworkData, pictures: Sequence[Picture]) -> str:
    """The document."""
    network = data.network
    value = float(network.loan_amount.sum())
    money = money_of(network.money, value)
    summary = (
        f"{len(network.branch_ids):,} branches, {len(network.banker_ids):,} bankers,"
        f" {len(network.loan_ids):,} loans worth {money.text(value)} {money.unit}."
    )
    notes = list(dict.fromkeys(note for plan in plans for note in plan.notes))
    return _template().render(
        title=TITLE,
        summary=summary,
        found=_found(plans),
        statuses=[
            (status.replace("_", " "), meaning)
            for status, meaning in STATUSES.items()
            if any(plan.status == status for plan in plans)
        ],
        conflicts=[_conflict(plan) for plan in plans if plan.conflict is not None],
        notes=notes[:NOTES_MAX],
        pictures=[_image(picture) for picture in pictures],
        plans=[_plan(plan, data) for plan in detailed(plans)],
        assumed=_assumed(plans, data),
    )


def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("streams.planning"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


def _image(picture: Picture) -> dict[str, str]:
    image = base64.b64encode(image_of(picture, "svg")).decode()
    return {"title": picture.title, "alt": picture.alt, "base64": image}


def _found(plans: Sequence[PlanDocument]) -> Shown:
    """A row for each plan."""
    money = plans[0].money
    decimals = 2 if money == "dollars" else 4
    largest = _money(plans[0], [plan.unused_capacity or 0.0 for plan in plans])
    header = (
        "model", "target", "status", f"objective, {money}", f"bound, {money}", "gap, %",
        "solved in, s", "rate, %", "bankers at work", f"unused capacity, {largest.unit}",
    )  # fmt: skip
    rows = [
        (
            TITLES[plan.model], per_cent(plan.target), plan.status.replace("_", " "),
            _number(plan.objective, decimals), _number(plan.bound, decimals),
            _number(None if plan.gap is None else plan.gap * 100, 4), _number(plan.seconds, 2),
            _NOTHING if plan.rate is None else f"{plan.rate:g}", _number(plan.bankers_assigned, 0),
            _NOTHING if plan.unused_capacity is None else largest.text(plan.unused_capacity),
        )
        for plan in plans
    ]  # fmt: skip
    return Shown("All plans", header, rows, frozenset({1, *range(3, 10)}), frozenset({0}))


def _number(value: float | None, decimals: int) -> str:
    return _NOTHING if value is None else f"{value:,.{decimals}f}"


def _conflict(plan: PlanDocument) -> dict[str, object]:
    conflict = plan.conflict
    assert conflict is not None
    branches = ", ".join(conflict.branch_ids[:BRANCHES_NAMED_MAX])
    more = len(conflict.branch_ids) - BRANCHES_NAMED_MAX
    largest = f"No target above {per_cent(conflict.largest_target_bound)} is feasible."
    if conflict.largest_target is not None:
        largest = f"The largest feasible target is {per_cent(conflict.largest_target)}. {largest}"
    return {
        "name": name_of(plan),
        "branches": f"{branches} and {more:,} more" if more > 0 else branches,
        "limits": conflict.limits,
        "largest": largest,
    }


def _plan(plan: PlanDocument, data: NetworkData) -> dict[str, object]:
    at_work = {each.banker_id for each in plan.bankers}
    idle = [banker for banker in data.network.banker_ids if banker not in at_work]
    return {
        "name": f"{TITLES[plan.model]}, at a target of {per_cent(plan.target)}{rate_of(plan)}",
        "tables": [
            Shown("The plan in figures", ("what", "value"), figures_of(plan), frozenset({1})),
            _branches(plan, data),
            _bankers(plan, data),
            _loans(plan, data),
        ],
        "idle": ", ".join(idle),
    }


def _branches(plan: PlanDocument, data: NetworkData) -> Shown:
    names = dict(zip(data.network.branch_ids, data.branch_names, strict=True))
    bankers = Counter(each.branch_id for each in plan.bankers)
    money = _money(plan, [each.capacity for each in plan.branches])
    rows = [
        (
            each.branch_id, names[each.branch_id], f"{bankers[each.branch_id]:,}",
            money.text(each.capacity), money.text(each.target_value),
            money.text(each.assigned_value), _share(each.assigned_value, each.capacity),
            _share(each.investment_value, each.assigned_value),
        )
        for each in plan.branches
    ]  # fmt: skip
    header = (
        "branch", "where", "bankers", f"capacity, {money.unit}", f"target, {money.unit}",
        f"assigned, {money.unit}", "assigned of capacity, %", "investment of assigned, %",
    )  # fmt: skip
    shown = Shown("Branches", header, rows, frozenset(range(2, 8)), frozenset({1}))
    return shown if _named(data) else _without(shown, 1)


def _bankers(plan: PlanDocument, data: NetworkData) -> Shown:
    network = data.network
    banker_at = {banker: at for at, banker in enumerate(network.banker_ids)}
    branch_at = {branch: at for at, branch in enumerate(network.branch_ids)}
    money = _money(plan, [each.capacity for each in plan.bankers])
    rows = []
    for each in plan.bankers:
        banker, branch = banker_at[each.banker_id], branch_at[each.branch_id]
        rows.append((
            each.banker_id, each.branch_id, data.branch_names[branch],
            f"{data.distance[banker, branch]:,.3g}", f"{data.salary_thousands[banker]:,.3f}",
            f"{each.cost:,.2f}", money.text(each.capacity), money.text(each.assigned_value),
            money.text(each.unused_capacity),
        ))  # fmt: skip
    header = (
        "banker", "branch", "where", f"distance, {data.distance_unit}",
        "salary, thousand dollars", f"cost, {network.money}", f"capacity, {money.unit}",
        f"assigned, {money.unit}", f"unused, {money.unit}",
    )  # fmt: skip
    shown = Shown("Who works where", header, rows, frozenset(range(3, 9)), frozenset({2}))
    return shown if _named(data) else _without(shown, 2)


def _named(data: NetworkData) -> bool:
    """Whether branches have names besides their ids."""
    return data.branch_names != data.network.branch_ids


def _without(shown: Shown, column: int) -> Shown:
    """The same table, one column less."""
    return Shown(
        shown.caption,
        [*shown.header[:column], *shown.header[column + 1 :]],
        [[*row[:column], *row[column + 1 :]] for row in shown.rows],
        frozenset(at - (at > column) for at in shown.numbers),
    )


def _loans(plan: PlanDocument, data: NetworkData) -> Shown:
    """Every loan where they are few; else sums."""
    if len(data.network.loan_ids) <= LOANS_LISTED_MAX:
        return _every_loan(plan, data)
    network = data.network
    somewhere = {each.loan_id for each in plan.loans}
    counts: Counter[tuple[bool, bool]] = Counter()
    values: defaultdict[tuple[bool, bool], float] = defaultdict(float)
    of_each = zip(network.loan_ids, network.loan_amount, network.loan_is_investment, strict=True)
    for loan_id, amount, is_investment in of_each:
        key = loan_id in somewhere, bool(is_investment)
        counts[key] += 1
        values[key] += float(amount)
    money = _money(plan, [float(network.loan_amount.sum())])
    rows = [
        (
            (f"{'investment' if is_investment else 'owner-occupied'},"
            f" {'assigned' if assigned else 'left over'}"),
            f"{counts[assigned, is_investment]:,}", money.text(values[assigned, is_investment]),
        )
        for assigned in (True, False)
        for is_investment in (False, True)
    ]  # fmt: skip
    return Shown("Loans", ("which", "loans", f"value, {money.unit}"), rows, frozenset({1, 2}))


def _every_loan(plan: PlanDocument, data: NetworkData) -> Shown:
    network = data.network
    where = {each.loan_id: each for each in plan.loans}
    rows = []
    of_each = zip(network.loan_ids, network.loan_amount, network.loan_is_investment, strict=True)
    for loan_id, amount, is_investment in of_each:
        there = where.get(loan_id)
        rows.append((
            loan_id, "investment" if is_investment else "owner-occupied", f"{amount:,.0f}",
            there.branch_id if there else _NOTHING, there.banker_id if there else _NOTHING,
        ))  # fmt: skip
    header = ("loan", "kind", f"amount, {network.money}", "branch", "banker")
    return Shown("Loans", header, rows, frozenset({2}))


def _money(plan: PlanDocument, values: Sequence[float]) -> Money:
    return money_of(plan.money, max(values, default=0.0))


def _share(part: float, whole: float) -> str:
    return f"{part / whole * 100:.1f}" if whole > 0 else _NOTHING


def _assumed(plans: Sequence[PlanDocument], data: NetworkData) -> list[str]:
    """Units and rules, in sentences."""
    in_dollars = data.network.money == "dollars"
    salary = "dollars" if in_dollars else "thousands of dollars"
    travel = {
        "degrees": "the distance in degrees of latitude and longitude",
        "km": "the great-circle distance in km, times a cost per km",
        "units": "the distance as its table says it",
    }[data.distance_unit]
    told = [
        (
            f"A banker at a branch costs {travel}, plus {PAY_PER_SALARY:g} times the yearly salary"
            f" in {salary}. Costs are in {data.network.money}, like loans and capacities."
        ),
        (
            "A loan goes to at most one banker, and to the branch where that banker works; a banker"
            " works in at most one branch."
        ),
        (
            "Neither bankers nor branches take more than their capacity; each branch meets the"
            " target, a share of its capacity."
        ),
        "Investment loans are at most half of the value of each branch's loans.",
        "Capacities, demand and salaries are those of a year.",
    ]
    if in_dollars:
        told.append(f"A million dollars is {MILLION:,.0f} dollars; values are rounded to be read.")
    if any(plan.rate is not None for plan in with_answer(plans)):
        told.append(
            "Revenue of a loan is its amount x R(r) x r / 100: r is the rate in per cent, R(r) the"
            " part of the nominal value that repayments are worth at that rate."
        )
    return told
