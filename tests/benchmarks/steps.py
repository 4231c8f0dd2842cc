"""What each step of the way costs for a lead, in one process without a broker.

The same functions that the dispatcher calls, on batches that wait in memory; each step over many
batches, several times, and the median of those. Librdkafka's own threads are not in it.
"""

import logging
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeVar

from confluent_kafka import Producer

from dispatcher.channel import decide, evolve
from dispatcher.decisions import Decision, Dispatched
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import BatchReceived, InputRef
from dispatcher.limits import Limits, Room
from dispatcher.state import ChannelState
from dispatcher.state_records import changed_records
from streams.intake import read_batch, read_change

from .workload import Workload

T = TypeVar("T")

DECIDED_AT: Final = "2026-11-21T09:00:00.000Z"
REFERENCE: Final = InputRef("leads.batches", 0, 0)
LIMITS: Final = Limits()
ROUNDS: Final = 7
_ROOM: Final = Room(channels=1, parked_bytes=0)
_QUEUE: Final = 500_000

WORKLOADS: Final = {
    "batches of 100": Workload(leads=100_000, batch_size=100, channels=20),
    "batches of 1": Workload(leads=10_000, batch_size=1, channels=20),
    "batches of 1, weights of six decimals": Workload(
        leads=10_000, batch_size=1, channels=20, decimals=6
    ),
}


class Step(NamedTuple):
    """A step, and microseconds of it for a lead: the median of some rounds."""

    name: str
    us_per_lead: float


class _Decided(NamedTuple):
    before: ChannelState
    decision: Decision
    after: ChannelState


def measured(workload: Workload) -> list[Step]:
    """The steps in the order in which a lead goes through them."""
    values = [value for _, value in workload.batch_events()]
    states = _first_states(workload)
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, seconds in _round(values, dict(states)).items():
            took.setdefault(name, []).append(seconds)
    return [
        Step(name, statistics.median(each) / workload.leads * 1e6) for name, each in took.items()
    ]


def _first_states(workload: Workload) -> dict[str, ChannelState]:
    states = {}
    for channel, roster in workload.rosters():
        change = read_change(roster, LIMITS, REFERENCE, DECIDED_AT)
        before = ChannelState(channel)
        settled = decide(before, change, LIMITS, _ROOM)
        assert isinstance(settled, tuple)
        states[channel] = evolve(before, settled[0])
    return states


def _round(values: Sequence[bytes], states: dict[str, ChannelState]) -> dict[str, float]:
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        took[name] = time.perf_counter() - began
        return result

    events = timed(
        "read and check", lambda: [read_batch(v, LIMITS, REFERENCE, DECIDED_AT) for v in values]
    )
    decided = timed("decide, next state", lambda: [_decide(event, states) for event in events])
    decisions = [each.decision for each in decided if isinstance(each.decision, Dispatched)]
    assignments = timed(
        "write assignments", lambda: [encode_assignments(decision) for decision in decisions]
    )
    timed("write decisions", lambda: [encode_decision(decision) for decision in decisions])
    timed("hand to the client", lambda: _hand_over(assignments))
    changed = {each.after.channel: each for each in decided}.values()
    timed(
        "write states, once a transaction",
        lambda: [list(changed_records(each.before, each.after)) for each in changed],
    )
    return took


def _decide(event: BatchReceived, states: dict[str, ChannelState]) -> _Decided:
    before = states[event.channel]
    outcome = decide(before, event, LIMITS, _ROOM)
    assert isinstance(outcome, tuple)
    after = states[event.channel] = evolve(before, outcome[0])
    return _Decided(before, outcome[0], after)


def _hand_over(assignments: Sequence[Sequence[str]]) -> None:
    """To a producer that has no broker; what it took is thrown away."""
    silent = logging.getLogger("partidor.benchmarks.silent")
    silent.disabled = True
    producer = Producer(
        {"bootstrap.servers": "127.0.0.1:1", "queue.buffering.max.messages": _QUEUE}, logger=silent
    )
    messages = [{"key": b"web", "value": value} for values in assignments for value in values]
    taken = producer.produce_batch("leads.assignments", messages, 0)
    assert taken == len(messages)
    producer.purge()
