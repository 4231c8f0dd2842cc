"""`partidor plan check`: a plan against the tables of its network, by other means than solving."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streams.cli.files import check_there
from streams.cli.output import JsonOption, Listing, note, print_json, print_listings
from streams.cli.plan_options import Data, exact_cost

if TYPE_CHECKING:
    from streams.planning.checking import Checked
    from streams.planning.reported import ReportedPlan

    Results = list[tuple[ReportedPlan, list[Checked]]]

BREACHES_SHOWN_MAX: Final = 20
"""Of each rule; all of them are in --json."""


def check(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN.json", callback=check_there, help="As --out or --json has it."
        ),
    ],
    data: Data,
    curve: Annotated[
        str,
        typer.Option(metavar="linear|exponential|FILE", help="R(r) that the plan was solved with."),
    ] = "linear",
    cost_per_km: Annotated[
        float | None,
        typer.Option(min=0, help="Cost of a banker's way by km that the plan was solved with."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check a plan: every limit, every figure, and its proof, against the tables themselves.

    It shares no code with the models: it reads the tables on its own and adds up
    exact fractions. A loan of a cent too many is found. Whether a plan is the
    best is what its bound says; that is recomputed against nothing. Exit 1 when
    anything is wrong.

    Examples:
      partidor plan check plan.json --data nab-victoria
      partidor plan check plan.json --data network --curve exponential --json
    """
    from streams.planning.checking import check_file
    from streams.planning.exact_curves import curve_of

    results = check_file(plan, data, curve=curve_of(curve), cost_per_km=exact_cost(cost_per_km))
    sound = not any(checked.breaches for _, rules in results for checked in rules)
    if as_json:
        print_json({"sound": sound, "plans": [_as_object(*each) for each in results]})
    else:
        for reported, rules in results:
            _print(reported, rules)
    raise typer.Exit(0 if sound else 1)


def _as_object(plan: "ReportedPlan", rules: "list[Checked]") -> dict[str, Any]:
    return {
        "model": plan.model,
        "target": float(plan.target),
        "status": plan.status,
        "sound": not any(checked.breaches for checked in rules),
        "rules": [
            {
                "rule": checked.rule,
                "says": checked.says,
                "checked": checked.count,
                "breaches": checked.breaches,
            }
            for checked in rules
        ],
    }


def _print(plan: "ReportedPlan", rules: "list[Checked]") -> None:
    numbers = ("checked", "breaches")
    title = f"{plan.model} at a target of {plan.target}, {plan.status}"
    shown = Listing(title, "rule", "what holds", *numbers, right=numbers)
    for checked in rules:
        shown.add(checked.rule, checked.says, f"{checked.count:,}", f"{len(checked.breaches):,}")
    print_listings(shown)
    for checked in rules:
        for breach in checked.breaches[:BREACHES_SHOWN_MAX]:
            typer.echo(f"BREACH {checked.rule}: {breach}")
        left = len(checked.breaches) - BREACHES_SHOWN_MAX
        if left > 0:
            typer.echo(f"BREACH {checked.rule}: and {left:,} more")
    if not plan.has_allocation:
        note("There is no allocation in this plan; that there is none is not checked here.")
