"""What waits in a channel where assignees have limits (see `share_limits`).

Leads that match limits wait apart from others, by which they match: whether somebody may take them
depends on that, and on how large they are. Of each such kind the oldest entry goes first of which
somebody may take a lead, so a small lead may pass a large one that is too large for everybody.
At most `LOOKED_AT_MAX` entries of a kind are looked at, from the oldest on: a bound on what each
decision costs.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from dispatcher.eligibility import UNBOUNDED, Able, Eligibility
from dispatcher.parking import Kind, Marked, ParkedBatch, Parking, parking_of
from dispatcher.requirements import Requirement, required_of
from dispatcher.roster import Roster
from dispatcher.share_limits import Counts, Mark
from dispatcher.values import measured

LOOKED_AT_MAX: Final = 1_000

_Kind = tuple[Requirement, tuple[Mark, ...]]


def by_marks(entry: ParkedBatch, eligibility: Eligibility) -> list[ParkedBatch]:
    """Leads that begin to wait, with equal requirements: an entry for each kind of them."""
    if not eligibility.limits:
        return [entry]
    asked = [entry.requirement] * len(entry.lead_ids)
    return _split(entry, asked, eligibility)


def regrouped(parking: Parking, eligibility: Eligibility) -> Parking:
    """What waits, by what it asks under other rules or limits; entries are split where it differs.

    That costs as much as all that waits.
    """
    entries: list[ParkedBatch] = []
    before = [entry for _, entry in parking.in_order()]
    names = eligibility.rules.required_skills
    for entry in before:
        kept = entry.requirement
        asked = [
            required_of(attributes.decode(), names)._replace(
                excluded=kept.excluded, owner=kept.owner
            )
            for attributes in entry.attributes
        ]
        entries += _split(entry, asked, eligibility) if asked else [entry]
    if entries == before:
        return parking
    first = parking.next_number
    return parking_of(enumerate(entries, start=first), first + len(entries))


def _split(
    entry: ParkedBatch, asked: Sequence[Requirement], eligibility: Eligibility
) -> list[ParkedBatch]:
    leads = measured(
        [attributes.decode() for attributes in entry.attributes],
        eligibility.rules.by_value,
        eligibility.limits,
    )
    kinds: dict[_Kind, list[int]] = {}
    for place, requirement in enumerate(asked):
        kinds.setdefault((requirement, leads.marks[place]), []).append(place)
    return [
        entry.part(
            places,
            requirement=requirement,
            marks=marks,
            values=tuple([leads.values[place] for place in places]) if marks else (),
        )
        for (requirement, marks), places in kinds.items()
    ]


def has_room_again(parking: Parking, eligibility: Eligibility, roster: Roster) -> bool:
    """Whether somebody may take anything that limits are about: a dispatch may make room for it."""
    kinds = [kind for kind in parking.queues if isinstance(kind, Marked)]
    return bool(kinds) and _oldest_of(kinds, parking, eligibility, roster) is not None


def oldest_takeable(
    parking: Parking, eligibility: Eligibility, roster: Roster
) -> tuple[int, ParkedBatch] | None:
    """The number and leads of the entry that goes out next; None if nobody may take anything."""
    return _oldest_of(parking.queues, parking, eligibility, roster)


def _oldest_of(
    kinds: Iterable[Kind], parking: Parking, eligibility: Eligibility, roster: Roster
) -> tuple[int, ParkedBatch] | None:
    able = Able(eligibility, roster, eligibility.takers(roster))
    counts = Counts(eligibility.limits)
    found = []
    for kind in kinds:
        if isinstance(kind, Marked):
            names = [roster.members[rank].assignee_id for rank in able.ranks(kind.requirement)]
            most = max((counts.most(name, kind.marks) for name in names), default=-1)
        else:
            most = UNBOUNDED if able.ranks(kind) else -1
        if most >= 0 and (number := parking.oldest_within(kind, most, LOOKED_AT_MAX)) is not None:
            found.append(number)
    if not found:
        return None
    return min(found), parking.entries[min(found)]
