"""Which inputs were decided in which order, as the decisions name them; and where a history begins.

In: decisions as they stand in their topic, and the records of the inputs that are still there.
Out: a `History`, each input at the time with which it was decided. Pure.

What became a dead letter is named by no decision and is not in it; what happens by itself (pauses
that end, days that begin) happens again by these times. Nothing is asked of a decision but which
input it was about, so types that came later are no obstacle.

Inputs are kept for a shorter time than decisions. Where those of a channel begin later, its history
begins behind the last that is gone: with the roster and rules as the last decision on a roster
change before says, and nobody ahead or owed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from dispatcher.events import ChangeReceived, InputRef, change_content_hash
from dispatcher.limits import Limits
from schemas.inputs import ROSTER_CHANGE
from schemas.outputs import RosterChanged
from schemas.topics import TopicNames
from streams.intake import Refused, read_batch, read_change
from streams.whatif.history import History, Received, without_open_max

Read = Callable[[bytes | None, Limits, InputRef, str | None], Received]


def input_readers(names: TopicNames) -> dict[str, Read]:
    """Every input topic that is replayed, and what reads its records.

    Inputs on others (outcomes, see `history`) are left out and counted.
    """
    return {names.lead_batches: read_batch, names.roster_changes: read_change}


class _Decision(msgspec.Struct, frozen=True):
    """What of a decision, of whatever type, says which input was next."""

    type: str
    channel: str
    decided_at: str
    input: InputRef
    by_timer: bool | None = None


class NamedInput(NamedTuple):
    """An input that a decision names.

    Attributes:
        decided_at: the time with which it was decided.
        roster: the last decision on a roster change before it, as it stands in the topic.
    """

    channel: str
    decided_at: str
    ref: InputRef
    roster: bytes | None


_decode = msgspec.json.Decoder(_Decision).decode


def named_inputs(decisions: Iterable[bytes]) -> Iterator[NamedInput]:
    """The inputs in the order in which decisions first name them."""
    seen: set[InputRef] = set()
    rosters: dict[str, bytes] = {}
    for value in decisions:
        decision = _decode(value)
        # What happens by itself names the input that set its timer, decided long ago.
        by_itself = decision.by_timer or decision.type == "day_began"
        if not by_itself and decision.input not in seen:
            seen.add(decision.input)
            roster = rosters.get(decision.channel)
            yield NamedInput(decision.channel, decision.decided_at, decision.input, roster)
        if decision.type == "roster_changed":
            rosters[decision.channel] = value


def assembled(
    named: Sequence[NamedInput],
    values: Mapping[InputRef, bytes],
    readers: Mapping[str, Read],
    limits: Limits,
) -> History:
    """The events; where inputs of a channel are gone, from behind the last of these on."""
    outcomes = sum(each.ref.topic not in readers for each in named)
    named = [each for each in named if each.ref.topic in readers]
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
            event = read(values[each.ref], limits, each.ref, each.decided_at)
            events.append(without_open_max(event))
        except Refused:
            refused += 1
    return History(events, refused, outcomes, tuple(notes))


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
        yield {"type": "channel_configured", **decision.rules.model_dump(exclude_none=True)}
    for each in decision.shares:
        own = {"assignee_id": each.assignee_id}
        if each.skills:
            yield {"type": "skills_changed", **own, "skills": each.skills}
        if each.per_day is not None:
            yield {"type": "capacity_changed", **own, "per_day": each.per_day}
        if each.limits:
            limits = [limit.model_dump() for limit in each.limits]
            yield {"type": "limits_changed", **own, "limits": limits}
        if each.paused_until is not None:
            yield {"type": "assignee_paused", **own, "until": each.paused_until}
