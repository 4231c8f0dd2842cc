"""`partidor show`: how channels stand."""

from typing import Annotated, Any

import typer

from streams.cli.configuration import load_settings
from streams.cli.output import (
    JsonOption,
    Listing,
    amount,
    friendly,
    print_json,
    print_listings,
    time_text,
)


def show(
    channel: Annotated[str, typer.Argument(help="The channel.")],
    last: Annotated[int, typer.Option(min=0, max=1000, help="Decisions to list.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """A channel as it stands in Redis: roster, cumulative errors, last decisions, parked batches.

    A cumulative error is leads received minus fair shares: + is ahead, - is
    owed. Redis is written right after each commit; `partidor lag` tells what
    isn't processed yet.

    Examples:
      partidor show web
      partidor show web --json --last 100
    """
    from streams.channel_view import channel_view
    from streams.state_reader import StateReader

    view = channel_view(StateReader(load_settings()).channel(channel), last)
    if as_json:
        print_json(view)
        return
    print_listings(_roster(view), _decisions(view))
    if any("routes_to" in member for member in view["members"]):
        print_listings(_routes(view))
    if view["rules"] is not None:
        print_listings(_terms(view))
    if any("limits" in member for member in view["members"]):
        print_listings(_limits(view))
    if view["parked_batches"]:
        print_listings(_parked(view))
    _notes(view)


def _roster(view: dict[str, Any]) -> Listing:
    title = (
        f"Channel {view['channel']}, partition {view['partition']},"
        f" state version {view['state_version']}, roster version {view['roster_version']}"
    )
    by_value = "dispatch_by" in (view["rules"] or {})
    error_column = "cumulative error" + (", in value" if by_value else "")
    shown = Listing(
        title, "assignee", "weight", "presence", error_column,
        right=["weight", error_column],
    )  # fmt: skip
    for member in view["members"]:
        presence = "paused" if member["paused"] else "active"
        error = friendly(member["cumulative_error"])
        shown.add(member["assignee_id"], member["weight"], presence, error)
    return shown


def _routes(view: dict[str, Any]) -> Listing:
    shown = Listing("Leads go on to other channels", "assignee", "routes to")
    for member in view["members"]:
        if "routes_to" in member:
            shown.add(member["assignee_id"], member["routes_to"])
    return shown


def _terms(view: dict[str, Any]) -> Listing:
    rules = view["rules"]
    required = ", ".join(rules["required_skills"]) or "nothing"
    by = f"; divided by {rules['value_attribute']}" if "dispatch_by" in rules else ""
    shown = Listing(
        f"Who takes what; days of {rules['time_zone']}; skills are required by: {required}{by}",
        "assignee", "skills", "today", "a day", "open", "at once", "paused until",
        right=["today", "a day", "open", "at once"],
    )  # fmt: skip
    for member in view["members"]:
        shown.add(
            member["assignee_id"], ", ".join(member["skills"]) or "-", member["taken_today"],
            _bound(member["per_day"]), member["open_leads"], _bound(member["open_max"]),
            member["paused_until"] or "-",
        )  # fmt: skip
    return shown


def _limits(view: dict[str, Any]) -> Listing:
    by = "value" if "dispatch_by" in view["rules"] else "leads"
    shown = Listing(
        f"Limits: of the {by} that an assignee got since it was set",
        "assignee", "limited", "at most", "of these", "of all",
        right=["at most", "of these", "of all"],
    )  # fmt: skip
    for member in view["members"]:
        for limit in member.get("limits", ()):
            shown.add(
                member["assignee_id"], f"{limit['attribute']}={limit['value']}",
                limit["share_max"], amount(limit["matching"]), amount(limit["total"]),
            )  # fmt: skip
    return shown


def _bound(most: int | None) -> str:
    return "-" if most is None else str(most)


def _decisions(view: dict[str, Any]) -> Listing:
    shown = Listing(
        "Last decisions", "version", "what", "of", "leads or members", "decided at",
        right=["version", "leads or members"],
    )  # fmt: skip
    for decision in view["last_decisions"]:
        ids = (decision.get(name) for name in ("batch_id", "change_id", "outcome_id"))
        decided_id = next(each for each in ids if each is not None)
        size = decision.get("batch_size", decision.get("members"))
        kind, version = decision["type"], decision["state_version"]
        shown.add(version, kind, decided_id, size, decision["decided_at"])
    return shown


def _parked(view: dict[str, Any]) -> Listing:
    shown = Listing(
        "Parked, oldest first", "batch", "leads", "parked at", "requires", right=["leads"]
    )
    for batch in view["parked_batches"]:
        requires = ", ".join(batch["required_skills"] + batch.get("limited", [])) or "-"
        shown.add(batch["batch_id"], batch["batch_size"], batch["parked_at"], requires)
    return shown


def _notes(view: dict[str, Any]) -> None:
    promise = view["promise"]
    bounds = f"{friendly(promise['low'])} to {friendly(promise['high'])} leads"
    if "value_max" in promise:
        bounds = f"{bounds.removesuffix('leads')}of value, the largest lead being"
        bounds += f" {promise['value_max']}"
    if not promise["in_force"]:
        typer.echo("With rules no bound is promised: whoever has the skills may be few.")
    elif promise["corrected"]:
        typer.echo(f"The promise ({bounds}) rests: a correction is still being worked off.")
    elif promise["kept"]:
        typer.echo(f"Promised: {bounds}; {promise['used']:.0%} of it is used.")
    else:
        typer.echo(f"BREACH of the promise: {bounds}; {promise['used']:.0%} is used.")
    if view["written_at_ms"] is not None:
        typer.echo(f"As of {time_text(view['written_at_ms'])}.")
