"""All commands, in the order in which help lists them."""

from typing import Annotated

import typer

from streams.cli import (
    acls,
    asking,
    assigning,
    channels,
    configuration,
    dead_letters,
    demo,
    documents,
    exporting,
    forgetting,
    health,
    lagging,
    outcomes,
    planning,
    publishing,
    replaying,
    rosters,
    running,
    simulating,
    topics,
    verifying,
    views,
    watching,
    what_if,
)

app = typer.Typer(
    name="partidor",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"partidor {version('partidor')}")
        raise typer.Exit


@app.callback()
def partidor(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Divide streams of sales leads among people, each within a proven distance of a fair share.

    Settings come from PARTIDOR_... variables; `partidor config` lists them.
    Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1
    failed, 2 wrong usage.
    """
    del version


app.command("run")(running.run)
app.add_typer(topics.app, name="topics")
app.add_typer(acls.app, name="acls")
app.command("publish")(publishing.publish)
app.add_typer(rosters.app, name="roster")
app.add_typer(outcomes.app, name="outcome")
app.command("watch")(watching.watch)
app.command("show")(channels.show)
app.command("lag")(lagging.lag)
app.command("health")(health.health)
app.add_typer(dead_letters.app, name="dead-letters")
app.command("views")(views.views)
app.command("explain")(asking.explain)
app.command("statement")(asking.statement)
app.command("verify")(verifying.verify)
app.command("export")(exporting.export)
app.command("forget")(forgetting.forget)
app.command("replay")(replaying.replay)
app.command("what-if")(what_if.what_if)
app.command("simulate")(simulating.simulate)
app.add_typer(planning.app, name="plan")
app.command("assign")(assigning.assign)
app.command("config")(configuration.config)
app.command("demo")(demo.demo)
app.add_typer(documents.app, name="schemas")
