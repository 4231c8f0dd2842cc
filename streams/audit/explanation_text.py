"""An explanation in plain words.

In: an explanation as `streams.audit.explaining` makes it. Out: sentences, one a line. Pure.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from streams.audit.decision_log import Json

REASONS = {
    "nobody_active": "nobody was active",
    "nobody_with_the_skills": "nobody active had the skills that it asks",
    "returned_by_everybody": "everybody who could take it had given it back",
    "capacity_reached": "whoever could take it had reached their capacity",
    "limit_reached": "whoever could take it had reached a limit on such leads",
}
ROWS_TOLD_MAX = 30
"""Shares of a batch that are shown to people; documents have all of them."""

_TUNED_TOLD = 3


def headline(told: Json) -> str:
    """Who got it, when, and as which of the batch."""
    if "went_on_to" in told:
        return (
            f"Lead {told['lead_id']} went to {told['assignee_id']} on channel {told['channel']}"
            f" at {told['decided_at']}, and on to channel {told['went_on_to']}, one of"
            f" {told['batch_size']} of batch {told['batch_id']}"
            f" (state version {told['state_version']})"
        )
    return (
        f"Lead {told['lead_id']} went to {told['assignee_id']} on channel {told['channel']}"
        f" at {told['decided_at']}: position {told['position']} of {told['batch_size']}"
        f" of batch {told['batch_id']} (state version {told['state_version']})"
    )


def sentences(told: Json) -> Iterator[str]:
    """Everything but the table of shares."""
    yield from _before(told)
    if "could_take_it" in told:
        yield from _able(told)
        yield from _number(told)
    if "slot" in told:
        yield from _slot(told)
    yield from verdict(told)


def worth_showing(shares: list[Json], whose: str) -> list[Json]:
    """All, or of very many those that say most: whose lead it is, who was tuned, who got leads."""
    if len(shares) <= ROWS_TOLD_MAX:
        return shares
    by_worth = sorted(
        shares,
        key=lambda share: (
            share["assignee_id"] != whose, not share.get("fine_tuned"), -share["assigned"],
        ),
    )  # fmt: skip
    # As they stood: by rank where there are ranks.
    place = {id(share): number for number, share in enumerate(shares)}
    return sorted(by_worth[:ROWS_TOLD_MAX], key=lambda share: place[id(share)])


def leads(decimal: str) -> str:
    """An amount with 4 decimals and its sign."""
    value = round(Decimal(decimal), 4)
    return "0.0000" if value == 0 else f"{value:+f}"


def _unsigned(decimal: str) -> str:
    return leads(decimal).lstrip("+")


def _before(told: Json) -> Iterator[str]:
    """Why it was dispatched then, where that wasn't its arrival."""
    if again := told.get("dispatched_because"):
        by = f" by {again['assignee_id']}" if "assignee_id" in again else ""
        why = f": {again['reason']}" if "reason" in again else ""
        yield f"Dispatched after {_words(again['outcome_type'])}{by} at {again['decided_at']}{why}."
    parked = told.get("parked")
    if parked is None:
        return
    if parked["since"] is None:
        yield "It had waited; since when and why stands in a part of the log that is gone."
        return
    because = " or ".join(REASONS.get(each, _words(each)) for each in parked["because"])
    yield (
        f"It had waited since {parked['since']} (state version {parked['state_version']}),"
        f" because {because}."
    )
    if cause := parked["released_by"]:
        yield f"{_cause(cause)} released it."


