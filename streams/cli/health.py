"""`partidor health`: what a container's health check runs, without a program beside Python."""

from typing import Annotated

import typer

TIMEOUT_S = 3.0


def health(
    url: Annotated[
        str | None, typer.Argument(help="What to ask instead, for example the views' /healthz.")
    ] = None,
    ready: Annotated[
        bool, typer.Option("--ready", help="Ask whether it is ready, not only alive.")
    ] = False,
) -> None:
    """Whether the process of this machine that serves PARTIDOR_METRICS_PORT is well; exit 1 if not.

    It asks /livez, or /readyz with --ready, and prints the answer: a line that
    says why. The views answer at a port of their own: name their address.

    Examples:
      partidor health
      partidor health --ready
      partidor health http://127.0.0.1:6066/healthz
    """
    from streams.failure import Failed, WrongUsage
    from streams.http_answers import ask

    if url and ready:
        raise WrongUsage("an address or --ready, not both")
    status, text = ask(url or _address(ready=ready), TIMEOUT_S)
    if status != 200:
        raise Failed(text or f"answered with status {status}")
    typer.echo(text)


def _address(*, ready: bool) -> str:
    from ipaddress import IPv4Address, IPv6Address

    from streams.cli.configuration import load_settings
    from streams.failure import WrongUsage

    settings = load_settings()
    if not settings.metrics_port:
        raise WrongUsage("say where: an address, or PARTIDOR_METRICS_PORT, for example 9464")
    host = settings.metrics_host
    # Who listens everywhere is asked here.
    host = {str(IPv4Address(0)): "127.0.0.1", str(IPv6Address(0)): "::1"}.get(host, host)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{settings.metrics_port}/{'readyz' if ready else 'livez'}"
