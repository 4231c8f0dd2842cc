"""Lost, duplicated, stale, waited: counted, from what the topics hold and what the load remembers.

A defect of the dispatcher shows here as a figure above zero; everything else that is wrong is told
by ``tests.support.oracle`` in words.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from tests.reference.validation import Batch, RefusedError, checked, checked_lead, parsed
from tests.support.expected import At, by_itself, refusal_of
from tests.support.oracle import Outcome
from tests.support.records import Json, Record

from .load import BatchName, Load
from .watcher import Watcher

Lead = tuple[str, str, str]
"""Channel, batch_id, lead_id."""


class Figures(NamedTuple):
    """What a run did to its leads.

    Attributes:
        leads: Accepted ones.
        lost: Accepted, and neither assigned, parked nor a dead letter.
        duplicated: With more than one assignment, or with one and yet not there: of a transaction
            that was aborted.
        stale: Batches divided by a roster older than a change that was acknowledged before the
            batch was sent.
        waits_s: Per batch, from when it was sent until a reader had its assignments; without those
            that were parked.
    """

    leads: int
    lost: int
    duplicated: int
    stale: int
    waits_s: dict[BatchName, float]


def figures(outcome: Outcome, load: Load, watcher: Watcher) -> Figures:
    """Count."""
    accepted = set(_accepted(outcome))
    waiting = _waiting(outcome.decisions)
    assigned = Counter(_lead(record.event) for record in outcome.assignments)
    went_on = set(_went_on(outcome.inputs))
    unassigned = Counter(
        lead[:2] for lead in accepted if lead not in assigned and lead not in went_on
    )
    waits_s = {
        batch: seen_at - load.sent_at[batch]
        for batch, seen_at in list(watcher.seen_at.items())
        if batch in load.sent_at and batch not in waiting
    }
    return Figures(
        leads=len(accepted),
        lost=sum(max(0, leads - waiting[batch]) for batch, leads in unassigned.items()),
        duplicated=sum(count > 1 or lead[:2] in load.aborted for lead, count in assigned.items()),
        stale=_stale(outcome, load),
        waits_s=waits_s,
    )


def _lead(event: Json) -> Lead:
    return event["channel"], event["batch_id"], event["lead_id"]


def _accepted(outcome: Outcome) -> Iterator[Lead]:
    """The valid leads of all batches, but for what became a dead letter: batches and single leads.

    Whether a lead was rightly refused (its channel may count by a value that it doesn't have) is
    for the oracle to say. A batch that came again is left out: written otherwise, a lead that was
    refused the first time might pass for valid. What went on to its place counts there.
    """
    refused = {(found.at, found.place) for found in map(refusal_of, outcome.dead_letters)}
    again = {_input_of(record) for record in outcome.decisions if _is_duplicate(record)}
    for record in outcome.inputs:
        if (record.at, 0) in refused or record.at in again or record.at in outcome.sent_on:
            continue
        try:
            event = checked(parsed(record.value or b""))
        except RefusedError:
            continue
        if isinstance(event, Batch):
            for place, lead_id in _valid_leads(event):
                if (record.at, place) not in refused:
                    yield event.channel, event.batch_id, lead_id


def _is_duplicate(decision: Record) -> bool:
    return bool(decision.event["type"] == "duplicate_ignored")


def _input_of(decision: Record) -> At:
    source = decision.event["input"]
    return source["topic"], source["partition"], source["offset"]


def _valid_leads(batch: Batch) -> Iterator[tuple[int, str]]:
    """With their places, from 1."""
    for place, value in enumerate(batch.leads, start=1):
        with suppress(ValueError):
            yield place, checked_lead(value).lead_id


def _waiting(decisions: Iterable[Record]) -> Counter[BatchName]:
    """The batches of which anything was ever parked, and how many of their leads still are."""
    waiting: Counter[BatchName] = Counter()
    for record in decisions:
        event = record.event
        batch = (event["channel"], event.get("batch_id", ""))
        if event["type"] == "batch_parked":
            waiting[batch] += event["batch_size"]
        elif event["type"] == "batch_released":
            waiting[batch] -= event["batch_size"]
        elif event.get("leads_parked") and not event.get("released"):
            waiting[batch] += event["leads_parked"]
        elif (unparked := event.get("unparked_batch_id")) is not None:
            waiting[event["channel"], unparked] -= 1
    return waiting


def _went_on(inputs: Iterable[Record]) -> Iterator[Lead]:
    """Leads that their channel sent on to another one: that has to assign them."""
    for record in inputs:
        try:
            event = parsed(record.value or b"")
        except RefusedError:
            continue
        origin = event.get("routed_from") if isinstance(event, dict) else None
        if isinstance(origin, dict):
            for lead in event["leads"]:
                yield origin["channel"], origin["batch_id"], lead["lead_id"]


def _stale(outcome: Outcome, load: Load) -> int:
    """How many batches were decided before a change that they had to come after (R5)."""
    decided: dict[tuple[str, int, int], int] = {}
    changes: dict[str, list[tuple[int, int, int]]] = {}
    channels: dict[tuple[str, int, int], str] = {}
    for record in outcome.decisions:
        event = record.event
        source = event["input"]
        at = (source["topic"], source["partition"], source["offset"])
        channels[at] = event["channel"]
        decided.setdefault(at, event["state_version"])
        if event["type"] == "roster_changed" and not by_itself(event):
            place = (source["partition"], source["offset"], event["state_version"])
            changes.setdefault(event["channel"], []).append(place)
    return sum(
        any(
            partition == at[1] and offset <= needed and version > decided[at]
            for partition, offset, version in changes.get(channels[at], ())
        )
        for at, needed in load.needs.items()
        if at in decided
    )
