"""`partidor outcome`: each command publishes what became of one lead."""

from typing import Annotated, Any

import typer

from streams.cli.one_event import publish_one
from streams.cli.output import JsonOption
from streams.failure import WrongUsage

app = typer.Typer(
    no_args_is_help=True,
    help="Say what became of a lead: each command publishes one outcome.",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Channel = Annotated[str, typer.Argument(help="The channel that the lead came in.")]
Lead = Annotated[str, typer.Argument(help="The lead_id.")]
Attributes = Annotated[
    str | None,
    typer.Option(help="Of the lead, a JSON object; they go out with it, since none are kept."),
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the decision.")]
ChangedBy = Annotated[str | None, typer.Option(help="Who says so; kept in the decision.")]
OutcomeId = Annotated[
    str | None,
    typer.Option(help="A name of your own: the same outcome again under it counts once only."),
]


def _publish(
    outcome_type: str,
    channel: str,
    outcome_id: str | None,
    as_json: bool,
    attributes: str | None = None,
    **fields: Any,
) -> None:
    if attributes is not None:
        fields["attributes"] = _object(attributes)
    publish_one(outcome_type, "outcome_id", outcome_id, channel, fields, as_json=as_json)


def _object(text: str) -> dict[str, Any]:
    import msgspec

    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise WrongUsage(f"--attributes: not a JSON object: {error}") from None


@app.command()
def returned(
    channel: Channel,
    lead: Lead,
    by: Annotated[str, typer.Option(help="The assignee who gives it back.")],
    reason: Annotated[str, typer.Option(help="Such as wrong_number; rules go by it.")],
    attributes: Attributes = None,
    changed_by: ChangedBy = None,
    outcome_id: OutcomeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee gave a lead back.

    What follows is up to the channel's rule for the reason (see `partidor
    roster configure --on-return`): whether it still counts as received, and
    whether it goes out again, to anybody but them.

    Examples:
      partidor outcome returned web L17 --by A --reason wrong_number
      partidor outcome returned web L17 --by A --reason busy --attributes '{"city":"Perth"}'
    """
    _publish(
        "lead_returned", channel, outcome_id, as_json, attributes,
        lead_id=lead, assignee_id=by, reason=reason, changed_by=changed_by,
    )  # fmt: skip


@app.command()
def closed(
    channel: Channel,
    lead: Lead,
    by: Annotated[str, typer.Option(help="The assignee who had it.")],
    reason: Reason = None,
    changed_by: ChangedBy = None,
    outcome_id: OutcomeId = None,
    as_json: JsonOption = False,
) -> None:
    """An assignee is done with a lead; it isn't open any more.

    Examples:
      partidor outcome closed web L17 --by A
      partidor outcome closed web L17 --by A --reason sold
    """
    _publish(
        "lead_closed", channel, outcome_id, as_json,
        lead_id=lead, assignee_id=by, reason=reason, changed_by=changed_by,
    )  # fmt: skip


@app.command()
def reassigned(
    channel: Channel,
    lead: Lead,
    from_: Annotated[str, typer.Option("--from", help="The assignee who had it.")],
    to: Annotated[str, typer.Option(help="The assignee who gets it.")],
    attributes: Attributes = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    outcome_id: OutcomeId = None,
    as_json: JsonOption = False,
) -> None:
    """A lead moves from one assignee to another, and so does what it counts.

    Examples:
      partidor outcome reassigned web L17 --from A --to B --reason "asked for B"
    """
    _publish(
        "lead_reassigned", channel, outcome_id, as_json, attributes,
        lead_id=lead, assignee_id=from_, to_assignee_id=to, reason=reason, changed_by=changed_by,
    )  # fmt: skip


@app.command()
def assigned(
    channel: Channel,
    lead: Lead,
    to: Annotated[str, typer.Option(help="The assignee who gets it.")],
    attributes: Attributes = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    outcome_id: OutcomeId = None,
    as_json: JsonOption = False,
) -> None:
    """Give a lead to an assignee by hand, whatever skills and capacity say.

    It is charged to them, and accrues to everybody who could have had it. A
    lead that is parked leaves the queue.

    Examples:
      partidor outcome assigned web L17 --to B --reason "knows the customer"
    """
    _publish(
        "lead_assigned_manually", channel, outcome_id, as_json, attributes,
        lead_id=lead, assignee_id=to, reason=reason, changed_by=changed_by,
    )  # fmt: skip
