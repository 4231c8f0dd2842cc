"""The quick way of single leads gives what the way of all others gives, to the last byte."""

import json
from collections.abc import Sequence

import pytest

from dispatcher.decisions import Rejected
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import BatchReceived
from dispatcher.limits import Limits
from dispatcher.singles import dispatched_single
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records
from streams import deciding
from streams.broker import InputRecord
from streams.deciding import Decider
from streams.draft import Draft
from streams.intake import Refused
from streams.lifecycle import Life
from streams.overlay import WaitingInput
from streams.replay import Replay
from streams.settings import Settings
from streams.task import Task
from tests.reference.histories import history

SETTINGS = Settings(application_id="a")
INPUTS = SETTINGS.topics.inputs
OUTPUTS = (SETTINGS.topics.assignments, SETTINGS.topics.decisions)


def mostly_singles(seed: int) -> list[bytes]:
    """A history whose batches hold up to three leads, every third with anything else there is."""
    special = seed % 3 == 0
    events = history(
        seed,
        channels=1 + seed % 3,
        events=120,
        leads_max=3,
        rules=special,
        outcomes=special,
        sticky=seed % 6 == 0,
        routes=seed % 9 == 0,
        values=special and seed % 2 == 1,
    )
    return [json.dumps(event).encode() for event in events]


def known_by(state: ChannelState) -> tuple[object, ...]:
    """All of a state: its fields, and its records, which hold the windows."""
    fields = (state.errors, state.promise, state.roster, state.release, state.parking)
    return (*fields, list(all_records(state)))


@pytest.mark.parametrize("seed", range(60))
def test_texts_and_states_are_the_same_on_both_ways(seed: int) -> None:
    """Of every batch in a random history: the same, or left to the other way."""
    replay, quick = Replay(Limits()), 0
    for number, line in enumerate(mostly_singles(seed), start=1):
        try:
            event = replay.read(line, number)
        except Refused:
            continue
        before = replay.states.get(event.channel) or ChannelState(event.channel)
        written = dispatched_single(before, event) if isinstance(event, BatchReceived) else None
        decided = replay.decide(event)
        if written is None:
            continue
        quick += 1
        assert not isinstance(decided, Rejected)
        (decision,) = decided
        assert [written.assignment] == encode_assignments(decision)  # type: ignore[arg-type]
        assert written.decision == encode_decision(decision)
        assert known_by(written.after) == known_by(replay.states[event.channel])
    assert quick or seed % 3 == 0


def filled(lines: Sequence[bytes]) -> tuple[Draft, Task]:
    """A history decided as a dispatcher does it: all that waits together."""
    task = Task(0)
    for life in (Life.RESTORING, Life.RUNNING):
        task.enter(life)
    task.partition_count = 1
    task.applied, task.topic_ids = dict.fromkeys(INPUTS, 0), dict.fromkeys(INPUTS, "id")
    decider, draft = Decider(SETTINGS, dead_letter_partitions=1), Draft()
    for offset, line in enumerate(lines):
        event = json.loads(line)
        kind, key = str(event.get("type")), str(event.get("channel")).encode()
        topic = {"lead_batch": INPUTS[0]}.get(kind, INPUTS[1])
        record = InputRecord(topic, 0, offset, 1_795_500_000_000 + offset, key, line, ())
        if topic == INPUTS[0]:
            task.waiting.append(WaitingInput(record, 0))
        else:
            decider.fill(draft, [task], 60_000)
            task.changes.append(record)
    decider.fill(draft, [task], 60_000)
    return draft, task


@pytest.mark.parametrize("seed", [1, 2, 4, 5, 7, 8])
def test_a_draft_is_the_same_on_both_ways(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records in their order, counts and states; with the quick way taken, and without it."""
    lines = mostly_singles(seed)
    draft, task = filled(lines)
    monkeypatch.setattr(deciding, "dispatched_single", lambda *_: None)
    expected, expected_task = filled(lines)
    assert [draft.records[topic, 0] for topic in OUTPUTS] == [
        expected.records[topic, 0] for topic in OUTPUTS
    ]
    assert draft.letters == expected.letters
    assert (draft.leads, draft.size, draft.decided, draft.refused) == (
        expected.leads,
        expected.size,
        expected.decided,
        expected.refused,
    )
    assert {name: known_by(state) for name, state in task.overlay.states.items()} == {
        name: known_by(state) for name, state in expected_task.overlay.states.items()
    }
    assert draft.leads > 50
