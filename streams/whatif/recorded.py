"""The history of a running system, read from its topics.

In: `dispatch.decisions` and the input topics, read committed, from their beginnings up to where
they end when reading begins. Out: a `History`: the inputs in the order in which the decisions name
them, each at the time with which it was decided. What became a dead letter is named by no decision
and is not in it; what happens by itself (pauses that end, days that begin) happens again by these
times. Inputs on topics that nothing here reads are left out, and so are their decisions.

Inputs are kept for a shorter time than decisions. Where those of a channel begin later, its history
begins there: with the roster and rules as the last decision on a roster change before says, and
nobody ahead or owed.

Bounds: a time for all reading, and the bytes that are kept of it.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from confluent_kafka import Message

from dispatcher.events import ChangeReceived, InputRef, change_content_hash
from dispatcher.limits import Limits
from schemas.inputs import ROSTER_CHANGE
from schemas.outputs import RosterChanged
from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from streams.failure import Failed
from streams.intake import Refused, read_batch, read_change
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    records_between,
)
from streams.settings import Settings
from streams.whatif.history import History, Received

KEPT_BYTES_MAX: Final = 512 * 1024 * 1024
"""Of inputs, and of decisions on roster changes; more is refused with a word on --channel."""

Read = Callable[[bytes | None, Limits, InputRef, str | None], Received]


def input_readers(names: TopicNames) -> dict[str, Read]:
    """Every input topic, and what reads its records."""
    return {names.lead_batches: read_batch, names.roster_changes: read_change}


class _Decision(msgspec.Struct, frozen=True):
    """What of a decision, of whatever type, says which input was next."""

    type: str
    channel: str
    decided_at: str
    input: InputRef
    by_timer: bool | None = None


class _Named(NamedTuple):
    """An input that a decision names, and what is known of the roster before it."""

    channel: str
    decided_at: str
    ref: InputRef
    roster: bytes | None


_decode = msgspec.json.Decoder(_Decision).decode


class _Bounds:
    """How long reading may take, and how much of it may be kept."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._bytes = 0

    def in_time(self, messages: Iterator[Message]) -> Iterator[Message]:
        """The messages, as long as there is time. Raises Failed."""
        for message in messages:
            if time.monotonic() > self._deadline:
                raise Failed(
                    f"not all could be read within {self._timeout_s:g} s:"
                    " ask for one --channel, or give more time with --timeout"
                )
            yield message

    def keep(self, value: bytes) -> bytes:
        """Raises Failed when that is too much."""
        self._bytes += len(value)
        if self._bytes > KEPT_BYTES_MAX:
            raise Failed(f"over {KEPT_BYTES_MAX >> 20} MiB of history: ask for one --channel")
        return value


def recorded_history(
    settings: Settings, limits: Limits, channel: str | None, timeout_s: float
) -> History:
    """Read what a running system has recorded, of one channel or of all. Raises Failed."""
    bounds = _Bounds(timeout_s)
    admin = admin_client(settings)
    decisions = settings.topics.decisions
    readers = input_readers(settings.topics)
    counts = partition_counts(admin, settings, [decisions, *readers])
    numbers = (
        list(range(counts[decisions]))
        if channel is None
        else [partition_of(channel.encode(), counts[decisions])]
    )
    # The decisions' end is asked before anything is read: every input that they name is there,
    # or is gone already.
    places: list[Place] = [(decisions, number) for number in numbers]
    ends = end_offsets(admin, settings, places)
    found = records_between(settings, first_offsets(admin, settings, places), ends)
    ours = (message for message in bounds.in_time(found) if _is_of(message, channel))
    named = [each for each in _named(ours, bounds) if each.ref.topic in readers]
    starts = first_offsets(
        admin, settings, [(topic, number) for topic in readers for number in numbers]
    )
    values = _values(settings, named, starts, bounds)
    return _assembled(named, values, readers, limits)


def _is_of(message: Message, channel: str | None) -> bool:
    return channel is None or message.key() == channel.encode()


