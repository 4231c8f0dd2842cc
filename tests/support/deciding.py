"""Events decided without a broker, as the decisions that would stand on `dispatch.decisions`."""

import json
from collections.abc import Iterable, Mapping

from dispatcher.limits import Limits
from schemas.outputs import DECISION, AnyDecision
from streams.replay import Replay


def decision_values(events: Iterable[Mapping[str, object]]) -> list[bytes]:
    """The bytes of the decisions on these events; nothing may be a dead letter."""
    outputs = Replay(Limits()).lines(json.dumps(event).encode() for event in events)
    found = [(json.loads(output)["type"], output) for output in outputs]
    refused = [output for kind, output in found if kind == "dead_letter"]
    assert not refused, refused[:3]
    return [output for kind, output in found if kind != "lead_assigned"]


def decided(events: Iterable[Mapping[str, object]]) -> list[AnyDecision]:
    """The decisions on these events."""
    return [DECISION.validate_json(value) for value in decision_values(events)]
