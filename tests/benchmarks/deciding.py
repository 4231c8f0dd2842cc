"""Rosters and batches decided without a broker, for what is counted or measured of that alone."""

from typing import Final, NamedTuple

from dispatcher.channel import decide, evolve
from dispatcher.decisions import Decision
from dispatcher.events import BatchReceived, ChangeReceived, InputRef
from dispatcher.limits import Limits, Room
from dispatcher.state import ChannelState
from streams.intake import read_batch, read_change

DECIDED_AT: Final = "2026-11-21T09:00:00.000Z"
_REFERENCE: Final = InputRef("leads.batches", 0, 0)
_LIMITS: Final = Limits()
_ROOM: Final = Room(channels=1, parked_bytes=0)


class Decided(NamedTuple):
    """A decision, and the states around it."""

    before: ChannelState
    decision: Decision
    after: ChannelState


def read(value: bytes) -> BatchReceived:
    """A batch."""
    return read_batch(value, _LIMITS, _REFERENCE, DECIDED_AT)


def decided(before: ChannelState, event: BatchReceived | ChangeReceived) -> Decided:
    """An event on a state; it must not be refused."""
    outcome = decide(before, event, _LIMITS, _ROOM)
    assert isinstance(outcome, tuple)
    (decision,) = outcome
    return Decided(before, decision, evolve(before, decision))


def first_state(channel: str, roster: bytes) -> ChannelState:
    """A channel that has its roster, and no batch yet."""
    change = read_change(roster, _LIMITS, _REFERENCE, DECIDED_AT)
    return decided(ChannelState(channel), change).after
