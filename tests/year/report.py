"""The year's end beside the plan: what came, what went where, what waits and why.

In: a year that was run. Out: figures, as JSON and as tables; and findings, each true or not.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import median
from typing import Any

from streams.state_reader import StateReader

from .loans import Loan
from .running import HUB, Year

MILLION = 1_000_000


def report(year: Year) -> dict[str, Any]:
    """Everything that is known at the end."""
    loans = {loan.loan_id: loan for loan in year.loans}
    parked, reasons = _parked(year)
    branch_of = {each.lead_id: each.branch_id for each in year.tail.routed}
    worth = _worth(loans)
    findings = {
        "each loan was given to a branch once at most": len(branch_of) == len(year.tail.routed),
        "each of those was given to a banker of that branch, once": sorted(
            (branch_id, lead_id) for branch_id, _, lead_id in year.tail.taken
        )
        == sorted((each.branch_id, each.lead_id) for each in year.tail.routed),
        "bankers work in the branch that the plan puts them in": {
            (branch_id, banker_id) for branch_id, banker_id, _ in year.tail.taken
        }
        <= {(each.branch_id, each.banker_id) for each in year.plan.bankers},
        "loans in = assigned + parked": set(loans) == set(branch_of) | set(parked)
        and not set(branch_of) & set(parked)
        and len(parked) == len(set(parked)),
        "what decisions say branches got is what their loans are worth": year.tail.dollars()
        == _by_branch(year, loans),
        "investment was at most half of each branch after every decision": not _over_half(
            year, loans
        ),
        "nothing was refused": not year.installation.dead_letters(),
    }
    return {
        "seed": year.course.seed,
        "loans": len(loans),
        "value": worth(loans),
        "assigned": {"loans": len(branch_of), "value": worth(branch_of)},
        "parked": {
            "loans": len(parked),
            "value": worth(parked),
            "because": {
                reason: {"loans": len(ids), "value": worth(ids)} for reason, ids in reasons.items()
            },
            "investment": worth(i for i in parked if loans[i].is_investment),
        },
        "waited_meanwhile": dict(year.tail.waits),
        "released": year.tail.released,
        "branches": _against(
            {each.branch_id: int(each.assigned_value) for each in year.plan.branches},
            _by_branch(year, loans),
            Counter(branch_of.values()),
            {each.branch_id: int(each.capacity) for each in year.plan.branches},
        ),
        "bankers": _against(
            {each.banker_id: int(each.assigned_value) for each in year.plan.bankers},
            _by_banker(year, loans),
            Counter(banker_id for _, banker_id, _ in year.tail.taken),
            {each.banker_id: int(each.capacity) for each in year.plan.bankers},
        ),
        "investment_share": _investment_share(year, loans),
        "past_target": _past_target(year, loans),
        "spread": [
            {"week": week, "slowest": low, "quickest": high} for week, low, high in year.spread
        ],
        "batches": year.batches,
        "roster_changes": year.tail.renewals,
        "booked_loans": year.tail.closed,
        "seconds": round(year.seconds, 1),
        "findings": findings,
    }


def _worth(loans: Mapping[str, Loan]) -> Any:
    return lambda ids: sum(loans[each].amount for each in ids)


def _parked(year: Year) -> tuple[list[str], dict[str, list[str]]]:
    """Loans that wait in the hub's channel, and by the reason for which they began to."""
    state = StateReader(year.installation.settings).channel(HUB).state
    waiting: list[str] = []
    reasons: dict[str, list[str]] = defaultdict(list)
    for _, entry in state.parking.in_order():
        waiting += entry.lead_ids
        reasons[year.tail.parked_because[entry.batch_id]] += entry.lead_ids
    return waiting, dict(reasons)


