"""`partidor plan`: from the data of a branch network to a plan, its pictures, and rosters."""

import typer

from streams.cli import (
    plan_check,
    plan_figures,
    plan_generate,
    plan_periods,
    plan_publish,
    plan_solve,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Plan who works in which branch and where loans go; publish the plan as rosters.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command("solve")(plan_solve.solve)
app.command("check")(plan_check.check)
app.command("compare")(plan_solve.compare)
app.command("periods")(plan_periods.periods)
app.command("figures")(plan_figures.figures)
app.command("generate")(plan_generate.generate)
app.command("publish")(plan_publish.publish)
app.command("follow")(plan_publish.follow)
