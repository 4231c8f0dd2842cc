"""`partidor run`: the dispatcher."""

import typer


def run() -> None:
    """Run a dispatcher: leads in, assignments out, until SIGTERM or Ctrl-C.

    It stops cleanly: the transaction is finished, Redis brought up to date, the
    group left. Several may run, each with a PARTIDOR_SLOT of its own; they
    share the partitions.

    Examples:
      partidor run
      PARTIDOR_SLOT=1 PARTIDOR_LOG_FORMAT=json partidor run
    """
    from streams.bootstrap import run as run_dispatcher
    from streams.cli.configuration import load_settings

    raise typer.Exit(run_dispatcher(load_settings()))
