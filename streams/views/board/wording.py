"""What happened, in plain words.

In: decisions in short, and promises, as the answers give them. Out: sentences without a full stop
for lists, with one for text. Pure; nothing is escaped here (templates do that). An unknown kind of
decision is named as it stands: a newer dispatcher may know more than this board.
"""

import re
from collections.abc import Callable
from typing import Final

from streams.views.answers_port import Json
from streams.views.board.figures import amount, count, many, plain, signed

OUTCOMES: Final = {
    "lead_returned": "{who} gave lead {lead} back",
    "lead_closed": "{who} closed lead {lead}",
    "lead_reassigned": "Lead {lead} moved from {who} to {to}",
    "lead_assigned_manually": "Lead {lead} given to {who} by hand",
    "lead_forgotten": "Lead {lead} forgotten",
}
CHANGES: Final = {
    "assignee_left": "{who} left",
    "assignee_paused": "{who} paused",
    "assignee_resumed": "{who} takes part again",
    "roster_replaced": "Roster replaced",
    "channel_configured": "Rules of the channel changed",
    "capacity_changed": "Capacity of {who} changed",
    "skills_changed": "Skills of {who} changed",
    "limits_changed": "Limits of {who} changed",
    "assignee_routed": "Route of {who} changed",
}

_PLACE: Final = re.compile(r"\{(who|lead|to|kind)\}")


def happened(short: Json) -> str:
    """One decision of a channel's list, as a line of plain words."""
    known = {name: value for name, value in short.items() if value is not None}
    kind = str(known.get("type", ""))
    tell = _TOLD.get(kind)
    return words(kind).capitalize() if tell is None else tell(known)


def words(name: object) -> str:
    """A name of the events as words: `lead_returned` is "lead returned"."""
    return str(name).replace("_", " ")


def by_whom(short: Json) -> str:
    """Who did it and why, where that is known: `by supervisor-7: holiday`."""
    by, reason = short.get("changed_by"), short.get("reason")
    if by and reason:
        return f"by {by}: {reason}"
    return f"by {by}" if by else str(reason or "")


def _attributed(text: str, short: Json) -> str:
    told = by_whom(short)
    return f"{text} ({told})" if told else text


def _dispatched(short: Json) -> str:
    leads = many(short.get("batch_size", 0), "lead")
    text = f"{leads} of batch {short.get('batch_id', '?')} divided"
    if short.get("members") is not None:
        text += f" among {count(short['members'])}"
    if short.get("leads_parked"):
        text += f"; {_waiting(short['leads_parked'])}"
    return text


def _waiting(leads: object) -> str:
    return f"{many(leads, 'lead waits', 'leads wait')}: nobody could take them"


def _parked(short: Json) -> str:
    leads = short.get("leads_parked") or short.get("batch_size", 0)
    return f"{_waiting(leads)} (batch {short.get('batch_id', '?')})"


def _released(short: Json) -> str:
    leads = many(short.get("batch_size", 0), "parked lead")
    return f"{leads} of batch {short.get('batch_id', '?')} let go"


def _duplicate(short: Json) -> str:
    for name, noun in (("batch_id", "batch"), ("change_id", "change"), ("outcome_id", "outcome")):
        if short.get(name):
            return f"Came again and was ignored: {noun} {short[name]}"
    return "Came again and was ignored"


def _day(short: Json) -> str:
    return f"Day {short['day']} began" if short.get("day") else "A day began"


def _outcome(short: Json) -> str:
    kind, who = str(short.get("outcome_type", "")), str(short.get("assignee_id", "?"))
    lead, receiver = str(short.get("lead_id", "?")), str(short.get("to_assignee_id") or "?")
    pattern = OUTCOMES.get(kind, "{who}: {kind}, lead {lead}")
    text = _filled(pattern, who=who, lead=lead, to=receiver, kind=words(kind))
    return _attributed(text, short)


