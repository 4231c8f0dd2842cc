"""`partidor plan solve` and `partidor plan compare`: plans, and plans side by side."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streams.cli.output import JsonOption, Listing, note, print_json, print_listings
from streams.cli.plan_opinion import SecondOpinion
from streams.cli.plan_options import Data, check_installed
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from dispatcher.planning.highs import Progress
    from streams.planning.document import PlanDocument
    from streams.planning.loading import NetworkData
    from streams.planning.solving import Asked

ROWS_SHOWN_MAX: Final = 40
"""Bankers in a table; all of them are in --json and --csv."""

Target = Annotated[
    str,
    typer.Option(
        metavar="SHARE",
        help="Of each branch's capacity: 0.1, several with commas, or FIRST:LAST:STEP.",
    ),
]
Rate = Annotated[
    float | None, typer.Option(min=0, max=24, help="In per cent; else the one that earns most.")
]
CurveOption = Annotated[
    str,
    typer.Option(
        "--curve",
        metavar="linear|exponential|FILE",
        help="R(r), what part of a loan is repaid at a rate; a table has columns rate, value.",
    ),
]
TimeLimit = Annotated[float, typer.Option(min=0.01, help="Seconds that each solve may search.")]
Gap = Annotated[
    float, typer.Option(min=0, max=1, help="Relative distance to the bound that is good enough.")
]
Km = Annotated[
    float | None,
    typer.Option(min=0, help="Cost of a banker's way by km, in place of degrees."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", dir_okay=False, help="Write the plan there, as JSON."),
]


def solve(
    data: Data,
    model: Annotated[
        str, typer.Option(metavar="m1|m2|m3|least-unused", help="What is to be best: see above.")
    ] = "m1",
    target: Target = "0.1",
    rate: Rate = None,
    curve: CurveOption = "linear",
    time_limit: TimeLimit = 60.0,
    gap: Gap = 1e-7,
    cost_per_km: Km = None,
    banker_types: Annotated[
        int | None,
        typer.Option(min=1, help="Put bankers into so many types: faster, with a larger gap."),
    ] = None,
    alternatives: Annotated[
        bool,
        typer.Option(
            "--alternatives",
            help="m1: of plans that cost the same, also the one that leaves most unused.",
        ),
    ] = False,
    out: Out = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="A row for each loan of the plan.")] = False,
) -> None:
    """Find the best plan of a branch network, and prove how good it is.

    m1: meet the target at least cost. m2: the greatest profit. m3: the greatest
    profit per banker. least-unused: as little unused capacity of bankers as
    possible. `status` is optimal (no plan is better by more than the gap),
    feasible (a plan; the bound says how much better one could be), infeasible
    (proven; with the limits that conflict and the largest target that isn't),
    or time_limit (neither a plan nor a proof in time). Each of them is an
    answer: the exit code is 0. Each plan is then checked as by `partidor plan
    check`; one that is not sound is a defect, and the exit code is 1.

    With several targets: a row for each, and the one that leaves least capacity
    of its bankers unused.

    Examples:
      partidor plan solve --data nab-victoria --model m1 --target 0.10
      partidor plan solve --data network --model m2 --target 0.11 --out plan.json
      partidor plan solve --data dummy --target 0.01:0.35:0.01
      partidor plan solve --data network --model m3 --curve exponential --json
    """
    check_installed()
    from streams.planning.solving import targets_of

    asked = _asked(model, curve, rate, time_limit, gap, banker_types)
    targets = targets_of(target)
    _check_output(as_json, as_csv, out, len(targets) + alternatives)
    network = _network(data, cost_per_km)
    plans = [_solve(network, asked, each) for each in targets]
    if alternatives:
        plans = _with_alternatives(network, asked, plans)
    opinion = SecondOpinion(data, curve, cost_per_km)
    plans = [opinion.on(plan) for plan in plans]
    if out is not None:
        _write(out, plans[0])
    if as_json:
        print_json([_plain(plan) for plan in plans] if len(plans) > 1 else _plain(plans[0]))
    elif as_csv:
        _print_csv(plans)
    elif len(plans) > 1:
        _print_targets(plans)
    else:
        _print_plan(plans[0])
    opinion.end()


def compare(
    data: Data,
    target: Annotated[float, typer.Option(min=0, max=1, help="Share of capacities.")] = 0.11,
    rate: Rate = None,
    curve: CurveOption = "linear",
    time_limit: TimeLimit = 60.0,
    cost_per_km: Km = None,
    as_json: JsonOption = False,
) -> None:
    """Show the plans of all models at one target side by side.

    Who works where and how much of their capacity they use: greatest profit,
    greatest profit per banker, and least unused capacity, which is not the
    same; and least cost.

    Examples:
      partidor plan compare --data dummy
      partidor plan compare --data network --target 0.2 --curve exponential
    """
    check_installed()
    from streams.planning.solving import MODELS

    network = _network(data, cost_per_km)
    asked = [_asked(model, curve, rate, time_limit, 1e-7) for model in MODELS]
    opinion = SecondOpinion(data, curve, cost_per_km)
    plans = [opinion.on(_solve(network, each, target)) for each in asked]
    if as_json:
        print_json([_plain(plan) for plan in plans])
    else:
        print_listings(_summary_listing(plans))
        for plan in plans:
            if 0 < len(plan.bankers) <= ROWS_SHOWN_MAX:
                print_listings(_bankers_listing(plan))
    opinion.end()


def _asked(
    model: str,
    curve: str,
    rate: float | None,
    time_limit: float,
    gap: float,
    banker_types: int | None = None,
) -> "Asked":
    from streams.planning.solving import MODELS, Asked, curve_of

    known = {name: name for name in MODELS}
    if model not in known:
        raise WrongUsage(f"--model {model}: one of {', '.join(MODELS)}")
    return Asked(known[model], curve_of(curve), rate, time_limit, gap, banker_types)


def _network(data: Path, cost_per_km: float | None) -> "NetworkData":
    from streams.planning.loading import load_network

    if cost_per_km is None:
        return load_network(data)
    return load_network(data, distance="km", travel_cost_per_km=cost_per_km)


def _solve(network: "NetworkData", asked: "Asked", target: float) -> "PlanDocument":
    from streams.planning.solving import solve as solved

    with _progress(f"{asked.model} at {target:g}") as progress:
        return solved(network.network, asked, target, progress)


def _with_alternatives(
    network: "NetworkData", asked: "Asked", plans: "list[PlanDocument]"
) -> "list[PlanDocument]":
    from streams.planning.solving import emptiest_as_good

    if asked.model != "m1":
        raise WrongUsage("--alternatives: for model m1, whose cost leaves loans open")
    both = []
    for plan in plans:
        other = emptiest_as_good(network.network, asked, plan.target) if plan.loans else None
        both += [plan] if other is None else [plan, other]
    if len(both) == len(plans):
        note("no alternatives: the network is too large to decide loan by loan, or out of time")
    return both


@contextmanager
def _progress(what: str) -> "Iterator[Progress | None]":
    """A line on stderr with objective, bound and gap; nothing where nobody looks at it."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console

    begun = time.monotonic()
    with Console(stderr=True).status(f"{what} ...") as line:

        def told(objective: float | None, bound: float | None) -> None:
            from dispatcher.planning.plan import gap_between

            gap = gap_between(objective, bound)
            line.update(
                f"{what}: objective {figure(objective)}, bound {figure(bound)}, "
                f"gap {'-' if gap is None else f'{gap:.4%}'}, {time.monotonic() - begun:.0f} s"
            )

        yield told


def _check_output(as_json: bool, as_csv: bool, out: Path | None, targets: int) -> None:
    if as_json and as_csv:
        raise WrongUsage("--json and --csv: choose one of them")
    if out is not None and targets > 1:
        raise WrongUsage("--out takes the plan of one target; --json prints those of all")


def _plain(plan: "PlanDocument") -> object:
    return plan.model_dump(mode="json")


def _write(out: Path, plan: "PlanDocument") -> None:
    from streams.whole_files import write_whole

    write_whole(out, plan.model_dump_json(indent=2).encode() + b"\n")
    note(f"{out}: the plan")


def _print_csv(plans: "list[PlanDocument]") -> None:
    import csv

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["target", "loan_id", "branch_id", "banker_id"])
    for plan in plans:
        for loan in plan.loans:
            rows.writerow([plan.target, loan.loan_id, loan.branch_id, loan.banker_id])


