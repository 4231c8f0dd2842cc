"""`partidor roster`: who may take what, and where leads go on to."""

from typing import Annotated, Any

import typer

from streams.cli.output import JsonOption
from streams.cli.roster_options import (
    Assignee,
    ChangedBy,
    ChangeId,
    Channel,
    Reason,
    publish_change,
)
from streams.failure import WrongUsage


def capacity(
    channel: Channel,
    assignee: Assignee,
    per_day: Annotated[
        int | None,
        typer.Option(help="Leads at most in a day of the channel; left out: any number."),
    ] = None,
    open_max: Annotated[
        int | None,
        typer.Option(help="Open leads at most at once; left out: any number."),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """How many leads an assignee takes; what nobody has room for waits until somebody has.

    Whoever is full gets no further from their fair share: what others get
    meanwhile is not owed to them. Days are those of the channel's time zone; a
    lead is open until `partidor outcome` says that it was closed, returned or
    reassigned. Both are set at once: what is left out has no bound.

    Examples:
      partidor roster capacity web A --per-day 20
      partidor roster capacity web A --per-day 20 --open-max 50
      partidor roster capacity web A --reason "any number again"
    """
    fields = {"assignee_id": assignee, "per_day": per_day, "open_max": open_max}
    publish_change("capacity_changed", channel, reason, changed_by, change_id, as_json, **fields)


def skills(
    channel: Channel,
    assignee: Assignee,
    skill: Annotated[
        list[str] | None, typer.Argument(help="All of them, such as language=vi; none: no skill.")
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """All skills of an assignee. `roster configure` says which attributes require skills.

    Examples:
      partidor roster skills web A language=vi product=home
      partidor roster skills web A
    """
    fields: dict[str, Any] = {"assignee_id": assignee, "skills": skill or []}
    publish_change("skills_changed", channel, reason, changed_by, change_id, as_json, **fields)


def route(
    channel: Channel,
    assignee: Assignee,
    target: Annotated[
        str | None,
        typer.Argument(help='The channel: more "/" in its name than in that of the first.'),
    ] = None,
    none: Annotated[
        bool, typer.Option("--none", help="No route: they receive their leads themselves.")
    ] = False,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """What an assignee gets goes on to a channel of their own, and is divided there.

    It goes there as a lead batch, in the same transaction. A route only leads
    deeper, so it can't come back: from web to web/carlton, or to
    branches/carlton.

    Examples:
      partidor roster route web carlton web/carlton
      partidor roster route web carlton --none
    """
    if (target is None) is not none:
        raise WrongUsage("name the channel that the leads go on to, or say --none")
    fields = {"assignee_id": assignee, "routes_to": target}
    publish_change("assignee_routed", channel, reason, changed_by, change_id, as_json, **fields)


def limit(
    channel: Channel,
    assignee: Assignee,
    limits: Annotated[
        list[str] | None,
        typer.Argument(
            help="All of them, as ATTRIBUTE=VALUE:PART, such as purpose=investment:0.5; none: none."
        ),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """How large a part of what an assignee gets may be leads of some kind.

    With purpose=investment:0.5 at most half of what they get from then on
    (half of the value where the channel divides by value) may be leads whose
    attributes say "purpose":"investment": the first of those only after some
    other lead. What nobody may take waits; what a limit kept from somebody is
    not owed to them. A limit that is there already goes on counting.

    Examples:
      partidor roster limit loans A purpose=investment:0.5
      partidor roster limit loans A purpose=investment:0.5 state=NSW:0.25
      partidor roster limit loans A
    """
    fields: dict[str, Any] = {
        "assignee_id": assignee,
        "limits": [parsed_limit(text) for text in limits or []],
    }
    publish_change("limits_changed", channel, reason, changed_by, change_id, as_json, **fields)


def configure(
    channel: Channel,
    time_zone: Annotated[
        str, typer.Option(help="Whose days count, such as Australia/Sydney.")
    ] = "UTC",
    required_skill: Annotated[
        list[str] | None,
        typer.Option(help="An attribute whose value is a skill that a lead requires; several."),
    ] = None,
    on_return: Annotated[
        list[str] | None,
        typer.Option(
            help="REASON=WHAT of a lead that comes back; WHAT is credited or charged, then again or"
            " closed, as in wrong_number=credited,closed; the reason * is for any other; several."
        ),
    ] = None,
    sticky_by: Annotated[
        list[str] | None,
        typer.Option(
            help="An attribute that a person is known by, such as phone: the same again goes to"
            " who had their last lead; several, the first counts most."
        ),
    ] = None,
    sticky_days: Annotated[int, typer.Option(help="For how many days that counts.")] = 30,
    without_register: Annotated[
        str,
        typer.Option(help="While Redis, and with it the register, is away: wait, or dispatch."),
    ] = "wait",
    dispatch_by_value: Annotated[
        str | None,
        typer.Option(help="An attribute: leads are divided by what it says, not by their number."),
    ] = None,
    reason: Reason = None,
    changed_by: ChangedBy = None,
    change_id: ChangeId = None,
    as_json: JsonOption = False,
) -> None:
    """The rules of a channel, all at once: what is left out has its default from then on.

    With --required-skill language a lead whose attributes say "language":"vi"
    goes to those with the skill language=vi only. A lead that comes back is
    charged to who had it and goes out again, unless --on-return says otherwise.
    With --dispatch-by-value amount it is the sum of amounts that is divided by
    weight. When that begins, ends or changes, all cumulative errors become 0.

    Examples:
      partidor roster configure web --time-zone Australia/Sydney
      partidor roster configure web --required-skill language --required-skill product
      partidor roster configure web --on-return wrong_number=credited,closed
      partidor roster configure web --sticky-by phone --sticky-days 90
      partidor roster configure loans --dispatch-by-value amount
    """
    fields: dict[str, Any] = {
        "time_zone": time_zone,
        "required_skills": required_skill or [],
        "returns": [_return_rule(text) for text in on_return or []],
    }
    if sticky_by:
        fields["sticky"] = {
            "attributes": sticky_by,
            "days": sticky_days,
            "without_register": without_register,
        }
    if dispatch_by_value is not None:
        fields |= {"dispatch_by": "value", "value_attribute": dispatch_by_value}
    publish_change("channel_configured", channel, reason, changed_by, change_id, as_json, **fields)


def parsed_limit(text: str) -> dict[str, Any]:
    """A limit as `ATTRIBUTE=VALUE:PART`. Raises WrongUsage."""
    kind, _, share_max = text.rpartition(":")
    attribute, _, value = kind.partition("=")
    if not (attribute and value and share_max):
        raise WrongUsage(f"{text!r} should be like purpose=investment:0.5")
    return {"attribute": attribute, "value": value, "share_max": share_max}


def _return_rule(text: str) -> dict[str, Any]:
    """A rule as `REASON=credited|charged,again|closed`. Raises WrongUsage."""
    reason, _, what = text.rpartition("=")
    words = tuple(what.split(","))
    credited = {"credited": True, "charged": False}.get(words[0])
    again = {"again": True, "closed": False}.get(words[-1])
    if not reason or len(words) != len(("credited", "again")) or credited is None or again is None:
        raise WrongUsage(
            f"--on-return {text!r} should be like wrong_number=credited,closed:"
            " credited or charged, then again or closed"
        )
    return {"reason": reason, "credited": credited, "dispatched_again": again}
