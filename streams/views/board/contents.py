"""What stands on the pages about channels and assignees, and on those that say what is wrong.

In: the answers, and a question (the query of an address). Out: a `Page`. Everything that a picture
needs is worked out here, so that templates only say where it goes. Raises Refused.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from streams.views.answers_port import Answers, BadQuestion, Json, NotThere, Refused
from streams.views.board import charts
from streams.views.board.figures import number
from streams.views.board.rendering import Page
from streams.views.board.wording import promise_state

Query = Mapping[str, str]
Ask = Callable[[Answers, Query], Awaitable[Page]]
"""How a page is made."""

CHANNELS_PER_PAGE: Final = 50
MEMBERS_PER_PAGE: Final = 100
DECISIONS_PER_PAGE: Final = 30
ASSIGNMENTS_PER_PAGE: Final = 50
SPANS: Final = {
    "minutes": "the last hour",
    "hours": "the last 48 hours",
    "days": "the last 60 days",
}
VERSION_DIGITS_MAX: Final = 18


def asked(query: Query, name: str) -> str:
    """A part of the question that has to be there. Raises BadQuestion."""
    if not query.get(name):
        raise BadQuestion(f"The address lacks “{name}”.")
    return query[name]


def asked_version(query: Query, name: str) -> int | None:
    """A state version, if one is asked for. Raises BadQuestion."""
    given = query.get(name, "")
    if not given:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= VERSION_DIGITS_MAX):
        raise BadQuestion(f"“{name}” is a whole number.")
    return int(given)


async def overview(answers: Answers, query: Query) -> Page:
    """All channels of this process."""
    after, find = query.get("after", ""), query.get("find", "")
    found = await answers.channels(after, CHANNELS_PER_PAGE, find)
    rows = found["channels"]
    context = {
        **found,
        "after": after,
        "find": find,
        "rows": [{**row, **_drawn(row)} for row in rows],
        "totals": _totals(rows),
        "whole": not (after or find or found["next_after"]),
    }
    return Page("overview", "Channels", context)


def _drawn(row: Json) -> Json:
    """A channel's promise, its state and its picture."""
    promise, band = row["promise"], charts.band_of(row["promise"])
    ahead, owed = (
        row[name]["cumulative_error"] if row[name] else None for name in ("most_ahead", "most_owed")
    )
    return {
        "state": promise_state(promise, row["dispatch_by"]),
        "band": band,
        "ahead": ahead,
        "owed": owed,
        "scale": charts.error_scale([ahead, owed], band),
    }


def _totals(rows: list[Json]) -> Json:
    """Of the channels on the page."""
    return {
        "leads_today": sum(row["today"]["leads"] for row in rows),
        "leads_minute": sum(row["leads_last"]["minute"] for row in rows),
        "parked_leads": sum(row["parked_leads"] for row in rows),
        "parking": sum(1 for row in rows if row["parked_leads"] or row["parked_batches"]),
        "broken": sum(1 for row in rows if promise_state(row["promise"]) == "broken"),
    }


async def channel(answers: Answers, query: Query) -> Page:
    """One channel, with a page of its members and one of its decisions."""
    name = asked(query, "name")
    after, before = query.get("after", ""), asked_version(query, "before")
    span = query.get("span", "minutes")
    if span not in SPANS:
        raise BadQuestion("“span” is minutes, hours or days.")
    found = await answers.channel(name)
    standings = await answers.standings(name, after, MEMBERS_PER_PAGE)
    decisions = await answers.decisions(name, before, DECISIONS_PER_PAGE)
    drawn, by_value = _drawn(found), found["dispatch_by"] == "value"
    members = [_member(each, by_value=by_value) for each in standings["standings"]]
    context = {
        **found,
        **drawn,
        "after": after,
        "before": before,
        "by_value": by_value,
        "span": span,
        "spans": SPANS,
        "kept": {"name": name, "after": after, "before": before, "span": span},
        "drawn": _history(found["history"][span], span, found["time_zone"]),
        "standings": members,
        "member_scale": charts.error_scale(
            (each["cumulative_error"] for each in members), drawn["band"]
        ),
        "most_today": _most(each["today"] for each in members),
        "most": _most(members),
        "next_after": standings["next_after"],
        "decisions": decisions["decisions"],
        "next_before": decisions["next_before"],
    }
    return Page("channel", name, context, watched=name)