def _print_plan(plan: "PlanDocument") -> None:
    print_listings(_summary_listing([plan]))
    for text in plan.notes:
        note(text)
    if plan.conflict is not None:
        _print_conflict(plan)
    if 0 < len(plan.bankers) <= ROWS_SHOWN_MAX:
        print_listings(_bankers_listing(plan))
    elif plan.bankers:
        note(f"{len(plan.bankers)} bankers and {len(plan.loans):,} loans are in --json.")


def _print_conflict(plan: "PlanDocument") -> None:
    from streams.planning.solving import per_cent

    conflict = plan.conflict
    assert conflict is not None
    branches = ", ".join(conflict.branch_ids[:20]) + (
        f" and {len(conflict.branch_ids) - 20} more" if len(conflict.branch_ids) > 20 else ""
    )
    lines = [f"Infeasible at {per_cent(plan.target)}. These can't all be kept:"]
    lines += [f"  - the targets of {branches}"] if branches else []
    lines += [f"  - {limit}" for limit in conflict.limits]
    if conflict.largest_target is not None:
        lines.append(f"The largest feasible target: {conflict.largest_target * 100:.4f} %")
    lines.append(f"Proven infeasible: above {conflict.largest_target_bound * 100:.4f} %")
    sys.stdout.write("\n".join(lines) + "\n")


