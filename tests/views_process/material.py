"""Decisions for tests of the views: random or by hand, as the dispatcher writes them."""

import json
import random
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from dispatcher.limits import Limits
from streams.replay import Replay
from streams.views.decisions import AnyDecisionRead, read_decision
from streams.views.documents import channel_facts
from streams.views.folding import folded
from tests.reference.histories import history, lines
from tests.views_process import ViewsProcess


def is_decision(output: bytes) -> bool:
    """Among all outputs, which ones stand on the topic of decisions."""
    return json.loads(output)["type"] not in ("lead_assigned", "dead_letter")


def decisions_of(events: list[dict[str, object]]) -> list[bytes]:
    """The decisions on these events, as the dispatcher writes them."""
    outputs = Replay(Limits()).lines(line.encode() for line in lines(events))
    return list(filter(is_decision, outputs))


def random_decisions(seed: int, channels: int = 6, events: int = 400) -> list[bytes]:
    """The decisions of a random history."""
    return decisions_of(history(seed, channels=channels, events=events))


def small_channel(channel: str, batches: int = 2) -> list[bytes]:
    """The decisions of a channel with two members."""
    head = {"schema_version": 1, "channel": channel, "created_at": "2026-11-21T09:00:00Z"}
    join = {**head, "type": "assignee_joined", "weight": "1"}
    events: list[dict[str, object]] = [
        {**join, "change_id": f"c-{name}", "assignee_id": name} for name in ("A", "B")
    ]
    for number in range(batches):
        leads = [{"lead_id": f"L{number}-{n}", "attributes": {}} for n in range(3)]
        batch = {**head, "type": "lead_batch", "batch_id": f"b{number}", "leads": leads}
        events.append(batch)
    return decisions_of(events)


def many_members(seed: int) -> Iterator[dict[str, object]]:
    """Thirty members and more, small batches, roster changes between them."""
    rng = random.Random(seed)
    absent = [f"member {number}" for number in range(40)]
    present: list[str] = []
    for number in range(220):
        kinds = ("join", "leave", "weight", "pause", "correct", "outcome", "outcome")
        kind = rng.choice((*kinds, *["batch"] * 15))
        if number == 100 and seed % 4:
            event = {"type": "channel_configured", "returns": [{"reason": "*", "credited": True}]}
        elif len(present) < 30 or (kind == "join" and absent):
            present.append(absent.pop(rng.randrange(len(absent))))
            event = joined(present[-1], str(rng.randint(1, 9)))
        elif kind == "leave":
            absent.append(present.pop(rng.randrange(len(present))))
            event = {"type": "assignee_left", "assignee_id": absent[-1]}
        elif kind == "batch":
            event = batch(f"b{number}", rng.randint(0, 25))
        elif kind == "outcome":
            event = outcome(rng, number, present)
        else:
            event = {
                "weight": {"type": "weight_changed", "weight": f"{rng.random():.6f}"},
                "pause": {"type": rng.choice(("assignee_paused", "assignee_resumed"))},
                "correct": {"type": "cumulative_error_corrected", "amount": "-1"},
            }.get(kind, {"type": "assignee_resumed"})
            event["assignee_id"] = rng.choice(present)
        yield complete(number, event)


def outcome(rng: random.Random, number: int, present: list[str]) -> dict[str, object]:
    """What became of some lead."""
    holder, other = rng.sample(present, 2)
    kind = rng.choice(
        (
            {"type": "lead_returned", "reason": "busy"},
            {"type": "lead_reassigned", "to_assignee_id": other},
            {"type": "lead_assigned_manually"},
            {"type": "lead_closed"},
        )
    )
    return {**kind, "outcome_id": f"o{number}", "lead_id": f"X{number}", "assignee_id": holder}


def complete(number: int, event: dict[str, object]) -> dict[str, object]:
    """The event with what all of its kind have."""
    named = event["type"] == "lead_batch" or "outcome_id" in event
    ids = {} if named else {"change_id": f"c{number}"}
    head = {"schema_version": 1, "channel": "web", "created_at": "2026-11-21T09:00:00Z"}
    return {**head, **ids, **event}


def replay_of(*events: dict[str, object]) -> list[AnyDecisionRead]:
    """The decisions on events of the channel `web`."""
    texts = [json.dumps(complete(number, event)).encode() for number, event in enumerate(events)]
    outputs = Replay(Limits()).lines(texts)
    return [read_decision(output) for output in filter(is_decision, outputs)]


def joined(assignee_id: str, weight: str) -> dict[str, object]:
    """A join."""
    return {"type": "assignee_joined", "assignee_id": assignee_id, "weight": weight}


def batch(batch_id: str, leads: int) -> dict[str, object]:
    """A batch of so many leads."""
    rows = [{"lead_id": f"{batch_id}-{n}", "attributes": {}} for n in range(leads)]
    return {"type": "lead_batch", "batch_id": batch_id, "leads": rows}


def expected(decisions: Iterable[bytes]) -> dict[str, dict[str, Any]]:
    """What the views have to show after these, by channel."""
    standings = folded(map(read_decision, decisions))
    return {channel: channel_facts(standing) for channel, standing in standings.items()}


def shown(views: ViewsProcess, channels: Iterable[str]) -> dict[str, Any]:
    """What the views show of what the decisions alone say."""
    return {channel: facts(views.standings(channel).body) for channel in channels}


def facts(body: dict[str, Any]) -> dict[str, Any]:
    """A channel's document without what depends on the time."""
    if "standings" not in body:
        return body
    rows = [{name: row[name] for name in row if name != "today"} for row in body["standings"]]
    kept = {name: value for name, value in body.items() if name not in _OF_THE_TIME}
    return {**kept, "standings": rows}


_OF_THE_TIME = {
    "partition", "today", "leads_last", "batches_last", "leads_per_minute", "delay_ms", "history",
}  # fmt: skip


def until_shown(views: ViewsProcess, decisions: list[bytes]) -> None:
    """Wait until each channel's last decision is shown; then all must be as expected."""
    wanted = expected(decisions)
    for channel, standing in wanted.items():
        version = standing["state_version"]
        views.until(
            f"/api/channels/{quote(channel, safe='')}",
            lambda answer, version=version: (
                answer.status == 200 and answer.body["state_version"] >= version
            ),
        )
    assert shown(views, wanted) == wanted
