"""What one transaction will hold, while it is being decided.

In: what is decided, piece by piece. Out: its outputs in order, and what is told of it once it is
committed.
"""

from collections import defaultdict
from typing import Any, Final, NamedTuple

from dispatcher.decisions import Decision
from schemas.reasons import Reason
from streams.broker import KeyValue, TopicPartition
from streams.task import Task
from streams.tracing import Traced
from streams.transactions import Output

NOTES_MAX: Final = 20
"""Lines of the log about one transaction; beyond, things are only counted."""


class Note(NamedTuple):
    """A line for the log: what happened to an input. Nothing of a lead stands in it.

    Attributes:
        event: "refused", "parked" or "duplicate ignored".
        batch_id: of a batch, where it could be read.
    """

    event: str
    channel: str
    batch_id: str
    topic: str
    partition: int
    offset: int
    reason: str = ""


def tell(log: Any, note: Note) -> None:
    """Write a note into the log."""
    say = log.warning if note.event == "refused" else log.info
    known = {name: value for name, value in note._asdict().items() if value != ""}
    say(known.pop("event"), **known)


class Draft:
    """What one transaction will hold.

    Attributes:
        records: what goes out without headers, in order for each partition of a topic.
        letters: what goes out with headers, in order; of assignments all or none.
        size: how many records these are.
        tasks: whose inputs were decided, by partition.
        leads: how many were dispatched.
        decided: how many decisions of each kind.
        refused: how many dead letters for each reason.
        sent_on: how many records went on to where they belong since an expansion (R16).
        traced: batches with spans, which end with it.
        notes: what people may want to read of it in a log, the first of it.
    """

    def __init__(self) -> None:
        """Empty."""
        self.records: defaultdict[TopicPartition, list[KeyValue]] = defaultdict(list)
        self.letters: list[Output] = []
        self.size = 0
        self.tasks: dict[int, Task] = {}
        self.leads = 0
        self.decided: defaultdict[type[Decision], int] = defaultdict(int)
        self.refused: defaultdict[Reason, int] = defaultdict(int)
        self.notes: list[Note] = []
        self.traced: list[Traced] = []
        self.sent_on = 0

    def note(self, note: "Note") -> None:
        """For the log, once it is committed; what is too much is only counted."""
        if len(self.notes) < NOTES_MAX:
            self.notes.append(note)

    def outputs(self) -> list[Output]:
        """All of it."""
        plain = [Output(*place, records) for place, records in self.records.items() if records]
        return plain + self.letters
