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

from dispatcher.decisions import Dispatched
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import BatchReceived
from dispatcher.singles import Written, dispatched_single
from dispatcher.state import ChannelState
from dispatcher.state_records import changed_records

from .deciding import Decided, decided, first_state, read
from .workload import Workload

T = TypeVar("T")

ROUNDS: Final = 7
_QUEUE: Final = 500_000

AT_ONCE: Final = "decide, next state and write both at once"
"""What single leads do where nothing is special, instead of three steps."""
STEPS: Final = (
    "read and check",
    "decide, next state",
    "write assignments",
    "write decisions",
    AT_ONCE,
    "hand assignments to the client",
    "write states, once a transaction",
)

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


def measured(workload: Workload) -> list[Step]:
    """The steps in the order in which a lead goes through them."""
    values = [value for _, value in workload.batch_events()]
    states = {channel: first_state(channel, roster) for channel, roster in workload.rosters()}
    took: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, seconds in _round(values, dict(states)).items():
            took.setdefault(name, []).append(seconds)
    return [
        Step(name, statistics.median(each) / workload.leads * 1e6) for name, each in took.items()
    ]


def _round(values: Sequence[bytes], states: dict[str, ChannelState]) -> dict[str, float]:
    took: dict[str, float] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        began = time.perf_counter()
        result = work()
        took[name] = time.perf_counter() - began
        return result

    events = timed("read and check", lambda: [read(value) for value in values])
    if len(events[0].lead_ids) == 1:
        written = timed(AT_ONCE, lambda: [_written(event, states) for event in events])
        assignments: Sequence[Sequence[str]] = [(each.assignment,) for _, each in written]
        changed = {each.after.channel: (before, each.after) for before, each in written}
    else:
        results = timed("decide, next state", lambda: [_decide(event, states) for event in events])
        decisions = [each.decision for each in results if isinstance(each.decision, Dispatched)]
        assignments = timed(
            "write assignments", lambda: [encode_assignments(decision) for decision in decisions]
        )
        timed("write decisions", lambda: [encode_decision(decision) for decision in decisions])
        changed = {each.after.channel: (each.before, each.after) for each in results}
    timed("hand assignments to the client", lambda: _hand_over(assignments))
    timed(
        "write states, once a transaction",
        lambda: [list(changed_records(before, after)) for before, after in changed.values()],
    )
    return took


def _written(event: BatchReceived, states: dict[str, ChannelState]) -> tuple[ChannelState, Written]:
    """As single leads go, where nothing is special."""
    before = states[event.channel]
    written = dispatched_single(before, event)
    assert written is not None
    states[event.channel] = written.after
    return before, written


def _decide(event: BatchReceived, states: dict[str, ChannelState]) -> Decided:
    result = decided(states[event.channel], event)
    states[event.channel] = result.after
    return result


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
