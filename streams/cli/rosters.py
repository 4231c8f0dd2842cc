"""`partidor roster`: each command publishes one roster change."""

from typing import Annotated, Any

import typer

from streams.cli import roster_rules
from streams.cli.files import InputFile, name_of, read_file
from streams.cli.output import JsonOption
from streams.cli.roster_options import (
    Assignee,
    ChangedBy,
    ChangeId,
    Channel,
    Reason,
    Weight,
    publish_change,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Change who shares a channel's leads: each command publishes one roster change.",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def join(
    channel: Channel,
    assignee: Assignee,
    weight: Weight,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee joins the roster, with nothing owed and nothing ahead.

    Examples:
      partidor roster join web A 0.8
      partidor roster join web B 1 --reason "back from leave" --changed-by kim
    """
    fields = {"assignee_id": assignee, "weight": weight}
    publish_change("assignee_joined", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def leave(
    channel: Channel,
    assignee: Assignee,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee leaves; what they were owed or ahead is settled among the others.

    Examples:
      partidor roster leave web A
    """
    fields = {"assignee_id": assignee}
    publish_change("assignee_left", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def weight(
    channel: Channel,
    assignee: Assignee,
    weight: Weight,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee has another weight from now on; what they are owed or ahead is carried over.

    Examples:
      partidor roster weight web A 1.2
      partidor roster weight web A 0 --reason "no new leads, settles what is owed"
    """
    fields = {"assignee_id": assignee, "weight": weight}
    publish_change("weight_changed", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def pause(
    channel: Channel,
    assignee: Assignee,
    until: Annotated[
        str | None,
        typer.Option(help="When it ends by itself: a time such as 2026-11-30T09:00:00+11:00."),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee gets no leads until resumed. Batches sent after this returns pass them by.

    Examples:
      partidor roster pause web A --reason lunch
      partidor roster pause web A --until 2026-11-30T09:00:00+11:00 --reason leave
    """
    fields = {"assignee_id": assignee} | ({"until": until} if until is not None else {})
    publish_change("assignee_paused", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def resume(
    channel: Channel,
    assignee: Assignee,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """A paused assignee gets leads again, from where they stood.

    Examples:
      partidor roster resume web A
    """
    fields = {"assignee_id": assignee}
    publish_change("assignee_resumed", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def replace(
    channel: Channel,
    file: InputFile,
    expected_roster_version: Annotated[
        int | None,
        typer.Option(min=0, help="Refuse it when the roster has another version by then."),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """The whole roster at once, from a CSV file with the columns assignee_id, weight, paused.

    Who isn't in the file leaves, who is new joins. Without a column paused, who
    stays keeps their presence. All of it is one change: nobody is settled
    twice.

    Examples:
      partidor roster replace web roster.csv
      partidor roster replace web roster.csv --expected-roster-version 7
    """
    from streams.csv_tables import read_table
    from streams.roster_files import read_members

    members = read_members(read_table(read_file(file), name_of(file)))
    fields: dict[str, Any] = {"members": [m.model_dump(exclude_none=True) for m in members]}
    if expected_roster_version is not None:
        fields["expected_roster_version"] = expected_roster_version
    publish_change("roster_replaced", channel, reason, changed_by, change_id, as_json, **fields)


@app.command()
def correct(
    channel: Channel,
    assignee: Assignee,
    amount: Annotated[
        str, typer.Option(help="Leads to add to the cumulative error: -3 owes them three more.")
    ],
    counter_assignee: Annotated[
        str | None,
        typer.Option(help="Who takes the counter-entry: the lead moved. Else all, by weight."),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """Correct what an assignee is owed or ahead, for leads that did not count or that moved.

    Examples:
      partidor roster correct web A --amount -3 --reason "three leads were test calls"
      partidor roster correct web A --amount -1 --counter-assignee B --reason "moved to B"
    """
    fields = {
        "assignee_id": assignee,
        "amount": amount,
        "counter_assignee_id": counter_assignee,
    }
    publish_change(
        "cumulative_error_corrected", channel, reason, changed_by, change_id, as_json, **fields
    )


app.command()(roster_rules.capacity)
app.command()(roster_rules.skills)
app.command()(roster_rules.limit)
app.command()(roster_rules.route)
app.command()(roster_rules.configure)
