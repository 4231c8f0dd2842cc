import json
import re

import pytest

from streams.views.board import Board
from streams.views.board.pages import HEADERS
from tests.views_board import (
    SampleAnswers,
    Seen,
    answered,
    shown,
)
from tests.views_board.documents import operations, points, promise

WEB = {"name": "web"}
EVERY_PAGE: list[tuple[str, dict[str, object]]] = [
    ("/", {}),
    ("/", {"find": "w"}),
    ("/channel", {"name": "web"}),
    ("/channel", {"name": "web", "span": "days", "before": 20, "after": "agent-03"}),
    ("/assignee", {"channel": "web", "name": "agent-03"}),
    ("/lead", {}),
    ("/lead", {"id": "L3"}),
    ("/lead", {"id": "L17", "channel": "web"}),
    ("/operations", {}),
    *[("/decision", {"channel": "web", "version": version}) for version in range(1, 10)],
]


@pytest.mark.parametrize(("path", "query"), EVERY_PAGE)
def test_every_page_is_whole_and_runs_nothing_of_its_own(
    path: str, query: dict[str, object]
) -> None:
    """One heading, landmarks, no script, style or handler of its own; the policy forbids them."""
    response = answered(SampleAnswers(), path, **query)
    seen = Seen(str(response.text))
    assert response.status == 200
    for name, value in HEADERS.items():
        assert response.headers[name] == value
    assert [len(seen.all(tag)) for tag in ("h1", "main", "header", "footer", "title")] == [1] * 5
    assert [set(each) for each in seen.all("script")] == [{"type", "src"}]
    assert not seen.all("style")
    for tag, attributes in seen.elements:
        assert not any(name == "style" or name.startswith("on") for name in attributes), tag
    ids = [attributes["id"] for _, attributes in seen.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for each in seen.all("svg"):
        assert "aria-label" in each or each.get("aria-hidden") == "true"
    for tag in ("th", "caption"):
        assert all(tag != "th" or each.get("scope") in ("col", "row") for each in seen.all(tag))
    assert len(seen.all("table")) == len(seen.all("caption"))


def test_the_overview_says_what_a_supervisor_looks_for() -> None:
    """Leads, the bound, what is parked, delays; what is wrong also in words."""
    answers = SampleAnswers()
    answers.summaries["phone"] |= {
        "parked_batches": 2,
        "parked_leads": 15,
        "promise": promise(kept=False, used=1.4),
    }
    text = Seen(shown(answers, "/")).text
    for told in ("0.62 of the bound", "15 leads", "2 batches", "14 ms", "9 of 10 active",
                 "beyond the promise", "1.40 of the bound", "1,801 leads today",
                 "1 channel beyond the promise"):  # fmt: skip
        assert told in " ".join(text.split()), told


def test_channels_come_in_pages_and_are_found_by_name() -> None:
    """50 at a time; the search stays with its pages."""
    answers = SampleAnswers([f"line-{n:03d}" for n in range(120)])
    first = Seen(shown(answers, "/"))
    assert len(first.asked("/channel")) == 50
    assert first.asked("/")[-1] == {"after": "line-049"}
    found = Seen(shown(answers, "/", find="line-0", after="line-049"))
    assert {"find": "line-0", "after": "line-099"} not in found.asked("/")
    assert {"find": "line-0"} in found.asked("/")
    assert found.all("input")[1]["value"] == "line-0"


def test_where_nothing_is_the_overview_says_how_to_begin() -> None:
    """Commands to copy; where a search finds nothing, that."""
    nothing = Seen(shown(SampleAnswers([]), "/"))
    assert "partidor roster replace web team.csv" in nothing.text
    assert "No channel has that in its name" in Seen(shown(SampleAnswers(), "/", find="zzz")).text


def test_a_process_with_some_partitions_says_so() -> None:
    """The other channels are elsewhere."""
    answers = SampleAnswers()
    found = answers.channels

    async def some(*given: object) -> dict[str, object]:
        return {**await found(*given), "partitions_here": [0, 2]}  # type: ignore[arg-type]

    answers.channels = some  # type: ignore[method-assign]
    assert "reads 2 of 4 partitions (0, 2)" in Seen(shown(answers, "/")).text


def test_a_channel_shows_everybody_what_waits_and_what_happened() -> None:
    """With links to each, and figures beside every bar."""
    answers = SampleAnswers()
    answers.summaries["web"] |= {
        "parked_batches": 70,
        "parked_leads": 300,
        "more": {"parked": [{"batch_id": "b-1", "leads": 3}], "roster_complete": False},
    }
    seen = Seen(shown(answers, "/channel", **WEB))
    text = " ".join(seen.text.split())
    for told in ("promise kept", "With 10 members at most", "owed most: B -1.20", "4 of 3.50",
                 "300 leads wait in 70 batches", "the first 1 are shown", "b-1",
                 "A's cumulative error corrected by -0.5", "Australia/Melbourne",
                 "the log that is left may not name everybody"):  # fmt: skip
        assert told in text, told
    assert {"channel": "web", "name": "agent-11"} in seen.asked("/assignee")
    assert {"channel": "web", "version": "30"} in seen.asked("/decision")
    assert [each.get("span") for each in seen.asked("/channel")[:3]] == ["minutes", "hours", "days"]


def test_days_are_those_of_the_channel() -> None:
    """Named by the document, or begun at 13:00 UTC, which is the next one in Melbourne."""
    answers = SampleAnswers()
    days = points(2, 1440)
    days[0]["from"], days[1]["from"] = "2026-11-20T13:00:00Z", "2026-11-22T00:00:00Z"
    history = {"minutes": [], "hours": [], "days": days}
    answers.summaries["web"]["more"] = {"history": history}
    html = shown(answers, "/channel", **WEB, span="days")
    assert re.findall(r">(2026-11-2\d)</th>", html) == ["2026-11-22", "2026-11-21"]
    assert shown(answers, "/channel", **WEB)


def test_by_value_amounts_are_in_value() -> None:
    """What is received is then no number of leads."""
    answers = SampleAnswers()
    answers.summaries["web"] |= {
        "dispatch_by": "value",
        "promise": None,
        "most_ahead": None,
        "most_owed": None,
        "delay_ms": None,
        "has_rules": True,
        "more": {"rules": {"time_zone": "UTC", "required_skills": [], "value_attribute": "loan"}},
    }
    text = Seen(shown(answers, "/channel", **WEB)).text
    assert "Today, value" in text
    assert "(attribute loan)" in text
    assert "divided by value" in text


def test_members_and_decisions_come_in_pages_of_their_own() -> None:
    """Going on in one leaves the other where it is."""
    answers = SampleAnswers(members=250)
    answers.shorts = [{**each, "state_version": 100 + n} for n, each in enumerate(answers.shorts)]
    answers.shorts = sorted([*answers.shorts, *SampleAnswers().shorts],
                            key=lambda each: -each["state_version"])  # fmt: skip
    seen = Seen(shown(answers, "/channel", **WEB, after="agent-100", before=125))
    onwards = [each for each in seen.asked("/channel") if each.get("after") == "agent-200"]
    assert onwards == [{"name": "web", "after": "agent-200", "before": "125", "span": "minutes"}]
    seen = Seen(shown(answers, "/channel", **WEB, after="agent-100"))
    older = [each for each in seen.asked("/channel") if "before" in each]
    assert older == [{"name": "web", "after": "agent-100", "before": "100", "span": "minutes"}]


def test_an_assignee_sees_where_they_stand_and_their_leads() -> None:
    """Error, bound, today, and each lead with why."""
    seen = Seen(shown(SampleAnswers(), "/assignee", channel="web", name="agent-03"))
    text = " ".join(seen.text.split())
    for told in ("+0.1129", "ahead by 0.11 leads", "promised -1.93 to +0.90", "6 of 5.50",
                 "112896006447893776 / 3000000000000000000"):  # fmt: skip
        assert told in text, told
    assert seen.asked("/lead")[0] == {"id": "L120", "channel": "web"}
    assert seen.asked("/assignee")[-1]["before"] == "71"


def test_who_has_left_still_has_the_leads_they_received() -> None:
    """There is no standing any more; the document has none either."""
    answers = SampleAnswers()
    asked = answers.assignee

    async def gone(*given: str) -> dict[str, object]:
        found = await asked(*given)
        names = ("channel", "assignee_id", "promise", "dispatch_by", "today_date", "time_zone")
        return {**{name: found[name] for name in names}, "is_member": False}

    answers.assignee = gone  # type: ignore[method-assign]
    seen = Seen(shown(answers, "/assignee", channel="web", name="agent-03"))
    assert "Not on the roster any more" in seen.text
    assert len(seen.asked("/lead")) == 50


def test_a_lead_is_explained_by_the_four_steps_and_in_sentences() -> None:
    """As `partidor explain` does, each time that it was assigned; whose it is stands out."""
    html = shown(SampleAnswers(), "/lead", id="L3")
    text = " ".join(Seen(html).text.split())
    for told in ("Lead L3 went to A on channel web", "33.3333", "Fine-tuned", "this lead",
                 "ideal = fair share 26.6667 of 100 leads", "Checked: recomputed",
                 "divided again: the same", "What became of it"):  # fmt: skip
        assert told in text, told
    assert html.count('class="mine" aria-current="true"') == html.count("<article")


def test_a_lead_whose_reasons_are_gone_still_says_who_got_it() -> None:
    """An assignment without its decision."""
    text = Seen(shown(SampleAnswers(), "/lead", id="L17")).text
    assert "The log no longer tells why" in text
    assert "position 21 of 100" in " ".join(text.split())


def test_a_lead_that_is_different_or_not_known_says_so() -> None:
    """Nothing is glossed over."""
    answers = SampleAnswers()
    asked = answers.lead

    async def other(lead_id: str, channel: str | None = None) -> dict[str, object]:
        found = await asked(lead_id, channel)
        first, second = found["assigned"][:2]
        first |= {
            "checked": False,
            "differences": [{"what": "assigned of A", "stated": "27", "recomputed": "28"}],
        }
        head = {
            k: v
            for k, v in second.items()
            if k
            not in (
                "rounds",
                "shares",
                "differences",
                "could_take_it",
                "slot",
                "parked",
                "dispatched_because",
                "group",
            )
        }
        head |= {"checked": None, "not_known": ["the log doesn't hold the decision"]}
        return {**found, "assigned": [first, head]}  # fmt: skip

    answers.lead = other  # type: ignore[method-assign]
    text = " ".join(Seen(shown(answers, "/lead", id="L3")).text.split())
    assert "different when divided again" in text
    assert "assigned of A: 27 in the log, 28 recomputed" in text
    assert "Not known: the log doesn't hold the decision." in text


def test_a_lead_that_is_nowhere_is_a_page_that_helps() -> None:
    """Where it may be, and a wider search if only one channel was asked."""
    response = answered(SampleAnswers(), "/lead", id="nope", channel="web")
    seen = Seen(str(response.text))
    assert response.status == 404
    assert "be a dead letter" in seen.text
    assert {"id": "nope"} in seen.asked("/lead")


def test_a_lead_asked_with_spaces_around_it_can_be_asked_without() -> None:
    """Ids are taken as they are: spaces may belong to one; from spreadsheets they often don't."""
    seen = Seen(str(answered(SampleAnswers(), "/lead", id=" L3 ").text))
    assert {"id": "L3"} in seen.asked("/lead")


def test_signing_in_is_a_form_that_leads_on() -> None:
    """The path that was asked for stays, escaped; a wrong token is told so."""
    board = Board(SampleAnswers())
    asked = '/channel?name="><script>alert(1)</script>'
    first, again = board.sign_in(asked), board.sign_in(asked, refused=True)
    assert (first.status, again.status) == (200, 401)
    seen = Seen(str(again.text))
    assert seen.all("form") == [{"class": "find big", "action": "/sign-in", "method": "post"}]
    assert {"type": "hidden", "name": "next", "value": asked} in seen.all("input")
    assert "That is not the token" in seen.text
    assert len(seen.all("script")) == 1


def test_operations_says_what_each_part_could_not_learn() -> None:
    """Kafka's answer stands there while Redis is away."""
    answers = SampleAnswers()
    assert "Dead letters" in Seen(shown(answers, "/operations")).text
    answers.operations_document = operations(
        delay_ms=None,
        delay_per_minute=[],
        dispatchers={"rows": [], "error": "Redis: connection refused"},
        dead_letters={"by_reason": [], "total": 0, "error": "the topic is not there"},
        lag={"rows": [], "why_unknown": None, "asked_at": None, "error": "Kafka: timed out"},
        caught_up=False,
    )
    text = Seen(shown(answers, "/operations")).text
    for told in ("Redis: connection refused", "the topic is not there", "Kafka: timed out",
                 "catching up"):  # fmt: skip
        assert told in text, told


def test_a_decision_is_a_table_and_json() -> None:
    """The document as it stands in Kafka."""
    seen = Seen(shown(SampleAnswers(), "/decision", channel="web", version=4))
    assert {"channel": "web", "version": "4", "as": "json"} in seen.asked("/decision")
    assert "100 leads of batch day-1-first divided" in seen.text
    response = answered(SampleAnswers(), "/decision", channel="web", version=4, **{"as": "json"})
    assert response.content_type == "application/json"
    assert json.loads(bytes(response.body))["type"] == "batch_dispatched"  # type: ignore[arg-type]
    wrong = answered(SampleAnswers(), "/decision", version=4, **{"as": "json"})
    assert (wrong.status, json.loads(bytes(wrong.body)).keys()) == (400, {"error"})  # type: ignore[arg-type]
