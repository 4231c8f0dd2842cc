"""The page of a lead: to whom it went, each time, and why.

In: the answers, and a question. Out: a `Page`. The explanation itself is the one of
`partidor explain`: the same sentences, the same table. It is read from the log when it is asked,
so an open page of a lead doesn't change by itself.
"""

from streams.audit.explanation_text import ROWS_TOLD_MAX, headline, sentences, worth_showing
from streams.views.answers_port import Answers, Json, NotThere
from streams.views.board.contents import Query
from streams.views.board.figures import isolated, marked
from streams.views.board.rendering import Page


async def lead(answers: Answers, query: Query) -> Page:
    """A lead, or only the form that asks for one."""
    lead_id, channel = query.get("id", ""), query.get("channel") or None
    context: Json = {
        "lead_id": lead_id,
        "of_channel": channel,
        "times": [],
        "unexplained": [],
        "outcomes": [],
        "not_there": None,
    }
    if not lead_id:
        return Page("lead", "Find a lead", context, live=False)
    title = f"Lead {lead_id}"
    try:
        found = await answers.lead(lead_id, channel)
    except NotThere as refused:
        context["not_there"] = refused.message
        return Page("lead", title, context, refused.status, live=False)
    explained = {each.get("assignment_id") for each in found["assigned"]}
    context |= {
        "times": [_told(each) for each in found["assigned"]],
        "unexplained": [
            each for each in found["assignments"] if each["assignment_id"] not in explained
        ],
        "outcomes": found["outcomes"],
    }
    return Page("lead", title, context, live=False)


def _told(told: Json) -> Json:
    """One time that it was assigned: texts, and the tables of the four steps."""
    apart = isolated(told)
    # What can't be explained at all has no table either, and only says what is not known.
    texts = list(sentences({"differences": [], "not_known": [], **apart}))
    return {
        "told": told,
        "headline": marked(headline(apart)),
        "sentences": [
            {"text": marked(each.strip()), "sub": each.startswith("  ")} for each in texts
        ],
        "tables": [_table(each, told) for each in _rounds(told)],
        "checked": told["checked"],
    }


def _rounds(told: Json) -> list[Json]:
    """The rounds of the division; where those aren't known, the shares as the decision has them."""
    if told.get("rounds"):
        return list(told["rounds"])
    return [{"leads": told["batch_size"], "shares": told["shares"]}] if told.get("shares") else []


def _table(each: Json, told: Json) -> Json:
    shares = each["shares"]
    shown = worth_showing(shares, told["assignee_id"])
    return {
        "leads": each["leads"],
        "rows": shown,
        "more": max(len(shares) - ROWS_TOLD_MAX, 0),
        "steps": any("rounded" in share for share in shown),
        "whose": told["assignee_id"],
    }
