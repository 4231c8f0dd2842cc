"""`partidor plan periods`: a plan for several quarters, when changes cost something."""

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from streams.cli.output import JsonOption, Listing, note, print_json, print_listings
from streams.cli.plan_options import Data, check_installed
from streams.cli.plan_solve import CurveOption, Rate, figure

if TYPE_CHECKING:
    from streams.planning.year import YearDocument

CostOption = Annotated[float, typer.Option(min=0, help="For each banker, each time.")]


def periods(
    data: Data,
    model: Annotated[
        Literal["m1", "m2"], typer.Option(help="Least cost, or greatest profit.")
    ] = "m2",
    target: Annotated[float, typer.Option(min=0, max=1, help="Share of capacities.")] = 0.1,
    moving: CostOption = 0.0,
    hiring: CostOption = 0.0,
    leaving: CostOption = 0.0,
    count: Annotated[
        int, typer.Option("--periods", min=1, max=60, help="Where no table `periods` says it.")
    ] = 4,
    horizon: Annotated[
        int | None, typer.Option(min=1, help="Periods that are seen at a time; else all.")
    ] = None,
    rate: Rate = None,
    curve: CurveOption = "linear",
    time_limit: Annotated[float, typer.Option(min=0.01, help="Seconds of search in all.")] = 240.0,
    as_json: JsonOption = False,
) -> None:
    """Plan several periods together: demand by period, and what changes cost.

    The table `periods` of the data says how a branch's year is spread; without
    it all periods are alike. The bound is what all periods could be worth if
    changes cost nothing. With --horizon: a rolling plan, which decides each
    period without seeing further, with the same bound.

    Examples:
      partidor plan periods --data network --moving 2000
      partidor plan periods --data network --model m1 --moving 500 --hiring 3000
      partidor plan periods --data network --moving 2000 --horizon 1
    """
    check_installed()
    from dispatcher.planning.multi_period import ChangeCosts
    from streams.planning.loading import load_network
    from streams.planning.solving import curve_of
    from streams.planning.year import YearAsked, plan

    asked = YearAsked(model, target, ChangeCosts(moving, hiring, leaving), count, horizon,
                      curve_of(curve), rate, time_limit)  # fmt: skip
    document = plan(load_network(data), asked)
    if as_json:
        print_json(document.model_dump(mode="json"))
        return
    _print(document)


def _print(document: "YearDocument") -> None:
    gap = "-" if document.gap is None else f"{document.gap:.5%}"
    sys.stdout.write(
        f"{document.model}: {document.status}, objective {figure(document.objective)}, "
        f"bound {figure(document.bound)}, gap {gap}, {document.seconds:.1f} s; "
        f"changes cost {figure(document.change_cost)}; money in {document.money}\n"
    )
    if document.infeasible_period is not None:
        note(f"no plan for period {document.infeasible_period}; `partidor plan solve` says why")
    right = ("bankers", "assigned", "cost", "profit", "moved", "hired", "left")
    table = Listing("Periods", "period", *right, right=right)
    for each in document.periods:
        assigned = sum(branch.assigned_value for branch in each.plan.branches)
        table.add(
            each.period,
            each.plan.bankers_assigned,
            figure(assigned),
            figure(each.plan.cost),
            figure(each.plan.profit),
            each.moved,
            each.hired,
            each.left,
        )
    if document.periods:
        print_listings(table)
