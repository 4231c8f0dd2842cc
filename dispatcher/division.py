"""A batch divided where not everybody may take everything.

In: the requirements of a batch's leads, the roster, the errors, who may take what. Out: who gets
each lead, which leads nobody can take, and what that does to the errors.

- The leads are grouped by requirement, and with it by the set of those who may take them. Each
  group is divided by the four steps over its set, groups in the order of their first lead, each on
  the errors that the one before left.
- Whoever would pass their capacity gets what is left of it, accrues exactly that (so no debt grows
  behind a cap), leaves the set, and the rest of the group is divided again.
- Within a group the order is that of `interleaving`, over those of its leads that somebody takes:
  the first ones. What is left when the set is empty waits.
- A lead whose owner may take it is forced on them; else it is divided like any other.
- Forced leads come before all others, those by hand first: each accrues by weight to those who may
  take it, as if it were theirs to divide, and is charged to whom it is forced on. So the rest of
  the batch already makes up for it.

What is assigned and what is accrued have the same sum, so errors sum to zero as before. With one
group, of everybody, and no capacities this is the method as it always was.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from dispatcher.apportionment import apportion_within, spread
from dispatcher.eligibility import Able, Eligibility
from dispatcher.interleaving import interleave
from dispatcher.requirements import Requirement
from dispatcher.roster import Roster
from dispatcher.share_limits import LimitsOf

NOBODY_FORCED: Final[Mapping[int, int]] = MappingProxyType({})


class Group(NamedTuple):
    """Leads of a batch with the same requirement.

    Attributes:
        places: of its leads in the batch, ascending.
        able: how many are active, have the skills and are not excluded.
        able_weight_millionths: the sum of their weights.
        capped: the ranks of those who would have passed their capacity with it, ascending.
        parked_places: of the leads that nobody could take, ascending.
        forced_to: the rank that had to get them; None where they were divided.
        because: why: "owner", "by_hand", or "moved": then they are due to that rank alone, which
            was charged for them already.
        lead_by_lead: whether each was divided as a batch of its own, because of limits.
        limit_reached: whether somebody who could take a parked one had reached a limit.
    """

    requirement: Requirement
    places: tuple[int, ...]
    able: int
    able_weight_millionths: int
    capped: tuple[int, ...]
    parked_places: tuple[int, ...]
    forced_to: int | None = None
    because: str = ""
    lead_by_lead: bool = False
    limit_reached: bool = False

    def why_parked(self, roster: Roster) -> str:
        """As `schemas.outputs` gives reasons."""
        if not roster.weight_sum:
            return "nobody_active"
        if self.limit_reached:
            return "limit_reached"
        if self.able_weight_millionths:
            return "capacity_reached"
        return "nobody_with_the_skills" if self.requirement.skills else "returned_by_everybody"


class Divided(NamedTuple):
    """A batch divided; all by rank.

    Attributes:
        takers: the rank that gets each lead, by place; None for those that wait.
        assigned: leads of each member.
        accrued: what each was due, numerators over the roster's `error_denominator`.
        errors: after it, likewise.
        assigned_value: what the leads of each count, millionths; None where each counts one.
        limits: of assignees after it; None where there are none.
    """

    takers: list[int | None]
    assigned: tuple[int, ...]
    accrued: tuple[int, ...]
    errors: tuple[int, ...]
    groups: tuple[Group, ...]
    assigned_value: tuple[int, ...] | None = None
    limits: tuple[LimitsOf, ...] | None = None


def divide(
    requirements: Sequence[Requirement],
    roster: Roster,
    errors: Sequence[int],
    eligibility: Eligibility,
    forced: Mapping[int, int] = NOBODY_FORCED,
) -> Divided:
    """Divide a batch whose leads have these requirements.

    `forced`: {place: rank} of leads that have to go to somebody, whatever room they have.
    """
    book = Book(roster, list(errors), eligibility.rooms())
    takers: list[int | None] = [None] * len(requirements)
    groups = []
    everybody = Able(eligibility, roster, roster.active)

    def force(requirement: Requirement, places: list[int], taker: int, because: str) -> None:
        able = everybody.ranks(requirement)
        book.force(len(places), taker, able)
        for place in places:
            takers[place] = taker
        weight = weight_of(roster, able)
        groups.append(Group(requirement, tuple(places), len(able), weight, (), (), taker, because))

    for (requirement, taker), places in by_hand(requirements, forced):
        force(requirement, places, taker, "by_hand")
    for requirement, places in owned(requirements, forced):
        rank = owner_rank(requirement, roster, everybody)
        if rank is not None and (theirs := places[: book.room(rank)]):
            force(requirement._replace(owner=""), theirs, rank, "owner")
    for requirement, places in left_to_divide(requirements, takers):
        able = everybody.ranks(requirement)
        counts, capped = book.divide(len(places), able)
        order = interleave([counts[rank] for rank in able])
        for place, index in zip(places, order, strict=False):
            takers[place] = able[index]
        groups.append(
            Group(
                requirement,
                tuple(places),
                len(able),
                weight_of(roster, able),
                tuple(sorted(capped)),
                tuple(places[len(order) :]),
            )
        )
    return Divided(
        takers, tuple(book.assigned), tuple(book.accrued), tuple(book.errors), tuple(groups)
    )


K = TypeVar("K", bound=Hashable)
Grouped = list[tuple[K, list[int]]]


def by_hand(
    requirements: Sequence[Requirement], forced: Mapping[int, int]
) -> Grouped[tuple[Requirement, int]]:
    """Leads that are forced on somebody: places by what they ask and whom they go to."""
    return _grouped(
        ((requirements[place]._replace(owner=""), rank), place)
        for place, rank in sorted(forced.items())
    )


def owned(requirements: Sequence[Requirement], forced: Mapping[int, int]) -> Grouped[Requirement]:
    """Of the others those that have an owner."""
    return _grouped(
        (asked, place)
        for place, asked in enumerate(requirements)
        if asked.owner and place not in forced
    )


def left_to_divide(
    requirements: Sequence[Requirement], takers: Sequence[int | None]
) -> Grouped[Requirement]:
    """What goes to whoever is owed most."""
    return _grouped(
        (asked._replace(owner="") if asked.owner else asked, place)
        for place, asked in enumerate(requirements)
        if takers[place] is None
    )


def _grouped(asked: Iterable[tuple[K, int]]) -> Grouped[K]:
    """Places by what their leads ask, in the order of each group's first lead."""
    groups: dict[K, list[int]] = {}
    for key, place in asked:
        groups.setdefault(key, []).append(place)
    return list(groups.items())