def _by_branch(year: Year, loans: Mapping[str, Loan]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each in year.tail.routed:
        found[each.branch_id] += loans[each.lead_id].amount
    return dict(found)


def _by_banker(year: Year, loans: Mapping[str, Loan]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for _, banker_id, lead_id in year.tail.taken:
        found[banker_id] += loans[lead_id].amount
    return dict(found)


def _over_half(year: Year, loans: Mapping[str, Loan]) -> list[tuple[str, int]]:
    """(branch, state version) of every decision behind which investment was more than half.

    A decision is committed as a whole, so behind each is every moment that anybody can see.
    """
    total: Counter[str] = Counter()
    investment: Counter[str] = Counter()
    over = []
    ordered = sorted(year.tail.routed, key=lambda each: each.state_version)
    for version, together in groupby(ordered, key=lambda each: each.state_version):
        moved = set()
        for each in together:
            loan = loans[each.lead_id]
            total[each.branch_id] += loan.amount
            investment[each.branch_id] += loan.amount * loan.is_investment
            moved.add(each.branch_id)
        over += [(branch, version) for branch in moved if 2 * investment[branch] > total[branch]]
    return over


def _past_target(year: Year, loans: Mapping[str, Loan]) -> int:
    """Loans that were given to branches which had reached their target before."""
    targets = {each.branch_id: int(each.assigned_value) for each in year.plan.branches}
    got: Counter[str] = Counter()
    count = 0
    for each in sorted(year.tail.routed, key=lambda each: each.state_version):
        count += got[each.branch_id] >= targets[each.branch_id]
        got[each.branch_id] += loans[each.lead_id].amount
    return count


def _investment_share(year: Year, loans: Mapping[str, Loan]) -> dict[str, float]:
    total, investment = _by_branch(year, loans), Counter[str]()
    for each in year.tail.routed:
        investment[each.branch_id] += loans[each.lead_id].amount * loans[each.lead_id].is_investment
    shares = sorted(investment[name] / value for name, value in total.items() if value)
    return {"least": shares[0], "median": median(shares), "most": shares[-1]}


def _against(
    planned: Mapping[str, int],
    got: Mapping[str, int],
    counts: Mapping[str, int],
    capacity: Mapping[str, int],
) -> dict[str, Any]:
    """How far from the plan: dollars and per cent of the plan, ordered by size."""
    dollars = {name: got.get(name, 0) - value for name, value in planned.items()}
    per_cent = {name: 100 * dollars[name] / value for name, value in planned.items() if value}
    sizes = sorted(map(abs, dollars.values()))
    parts = sorted(map(abs, per_cent.values()))
    furthest = max(dollars, key=lambda name: abs(dollars[name]))
    widest = max(per_cent, key=lambda name: abs(per_cent[name]))
    return {
        "count": len(planned),
        "planned": sum(planned.values()),
        "got": sum(got.values()),
        "loans": sum(counts.values()),
        "below_plan": sum(value < 0 for value in dollars.values()),
        "above_capacity": sum(got.get(name, 0) > most for name, most in capacity.items()),
        "above_capacity_most": max(got.get(name, 0) - most for name, most in capacity.items()),
        "deviation_dollars": {"median": median(sizes), "largest": sizes[-1], "of": furthest},
        "deviation_per_cent": {"median": median(parts), "largest": parts[-1], "of": widest},
        "lowest_dollars": min(dollars.values()),
        "highest_dollars": max(dollars.values()),
    }


def table(found: Mapping[str, Any]) -> str:
    """For people."""
    rows: list[Sequence[object]] = [
        ("loans in", f"{found['loans']:,}", _millions(found["value"])),
        ("assigned", f"{found['assigned']['loans']:,}", _millions(found["assigned"]["value"])),
        ("parked", f"{found['parked']['loans']:,}", _millions(found["parked"]["value"])),
    ]
    rows += [
        (f"  because {reason}", f"{each['loans']:,}", _millions(each["value"]))
        for reason, each in found["parked"]["because"].items()
    ]
    lines = [f"{'':26}{'loans':>10}{'million':>14}"]
    lines += [f"{name:26}{count:>10}{value:>14}" for name, count, value in rows]
    lines.append("")
    lines.append(f"{'against the plan':26}{'branches':>16}{'bankers':>16}")
    for name, show in (
        ("count", lambda each: f"{each['count']:,}"),
        ("planned, million", lambda each: _millions(each["planned"])),
        ("got, million", lambda each: _millions(each["got"])),
        ("median deviation, $", lambda each: f"{each['deviation_dollars']['median']:,.0f}"),
        ("largest deviation, $", lambda each: f"{each['deviation_dollars']['largest']:,}"),
        ("median deviation, %", lambda each: f"{each['deviation_per_cent']['median']:.3f}"),
        ("largest deviation, %", lambda each: f"{each['deviation_per_cent']['largest']:.3f}"),
        ("lowest, $", lambda each: f"{each['lowest_dollars']:+,}"),
        ("highest, $", lambda each: f"{each['highest_dollars']:+,}"),
        ("above capacity", lambda each: f"{each['above_capacity']:,}"),
    ):
        lines.append(f"{name:26}{show(found['branches']):>16}{show(found['bankers']):>16}")
    share = found["investment_share"]
    lines += [
        "",
        (
            f"investment, part of a branch: {share['least']:.4f} to {share['most']:.4f},"
            f" median {share['median']:.4f}"
        ),
        "slowest and quickest branch, of its target: "
        + ", ".join(
            f"week {each['week']} {each['slowest']:.1%} to {each['quickest']:.1%}"
            for each in found["spread"]
        ),
        f"loans given to branches that were at their target: {found['past_target']:,}",
        f"waited meanwhile: {found['waited_meanwhile']}; released again: {found['released']:,}",
        (
            f"{found['batches']:,} batches, {found['roster_changes']:,} changes of its roster, "
            f"{found['booked_loans']:,} loans booked, {found['seconds']:,} s"
        ),
        "",
    ]
    lines += [f"{'ok' if ok else 'WRONG':7} {what}" for what, ok in found["findings"].items()]
    return "\n".join(lines)


def _millions(dollars: int) -> str:
    return f"{dollars / MILLION:,.3f}"
