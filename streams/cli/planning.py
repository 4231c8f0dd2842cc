"""`partidor plan`: from the data of a branch network to a plan, its pictures, and rosters."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Plan who works in which branch and where loans go; publish the plan as rosters.",
    context_settings={"help_option_names": ["-h", "--help"]},
)
