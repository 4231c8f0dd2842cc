"""`partidor lag`: how far behind the dispatchers are, once, again and again, or for Prometheus."""

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, note, print_json, print_lines, print_listings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.lag import PartitionLag
    from streams.settings import Settings


def lag(
    lag_max: Annotated[
        int | None, typer.Option("--max", min=0, help="Exit 1 when a partition's lag is above it.")
    ] = None,
    as_json: JsonOption = False,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    serve: Annotated[
        bool, typer.Option("--serve", help="For Prometheus, at PARTIDOR_METRICS_PORT.")
    ] = False,
    every: Annotated[
        float, typer.Option(min=0.5, max=600, help="Seconds between looks, to watch or serve.")
    ] = 5.0,
) -> None:
    """How far behind the dispatchers are, per partition of the input topics.

    lag is in records; delay is the age of the first record that isn't
    processed, in seconds; owner is the member of the consumer group, state what
    that process says of the partition. Markers of transactions that sources
    write are no lag when nothing else is left.

    With --serve the same goes to Prometheus, as kafka_consumergroup_lag and
    others, whether dispatchers run or not: one such process for a group.

    Examples:
      partidor lag
      partidor lag --max 10000 --json
      partidor lag --watch --every 2
      PARTIDOR_METRICS_PORT=9465 partidor lag --serve
    """
    from streams.failure import WrongUsage

    settings = load_settings()
    if serve and (watch or as_json or lag_max is not None):
        raise WrongUsage("--serve goes with --every alone")
    if serve:
        _serve(settings, every)
    elif watch:
        _watch(settings, lag_max, every, as_json=as_json)
    else:
        rows = _rows(settings)
        if as_json:
            print_json(_document(settings, rows))
        else:
            print_listings(_listing(settings, rows))
        _check(rows, lag_max)


def _rows(settings: "Settings") -> "list[PartitionLag]":
    from streams.lag import partition_lags

    rows, why_unknown = partition_lags(settings, time.time_ns() // 1_000_000)
    if why_unknown:
        note(f"partidor: states are unknown: {why_unknown}")
    return rows


def _check(rows: "list[PartitionLag]", lag_max: int | None) -> None:
    if lag_max is not None and any(row.lag > lag_max for row in rows):
        raise typer.Exit(1)


def _document(settings: "Settings", rows: "list[PartitionLag]") -> dict[str, object]:
    import msgspec

    partitions = [msgspec.structs.asdict(row) for row in rows]
    total = sum(row.lag for row in rows)
    return {"group": settings.application_id, "lag": total, "partitions": partitions}


def _listing(settings: "Settings", rows: "list[PartitionLag]") -> Listing:
    total = sum(row.lag for row in rows)
    shown = Listing(
        f"Group {settings.application_id}: {total:,} records behind",
        "topic", "partition", "end", "committed", "lag", "delay", "owner", "host", "state",
        right=["partition", "end", "committed", "lag", "delay"],
    )  # fmt: skip
    for row in rows:
        committed = "-" if row.committed is None else row.committed
        delay = "?" if row.delay_seconds is None else f"{row.delay_seconds:.1f} s"
        shown.add(
            row.topic, row.partition, row.end, committed, row.lag, delay,
            row.owner or "-", row.host or "-", row.state or "-",
        )  # fmt: skip
    return shown


def _watch(settings: "Settings", lag_max: int | None, every_s: float, *, as_json: bool) -> None:
    """On a terminal a table that stays in its place; elsewhere one after another, or JSON Lines."""
    import msgspec
    from rich.live import Live

    looks = _looks(settings, every_s)
    try:
        if sys.stdout.isatty() and not as_json:
            with Live(auto_refresh=False) as live:
                for rows in looks:
                    live.update(_listing(settings, rows), refresh=True)
                    _check(rows, lag_max)
        for rows in looks:
            if as_json:
                print_lines([msgspec.json.encode(_document(settings, rows))])
            else:
                print_listings(_listing(settings, rows))
            _check(rows, lag_max)
    except KeyboardInterrupt:
        return


def _looks(settings: "Settings", every_s: float) -> "Iterator[list[PartitionLag]]":
    """For ever; a look that Kafka doesn't answer is a line for whoever reads, and no end."""
    from streams.failure import Failed

    while True:
        try:
            yield _rows(settings)
        except Failed as failed:
            note(f"partidor: {failed}")
        time.sleep(every_s)


def _serve(settings: "Settings", every_s: float) -> None:
    import structlog

    from streams.failure import WrongUsage
    from streams.logs import configure_logs
    from streams.metrics.group import serve
    from streams.stopping import stop_signals

    if not settings.metrics_port:
        raise WrongUsage("say at which port: PARTIDOR_METRICS_PORT, for example 9465")
    configure_logs(settings)
    stopping = stop_signals()
    logger = structlog.get_logger("partidor")
    serve(settings, every_s, stopping=lambda: bool(stopping), logger=logger)
