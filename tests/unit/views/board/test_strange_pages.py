"""Pages where something is wrong, hostile, or very much."""

import pytest

from streams.views.answers_port import BadQuestion, CatchingUp, Elsewhere, NotThere
from tests.views_board import SampleAnswers, Seen, answered, shown
from tests.views_board.documents import HOSTILE


@pytest.mark.parametrize(
    ("refused", "told"),
    [
        (BadQuestion("limit is a number"), "limit is a number"),
        (NotThere("no such channel"), "no such channel"),
        (Elsewhere("partition 3 is read by another process"), "partition 3 is read by another"),
        (CatchingUp("catching up"), "goes on by itself"),
    ],
)
def test_what_is_refused_is_a_page_in_the_same_frame(refused: NotThere, told: str) -> None:
    """With the status that says why; those that go away by waiting are live."""
    answers = SampleAnswers()
    answers.refused = refused
    for path, query in (("/", {}), ("/channel", {"name": "web"}), ("/operations", {})):
        response = answered(answers, path, **query)
        seen = Seen(str(response.text))
        assert response.status == refused.status
        assert told in seen.text
        assert ("data-live" in seen.all("main")[0]) == (refused.status in (421, 503))
        assert ("Retry-After" in response.headers) == (refused.status == 503)


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/channel", {}),
        ("/assignee", {"channel": "web"}),
        ("/channel", {"name": "web", "before": "-1"}),
        ("/channel", {"name": "web", "before": "9" * 40}),
        ("/channel", {"name": "web", "span": "years"}),
        ("/decision", {"channel": "web"}),
        ("/decision", {"channel": "web", "version": "\N{SUPERSCRIPT TWO}"}),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(path: str, query: dict[str, object]) -> None:
    """400, and never a failure."""
    response = answered(SampleAnswers(), path, **query)
    assert response.status == 400
    assert "“" in str(response.text)


def test_what_nobody_expected_is_a_page_too() -> None:
    """The log has the rest; nothing of it is shown."""
    answers = SampleAnswers()
    answers.summaries["web"].pop("leads_per_minute")
    response = answered(answers, "/")
    assert response.status == 500
    assert "the log of the views says more" in str(response.text)
    answers.summaries.pop("phone")
    answers.summaries["web"].pop("today")
    assert answered(answers, "/").status == 500


@pytest.mark.parametrize("hostile", HOSTILE)
def test_ids_of_strangers_are_text_and_nothing_else(hostile: str) -> None:
    """On every page: no element and no attribute comes from them, and links lead to them."""
    answers = SampleAnswers([hostile, "web"])
    answers.member_ids = ["A", hostile]
    answers.summaries[hostile] |= {
        "most_ahead": {"assignee_id": hostile, "cumulative_error": "0.5"},
        "more": {"parked": [{"batch_id": hostile, "leads": 1}]},
        "parked_batches": 1,
        "parked_leads": 1,
    }
    named = ("batch_id", "assignee_id", "to_assignee_id", "lead_id", "reason", "changed_by")
    answers.shorts = [
        {name: hostile if name in named else value for name, value in each.items()}
        for each in answers.shorts
    ]
    answers.operations_document["dead_letters"]["by_reason"][0]["reason"] = hostile
    for path, query in (
        ("/", {"find": hostile}),
        ("/channel", {"name": hostile}),
        ("/assignee", {"channel": hostile, "name": hostile}),
        ("/lead", {"id": "L17", "channel": hostile}),
        ("/operations", {}),
    ):
        html = shown(answers, path, **query)
        seen = Seen(html)
        assert len(seen.all("script")) == 1
        assert not seen.all("img")
        assert not any(name.startswith("on") for _, each in seen.elements for name in each)
        assert hostile in seen.text
    assert {"name": hostile} in Seen(shown(answers, "/")).asked("/channel")
    assert {"channel": hostile, "name": hostile} in Seen(
        shown(answers, "/channel", name=hostile)
    ).asked("/assignee")
    missing = answered(answers, "/lead", id=hostile)
    assert len(Seen(str(missing.text)).all("script")) == 1


def test_pages_stay_small_however_much_there_is() -> None:
    """Under 100 KB with 1,000 channels of 100 assignees each, 50 and 100 a page."""
    answers = SampleAnswers([f"campaign-2026-{n:04d}" for n in range(1000)], members=1000)
    answers.shorts = [{**each, "state_version": 10_000 + n}
                      for n, each in enumerate(answers.shorts * 10)][::-1]  # fmt: skip
    for path, query in (
        ("/", {}),
        ("/channel", {"name": "campaign-2026-0500"}),
        ("/channel", {"name": "campaign-2026-0500", "span": "days"}),
        ("/assignee", {"channel": "campaign-2026-0500", "name": "agent-500"}),
    ):
        size_bytes = len(shown(answers, path, **query).encode())
        assert 10_000 < size_bytes < 100_000, (path, size_bytes)
