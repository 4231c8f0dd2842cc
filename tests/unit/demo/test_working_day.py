"""The events of a day on the demo's board: valid, endless, bounded, and taken by the dispatcher."""

import json
from collections import Counter, deque
from datetime import UTC, datetime
from itertools import islice

from dispatcher.limits import Limits
from schemas.inputs import LEAD_OUTCOME, OUTCOME_TYPES, ROSTER_CHANGE, LeadBatch
from streams.demo.working_day import CHANNELS, WAIT_S_MAX, Received, Step, working_day
from streams.replay import Replay

MOMENT = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
EVENTS = 3_000


def played(seed: int = 1) -> tuple[list[Step], list[dict[str, object]]]:
    """So many events, and what the dispatcher makes of them; receivers learn what they got."""
    recent: dict[str, deque[Received]] = {name: deque(maxlen=200) for name in CHANNELS}
    replay = Replay(Limits())
    steps, outputs = [], []
    for step in islice(working_day(seed, recent, lambda: MOMENT), EVENTS):
        steps.append(step)
        for line in replay.lines([json.dumps(step.event).encode()]):
            output = json.loads(line)
            outputs.append(output)
            if output["type"] == "lead_assigned":
                received = Received(output["lead_id"], output["assignee_id"])
                recent[output["channel"]].append(received)
    return steps, outputs


def test_every_event_is_valid_and_nothing_is_refused() -> None:
    """As lead sources, supervisors and assignees would send them; all ids are different."""
    steps, outputs = played()
    for _, event in steps:
        if event["type"] == "lead_batch":
            LeadBatch.model_validate_json(json.dumps(event))
        elif event["type"] in OUTCOME_TYPES:
            LEAD_OUTCOME.validate_json(json.dumps(event))
        else:
            ROSTER_CHANGE.validate_json(json.dumps(event))
    kinds = Counter(output["type"] for output in outputs)
    assert not kinds["dead_letter"]
    assert not kinds["duplicate_ignored"]


def test_a_day_has_all_that_a_board_shows() -> None:
    """People pause and come back, leads are given back and closed, and some have to wait."""
    steps, outputs = played()
    kinds = Counter(step.event["type"] for step in steps)
    for kind in (
        "assignee_paused", "assignee_resumed", "weight_changed", "lead_returned", "lead_closed",
    ):  # fmt: skip
        assert kinds[kind] >= 10, kind
    assert kinds["lead_batch"] > EVENTS / 2
    assert any(output["type"] == "batch_released" for output in outputs)


def test_somebody_is_always_there_and_waits_are_bounded() -> None:
    """No channel ends up with all of its people paused; no wait is longer than said."""
    steps, outputs = played(7)
    assert all(0 <= step.wait_s <= WAIT_S_MAX for step in steps)
    for output in outputs:
        if output["type"] == "roster_changed":
            shares = output["shares"]
            assert isinstance(shares, list)
            assert not shares or any(not each["paused"] for each in shares)


def test_the_same_seed_is_the_same_day() -> None:
    """And another one is another."""
    assert played(3) == played(3)
    assert played(3)[0] != played(4)[0]
