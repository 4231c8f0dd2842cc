"""`partidor verify`: a running system, looked at whole."""

from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, offsets_bar, print_json, print_listings

if TYPE_CHECKING:
    from streams.audit.findings import Report


def verify(
    findings: Annotated[int, typer.Option(min=1, max=10_000, help="Of each check, to list.")] = 5,
    batches_max: Annotated[
        int,
        typer.Option(
            min=1, help="Batches that aren't wholly dispatched yet, to keep in memory at most."
        ),
    ] = 1_000_000,
    as_json: JsonOption = False,
) -> None:
    """Check a running system: topics, Redis and offsets against each other, decisions recomputed.

    Reads all topics up to where they end, while dispatchers go on; writes
    nothing. What retention has cut off is said, not called fine. Exit 1 when
    anything is wrong.

    Examples:
      partidor verify
      partidor verify --json --findings 100 > found.json
    """
    from streams.audit.verifying import verify as verified

    with offsets_bar("verify") as begins:
        report = verified(
            load_settings(), batches_open_max=batches_max, findings_max=findings, begins=begins
        )
    if as_json:
        checks = [check.as_object() for check in report.checks]
        print_json({"sound": report.is_sound, "checks": checks})
    else:
        _print(report)
    raise typer.Exit(0 if report.is_sound else 1)


def _print(report: "Report") -> None:
    shown = Listing(
        "Verified", "check", "what holds", "verdict", "checked", "faults", "not told",
        right=["checked", "faults", "not told"],
    )  # fmt: skip
    for check in report.checks:
        shown.add(
            check.name, check.says, check.verdict, f"{check.checked:,}", f"{check.faults:,}",
            f"{sum(check.not_told.values()):,}",
        )  # fmt: skip
    print_listings(shown)
    for check in report.checks:
        for finding in check.findings:
            typer.echo(f"FAULT {check.name}: {finding}")
        if check.faults > len(check.findings):
            typer.echo(f"FAULT {check.name}: and {check.faults - len(check.findings):,} more")
        for why, count in sorted(check.not_told.items()):
            typer.echo(f"can't tell, {check.name}: {why} ({count:,})")
