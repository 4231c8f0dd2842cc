"""Files of events, checked as a whole before anything of them is sent.

In: JSON Lines with events of both topics, or a CSV file of leads. Out: records on
`leads.batches` and `roster.changes`, in the order of the file.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from dispatcher.events import BatchReceived, ChangeReceived
from dispatcher.limits import Limits
from schemas.inputs import RosterReplaced
from schemas.topics import TopicNames
from streams.delivery import Delivery
from streams.failure import Failed
from streams.intake import Refused
from streams.replay import Replay

PROBLEMS_SHOWN_MAX: Final = 10


class EventLine(NamedTuple):
    """An event of a file that the dispatcher will take.

    Attributes:
        leads: how many leads it brings; 0 for a roster change.
        size_bytes: of the line in the file, its line break included.
    """

    value: bytes
    channel: str
    is_batch: bool
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
            is_batch = isinstance(event, BatchReceived)
            yield EventLine(text, event.channel, is_batch, leads, len(line))
    if count:
        more = f"\nand {count - len(problems)} more lines" if count > len(problems) else ""
        raise Failed("\n".join(problems) + more + "\nnothing was sent")


def _valid(
    reader: Replay, text: bytes, number: int, limits: Limits
) -> BatchReceived | ChangeReceived:
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
    for line in lines:
        topic = topics.lead_batches if line.is_batch else topics.roster_changes
        delivery.send(topic, line.channel.encode(), line.value)
        on_sent(line)
    delivery.flush()
