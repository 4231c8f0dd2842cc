"""`partidor views`: the read side."""

import typer


def views() -> None:
    """Serve who received what, and why, as JSON, until SIGTERM or Ctrl-C.

    It reads the decisions and assignments that are committed. By default it listens on
    127.0.0.1 port 6066: /api/channels, /api/leads/ID and more (/api/openapi.json), /healthz.
    Needs the extra `views`. Several may run, each with a port of its own; they share the
    partitions.

    Examples:
      partidor views
      PARTIDOR_VIEWS__PORT=8080 partidor views
    """
    from streams.cli.configuration import load_settings
    from streams.failure import Failed

    settings = load_settings()
    try:
        from streams.views.app import run_views
    except ModuleNotFoundError as error:
        if error.name not in ("faust", "mode", "aiokafka", "aiohttp"):
            raise
        raise Failed('the views need Faust: pip install "partidor[views]"') from None
    raise typer.Exit(run_views(settings))
