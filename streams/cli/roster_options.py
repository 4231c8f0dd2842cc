"""What the commands of `partidor roster` share: arguments, options, and how a change is sent."""

from typing import Annotated, Any

import typer

from streams.cli.one_event import publish_one

Channel = Annotated[str, typer.Argument(help="The channel whose roster changes.")]
Assignee = Annotated[str, typer.Argument(help="The assignee_id.")]
Weight = Annotated[
    str, typer.Argument(help="A decimal like 0.8: 0 to 1,000,000, at most 6 places.")
]
Reason = Annotated[str | None, typer.Option(help="Why; kept in the decision.")]
ChangedBy = Annotated[str | None, typer.Option(help="Who wants it; kept in the decision.")]
ChangeId = Annotated[
    str | None,
    typer.Option(help="A name of your own: the same change again under it is done once only."),
]


def publish_change(
    change_type: str,
    channel: str,
    reason: str | None,
    changed_by: str | None,
    change_id: str | None,
    as_json: bool,
    **fields: Any,
) -> None:
    """Publish one roster change and wait until it is acknowledged; optional fields may be None."""
    fields |= {"changed_by": changed_by, "reason": reason}
    publish_one(change_type, "change_id", change_id, channel, fields, as_json=as_json)
