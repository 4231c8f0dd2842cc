"""`partidor plan generate`: the data of a branch network drawn from a seed."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from streams.cli.files import check_there
from streams.cli.output import JsonOption, Listing, print_json, print_listings
from streams.cli.plan_options import check_installed

Out = Annotated[
    Path, typer.Option("--out", metavar="DIR", file_okay=False, help="A new or empty directory.")
]


def generate(
    out: Out,
    seed: Annotated[int, typer.Option(help="Another one is another network.")] = 1,
    suburbs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            callback=check_there,
            help="Columns suburb, median_price, sales; else those of Victoria.",
        ),
    ] = None,
    bankers: Annotated[int, typer.Option(min=1, max=20_000, help="How many.")] = 350,
    branches: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 169,
    loans: Annotated[
        int | None, typer.Option(min=1, max=5_000_000, help="Else one for each sale.")
    ] = None,
    periods: Annotated[
        int, typer.Option(min=0, max=366, help="Of the year, with demand by period.")
    ] = 0,
    season: Annotated[
        float, typer.Option(min=0, max=1, help="How far demand goes up and down.")
    ] = 0.3,
    as_json: JsonOption = False,
) -> None:
    """Draw the data of a branch network: bankers, branches, loans, and periods if wanted.

    Loans are drawn around the median price of each suburb, as many as it had
    sales; branches stand where those of Victoria do, or near them; bankers live
    around seven places. The same seed gives the same bytes.

    Examples:
      partidor plan generate --out network
      partidor plan generate --out small --bankers 30 --branches 10 --loans 300
      partidor plan generate --out year --seed 7 --periods 4 --season 0.5 --json
    """
    check_installed()
    from streams.planning.generating import Recipe, generate
    from streams.whole_files import whole_directory

    recipe = Recipe(seed, bankers, branches, loans, periods, season)
    with whole_directory(out) as directory:
        drawn = generate(recipe, directory, suburbs)
    if as_json:
        print_json({"directory": str(out), "seed": seed, **asdict(drawn)})
        return
    shown = Listing(
        f"{out}, drawn from seed {seed}",
        "table", "rows", "million dollars", right=["rows", "million dollars"],
    )  # fmt: skip
    shown.add("bankers", f"{drawn.bankers:,}", f"{drawn.banker_capacity / 1e6:,.1f} of capacity")
    shown.add("branches", f"{drawn.branches:,}", f"{drawn.branch_capacity / 1e6:,.1f} of capacity")
    shown.add("loans", f"{drawn.loans:,}", f"{drawn.loans_value / 1e6:,.1f} of value")
    if periods:
        shown.add("periods", f"{periods * drawn.branches:,}", None)
    print_listings(shown)
