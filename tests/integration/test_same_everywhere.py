"""One way to decide: on Kafka, from a file, and in the spreadsheet's place, the same comes out."""

import json
from collections.abc import Iterator

import pytest

from dispatcher.decisions import Dispatched
from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from schemas.inputs import RosterMember
from schemas.scalars import weight_text
from streams.assign import assign
from streams.assign_state import AssignState, StoredResult, read_assign_state
from streams.csv_tables import read_table
from streams.replay import Replay
from tests.reference.histories import history
from tests.support import oracle
from tests.support.expected import by_channel, refusal_of
from tests.support.installation import Installation
from tests.support.publisher import encoded
from tests.support.records import Json

HISTORIES = 200
EVENTS = 30
DECISIONS = (
    "batch_dispatched",
    "roster_changed",
    "batch_parked",
    "batch_released",
    "duplicate_ignored",
)
SURROUNDINGS = ("decided_at", "input", "parked_input")


@pytest.fixture(scope="module")
def histories() -> dict[str, list[Json]]:
    """A hundred histories of valid events, and a hundred with everything that is refused.

    Each has a channel of its own; some names need escaping in keys.
    """
    named = {}
    for seed in range(HISTORIES):
        name = f"history/{seed}%" if seed % 5 else f"süd {seed}"
        events = history(seed, channels=1, events=EVENTS, valid_only=seed % 2 == 0)
        named[name] = [_renamed(event, name) for event in events]
    return named


def _renamed(event: Json, name: str) -> Json:
    return {**event, "channel": name} if event.get("channel") == "channel-1" else event


def rounds(named: dict[str, list[Json]]) -> Iterator[list[tuple[str, Json]]]:
    """The first event of each history, then the second of each, and so on."""
    for number in range(max(map(len, named.values()))):
        yield [(name, events[number]) for name, events in named.items() if number < len(events)]


def replayed(events: list[Json]) -> list[Json]:
    """What `partidor replay` writes for the events."""
    return [json.loads(line) for line in Replay(Limits()).lines(map(encoded, events))]


def bare(outputs: list[Json]) -> list[Json]:
    """Without what tells only when and where from the input came."""
    return [
        {name: value for name, value in output.items() if name not in SURROUNDINGS}
        for output in outputs
    ]


def of_type(outputs: list[Json], *kinds: str) -> list[Json]:
    """The outputs of these types, without their surroundings."""
    return bare([output for output in outputs if output["type"] in kinds])


def test_histories_come_out_of_kafka_as_out_of_a_file(
    installation: Installation, histories: dict[str, list[Json]]
) -> None:
    """The same batch_id, position, lead_id, assignee_id and exact errors, to the last field."""
    installation.started()
    for part in rounds(histories):
        for name, event in part:
            installation.publisher.publish([event], key=name)
        installation.wait_until_processed()
    outcome = oracle.check(installation)
    assignments, decisions = by_channel(outcome.assignments), by_channel(outcome.decisions)
    letters: dict[str, list[tuple[str, int]]] = {}
    for letter in outcome.dead_letters:
        refusal = refusal_of(letter)
        name = (letter.key or b"").decode()
        letters.setdefault(name, []).append((refusal.reason, refusal.place))
    for name, events in histories.items():
        outputs = replayed(events)
        assert bare(assignments.get(name, [])) == of_type(outputs, "lead_assigned")
        assert bare(decisions.get(name, [])) == of_type(outputs, *DECISIONS)
        refused = [
            (letter["reason"], letter.get("position", 0))
            for letter in of_type(outputs, "dead_letter")
        ]
        assert letters.get(name, []) == refused


def test_batches_come_out_of_the_state_file_as_out_of_a_replay(
    histories: dict[str, list[Json]],
) -> None:
    """`assign` divides each batch as `replay` does, and leaves the same errors in its file."""
    compared = 0
    for name, events in histories.items():
        replay = Replay(Limits())
        data: bytes | None = None
        for number, event in enumerate(events, start=1):
            before = replay.states.get(name)
            outputs = [json.loads(line) for line in replay.outputs(encoded(event), number)]
            kinds = {output["type"] for output in outputs}
            dispatched = kinds in ({"batch_dispatched"}, {"lead_assigned", "batch_dispatched"})
            if before is not None and dispatched:
                data = stored(data, before)
                data = assigned_like(data, before, event, outputs, replay.states[name])
                compared += 1
    assert compared > 5 * len(histories)


def stored(data: bytes | None, state: ChannelState) -> bytes:
    """The state file, with roster changes that came since the last batch applied to it."""
    file = read_assign_state(data)
    if file.channel(state.channel).state_version == state.state_version:
        return file.as_bytes()
    return AssignState({}).after(state, StoredResult("none", "", 0, "", [], [])).as_bytes()


def assigned_like(
    data: bytes, before: ChannelState, event: Json, outputs: list[Json], after: ChannelState
) -> bytes:
    """The state file after `assign` has divided the batch, found to be what the replay says."""
    members = [
        RosterMember(
            assignee_id=member.assignee_id,
            weight=weight_text(member.weight_millionths),
            paused=member.paused,
        )
        for member in before.roster.members
    ]
    leads = "\n".join(["lead_id", *(lead["lead_id"] for lead in event["leads"])])
    outcome = assign(
        read_assign_state(data),
        read_table(leads.encode(), "leads.csv"),
        lambda: members,
        channel=before.channel,
        batch_id=event["batch_id"],
        limits=Limits(),
        now=event["created_at"],
    )
    rows = [output for output in outputs if output["type"] == "lead_assigned"]
    assert outcome.batch_id == event["batch_id"]
    assert outcome.assignee_ids == [row["assignee_id"] for row in rows]
    assert [row["lead_id"] for row in rows] == [lead["lead_id"] for lead in event["leads"]]
    assert not outcome.roster_changed
    assert isinstance(outcome.decision, Dispatched)
    assert outcome.decision.errors_after == after.errors
    assert outcome.state is not None
    written = outcome.state.as_bytes()
    assert read_assign_state(written).channel(before.channel).errors == after.errors
    return written
