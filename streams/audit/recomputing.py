"""A dispatched batch divided once more, from what its decision and those before it say.

In: the ledger before a `batch_dispatched`, and that decision. Out: each step of the division, for
people; and what should stand in the decision, to hold against what does. Pure.

- Without rules there is one group: all active members, without capacities. With rules the groups
  are the decision's own, and who is able follows from the skills and capacities in the log.
- The counts are those of `dispatcher.apportionment`, the order that of `dispatcher.interleaving`.
  The four steps are also gone through one by one (`steps_of`), because people ask why; both have
  to come to the same numbers.
- Where the log doesn't reach back far enough nothing is guessed: `members_before` says what lacks.
"""

from collections.abc import Sequence
from heapq import heapify, heappop, heapreplace
from typing import NamedTuple

from dispatcher.apportionment import apportion_within, spread
from dispatcher.eligibility import UNBOUNDED
from dispatcher.interleaving import interleave
from schemas.scalars import UNITS_PER_LEAD, weight_millionths
from streams.audit.decision_log import Json, Ledger, by_rank, has_rules


class Member(NamedTuple):
    """A member before the batch; `error` over W 10^12, `room` in leads, of the day."""

    assignee_id: str
    weight_millionths: int
    paused: bool
    error: int
    skills: tuple[str, ...]
    room: int


class Roster(NamedTuple):
    """All members before the batch, in order of rank; `one_lead` is W 10^12."""

    members: tuple[Member, ...]
    one_lead: int


class Tuned(NamedTuple):
    """A step of fine-tuning: `lead` is +1 or -1, `error` before it, `tied` another who stood there.

    `place` and `tied` are places in the round.
    """

    place: int
    lead: int
    error: int
    tied: int | None


class Round(NamedTuple):
    """The four steps over some of the members, in order of rank; amounts over W 10^12.

    Attributes:
        ranks: of those who take part.
        full: ranks of those who were given what they had room for; the others go on with the rest.
    """

    leads: int
    ranks: list[int]
    before: list[int]
    fair_shares: list[int]
    rounded: list[int]
    tuned: list[Tuned]
    assigned: list[int]
    full: list[int]


class Group(NamedTuple):
    """A group divided.

    Attributes:
        required_skills, excluded: what its leads ask.
        able: ranks of those who may take them.
        rounds: more than one only where somebody's capacity was reached.
        counts: leads by rank, of those who are able.
        order: the rank that gets each of its leads that are dispatched.
        accrued: by rank, what the group's leads were due to each, over W 10^12.
        forced_to: who gets all of it, whoever's turn it was.
        capped: ranks of those whose capacity was reached, where there are no rounds.
    """

    leads: int
    required_skills: tuple[str, ...]
    excluded: tuple[str, ...]
    able: list[int]
    rounds: list[Round]
    counts: dict[int, int]
    order: tuple[int, ...]
    accrued: dict[int, int]
    forced_to: str | None = None
    capped: list[int] | None = None

    @property
    def full(self) -> list[int]:
        """Ranks of those whose capacity was reached, ascending."""
        if self.capped is not None:
            return sorted(self.capped)
        return sorted(rank for each in self.rounds for rank in each.full)


class Recomputed(NamedTuple):
    """A batch divided again; by rank, amounts over W 10^12.

    `assigned_value` with 12 decimals, where leads are divided by value; `limits` by assignee, as
    decisions list them.
    """

    roster: Roster
    groups: list[Group]
    assigned: list[int]
    accrued: list[int]
    after: list[int]
    assigned_value: list[str] | None = None
    limits: dict[str, list[Json]] = {}  # noqa: RUF012  # never changed


def members_before(ledger: Ledger, decision: Json) -> Roster | str:
    """Everyone as they stood before a batch, or what is lacking to know that, in words.

    The log comes first: it holds exact numerators. Where it begins with this decision, the
    decision's own figures do: error before = error after - assigned + fair share.
    """
    one_lead = int(decision["error_denominator"])
    rules = has_rules(decision)
    if not ledger.complete:
        if rules or decision.get("shares_complete") is not True:
            return "the log begins after the last decision that lists everybody"
        return _by_own_figures(decision, one_lead)
    if rules:
        if reason := _lacks_terms(ledger):
            return reason
        if decision.get("groups_complete") is not True:
            return "the decision lists only some of its groups"
    members = []
    for assignee_id in by_rank(ledger.channel, ledger.accounts):
        account = ledger.accounts[assignee_id]
        bound = account.room if rules else None
        room = UNBOUNDED if bound is None else bound
        error, skills = ledger.error(assignee_id) or 0, account.skills or ()
        weight, paused = account.weight_millionths, account.paused
        members.append(Member(assignee_id, weight, paused, error, skills, room))
    return Roster(tuple(members), ledger.denominator)


