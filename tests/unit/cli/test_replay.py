"""`partidor replay`: a file of events becomes a file of output events."""

import json
from pathlib import Path
from typing import Any

import pytest

from dispatcher.limits import Limits
from schemas.outputs import DECISION, DeadLetter, LeadAssigned
from streams.cli import replaying
from streams.replay import Replay

CREATED_AT = "2026-11-21T09:00:00Z"


def _roster(channel: str, change_id: str, **weights: str) -> dict[str, Any]:
    members = [{"assignee_id": name, "weight": weight} for name, weight in weights.items()]
    return {
        "type": "roster_replaced", "schema_version": 1, "change_id": change_id,
        "channel": channel, "created_at": CREATED_AT, "members": members,
    }  # fmt: skip


def _batch(channel: str, batch_id: str, size: int) -> dict[str, Any]:
    leads = [{"lead_id": f"{batch_id}-{n}", "attributes": {"n": n}} for n in range(size)]
    return {
        "type": "lead_batch", "schema_version": 1, "batch_id": batch_id,
        "channel": channel, "created_at": CREATED_AT, "leads": leads,
    }  # fmt: skip


def _lines(*events: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


STORY = _lines(
    _roster("web", "c1", A="0.8", B="1", C="1.2"),
    _roster("phone", "c1", D="1"),
    _batch("web", "b1", 100),
    _batch("phone", "b1", 3),
    _batch("web", "b2", 50),
    {"type": "assignee_left", "schema_version": 1, "change_id": "c2", "channel": "web",
     "created_at": CREATED_AT, "assignee_id": "A"},
)  # fmt: skip


def test_the_story_of_the_method_comes_out(partidor: Any, tmp_path: Path) -> None:
    """100 leads on .8, 1, 1.2 are 27, 33, 40; 50 more are 13, 17, 20; channels don't mix."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(STORY)
    result = partidor("replay", file)
    assert (result.exit_code, result.err) == (0, "")
    events = [json.loads(line) for line in result.out.splitlines()]
    dispatched = [event for event in events if event["type"] == "batch_dispatched"]
    assigned = [
        (event["channel"], [share["assigned"] for share in event["shares"]]) for event in dispatched
    ]
    assert assigned == [("web", [27, 33, 40]), ("phone", [3]), ("web", [13, 17, 20])]
    leads = [LeadAssigned.model_validate(e) for e in events if e["type"] == "lead_assigned"]
    assert len(leads) == 153
    for event in events:
        if event["type"] != "lead_assigned":
            DECISION.validate_python(event)
            assert event["decided_at"] == CREATED_AT


def test_stdin_and_a_file_give_the_same_bytes(partidor: Any, tmp_path: Path) -> None:
    """`-` reads what is piped in; the last line needs no line break."""
    file = tmp_path / "events.jsonl"
    file.write_bytes(STORY)
    from_file = partidor("replay", file).out
    assert partidor("replay", "-", stdin=STORY).out == from_file
    assert partidor("replay", "-", stdin=STORY.rstrip(b"\n")).out == from_file


@pytest.mark.parametrize("chunk_bytes", [1, 7, 4096])
def test_how_the_bytes_arrive_makes_no_difference(
    chunk_bytes: int, partidor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines are put together from pieces of any size; each answer is what `Replay` gives."""
    monkeypatch.setattr(replaying, "CHUNK_BYTES", chunk_bytes)
    whole = b"".join(line + b"\n" for line in Replay(Limits()).lines(STORY.splitlines()))
    assert partidor("replay", "-", stdin=STORY).out.encode() == whole


def test_what_would_be_a_dead_letter_is_a_line_and_the_rest_goes_on(partidor: Any) -> None:
    """Blank lines count as lines; a bad one is told with its number."""
    spoiled = b"\n" + _lines(_roster("web", "c1", A="1")) + b"no event\n" + b"\xff\n"
    again = _lines(_batch("web", "b1", 2), _batch("web", "b1", 3), _batch("web", "b2", 1))
    result = partidor("replay", "-", stdin=spoiled + again)
    assert result.exit_code == 0
    events = [json.loads(line) for line in result.out.splitlines()]
    letters = [DeadLetter.model_validate(e) for e in events if e["type"] == "dead_letter"]
    assert [(letter.line, str(letter.reason)) for letter in letters] == [
        (3, "not_json"),
        (4, "not_json"),
        (6, "batch_id_reused"),
    ]
    assert sum(event["type"] == "lead_assigned" for event in events) == 3


def test_limits_are_settings(partidor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller limit makes a dead letter of a batch that was fine."""
    monkeypatch.setenv("PARTIDOR_LIMITS__LEADS_PER_BATCH_MAX", "99")
    result = partidor("replay", "-", stdin=STORY)
    assert '"reason":"limit_exceeded"' in result.out


def test_a_line_without_end_is_refused(partidor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without line breaks can't fill the memory."""
    monkeypatch.setattr(replaying, "LINE_BYTES_MAX", 1000)
    monkeypatch.setattr(replaying, "CHUNK_BYTES", 100)
    result = partidor("replay", "-", stdin=b"x" * 2000)
    assert result.exit_code == 1
    assert "one a line" in result.err


def test_an_empty_file_gives_an_empty_output(partidor: Any) -> None:
    """Nothing in, nothing out."""
    assert partidor("replay", "-") == (0, "", "")
