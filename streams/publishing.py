"""Files of events, checked as a whole before anything of them is sent.

In: JSON Lines with events of any input topic, or a CSV file of leads. Out: records on the input
topics, in the order of the file.
"""

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Final, NamedTuple

from dispatcher.events import BatchReceived, ChangeReceived, OutcomeReceived
from dispatcher.limits import Limits
from schemas.inputs import RosterReplaced
from schemas.topics import TopicNames
from streams.delivery import Delivery
from streams.failure import Failed
from streams.intake import Refused
from streams.replay import Replay

PROBLEMS_SHOWN_MAX: Final = 10


class Kind(Enum):
    """What an input event is, in the order of the input topics; the value is for people."""

    BATCH = "lead batches"
    CHANGE = "roster changes"
    OUTCOME = "outcomes"


_KINDS: Final = {
    BatchReceived: Kind.BATCH,
    ChangeReceived: Kind.CHANGE,
    OutcomeReceived: Kind.OUTCOME,
}


class EventLine(NamedTuple):
    """An event of a file that the dispatcher will take.

    Attributes:
        kind: what it is.
        leads: how many leads it brings; 0 but for a batch.
        size_bytes: of the line in the file, its line break included.
    """

    value: bytes
    channel: str
    kind: Kind
    leads: int
    size_bytes: int


def event_lines(lines: Iterable[bytes], name: str, limits: Limits) -> Iterator[EventLine]:
    """Each event of a file; blank lines are skipped.

    Raises Failed at the end of the file when lines weren't wholly valid, with the first few.
    """
    reader = Replay(limits)
    problems: list[str] = []
    count = 0
    for number, line in enumerate(lines, start=1):
        text = line.strip(b" \t\r\n")
        if not text:
            continue
        try:
            event = _valid(reader, text, number, limits)
        except Failed as failure:
            count += 1
            if count <= PROBLEMS_SHOWN_MAX:
                problems.append(f"{name} line {number}: {failure}")
            continue
        if not count:
            leads = len(event.lead_ids) if isinstance(event, BatchReceived) else 0
            yield EventLine(text, event.channel, _KINDS[type(event)], leads, len(line))
    if count:
        more = f"\nand {count - len(problems)} more lines" if count > len(problems) else ""
        raise Failed("\n".join(problems) + more + "\nnothing was sent")


def _valid(
    reader: Replay, text: bytes, number: int, limits: Limits
) -> BatchReceived | ChangeReceived | OutcomeReceived:
    """The event of a line, if no part of it would be a dead letter by itself. Raises Failed."""
    try:
        event = reader.read(text, number)
    except Refused as refusal:
        raise Failed(f"{refusal.detail} ({refusal.reason})") from None
    if isinstance(event, BatchReceived):
        if event.rejected_leads:
            bad = event.rejected_leads[0]
            raise Failed(f"lead {bad.place}: {bad.detail} ({bad.reason})")
        size, size_max, what = event.leads_in_event, limits.leads_per_batch_max, "leads"
    elif isinstance(event, OutcomeReceived):
        return event
    else:
        change = event.change
        members = change.members if isinstance(change, RosterReplaced) else ()
        size, size_max, what = len(members), limits.members_max, "members"
    if size > size_max:
        raise Failed(f"{size} {what}; at most {size_max} (limit_exceeded)")
    return event


def send_lines(
    lines: Iterable[EventLine],
    delivery: Delivery,
    topics: TopicNames,
    on_sent: Callable[[EventLine], None],
) -> None:
    """Send events in order and wait until all are acknowledged. Raises Failed."""
    topic_of = dict(zip(Kind, topics.inputs, strict=True))
    for line in lines:
        topic = topic_of[line.kind]
        delivery.send(topic, line.channel.encode(), line.value)
        on_sent(line)
    delivery.flush()
