"""`partidor run`: the dispatcher."""

from typing import Annotated

import typer


def run(
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="Dispatchers to run, each in a process of its own.")
    ] = 1,
    with_starter: Annotated[
        bool, typer.Option(hidden=True, help="End when standard input ends.")
    ] = False,
) -> None:
    """Run a dispatcher: leads in, assignments out, until SIGTERM or Ctrl-C.

    It stops cleanly: the transaction is finished, Redis brought up to date, the
    group left. Several may run, each with a PARTIDOR_SLOT of its own; they
    share the partitions. One process uses one core: with --processes N there
    are N on this machine, in the slots SLOT-0, SLOT-1 and so on, and one that
    fails is started again.

    Examples:
      partidor run
      partidor run --processes 2
      PARTIDOR_SLOT=1 PARTIDOR_LOG_FORMAT=json partidor run
    """
    from streams.cli.configuration import load_settings

    settings = load_settings()
    if processes > 1:
        import structlog

        from streams.logs import configure_logs
        from streams.slots import DISPATCHER, run_slots

        configure_logs(settings)
        logger = structlog.get_logger("partidor").bind(slot=settings.slot)
        raise typer.Exit(run_slots(settings, processes, DISPATCHER, logger=logger))
    if with_starter:
        from streams.slots import end_with_starter

        end_with_starter()
    from streams.bootstrap import run as run_dispatcher

    raise typer.Exit(run_dispatcher(settings))