def _named(messages: Iterator[Message], bounds: _Bounds) -> Iterator[_Named]:
    """The inputs in the order in which decisions first name them."""
    seen: set[InputRef] = set()
    rosters: dict[str, bytes] = {}
    for message in messages:
        value = message.value() or b""
        decision = _decode(value)
        # What happens by itself names the input that set its timer, decided long ago.
        by_itself = decision.by_timer or decision.type == "day_began"
        if not by_itself and decision.input not in seen:
            seen.add(decision.input)
            roster = rosters.get(decision.channel)
            yield _Named(decision.channel, decision.decided_at, decision.input, roster)
        if decision.type == "roster_changed":
            rosters[decision.channel] = bounds.keep(value)


def _values(
    settings: Settings, named: list[_Named], firsts: Mapping[Place, int], bounds: _Bounds
) -> dict[InputRef, bytes]:
    """The records of those inputs that are still there."""
    starts: dict[Place, int] = {}
    ends: dict[Place, int] = {}
    wanted = {each.ref for each in named}
    for ref in wanted:
        place = (ref.topic, ref.partition)
        if ref.offset >= firsts.get(place, ref.offset + 1):
            starts[place] = min(starts.get(place, ref.offset), ref.offset)
            ends[place] = max(ends.get(place, 0), ref.offset + 1)
    values: dict[InputRef, bytes] = {}
    for message in bounds.in_time(records_between(settings, starts, ends)):
        ref = InputRef(message.topic() or "", message.partition() or 0, message.offset() or 0)
        if ref in wanted:
            values[ref] = bounds.keep(message.value() or b"")
    return values


def _assembled(
    named: list[_Named],
    values: Mapping[InputRef, bytes],
    readers: Mapping[str, Read],
    limits: Limits,
) -> History:
    """The events; where inputs of a channel are gone, from behind the last of these on."""
    begins: dict[str, int] = {}
    for index, each in enumerate(named):
        if each.ref not in values:
            begins[each.channel] = index + 1
    events: list[Received] = []
    notes = []
    opened: set[str] = set()
    refused = 0
    for index, each in enumerate(named):
        begin = begins.get(each.channel, 0)
        if index < begin:
            continue
        if begin and each.channel not in opened:
            opened.add(each.channel)
            events += _opening(each.roster)
            notes.append(
                f"channel {each.channel}: older inputs are gone; its history begins at"
                f" {each.decided_at} with the roster of that time and nobody ahead or owed"
            )
        try:
            read = readers[each.ref.topic]
            events.append(read(values[each.ref], limits, each.ref, each.decided_at))
        except Refused:
            refused += 1
    return History(events, refused, tuple(notes))


def _opening(value: bytes | None) -> list[ChangeReceived]:
    """A roster with its rules, as changes that bring them about."""
    if value is None:
        return []
    decision = RosterChanged.model_validate_json(value)
    changes = list(_opening_changes(decision))
    origin = InputRef(decision.input.topic, decision.input.partition, decision.input.offset)
    events = []
    for number, content in enumerate(changes):
        head = {
            "schema_version": 1,
            "change_id": f"opening-{number}",
            "channel": decision.channel,
            "created_at": decision.decided_at,
        }
        change = ROSTER_CHANGE.validate_python({**head, **content})
        hashed = change_content_hash(change)
        events.append(ChangeReceived(change, hashed, decision.decided_at, origin))
    return events


def _opening_changes(decision: RosterChanged) -> Iterator[dict[str, object]]:
    members = [
        {"assignee_id": each.assignee_id, "weight": each.weight, "paused": each.paused}
        for each in decision.shares
    ]
    yield {"type": "roster_replaced", "members": members}
    if decision.rules is not None:
        yield {"type": "channel_configured", **decision.rules.model_dump()}
    for each in decision.shares:
        own = {"assignee_id": each.assignee_id}
        if each.skills:
            yield {"type": "skills_changed", **own, "skills": each.skills}
        if each.per_day is not None:
            yield {"type": "capacity_changed", **own, "per_day": each.per_day}
        if each.paused_until is not None:
            yield {"type": "assignee_paused", **own, "until": each.paused_until}