def _summary_listing(plans: "list[PlanDocument]") -> Listing:
    from streams.planning.solving import per_cent

    right = ("target", "objective", "bound", "gap", "rate %", "bankers", "cost", "profit",
             "unused", "seconds", "checked")  # fmt: skip
    table = Listing(f"Plans, money in {plans[0].money}", "model", "status", *right, right=right)
    for plan in plans:
        table.add(
            plan.model,
            plan.status,
            per_cent(plan.target),
            figure(plan.objective),
            figure(plan.bound),
            None if plan.gap is None else f"{plan.gap:.5%}",
            None if plan.rate is None else f"{plan.rate:g}",
            plan.bankers_assigned,
            figure(plan.cost),
            figure(plan.profit),
            figure(plan.unused_capacity),
            f"{plan.seconds:.2f}",
            None if plan.checked is None else "sound" if plan.checked else "BREACHED",
        )
    return table


def _print_targets(plans: "list[PlanDocument]") -> None:
    from streams.planning.solving import least_unused_targets, per_cent

    print_listings(_summary_listing(plans))
    best = least_unused_targets(plans)
    if best:
        shares = ", ".join(per_cent(plan.target) for plan in best)
        unused = f"{figure(best[0].unused_capacity)} {best[0].money}"
        sys.stdout.write(
            f"Least capacity unused: {unused} at {shares}. "
            f"The largest of these targets is {per_cent(best[-1].target)}.\n"
        )


def _bankers_listing(plan: "PlanDocument") -> Listing:
    right = ("capacity", "utilised", "unused", "cost")
    title = f"{plan.model}: who works where, in {plan.money}"
    table = Listing(title, "banker", "branch", *right, right=right)
    for banker in plan.bankers:
        table.add(
            banker.banker_id,
            banker.branch_id,
            figure(banker.capacity),
            figure(banker.assigned_value),
            figure(banker.unused_capacity),
            figure(banker.cost),
        )
    return table


def figure(value: float | None) -> str | None:
    """As many decimals as say something: none where there are thousands."""
    if value is None:
        return None
    if abs(value) >= 100_000 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:,.7f}".rstrip("0").rstrip(".")
