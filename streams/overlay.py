"""What was decided on top of a task's committed state, and is not committed.

There are at most two, one on the other: the lower one is in a transaction that is under way, the
upper one is decided meanwhile. A commit makes the lower one the state; an abort drops both, and
the inputs that they hold are decided again.
"""

from collections import deque

import msgspec

from dispatcher.limits import Room
from dispatcher.state import ChannelState
from streams.broker import InputRecord
from streams.known_owners import Entry


class WaitingInput(msgspec.Struct, frozen=True, gc=False):
    """A record of a batch or outcome, and the end of the roster topic as asked after it (R5)."""

    record: InputRecord
    roster_end: int


class Overlay:
    """States and inputs since a commit, or since the overlay below.

    Attributes:
        states: the channels that changed.
        applied: per input topic, the next offset to apply after these decisions.
        releasing: channels with a release under way, in the order in which it began (R13).
        parked_bytes: of the whole partition.
        new_channels: how many had no decision before.
        room: what the partition can still take in, once it was asked for; put makes it None.
        changes, waiting: the inputs that were decided, in order.
        input_bytes: how many bytes these hold.
        owners: what the lead register gets, by key: its record key, and the owner.
    """

    __slots__ = (
        "applied",
        "changes",
        "input_bytes",
        "new_channels",
        "owners",
        "parked_bytes",
        "releasing",
        "room",
        "states",
        "waiting",
    )

    def __init__(self, releasing: dict[str, None], parked_bytes: int) -> None:
        """Nothing decided, on a state with these releases under way and bytes parked."""
        self.states: dict[str, ChannelState] = {}
        self.applied: dict[str, int] = {}
        self.releasing = dict(releasing)
        self.parked_bytes = parked_bytes
        self.new_channels = 0
        self.room: Room | None = None
        self.changes: list[InputRecord] = []
        self.waiting: list[WaitingInput] = []
        self.owners: dict[str, Entry] = {}
        self.input_bytes = 0

    def put(self, before: ChannelState, after: ChannelState) -> None:
        """A decision's outcome."""
        channel = after.channel
        self.states[channel] = after
        if not before.state_version:
            self.new_channels += 1
            self.room = None
        if after.parking is not before.parking:
            self.parked_bytes += after.parking.size_bytes - before.parking.size_bytes
            self.room = None
        if after.release is not None:
            self.releasing.setdefault(channel)
        elif before.release is not None:
            self.releasing.pop(channel, None)

    def take_change(self, waiting: deque[InputRecord]) -> InputRecord:
        """The first of the changes that wait, to be decided."""
        record = waiting.popleft()
        self.changes.append(record)
        self.input_bytes += len(record.value or b"")
        self.applied[record.topic] = record.offset + 1
        return record

    def take_waiting(
        self, waiting: deque[WaitingInput], roster_seen: int, count_max: int, bytes_max: int
    ) -> list[InputRecord]:
        """The first of the batches and outcomes that wait, to be decided together."""
        taken: list[InputRecord] = []
        size = 0
        while waiting and len(taken) < count_max and size < bytes_max:
            first = waiting[0]
            if first.roster_end > roster_seen:
                break
            waiting.popleft()
            self.waiting.append(first)
            record = first.record
            taken.append(record)
            size += len(record.value or b"")
            self.applied[record.topic] = record.offset + 1
        self.input_bytes += size
        return taken

    def put_back(self, count: int, waiting: deque[WaitingInput]) -> None:
        """Put the last of the batches and outcomes back that were taken, undecided."""
        for _ in range(count):
            undecided = self.waiting.pop()
            waiting.appendleft(undecided)
            self.input_bytes -= len(undecided.record.value or b"")
            # Everything below it is applied, whatever was taken of its topic before.
            self.applied[undecided.record.topic] = undecided.record.offset

    def give_back(self, changes: deque[InputRecord], waiting: deque[WaitingInput]) -> None:
        """Put the inputs back to where they were taken from."""
        changes.extendleft(reversed(self.changes))
        waiting.extendleft(reversed(self.waiting))