def _filled(pattern: str, **values: str) -> str:
    """Each name once, in one pass: ids may hold braces, and `{lead}` too."""
    return _PLACE.sub(lambda found: values[found[1]], pattern)


def _change(short: Json) -> str:
    kind, who = str(short.get("change_type", "")), str(short.get("assignee_id", "?"))
    tell = _CHANGED.get(kind)
    if tell is not None:
        return _attributed(tell(short, who), short)
    pattern = CHANGES.get(kind)
    if pattern is not None:
        return _attributed(_filled(pattern, who=who), short)
    whose = f" of {who}" if "assignee_id" in short else ""
    return _attributed(f"{words(kind or 'roster changed').capitalize()}{whose}", short)


def _joined(short: Json, who: str) -> str:
    weight = short.get("weight")
    return f"{who} joined" + (f" with weight {plain(weight)}" if weight is not None else "")


def _weight(short: Json, who: str) -> str:
    weight = short.get("weight")
    return f"Weight of {who} changed" + (f" to {plain(weight)}" if weight is not None else "")


def _corrected(short: Json, who: str) -> str:
    by = short.get("amount")
    return f"{who}'s cumulative error corrected" + (f" by {_signed(by)}" if by is not None else "")


def _signed(text: object) -> str:
    shown = plain(text)
    return shown if shown.startswith("-") else f"+{shown}"


_CHANGED: Final[dict[str, Callable[[Json, str], str]]] = {
    "assignee_joined": _joined,
    "weight_changed": _weight,
    "cumulative_error_corrected": _corrected,
}
_TOLD: Final[dict[str, Callable[[Json], str]]] = {
    "batch_dispatched": _dispatched,
    "roster_changed": _change,
    "batch_parked": _parked,
    "batch_released": _released,
    "duplicate_ignored": _duplicate,
    "day_began": _day,
    "outcome_recorded": _outcome,
}


def promise_state(promise: Json | None, dispatch_by: str = "count") -> str:
    """Where a promise stands, in one word: `unknown`, `none`, `resting`, `kept` or `broken`."""
    if promise is None:
        return "none" if dispatch_by == "value" else "unknown"
    if not promise["in_force"]:
        return "none"
    if promise["corrected"]:
        return "resting"
    return "kept" if promise["kept"] else "broken"


def promise_told(promise: Json | None, dispatch_by: str) -> str:
    """The promise of a channel, for who reads it the first time."""
    state = promise_state(promise)
    if promise is None:
        if dispatch_by == "value":
            return "Leads are divided by value here, so the promise in leads does not apply."
        return "Not known: the log that is left begins after the channel did."
    if state == "none":
        return "With rules no bound is promised: whoever may take a lead may be few."
    if state == "resting":
        return (
            "The promise rests after a correction or an outcome, until the cumulative errors are"
            " such as could have come about without it."
        )
    team = many(promise["members_most"], "member")
    paused = ", some of them paused at times" if promise.get("somebody_was_paused") else ""
    bounds = f"{signed(promise['low'])} and {signed(promise['high'])} leads"
    if state == "broken":
        return f"Not kept: somebody is further off than between {bounds}. Please look into it."
    return (
        f"With {team} at most{paused}, everybody stays between {bounds} of their fair share, for"
        f" ever. {used_told(promise)} is used."
    )


def used_told(promise: Json) -> str:
    """How much of the bound the largest cumulative error takes: `0.62 of the bound`."""
    return f"{amount(promise['used'])} of the bound"


def standing_told(error: object, *, by_value: bool = False) -> str:
    """A cumulative error in words: `owed 0.50 leads`."""
    shown = signed(error)
    unit = "of value" if by_value else "leads"
    if shown.startswith("+"):
        return f"ahead by {shown[1:]} {unit}"
    return f"owed {shown[1:]} {unit}" if shown.startswith("-") else "exactly at the fair share"
