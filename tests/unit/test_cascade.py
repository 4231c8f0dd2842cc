"""Channels of channels over random histories: each lead ends once, whatever its way."""

import json
from collections import Counter

import pytest

from dispatcher.limits import Limits
from schemas.inputs import LeadBatch
from schemas.outputs import DECISION
from streams.replay import Replay
from tests.reference.histories import history
from tests.support.records import Json

Ends = Counter[tuple[str, str, str]]


def ends(outputs: list[Json], replay: Replay) -> Ends:
    """How often each lead of a channel's batch is assigned, has gone on, or waits."""
    found: Ends = Counter()
    for each in outputs:
        if each["type"] == "lead_assigned":
            found[str(each["channel"]), str(each["batch_id"]), str(each["lead_id"])] += 1
        elif each["type"] == "lead_batch":
            batch = LeadBatch.model_validate(each)
            assert batch.routed_from is not None
            source = batch.routed_from
            for lead in batch.leads:
                found[source.channel, source.batch_id, lead.lead_id] += 1
    for channel, state in replay.states.items():
        for _, entry in state.parking.in_order():
            for lead_id in entry.lead_ids:
                found[channel, entry.batch_id, lead_id] += 1
    return found


@pytest.mark.parametrize("seed", range(150))
def test_each_lead_ends_once(seed: int) -> None:
    """Assigned, gone on or parked on each level; on the last one only assigned or parked."""
    replay = Replay(Limits())
    events = history(
        seed,
        channels=3 + seed % 3,
        events=60,
        leads_max=30,
        valid_only=True,
        duplicates=seed % 2 == 0,
        rules=seed % 3 == 0,
        routes=True,
    )
    outputs = [json.loads(line) for line in replay.lines(json.dumps(e).encode() for e in events)]
    assert not [each for each in outputs if each["type"] == "dead_letter"]
    sent = [each for each in outputs if each["type"] == "lead_batch"]
    assert len({each["batch_id"] for each in sent}) == len(sent)
    wanted: Ends = Counter()
    for batch in [*sent, *{e["batch_id"]: e for e in events if "batch_id" in e}.values()]:
        for lead in batch["leads"]:
            wanted[batch["channel"], batch["batch_id"], lead["lead_id"]] += 1
    assert ends(outputs, replay) == wanted
    assert all(
        each["channel"].count("/") > each["routed_from"]["channel"].count("/") for each in sent
    )
    for each in outputs:
        if each["type"] not in ("lead_assigned", "lead_batch"):
            DECISION.validate_python(each)


@pytest.mark.parametrize("seed", range(20))
def test_what_goes_on_is_decided_alike_when_it_comes_from_a_topic(seed: int) -> None:
    """As on Kafka: the batches come back as records of their own, later than other events."""
    events = history(seed, channels=3, events=50, leads_max=20, valid_only=True, routes=True)
    replay = Replay(Limits())
    outputs = [json.loads(line) for line in replay.lines(json.dumps(e).encode() for e in events)]
    first = [each["channel"] for each in outputs if each["type"] == "lead_batch"]
    for channel in {*first}:
        below = Replay(Limits())
        received = [each for each in _in_order(events) if each["channel"] == channel]
        own = [json.loads(line) for line in below.lines(json.dumps(e).encode() for e in received)]
        assert _without_inputs(own, channel) == _without_inputs(outputs, channel)


def _in_order(events: list[Json]) -> list[Json]:
    """Input events with the batches that go on by each right behind it."""
    replay, ordered = Replay(Limits()), []
    for number, event in enumerate(events, start=1):
        ordered.append(event)
        outputs = map(json.loads, replay.outputs(json.dumps(event).encode(), number))
        ordered += [output for output in outputs if output["type"] == "lead_batch"]
    return ordered


def _without_inputs(outputs: list[Json], channel: str) -> list[Json]:
    return [
        {name: value for name, value in each.items() if name not in ("input", "parked_input")}
        for each in outputs
        if each.get("channel") == channel and each["type"] != "lead_batch"
    ]
