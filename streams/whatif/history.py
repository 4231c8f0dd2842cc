"""A history: input events in the order in which they were decided.

In: lines of a file of events, as `partidor replay` takes it. Out: the events, read and found valid
by themselves; what is not valid would have been a dead letter and is counted.

Outcomes are left out and counted: they say what became of a lead with whom it went to, and under
another division it would have gone to somebody else. With nobody closing leads, bounds of open
leads (`open_max`) would fill up, so they are left out too.
"""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from dispatcher.events import BatchReceived, ChangeReceived, InputRef, OutcomeReceived
from dispatcher.limits import Limits
from dispatcher.times import milliseconds
from schemas.inputs import CapacityChanged
from streams.failure import Failed
from streams.intake import Refused
from streams.replay import Replay

Received = BatchReceived | ChangeReceived
"""An input event; `decided_at` is the time at which it counts."""


ALSO: Final = "--also"
"""Where roster changes stand that are added to a history: their reference names this topic."""


class History(NamedTuple):
    """Input events in order.

    Attributes:
        events: of all channels, mixed; in order within each.
        refused: how many inputs were not valid, and are left out.
        outcomes: how many outcomes there were; they are left out.
        notes: what a reader has to know about where it begins, one sentence each.
    """

    events: list[Received]
    refused: int = 0
    outcomes: int = 0
    notes: tuple[str, ...] = ()

    def channels(self) -> list[str]:
        """Those with a batch, in order of name."""
        return sorted({each.channel for each in self.events if isinstance(each, BatchReceived)})

    def of_channel(self, channel: str) -> "History":
        """Only the events of a channel. Raises Failed when it has no batch."""
        found = self.channels()
        if channel not in found:
            known = f"; there are {', '.join(found[:10])}" if found else ""
            raise Failed(f"no lead batch of channel {channel!r} in this history{known}")
        return self._replace(events=[each for each in self.events if each.channel == channel])


def at_ms(event: Received) -> int:
    """When an event counts, milliseconds since 1970."""
    return milliseconds(event.decided_at)


def history_of_lines(lines: Iterable[bytes], limits: Limits) -> History:
    """Read a file of events; blank lines are skipped."""
    reader = Replay(limits)
    events: list[Received] = []
    refused = outcomes = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip(b" \t\r\n")
        if not text:
            continue
        try:
            event = reader.read(text, number)
        except Refused:
            refused += 1
            continue
        if isinstance(event, OutcomeReceived):
            outcomes += 1
        else:
            events.append(without_open_max(event))
    return History(events, refused, outcomes)


def without_open_max(event: Received) -> Received:
    """The event without a bound of open leads: nobody closes any here."""
    if isinstance(event, BatchReceived) or not isinstance(event.change, CapacityChanged):
        return event
    change = event.change.model_copy(update={"open_max": None})
    return msgspec.structs.replace(event, change=change)


def roster_changes_of_lines(
    lines: Sequence[bytes], limits: Limits, name: str
) -> list[ChangeReceived]:
    """Read a file of roster changes. Raises Failed, with the line, for anything else."""
    reader = Replay(limits)
    changes = []
    for number, line in enumerate(lines, start=1):
        text = line.strip(b" \t\r\n")
        if not text:
            continue
        try:
            event = reader.read(text, number)
        except Refused as refusal:
            raise Failed(f"{name} line {number}: {refusal.reason}: {refusal.detail}") from None
        if not isinstance(event, ChangeReceived):
            what = "a lead batch" if isinstance(event, BatchReceived) else "an outcome"
            raise Failed(f"{name} line {number}: {what}; only roster changes can be added")
        # A reference of its own: what can't be applied is found again by it.
        origin = InputRef(ALSO, 0, number - 1)
        changes.append(msgspec.structs.replace(event, input=origin))
    return changes
