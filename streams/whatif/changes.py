"""The same history under other terms: other weights, without somebody, with other roster changes.

In: the events of a history and what is to be different. Out: the events as they would have been.
Nothing is decided here; whether each of them can be applied shows when they are replayed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from dispatcher.events import BatchReceived, ChangeReceived
from dispatcher.times import timestamp_text
from schemas.inputs import (
    AssigneeJoined,
    CapacityChanged,
    ChannelConfigured,
    CumulativeErrorCorrected,
    LimitsChanged,
    RosterChange,
    RosterReplaced,
    SkillsChanged,
    WeightChanged,
)
from streams.failure import WrongUsage
from streams.whatif.history import Received, at_ms

_RULES: Final = (CapacityChanged, ChannelConfigured, LimitsChanged, SkillsChanged)


@dataclass(frozen=True)
class Changes:
    """What is to be different.

    Attributes:
        weights: by assignee_id, decimal text; for as long as they are on the roster, whatever
            weight the history gives them.
        without: who never joins.
        without_rules: everybody may take everything: no skills, capacities, limits, no time zone.
        also: further roster changes. Each counts at its `created_at`, and at the earliest right
            before its channel's first batch.
    """

    weights: Mapping[str, str] = field(default_factory=dict)
    without: frozenset[str] = frozenset()
    without_rules: bool = False
    also: Sequence[ChangeReceived] = ()

    def __bool__(self) -> bool:
        """Whether anything is different."""
        return bool(self.weights or self.without or self.without_rules or self.also)


def changed(events: Sequence[Received], changes: Changes) -> list[Received]:
    """The events as they would have been.

    Raises WrongUsage for an assignee or a channel that the history doesn't know.
    """
    _check_names(events, changes)
    others: list[Received] = []
    for event in events:
        if isinstance(event, BatchReceived):
            others.append(event)
            continue
        change = _otherwise(event.change, changes)
        if change is not None:
            others.append(msgspec.structs.replace(event, change=change))
    return _with_also(others, sorted(changes.also, key=at_ms))


def assignees(events: Iterable[Received]) -> set[str]:
    """Everybody who ever joins."""
    found = set()
    for event in events:
        if isinstance(event, BatchReceived):
            continue
        match event.change:
            case AssigneeJoined():
                found.add(event.change.assignee_id)
            case RosterReplaced():
                found |= {member.assignee_id for member in event.change.members}
    return found


def _check_names(events: Sequence[Received], changes: Changes) -> None:
    known = assignees(events)
    for option, names in (("--weight", changes.weights), ("--without", changes.without)):
        for name in names:
            if name not in known:
                there = ", ".join(sorted(known)[:10]) or "nobody"
                raise WrongUsage(f"{option}: {name!r} never joins in this history; it has {there}")
    channels = {event.channel for event in events if isinstance(event, BatchReceived)}
    for event in changes.also:
        if event.channel not in channels:
            raise WrongUsage(f"--also: the history has no batch of channel {event.channel!r}")


def _otherwise(change: RosterChange, changes: Changes) -> RosterChange | None:
    """A roster change as it would have been; None: it would not have been."""
    if changes.without_rules and isinstance(change, _RULES):
        return None
    if getattr(change, "assignee_id", None) in changes.without:
        return None
    match change:
        case RosterReplaced():
            members = [
                member.model_copy(
                    update={"weight": changes.weights.get(member.assignee_id, member.weight)}
                )
                for member in change.members
                if member.assignee_id not in changes.without
            ]
            # Versions count changes, and some of them would not have been.
            return change.model_copy(update={"members": members, "expected_roster_version": None})
        case AssigneeJoined():
            weight = changes.weights.get(change.assignee_id, change.weight)
            return change.model_copy(update={"weight": weight})
        case WeightChanged() if change.assignee_id in changes.weights:
            return None
        case CumulativeErrorCorrected() if change.counter_assignee_id in changes.without:
            return None
    return change


def _with_also(events: Sequence[Received], also: Sequence[ChangeReceived]) -> list[Received]:
    """With further changes, each in its place; of those with one place the earlier first."""
    placed: dict[int, list[ChangeReceived]] = {}
    for event in also:
        place, not_before_ms = _place(events, event)
        # Time doesn't run backwards in a replay: what says an earlier one counts from here.
        time_text = timestamp_text(max(not_before_ms, at_ms(event)))
        placed.setdefault(place, []).append(msgspec.structs.replace(event, decided_at=time_text))
    merged: list[Received] = []
    for index in range(len(events) + 1):
        merged += placed.get(index, [])
        merged += events[index : index + 1]
    return merged


def _place(events: Sequence[Received], event: ChangeReceived) -> tuple[int, int]:
    """Before which event a change belongs, and the time of the one before that.

    Before the first of its channel that is not older, but not before its first batch.
    """
    time_ms = at_ms(event)
    batch_seen = False
    before_ms = 0
    for index, other in enumerate(events):
        if other.channel != event.channel:
            continue
        batch_seen = batch_seen or isinstance(other, BatchReceived)
        if batch_seen and at_ms(other) >= time_ms:
            return index, before_ms
        before_ms = max(before_ms, at_ms(other))
    return len(events), before_ms