def _lacks_terms(ledger: Ledger) -> str | None:
    accounts = ledger.accounts.values()
    if any(account.skills is None for account in accounts) or not ledger.rules_known:
        return "the log begins after the last roster change, which tells skills and capacities"
    if not ledger.taken_known and any(account.per_day is not None for account in accounts):
        return "the log begins within a day, so what everyone took before that is missing"
    if not ledger.open_known and any(account.open_max is not None for account in accounts):
        return "the log begins after the channel got rules, so leads open since then are missing"
    if ledger.unknown_terms:
        names = ", ".join(sorted(ledger.unknown_terms))
        return f"members have terms that this version doesn't know: {names}"
    return None


def _by_own_figures(decision: Json, one_lead: int) -> Roster:
    rows = {row["assignee_id"]: row for row in decision["shares"]}
    members = []
    for assignee_id in by_rank(decision["channel"], rows):
        row = rows[assignee_id]
        weight, paused = weight_millionths(row["weight"]), bool(row.get("paused"))
        error = error_before(decision, row)
        members.append(Member(assignee_id, weight, paused, error, (), UNBOUNDED))
    return Roster(tuple(members), one_lead)


def fair_share(decision: Json, weight: int, *, paused: bool) -> int:
    """In a batch without rules, over W 10^12: S w / W."""
    return 0 if paused else int(decision["batch_size"]) * UNITS_PER_LEAD * weight


def error_before(decision: Json, row: Json) -> int:
    """A member's exact error before a batch without rules, from their row alone."""
    fair = fair_share(decision, weight_millionths(row["weight"]), paused=bool(row.get("paused")))
    one_lead = int(decision["error_denominator"])
    return int(row["cumulative_error_numerator"]) - int(row["assigned"]) * one_lead + fair


def recompute(roster: Roster, decision: Json) -> Recomputed:
    """Divide a batch again; group after group, each on the errors that the one before left."""
    errors = [member.error for member in roster.members]
    rooms = [member.room for member in roster.members]
    groups = []
    for asked in _groups_asked(decision):
        group = _divided(roster, asked, errors, rooms)
        for rank in set(group.counts) | set(group.accrued):
            leads = group.counts.get(rank, 0)
            errors[rank] += leads * roster.one_lead - group.accrued.get(rank, 0)
            rooms[rank] -= leads
        groups.append(group)
    assigned = [0] * len(errors)
    accrued = [0] * len(errors)
    for group in groups:
        for rank, leads in group.counts.items():
            assigned[rank] += leads
        for rank, due in group.accrued.items():
            accrued[rank] += due
    return Recomputed(roster, groups, assigned, accrued, errors)


def _groups_asked(decision: Json) -> Sequence[Json]:
    if has_rules(decision):
        groups: Sequence[Json] = decision["groups"]
        return groups
    return [{"leads": int(decision["batch_size"])}]


def _divided(roster: Roster, asked: Json, errors: Sequence[int], rooms: Sequence[int]) -> Group:
    """One group, in as many rounds as it takes."""
    skills, excluded = tuple(asked.get("required_skills", ())), tuple(asked.get("excluded", ()))
    able = [
        rank
        for rank, member in enumerate(roster.members)
        if not member.paused
        and member.assignee_id not in excluded
        and set(skills).issubset(member.skills)
    ]
    forced_to = asked.get("forced_to")
    leads = int(asked["leads"])
    if forced_to is not None:
        moved = asked.get("forced_because") == "moved"
        due_to = [] if moved else [rank for rank in able if rooms[rank] > 0]
        return _forced(roster, leads, skills, excluded, able, due_to, forced_to)
    counts, accrued = dict.fromkeys(able, 0), dict.fromkeys(able, 0)
    rounds: list[Round] = []
    open_set = [rank for rank in able if rooms[rank] > 0]
    left = leads
    weights = [member.weight_millionths for member in roster.members]
    while any(weights[rank] for rank in open_set) and (left or not rounds):
        done = _round(roster, left, open_set, errors, rooms)
        rounds.append(done)
        for place, rank in enumerate(open_set):
            if rank in done.full:
                counts[rank] = rooms[rank]
                accrued[rank] = rooms[rank] * roster.one_lead
            elif not done.full:
                counts[rank] = done.assigned[place]
                accrued[rank] = done.fair_shares[place]
        if not done.full:
            break
        left -= sum(rooms[rank] for rank in done.full)
        open_set = [rank for rank in open_set if rank not in done.full]
    order = tuple(able[index] for index in interleave([counts[rank] for rank in able]))
    return Group(leads, skills, excluded, able, rounds, counts, order, accrued)


