"""`partidor demo`: the whole system on this machine, shown and checked."""

from typing import Annotated

import typer

from streams.failure import WrongUsage


def demo(
    leads: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Leads in the larger stream.")
    ] = 100_000,
    seed: Annotated[int, typer.Option(help="Another one is another stream.")] = 1,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running and say what to try.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="End what --keep left running.")] = False,
    board: Annotated[
        bool, typer.Option("--board", help="Show the board, with leads coming until Ctrl-C.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="With --board: only say where it is.")
    ] = False,
) -> None:
    """See it work: a real Kafka and Redis, the dispatcher, the views, leads in, assignments out.

    Everything is started on free ports of this machine and needs nothing
    installed but the extras `local` and `views`; settings are not asked. First
    come the examples of the method, batch by batch, then a larger stream on
    twenty channels. What came of it is read back and checked; exit 1 if
    anything is not as it should be.

    With --board there is a working day instead: leads on a few channels, people
    who pause and come back, leads that are given back, and the board opened in
    the browser, until Ctrl-C.

    Examples:
      partidor demo
      partidor demo --leads 20000 --seed 7
      partidor demo --keep
      partidor demo --stop
      partidor demo --board
    """
    if keep and stop:
        raise WrongUsage("--keep or --stop, not both")
    if board and (keep or stop):
        raise WrongUsage("--board ends with Ctrl-C: it goes with neither --keep nor --stop")
    if no_browser and not board:
        raise WrongUsage("--no-browser says how --board is shown")
    if board:
        from streams.demo.board import run_board

        run_board(seed, with_browser=not no_browser)
        return
    if stop:
        _stop()
        return
    from streams.demo.course import run_demo

    held = run_demo(leads, seed, keep=keep)
    raise typer.Exit(0 if held else 1)


def _stop() -> None:
    from streams.cli.output import note
    from streams.demo.keeping import stop

    note("everything is stopped" if stop() else "nothing was running")