def _cause(cause: Json) -> str:
    what = _words(cause.get("change_type") or cause.get("outcome_type") or cause["type"])
    whose = f" of {cause['assignee_id']}" if "assignee_id" in cause else ""
    whose = f" ({cause['batch_id']})" if "batch_id" in cause else whose
    by_itself = ", which happened by itself," if cause.get("by_timer") else ""
    return (
        f"{what.capitalize()}{whose} at {cause['decided_at']}"
        f" (state version {cause['state_version']}){by_itself}"
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: list[str], most: int = 20) -> str:
    shown = ", ".join(names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _able(told: Json) -> Iterator[str]:
    could = told["could_take_it"]
    able = could["able"]
    asks = f" It asks {_listed(could['required_skills'])}." if could["required_skills"] else ""
    not_to = f" Not to {_listed(could['excluded'])}." if could["excluded"] else ""
    full = could["capacity_reached"]
    capacity = f" Capacity reached with it: {_listed(full)}." if full else ""
    yield (
        f"Who could take it: {_listed(able) or 'nobody'}"
        f" ({len(able)} of {could['members']} members).{asks}{not_to}{capacity}"
    )


def _number(told: Json) -> Iterator[str]:
    name, rounds = told["assignee_id"], told["rounds"]
    forced = told["could_take_it"]["forced_to"]
    if forced is not None:
        yield f"It had to go to {forced}, whoever was owed most; it counts like any lead."
        return
    if "measured" in told:
        yield from _measured(name, told["measured"])
        return
    mine = [(r, s) for r in rounds for s in r["shares"] if s["assignee_id"] == name]
    if not mine:
        return
    last, share = mine[-1]
    leads_word = "lead" if last["leads"] == 1 else "leads"
    of = "the batch" if told["group"]["leads"] == told["batch_size"] else "leads that ask the same"
    many = told["group"]["leads"]
    if many == 1:
        yield f"Why {name}, of {len(last['shares'])} who took part:"
    else:
        yield f"Why {name} got {share['assigned']} of the {many} of {of}:"
    if len(rounds) > 1:
        for each in rounds[:-1]:
            yield (
                f"  {_listed(each['capacity_reached'])} would have passed their capacity, got what"
                " was left of it, and the rest was divided again."
            )
    yield (
        f"  ideal = fair share {_unsigned(share['fair_share'])} of {last['leads']} {leads_word}"
        f" - cumulative error {_unsigned(share['cumulative_error_before'])}"
        f" = {_unsigned(share['ideal'])}; rounded {share['rounded']}."
    )
    yield "  " + _tuning(last)
    if share["capacity_reached"]:
        yield f"  That is more than {name} had room for: {share['assigned']}."


def _measured(name: str, measured: Json) -> Iterator[str]:
    """What it counts, and who was owed most when it was its turn."""
    if measured["by"] is not None:
        yield (
            f"It counts {_unsigned(measured['counts'])} ({measured['by']}), place"
            f" {measured['place_by_size']} by size of the {measured['of']} that ask the same: the"
            " largest goes first, each to whoever is owed most."
        )
    if measured["lead_by_lead"]:
        yield (
            "Some of them match a limit, so each was divided by itself, among those who could take"
            " it then."
        )
    owed = measured["owed_most_first"]
    if owed:
        listed = [f"{each['assignee_id']} at {leads(each['cumulative_error'])}" for each in owed]
        yield f"Why {name}: when it was given, with its share accrued, {_listed(listed)}."


def _tuning(each: Json) -> str:
    """What was left to give or take after rounding, and who decided it."""
    total, change = each["rounded_sum"], each["fine_tuned"]
    if not change:
        return f"All roundings add up to {total}: nothing was left to fine-tune."
    many = f"{abs(change)} too {'few' if change > 0 else 'many'}"
    verb = "given to" if change > 0 else "taken from"
    most = "owed most" if change > 0 else "furthest ahead"
    steps = each["fine_tuning"]
    told = ", ".join(_step(step) for step in steps[:_TUNED_TOLD])
    more = abs(change) - min(len(steps), _TUNED_TOLD)
    rest = f" and {more} more" if more else ""
    return f"All roundings add up to {total}, {many}: {verb} whoever is {most}: {told}{rest}."


def _step(step: Json) -> str:
    equal = step["equal"]
    place = "first" if step["lead"] > 0 else "last"
    tie = f", like {equal}, and {place} in rank" if equal is not None else ""
    return f"{step['assignee_id']} (at {leads(step['cumulative_error'])}{tie})"


def _slot(told: Json) -> Iterator[str]:
    slot: dict[str, Any] = told["slot"]
    mine, rival = slot["chosen"], slot["next"]
    within = "" if slot["of"] == told["batch_size"] else " of those that ask the same"
    yield f"Why this lead: it stood in place {slot['place']} of {slot['of']}{within}."
    if mine["assignee_id"] != told["assignee_id"]:
        yield f"  By the order it was the turn of {mine['assignee_id']}."
        return
    yield (
        f"  Lead {mine['lead']} of {mine['of']} for {mine['assignee_id']} belongs into places"
        f" {mine['first_place']} to {mine['last_place']}."
    )
    if rival is None:
        yield "  Nobody else's place was open here."
    elif rival["last_place"] == mine["last_place"]:
        yield (
            f"  {rival['assignee_id']}'s next also had until place {rival['last_place']};"
            f" {mine['assignee_id']} stands before in rank ({mine['rank']} against"
            f" {rival['rank']})."
        )
    else:
        yield (
            f"  Of {slot['open_windows']} who could have this place its time ended first;"
            f" {rival['assignee_id']}'s next had until place {rival['last_place']}."
        )


def verdict(told: Json) -> Iterator[str]:
    """Whether all of it is the same when it is divided again."""
    for lack in told["not_known"]:
        yield f"Not known: {lack}."
    if told["checked"]:
        yield "Checked: recomputed from the decision, the same."
    elif told["checked"] is None:
        yield "Not checked as a whole: what can be recomputed is the same."
    else:
        yield "DIFFERENT when recomputed from the decision:"
        for each in told["differences"]:
            stated, again = each["stated"], each["recomputed"]
            yield f"  {each['what']}: {stated} in the log, {again} recomputed"
