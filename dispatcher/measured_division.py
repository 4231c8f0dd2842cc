"""A batch divided where leads count by value, or where assignees have limits.

In: as for `division.divide`, and what each lead counts and which limits it matches. Out: the same,
with the value that each got, and the limits' counts after it.

- **By value** a lead of value v counts as v leads: one unit of value is the same W 10^12 units of
  the errors that one lead is elsewhere. Group by group, everybody who may take the group accrues
  its whole value by weight; then lead after lead goes to whoever is owed most (of equals the first
  in rank; weight 0 only while they are owed), the largest first, of equals the first in the batch.
  With all values 1 this is the division by count, to the last unit: its four steps are the same as
  lead after lead.
- Capacities count leads. Whoever would pass theirs gets the first leads that came to them, as many
  as they have room for, accrues exactly what those count, leaves the set, and the rest of the group
  is divided again: no debt grows behind a cap.
- **Limits**: a group in which any lead matches a limit is divided lead by lead, the largest first,
  each as if it were a batch of its own: it accrues by weight to those who may take it at that
  moment, and goes to whoever of them is owed most. Who may not, for a limit or for want of room,
  accrues nothing of it: so nobody is ever owed what a limit kept from them, and nobody else is
  charged more than what they could have refused. It is what skills do, with one lead for a group.
- **Owners**: a lead whose owner may take it, for limits too, is forced on them, one after the other
  as they stand in the batch. Where any of those matches a limit, each accrues by itself, to those
  who may take it at that moment.
- Leads go out in the order of the batch, except in groups that are divided by count.

What is assigned and what is accrued have the same sum, so errors sum to zero as before.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import heapify, heappop, heapreplace
from typing import Final, NamedTuple

from dispatcher.apportionment import spread
from dispatcher.division import (
    NOBODY_FORCED,
    Book,
    Divided,
    Group,
    by_hand,
    left_to_divide,
    owned,
    owner_rank,
)
from dispatcher.eligibility import Able, Eligibility
from dispatcher.interleaving import interleave
from dispatcher.requirements import Requirement
from dispatcher.roster import Roster
from dispatcher.share_limits import Counts
from dispatcher.values import Measured
from schemas.scalars import MILLIONTHS

_NOBODY: Final = -1

Trace = dict[int, list[tuple[int, int]]]
"""By place: (error, rank) of those who could get a lead when it was given, owed most first."""


class _Shared(NamedTuple):
    """A group divided; `takers` by place."""

    takers: dict[int, int]
    capped: Sequence[int] = ()
    lead_by_lead: bool = False
    limit_reached: bool = False


def divide_measured(
    requirements: Sequence[Requirement],
    roster: Roster,
    errors: Sequence[int],
    eligibility: Eligibility,
    measured: Measured,
    forced: Mapping[int, int] = NOBODY_FORCED,
    trace: Trace | None = None,
) -> Divided:
    """Divide a batch whose leads have these requirements, and count so much.

    `trace` is filled if it is given, for those who ask why.
    """
    book = _MeasuredBook(roster, list(errors), eligibility, measured, trace)
    takers: list[int | None] = [None] * len(requirements)
    groups = []
    everybody = Able(eligibility, roster, roster.active)

    def share(
        requirement: Requirement,
        places: Sequence[int],
        forced_to: int | None = None,
        because: str = "",
    ) -> None:
        able = everybody.ranks(requirement)
        shared = book.shared(places, able, forced_to)
        for place, rank in shared.takers.items():
            takers[place] = rank
        groups.append(
            Group(
                requirement,
                tuple(places),
                len(able),
                sum(book.weights[rank] for rank in able),
                tuple(sorted(shared.capped)),
                tuple(place for place in places if takers[place] is None),
                forced_to,
                because,
                shared.lead_by_lead,
                shared.limit_reached,
            )
        )

    for (requirement, rank), places in by_hand(requirements, forced):
        share(requirement, places, rank, "by_hand")
    for requirement, places in owned(requirements, forced):
        owner = owner_rank(requirement, roster, everybody)
        if owner is not None and (theirs := book.acceptable(places, owner)):
            share(requirement._replace(owner=""), theirs, owner, "owner")
    for requirement, places in left_to_divide(requirements, takers):
        share(requirement, places)
    return Divided(
        takers,
        tuple(book.assigned),
        tuple(book.accrued),
        tuple(book.errors),
        tuple(groups),
        tuple(book.assigned_value) if measured.by_value else None,
        book.counts.after() if eligibility.limits else None,
    )


class _MeasuredBook(Book):
    """Also writes down value, and what limits count."""

    def __init__(
        self,
        roster: Roster,
        errors: list[int],
        eligibility: Eligibility,
        measured: Measured,
        trace: Trace | None,
    ) -> None:
        super().__init__(roster, errors, eligibility.rooms())
        self._trace = trace
        self._names = [member.assignee_id for member in roster.members]
        self._measured = measured
        self._unit = self.one_lead // MILLIONTHS  # exact: one lead is a multiple of 10^12
        self.assigned_value = [0] * len(errors)
        self.counts = Counts(eligibility.limits)

    def shared(self, places: Sequence[int], able: Sequence[int], forced_to: int | None) -> _Shared:
        """Divide a group: leads at these places, among those who may take them but for limits."""
        if any(self._measured.marks[place] for place in places):
            return self._lead_by_lead(places, able, forced_to)
        if forced_to is not None:
            self._accrue(self._total(places), self._with_room(able), forced_to)
            return self._charged(dict.fromkeys(places, forced_to))
        if self._measured.by_value:
            return self._by_value(places, able)
        counts, capped = self.divide(len(places), able)
        order = [able[index] for index in interleave([counts[rank] for rank in able])]
        takers = dict(zip(places, order, strict=False))
        for place, rank in takers.items():
            self._count(place, rank)
        return _Shared(takers, capped)

    def acceptable(self, places: Sequence[int], rank: int) -> list[int]:
        """Leads that somebody has room for and no limit against, if all before go to them too."""
        name, room = self._names[rank], self.room(rank)
        counts, found = self.counts.copy(), list[int]()
        for place in places:
            value, marks = self._measured.values[place], self._measured.marks[place]
            if len(found) < room and value <= counts.most(name, marks):
                counts.add(name, marks, value)
                found.append(place)
        return found

    def _with_room(self, able: Sequence[int]) -> list[int]:
        return [rank for rank in able if self.rooms[rank] > 0]

    def _total(self, places: Sequence[int]) -> int:
        return sum(self._measured.values[place] for place in places)

    def _largest_first(self, places: Sequence[int]) -> list[int]:
        values = self._measured.values
        return sorted(places, key=lambda place: (-values[place], place))

    def _accrue(self, value: int, ranks: Sequence[int], otherwise: int) -> None:
        """By weight to these, or to one other where they weigh nothing."""
        weights = [self.weights[rank] for rank in ranks]
        if not any(weights):
            ranks, weights = [otherwise], [1]
        due = spread(value * self._unit, weights, sum(weights))
        for rank, accrued in zip(ranks, due, strict=True):
            self.give(rank, 0, accrued)

    def _count(self, place: int, rank: int) -> None:
        value = self._measured.values[place]
        self.assigned_value[rank] += value
        self.counts.add(self._names[rank], self._measured.marks[place], value)

    def _charged(self, takers: dict[int, int], capped: Sequence[int] = ()) -> _Shared:
        """Each of these leads is charged to its taker; who accrues it is written already."""
        for place, rank in takers.items():
            self.assigned[rank] += 1
            self.rooms[rank] -= 1
            self.errors[rank] += self._measured.values[place] * self._unit
            self._count(place, rank)
        return _Shared(takers, capped)

    def _by_value(self, places: Sequence[int], able: Sequence[int]) -> _Shared:
        queue = self._largest_first(places)
        open_set = self._with_room(able)
        takers: dict[int, int] = {}
        capped: list[int] = []
        while queue and any(self.weights[rank] for rank in open_set):
            weights = [self.weights[rank] for rank in open_set]
            due = spread(self._total(queue) * self._unit, weights, sum(weights))
            chosen = self._lead_after_lead(queue, open_set, due)
            over = {rank for rank, leads in Counter(chosen).items() if leads > self.rooms[rank]}
            if not over:
                for rank, accrued in zip(open_set, due, strict=True):
                    self.give(rank, 0, accrued)
                takers |= zip(queue, chosen, strict=True)
                break
            left = {rank: self.rooms[rank] for rank in over}
            rest = []
            for place, rank in zip(queue, chosen, strict=True):
                if left.get(rank, 0):
                    left[rank] -= 1
                    takers[place] = rank
                    self.give(rank, 0, self._measured.values[place] * self._unit)
                else:
                    rest.append(place)
            queue = rest
            capped += over
            open_set = [rank for rank in open_set if rank not in over]
        return self._charged(takers, capped)

    def _lead_after_lead(
        self, queue: Sequence[int], ranks: Sequence[int], due: Sequence[int]
    ) -> list[int]:
        """Who would get each, all of it accrued; nothing is written down."""
        heap = [
            (error, rank)
            for rank, accrued in zip(ranks, due, strict=True)
            if (error := self.errors[rank] - accrued) < 0 or self.weights[rank] > 0
        ]
        heapify(heap)
        chosen = []
        for place in queue:
            error, rank = heap[0]
            # Weight 0 settles what is carried and takes no more.
            while self.weights[rank] == 0 and error >= 0:
                heappop(heap)
                error, rank = heap[0]
            chosen.append(rank)
            self._follow(place, heap)
            heapreplace(heap, (error + self._measured.values[place] * self._unit, rank))
        return chosen

    def _lead_by_lead(
        self, places: Sequence[int], able: Sequence[int], forced_to: int | None
    ) -> _Shared:
        takers: dict[int, int] = {}
        limit_reached = False
        # Forced ones as they stand: so it was said that their owner may take them.
        for place in self._largest_first(places) if forced_to is None else places:
            value, marks = self._measured.values[place], self._measured.marks[place]
            roomy = self._with_room(able)
            ranks = [r for r in roomy if value <= self.counts.most(self._names[r], marks)]
            if not (forced_to is not None or any(self.weights[rank] for rank in ranks)):
                limit_reached |= any(self.weights[rank] for rank in roomy)
                continue
            self._accrue(value, ranks, _NOBODY if forced_to is None else forced_to)
            self._follow(place, [(self.errors[each], each) for each in ranks])
            rank = self._owed_most(ranks) if forced_to is None else forced_to
            self._charged({place: rank})
            takers[place] = rank
        return _Shared(takers, (), True, limit_reached)

    def _follow(self, place: int, owed: Sequence[tuple[int, int]]) -> None:
        if self._trace is not None:
            self._trace[place] = sorted(
                (error, rank) for error, rank in owed if self.weights[rank] > 0 or error < 0
            )

    def _owed_most(self, ranks: Sequence[int]) -> int:
        takes = [rank for rank in ranks if self.weights[rank] > 0 or self.errors[rank] < 0]
        return min(takes, key=lambda rank: (self.errors[rank], rank))
