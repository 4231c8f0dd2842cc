"""`partidor assign`: a CSV file of leads is divided, without a broker."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streams.cli.configuration import load_settings
from streams.cli.files import InputFile, name_of, now_text, read_file
from streams.cli.output import Listing, friendly, note, print_listings
from streams.failure import Failed, WrongUsage

if TYPE_CHECKING:
    from schemas.inputs import RosterMember
    from streams.assign import Assigned
    from streams.csv_tables import Table as CsvTable


def assign(
    leads: InputFile,
    roster: Annotated[
        Path,
        typer.Option(
            metavar="ROSTER.csv", help="Columns assignee_id, weight and, if wanted, paused."
        ),
    ],
    state: Annotated[
        Path,
        typer.Option(metavar="STATE.json", dir_okay=False, help="Made when it isn't there yet."),
    ],
    channel: Annotated[str, typer.Option(help="One state file may hold several.")],
    batch_id: Annotated[str | None, typer.Option(help="Made of the leads if not given.")] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="OUT.csv", dir_okay=False, help="Default: stdout.")
    ] = None,
) -> None:
    """Divide a CSV file of leads over a roster: the same columns out, and assignee_id, position.

    LEADS.csv has any columns; lead_id, if there is one, is the lead's id,
    otherwise an id is made of row number and content. Comma, semicolon and tab
    are understood, the output is written alike. A file with a wrong or doubled
    id is refused as a whole.

    STATE.json remembers what everybody is owed; when it is written, the batch
    is assigned. Run the same again, after a crash or at any time: the same
    batch with the same leads gives the same output and moves nothing. That
    holds for the last 20 batches of a channel.

    A ROSTER.csv that differs from the roster in the state becomes a roster
    change. Without a column paused, nobody's presence changes.

    Examples:
      partidor assign leads.csv --roster team.csv --state web.json --channel web > assigned.csv
      partidor assign mon.csv --roster team.csv --state web.json --channel web --output out.csv
    """
    from streams.assign import assign as divide
    from streams.assign_state import read_assign_state
    from streams.csv_tables import read_table
    from streams.whole_files import locked, write_whole

    _check_paths(leads, roster, state, output)
    limits = load_settings().limits.limits()
    table_of_leads = read_table(read_file(leads), name_of(leads))
    with locked(state):
        before = read_assign_state(state.read_bytes() if state.exists() else None)
        assigned = divide(
            before,
            table_of_leads,
            lambda: _members(roster),
            channel=channel,
            batch_id=batch_id,
            limits=limits,
            now=now_text(),
        )
        if assigned.state is not None:
            # The commit point. From here on the batch is assigned, whatever becomes of the output.
            write_whole(state, assigned.state.as_bytes())
        try:
            _write_output(table_of_leads, assigned, output)
        except OSError as error:
            raise Failed(
                f"the batch is assigned, but its output could not be written"
                f" ({error.strerror}): run the same command again to get it"
            ) from None
    _report(assigned, channel)


def _check_paths(leads: Path, roster: Path, state: Path, output: Path | None) -> None:
    """Whatever can be known to go wrong with files is known before anything is committed."""
    if not state.resolve().parent.is_dir():
        raise WrongUsage(f"--state: there is no directory {state.parent}")
    if output is None:
        return
    if not output.resolve().parent.is_dir():
        raise WrongUsage(f"--output: there is no directory {output.parent}")
    for name, other in (("LEADS.csv", leads), ("--roster", roster), ("--state", state)):
        if output.resolve() == other.resolve():
            raise WrongUsage(f"--output and {name} are the same file")


def _members(roster: Path) -> "list[RosterMember]":
    from streams.csv_tables import read_table
    from streams.roster_files import read_members

    return read_members(read_table(roster.read_bytes(), str(roster)))


def _write_output(leads: "CsvTable", assigned: "Assigned", output: Path | None) -> None:
    from streams.assign import OUTPUT_COLUMNS
    from streams.csv_tables import written_table
    from streams.whole_files import write_whole

    cells = [
        (assignee_id, str(position))
        for position, assignee_id in enumerate(assigned.assignee_ids, start=1)
    ]
    data = written_table(leads, OUTPUT_COLUMNS, cells)
    if output is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    elif output.exists() and not output.is_file():
        # A device or a pipe can't be replaced by a file.
        output.write_bytes(data)
    else:
        write_whole(output, data)


def _report(assigned: "Assigned", channel: str) -> None:
    """Who was due what, on stderr: as a table for people, as a line elsewhere."""
    count = len(assigned.assignee_ids)
    decision = assigned.decision
    if decision is None:
        note(f"batch {assigned.batch_id} was assigned before: the same output, nothing moved")
        return
    roster = " (the roster changed)" if assigned.roster_changed else ""
    note(f"batch {assigned.batch_id}: {count} leads of channel {channel} assigned{roster}")
    if not sys.stderr.isatty():
        return
    import msgspec

    from dispatcher.encoding import encode_decision

    shown = Listing(
        f"State version {decision.state_version}",
        "assignee", "weight", "fair share", "error before", "ideal", "assigned", "error after",
        right=["weight", "fair share", "error before", "ideal", "assigned", "error after"],
    )  # fmt: skip
    for share in msgspec.json.decode(encode_decision(decision))["shares"]:
        shown.add(
            share["assignee_id"], share["weight"], friendly(share["fair_share"]),
            friendly(share["cumulative_error_before"]), friendly(share["ideal"]),
            share["assigned"], friendly(share["cumulative_error_after"]),
        )  # fmt: skip
    print_listings(shown, to_stderr=True)