def _round(
    roster: Roster, leads: int, ranks: list[int], errors: Sequence[int], rooms: Sequence[int]
) -> Round:
    weights = [roster.members[rank].weight_millionths for rank in ranks]
    before = [errors[rank] for rank in ranks]
    fair_shares, division = apportion_within(leads, weights, before, roster.one_lead)
    rounded, tuned = steps_of(leads, roster.one_lead, fair_shares, weights, before)
    full = [rank for rank, n in zip(ranks, division.assigned, strict=True) if n > rooms[rank]]
    return Round(leads, ranks, before, fair_shares, rounded, tuned, division.assigned, full)


def _forced(
    roster: Roster,
    leads: int,
    skills: tuple[str, ...],
    excluded: tuple[str, ...],
    able: list[int],
    due_to: list[int],
    forced_to: str,
) -> Group:
    """Leads that go to one assignee by order: due to those who had room, charged to them."""
    ranks = {member.assignee_id: rank for rank, member in enumerate(roster.members)}
    taker = ranks[forced_to]
    weights = [roster.members[rank].weight_millionths for rank in due_to]
    if any(weights):
        fair = spread(leads * roster.one_lead, weights, sum(weights))
        accrued = dict(zip(due_to, fair, strict=True))
    else:
        accrued = {taker: leads * roster.one_lead}
    order = (taker,) * leads
    return Group(leads, skills, excluded, able, [], {taker: leads}, order, accrued, forced_to)


def steps_of(
    leads: int,
    one_lead: int,
    fair_shares: Sequence[int],
    weights: Sequence[int],
    before: Sequence[int],
) -> tuple[list[int], list[Tuned]]:
    """Steps 2 to 4, one by one: what rounding gives, and each lead that is then given or taken."""
    errors = [error - fair for error, fair in zip(before, fair_shares, strict=True)]
    # Halves up, and not below 0; exact, because one lead is an even number of units.
    rounded = [max(0, (one_lead // 2 - error) // one_lead) for error in errors]
    counts = list(rounded)
    errors = [error + n * one_lead for error, n in zip(errors, counts, strict=True)]
    surplus = sum(counts) - leads
    sign = -1 if surplus > 0 else 1
    # Owed most and first in rank for giving; furthest ahead and last in rank for taking.
    heap = [(sign * error, sign * place) for place, error in enumerate(errors)]
    heapify(heap)
    tuned: list[Tuned] = []
    while surplus:
        signed_error, signed_place = heap[0]
        place = sign * signed_place
        if not _may(counts, weights, errors, place, sign):
            heappop(heap)
            continue
        errors[place] += sign * one_lead
        counts[place] += sign
        heapreplace(heap, (signed_error + one_lead, signed_place))
        next_error, next_place = heap[0]
        tied = sign * next_place if next_error == signed_error else None
        if tied is not None and not _may(counts, weights, errors, tied, sign):
            tied = None
        tuned.append(Tuned(place, sign, sign * signed_error, tied))
        surplus += sign
    return rounded, tuned


def _may(
    counts: Sequence[int], weights: Sequence[int], errors: Sequence[int], place: int, sign: int
) -> bool:
    """Whether a lead may be taken or given here: weight 0 settles what is carried, no more."""
    return counts[place] > 0 if sign < 0 else weights[place] > 0 or errors[place] < 0


def counted(rounded: Sequence[int], tuned: Sequence[Tuned]) -> list[int]:
    """What the steps come to."""
    counts = list(rounded)
    for step in tuned:
        counts[step.place] += step.lead
    return counts
