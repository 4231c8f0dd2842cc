"""`partidor plan figures`: pictures of plans, and a report that people can send."""

from pathlib import Path
from typing import Annotated, Final

import typer

from streams.cli.output import note
from streams.cli.plan_options import Data

REPORT_NAME: Final = "report.html"


def figures(
    plan: Annotated[
        list[Path],
        typer.Option(
            "--plan",
            metavar="FILE.json",
            exists=True,
            dir_okay=False,
            help="What `partidor plan solve --json` printed; several times for several.",
        ),
    ],
    data: Data,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Made if it isn't there.")
    ],
    cost_per_km: Annotated[
        float | None,
        typer.Option(min=0, help="As the plans were solved with, in place of degrees."),
    ] = None,
) -> None:
    """Draw what the plans allow, as SVG and PNG, and write report.html.

    The data; of a model with several targets, who works where and what is left
    unused; models side by side, where two have the same target; profit by rate;
    a map, where the network has places. Plans at the same target and objective
    are alternative optima: unused capacity is then a band.

    report.html is one file, with the figures inside it and no address of
    anything outside: it can be sent as it is.

    Examples:
      partidor plan solve --data network --target 0.01:0.35:0.01 --json > targets.json
      partidor plan figures --plan targets.json --data network --out figures
    """  # fmt: skip
    from streams.planning.figures.gallery import pictures
    from streams.planning.figures.style import check_installed, save
    from streams.planning.loading import load_network
    from streams.planning.plan_files import check_belongs, read_plans
    from streams.planning.report import report
    from streams.whole_files import write_whole

    check_installed()
    if cost_per_km is None:
        network = load_network(data)
    else:
        network = load_network(data, distance="km", travel_cost_per_km=cost_per_km)
    plans = read_plans(plan)
    for each in plans:
        check_belongs(each, network)
    out.mkdir(parents=True, exist_ok=True)
    drawn = pictures(plans, network)
    for picture in drawn:
        save(picture, out)
    write_whole(out / REPORT_NAME, report(plans, network, drawn).encode())
    note(f"{len(drawn)} figures of {len(plans)} plans: {out / REPORT_NAME}")
