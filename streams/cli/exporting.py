"""`partidor export`: states and decisions as files that prove themselves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.asking import moment
from streams.cli.configuration import load_settings
from streams.cli.output import JsonOption, Listing, note, offsets_bar, print_json, print_listings
from streams.failure import WrongUsage

if TYPE_CHECKING:
    from streams.audit.export_files import Manifest

_DAY_END_MS = 86_400_000 - 1


def export(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Not there, or empty.")],
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing: prove that an export is as written.")
    ] = False,
    sha256: Annotated[
        str | None,
        typer.Option(metavar="DIGEST", help="With --check: what the manifest has to have."),
    ] = None,
    channel: Annotated[
        list[str] | None, typer.Option(help="Only this channel; may be given again.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Decisions from then on; 2026-11-21, or a time."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Likewise; a day is included, in UTC.")
    ] = None,
    with_attributes: Annotated[
        bool, typer.Option("--with-attributes", help="Personal data too: attributes of leads.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write states, decisions and assignments to files, with a manifest; or check such files.

    JSON Lines, compressed, each with its SHA-256 in manifest.json, whose own
    SHA-256 is printed: note it elsewhere. All is there or nothing. Attributes
    of leads are left out unless asked for. Dispatchers go on.

    Examples:
      partidor export november --since 2026-11-01 --until 2026-11-30
      partidor export november --check --sha256 2b00...
      zcat november/decisions.jsonl.gz | partidor statement A --channel web --file -
    """
    if check:
        _check(directory, sha256, as_json=as_json)
        return
    if sha256 is not None:
        raise WrongUsage("--sha256 goes with --check")
    from streams.audit.exporting import Wanted
    from streams.audit.exporting import export as exported

    wanted = Wanted(
        frozenset(channel or ()), moment(since, 0), moment(until, _DAY_END_MS), with_attributes
    )
    with offsets_bar("export") as begins:
        manifest, digest = exported(load_settings(), directory, wanted, begins)
    _print(manifest, digest, as_json=as_json)


def _print(manifest: "Manifest", digest: str, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        print_json({"sha256": digest, **msgspec.to_builtins(manifest)})
        return
    shown = Listing(
        f"Exported at {manifest.exported_at}", "file", "lines", "bytes", "SHA-256",
        right=["lines", "bytes"],
    )  # fmt: skip
    for name, seen in manifest.files.items():
        shown.add(name, f"{seen.lines:,}", f"{seen.bytes:,}", seen.sha256)
    print_listings(shown)
    typer.echo(f"manifest.json has SHA-256 {digest}")


def _check(directory: Path, sha256: str | None, *, as_json: bool) -> None:
    from streams.audit.export_files import differences, read_manifest

    manifest, digest = read_manifest(directory)
    found = list(differences(directory, manifest))
    if sha256 is not None and digest != sha256.lower():
        found.append(f"manifest.json has SHA-256 {digest}, not {sha256}")
    if as_json:
        print_json({"whole": not found, "sha256": digest, "differences": found})
    else:
        for each in found:
            note(f"partidor: different: {each}")
        if not found:
            files = len(manifest.files)
            typer.echo(f"whole and unchanged: {files} files, manifest.json has SHA-256 {digest}")
    raise typer.Exit(1 if found else 0)