def weight_of(roster: Roster, ranks: Iterable[int]) -> int:
    """The sum of the weights of these, millionths."""
    return sum(roster.members[rank].weight_millionths for rank in ranks)


def owner_rank(requirement: Requirement, roster: Roster, everybody: Able) -> int | None:
    """The rank of a lead's owner, if they are there, have a weight and meet the rest."""
    if requirement.owner not in roster:
        return None
    rank = roster.rank(requirement.owner)
    if not roster.members[rank].weight_millionths or rank not in everybody.ranks(requirement):
        return None
    return rank


class Book:
    """What is written down while a batch is divided: by rank, in units of 1/(W 10^12) leads."""

    def __init__(self, roster: Roster, errors: list[int], rooms: list[int]) -> None:
        """With the errors and the rooms before, by rank; both move."""
        self.weights = [member.weight_millionths for member in roster.members]
        self.one_lead = roster.error_denominator
        self.errors = errors
        self.rooms = rooms
        self.assigned = [0] * len(errors)
        self.accrued = [0] * len(errors)

    def divide(self, leads: int, able: Sequence[int]) -> tuple[dict[int, int], list[int]]:
        """Divide a group; returns {rank: leads}, and who reached their capacity."""
        counts = dict.fromkeys(able, 0)
        capped: list[int] = []
        open_set = [rank for rank in able if self.rooms[rank] > 0]
        while leads and any(self.weights[rank] for rank in open_set):
            weights = [self.weights[rank] for rank in open_set]
            before = [self.errors[rank] for rank in open_set]
            fair_shares, division = apportion_within(leads, weights, before, self.one_lead)
            over = [
                rank
                for rank, count in zip(open_set, division.assigned, strict=True)
                if count > self.rooms[rank]
            ]
            if not over:
                for rank, count, fair_share in zip(
                    open_set, division.assigned, fair_shares, strict=True
                ):
                    self.give(rank, count, fair_share)
                    counts[rank] += count
                return counts, capped
            for rank in over:
                room = self.rooms[rank]
                self.give(rank, room, room * self.one_lead)
                counts[rank] += room
                leads -= room
            capped += over
            full = set(over)
            open_set = [rank for rank in open_set if rank not in full]
        return counts, capped

    def room(self, rank: int) -> int:
        """How many leads a member can still take."""
        return max(0, self.rooms[rank])

    def force(self, leads: int, taker: int, able: Sequence[int]) -> None:
        """Charge leads to somebody; they accrue by weight to those who could have had them."""
        open_set = [rank for rank in able if self.rooms[rank] > 0]
        weights = [self.weights[rank] for rank in open_set]
        due = leads * self.one_lead
        if not any(weights):
            open_set, weights = [taker], [1]
        for rank, accrued in zip(open_set, spread(due, weights, sum(weights)), strict=True):
            self.give(rank, 0, accrued)
        self.give(taker, leads, 0)

    def give(self, rank: int, leads: int, accrued: int) -> None:
        """Write down what somebody gets and is due."""
        self.assigned[rank] += leads
        self.accrued[rank] += accrued
        self.errors[rank] += leads * self.one_lead - accrued
        self.rooms[rank] -= leads
