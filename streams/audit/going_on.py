"""Leads that went on to another channel: where they stand in the batch that they came out of.

In: a `lead_batch` that the dispatcher sent on, the decision that sent it, the same recomputed. Out:
the lead's group and slot in it, and what doesn't fit. Such leads have no `lead_assigned` in that
channel, so the positions of a batch have gaps. Pure.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from dispatcher.requirements import required_of
from streams.audit.checking import Assigned, Difference, Place
from streams.audit.decision_log import Json
from streams.audit.recomputing import Recomputed

_ROUTED_FROM = b'"routed_from"'


class _LeadRead(msgspec.Struct, frozen=True):
    lead_id: str
    attributes: msgspec.Raw = msgspec.Raw(b"{}")


class _SourceRead(msgspec.Struct, frozen=True):
    channel: str
    batch_id: str
    state_version: int


class _BatchRead(msgspec.Struct, frozen=True):
    batch_id: str
    channel: str
    routed_from: _SourceRead
    leads: list[_LeadRead]


_decode = msgspec.json.Decoder(_BatchRead).decode


class GoneOn(NamedTuple):
    """A lead in a batch that went on.

    Attributes:
        source, state_version: the channel and decision that sent it on; `source_batch_id` there.
        routes_to, batch_id: where it came to, and in which batch.
        attributes: of the leads before it in that batch and, last, its own; JSON as text.
    """

    lead_id: str
    source: str
    state_version: int
    source_batch_id: str
    routes_to: str
    batch_id: str
    attributes: tuple[str, ...]


def gone_on(value: bytes, lead_id: str) -> GoneOn | None:
    """The lead in a `lead_batch`; None for any other batch, or where it isn't in it."""
    if _ROUTED_FROM not in value:
        return None
    try:
        batch = _decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    ids = [lead.lead_id for lead in batch.leads]
    if lead_id not in ids:
        return None
    source = batch.routed_from
    upto = batch.leads[: ids.index(lead_id) + 1]
    attributes = tuple(bytes(lead.attributes).decode() for lead in upto)
    return GoneOn(
        lead_id, source.channel, source.state_version, source.batch_id,
        batch.channel, batch.batch_id, attributes,
    )  # fmt: skip


def as_assigned(gone: GoneOn, decision: Json) -> Assigned | None:
    """As if it had been assigned there, at position 0; None where the decision knows nothing."""
    for row in decision.get("routed") or ():
        if (row["batch_id"], row["routes_to"]) == (gone.batch_id, gone.routes_to):
            return Assigned(
                gone.source, decision["batch_id"], gone.lead_id, row["assignee_id"], 0,
                int(decision["batch_size"]), gone.state_version, decision["decided_at"],
                gone.attributes[-1],
            )  # fmt: skip
    return None


def place_gone_on(
    gone: GoneOn, lead: Assigned, decision: Json, again: Recomputed, names: Sequence[str]
) -> Place | None:
    """Its group and slot: of its assignee's slots in the group, the one that is its turn."""
    earlier = 0
    for row in decision["routed"]:
        if row["batch_id"] == gone.batch_id:
            break
        earlier += row["leads"] if row["assignee_id"] == lead.assignee_id else 0
    with_leads = [number for number, group in enumerate(again.groups) if group.order]
    if len(with_leads) == 1:
        return _turn(again, with_leads[0], lead.assignee_id, earlier + len(gone.attributes) - 1)
    if earlier:
        return None  # what the leads of another batch asked isn't known
    asked = [required_of(text, tuple(names)).skills for text in gone.attributes]
    numbers = _numbers(again)
    number = numbers.get(asked[-1])
    if number is None or len(numbers) < len(with_leads):
        return None
    return _turn(again, number, lead.assignee_id, asked.count(asked[-1]) - 1)


def places_with_gaps(
    decision: Json, again: Recomputed, leads: Sequence[Assigned], names: Sequence[str]
) -> list[Place] | None:
    """As `checking.places`, in a batch of which some leads went on."""
    if len(leads) + went_on(decision) != decision["batch_size"]:
        return None
    with_leads = [number for number, group in enumerate(again.groups) if group.order]
    if len(with_leads) == 1:
        return [Place(with_leads[0], lead.position - 1) for lead in leads]
    numbers, turns = _numbers(again), dict[tuple[str, int], int]()
    if len(numbers) < len(with_leads):
        return None
    found = []
    for lead in leads:
        number = numbers.get(required_of(lead.attributes, tuple(names)).skills)
        if number is None:
            return None
        turn = turns.get((lead.assignee_id, number), 0)
        turns[lead.assignee_id, number] = turn + 1
        place = _turn(again, number, lead.assignee_id, turn)
        if place is None:
            return None
        found.append(place)
    return found


def went_on(decision: Json) -> int:
    """How many leads of a batch went on."""
    return sum(int(row["leads"]) for row in decision.get("routed") or ())


def counts_differ(leads: Sequence[Assigned], decision: Json) -> list[Difference]:
    """Whether everybody received as many assignments as the decision says."""
    if len(leads) + went_on(decision) != decision["batch_size"]:
        return []  # some are gone, or not there yet
    received: dict[str, int] = {}
    for row in decision.get("routed") or ():
        received[row["assignee_id"]] = received.get(row["assignee_id"], 0) + row["leads"]
    for lead in leads:
        received[lead.assignee_id] = received.get(lead.assignee_id, 0) + 1
    stated = {row["assignee_id"]: row["assigned"] for row in decision["shares"] if row["assigned"]}
    return [
        Difference(f"assigned of {each}", str(stated.get(each, 0)), str(received.get(each, 0)))
        for each in sorted(stated.keys() | received.keys())
        if stated.get(each, 0) != received.get(each, 0)
    ]


def routed_differences(decision: Json) -> Iterator[Difference]:
    """Who is routed has as many leads in the batches that went on as they were assigned."""
    sent: dict[str, int] = {}
    for row in decision.get("routed") or ():
        sent[row["assignee_id"]] = sent.get(row["assignee_id"], 0) + int(row["leads"])
    stated = {row["assignee_id"]: row["assigned"] for row in decision["shares"]}
    for assignee_id, leads in sent.items():
        if stated.get(assignee_id, 0) != leads:
            what = f"leads of {assignee_id} that went on"
            yield Difference(what, str(leads), str(stated.get(assignee_id, 0)))


def _numbers(again: Recomputed) -> dict[tuple[str, ...], int]:
    return {group.required_skills: n for n, group in enumerate(again.groups) if group.order}


def _turn(again: Recomputed, number: int, assignee_id: str, turn: int) -> Place | None:
    """The slot that is an assignee's so many-th in a group, from 0."""
    members = again.roster.members
    slots = [
        slot
        for slot, rank in enumerate(again.groups[number].order)
        if members[rank].assignee_id == assignee_id
    ]
    return Place(number, slots[turn]) if turn < len(slots) else None