def _member(member: Json, *, by_value: bool) -> Json:
    """A member with what was received, in leads or in value, today and since counting began."""
    what = "value" if by_value else "leads"
    today = member["today"]
    return {
        **member,
        "received": member.get(what, member["leads"]),
        "today": {**today, "received": today.get(what, today["leads"])},
    }


def _most(rows: Iterable[Json]) -> float:
    """The longest that a bar or its tick has to be."""
    return max(
        (float(number(row[name])) for row in rows for name in ("received", "fair_share")),
        default=1.0,
    )


def _history(points: list[Json], span: str, time_zone: str) -> Json:
    """The points of a chart, with the names of days in the channel's time zone."""
    zone = ZoneInfo(time_zone)
    named = [
        {**each, "day": _day(each["from"], zone) if span == "days" else None} for each in points
    ]
    ahead = [each["most_ahead"] for each in points if each["most_ahead"] is not None]
    owed = [each["most_owed"] for each in points if each["most_owed"] is not None]
    return {
        "points": named,
        "leads": [each["leads"] for each in points],
        "most_leads": max((each["leads"] for each in points), default=0),
        "all_leads": sum(each["leads"] for each in points),
        "errors": [(each["most_ahead"], each["most_owed"]) for each in points],
        "ahead": max(ahead, key=number, default=None),
        "owed": min(owed, key=number, default=None),
    }


def _day(text: str, zone: ZoneInfo) -> str:
    """The name of a day that is given by its name at midnight, or by the moment it began."""
    if text.endswith("T00:00:00Z"):
        return text[:10]
    return datetime.fromisoformat(text).astimezone(zone).date().isoformat()


async def assignee(answers: Answers, query: Query) -> Page:
    """One assignee of a channel, with a page of the leads that they received."""
    name, of_channel = asked(query, "name"), asked(query, "channel")
    before = asked_version(query, "before")
    found = await answers.assignee(of_channel, name)
    leads = await answers.assignments(of_channel, name, before, ASSIGNMENTS_PER_PAGE)
    context = {
        **found,
        **(_standing(found) if found["is_member"] else {}),
        "channel": of_channel,
        "name": name,
        "before": before,
        "assignments": leads["assignments"],
        "next_before": leads["next_before"],
    }
    return Page("assignee", f"{name} on {of_channel}", context, watched=of_channel)


def _standing(found: Json) -> Json:
    """Of who is on the roster: figures and what their pictures need."""
    band, by_value = charts.band_of(found["promise"]), found["dispatch_by"] == "value"
    member = _member(found, by_value=by_value)
    return {
        **member,
        "by_value": by_value,
        "band": band,
        "scale": charts.error_scale([found["cumulative_error"]], band),
        "most": _most([member]),
        "most_today": _most([member["today"]]),
    }


async def decision(answers: Answers, query: Query) -> Page:
    """One decision, whole. It never changes again."""
    name, version = asked(query, "channel"), asked_version(query, "version")
    if version is None:
        raise BadQuestion("The address lacks “version”.")
    found = await answers.decision(name, version)
    context = {"channel": name, "version": version, "decision": found}
    return Page("decision", f"Decision {version} of {name}", context, live=False)


_REFUSED: Final = {
    400: "A wrong question",
    404: "Not there",
    421: "Another process has this partition",
    503: "Catching up",
}


def problem(refused: Refused) -> Page:
    """Why there is no answer. It goes away by itself where waiting helps."""
    waits = refused.status in (421, 503)
    title = _REFUSED.get(refused.status, "Something went wrong")
    context = {
        "status": refused.status,
        "message": refused.message,
        "heading": title,
        "waits": waits,
        "missing": isinstance(refused, NotThere),
    }
    headers = {"Retry-After": "1"} if refused.status == 503 else {}
    return Page("problem", title, context, refused.status, live=waits, headers=headers)
