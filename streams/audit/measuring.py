"""A batch divided once more, where leads count by value or assignees have limits.

In: the members before it, its decision, the ledger, and all assignments of the batch: what a lead
counts, and the kinds that it is of, stand in its attributes only. Out: the batch recomputed, by
`dispatcher.measured_division`, and who was owed how much when each lead was given. Pure.

Leads that nobody could take are not among the assignments. Mostly they moved nothing; where their
size would have mattered, nothing is guessed, and it is said what lacks.
"""

from collections.abc import Sequence
from typing import NamedTuple

from dispatcher.division import Divided
from dispatcher.eligibility import UNBOUNDED, Eligibility, Rules, Terms
from dispatcher.measured_division import Trace, divide_measured
from dispatcher.requirements import Requirement, required_of
from dispatcher.roster import Member as RosterMember
from dispatcher.roster import Roster as CoreRoster
from dispatcher.roster import rank_digest
from dispatcher.share_limits import Limit, LimitsOf
from dispatcher.shares import limits_listed, millionths_text
from dispatcher.values import ONE_LEAD, Measured, measured
from schemas.scalars import MILLIONTHS, UNITS_PER_LEAD, decimal_text, share_millionths
from streams.audit.checking import Assigned, Difference
from streams.audit.decision_log import Json, Ledger, measured_by, units_of
from streams.audit.recomputing import Group, Recomputed, Roster


class MeasuredAgain(NamedTuple):
    """A batch recomputed.

    Attributes:
        values: of each of its leads, millionths, by position - 1.
        groups: to which of the decision's groups each lead belongs, likewise.
        takers: ranks, likewise.
        trace: by position - 1, everyone's error when the lead was given, who is owed most first.
    """

    batch: Recomputed
    value_attribute: str | None
    values: list[int]
    groups: list[int]
    takers: list[int | None]
    trace: Trace


def recompute_measured(
    roster: Roster, decision: Json, leads: Sequence[Assigned], ledger: Ledger
) -> MeasuredAgain | str:
    """Divide a batch again; what is lacking to do so, in words."""
    if [lead.position for lead in leads] != list(range(1, int(decision["batch_size"]) + 1)):
        return "not all assignments of the batch are there, and what its leads count stands there"
    value_attribute = measured_by(ledger.rules)
    groups_of = _groups_of(decision, leads, (ledger.rules or {}).get("required_skills", ()))
    if isinstance(groups_of, str):
        return groups_of
    waiting = _that_waited(decision, by_value=value_attribute is not None)
    if isinstance(waiting, str):
        return waiting
    limits = _limits(ledger)
    eligibility = _eligibility(roster, value_attribute, limits)
    core = CoreRoster(
        RosterMember(
            rank_digest(ledger.channel, each.assignee_id),
            each.assignee_id,
            each.weight_millionths,
            each.paused,
        )
        for each in roster.members
    )
    # Group by group, as the decision lists them; within each in the order of the batch.
    order = sorted(range(len(leads)), key=lambda place: (groups_of[place], place))
    given = measured([leads[place].attributes for place in order], value_attribute, limits)
    requirements = [_requirement(decision["groups"][groups_of[place]]) for place in order]
    for group, count in waiting:
        requirements += [_requirement(decision["groups"][group])] * count
        given.values.extend([ONE_LEAD] * count)
        given.marks.extend([()] * count)
    errors = [member.error for member in roster.members]
    if any(group.get("forced_because") == "moved" for group in decision["groups"]):
        return _moved(roster, decision, core, eligibility, given, errors, value_attribute)
    forced = {
        index: core.rank(taker)
        for index, place in enumerate(order)
        if (taker := decision["groups"][groups_of[place]].get("forced_to")) is not None
    }
    trace: Trace = {}
    divided = divide_measured(requirements, core, errors, eligibility, given, forced, trace)
    takers: list[int | None] = [None] * len(leads)
    for index, place in enumerate(order):
        takers[place] = divided.takers[index]
    batch = _recomputed(roster, decision, divided, groups_of, takers)
    values = [0] * len(leads)
    for index, place in enumerate(order):
        values[place] = given.values[index]
    by_place = {place: trace[index] for index, place in enumerate(order) if index in trace}
    return MeasuredAgain(batch, value_attribute, values, groups_of, takers, by_place)


def _groups_of(decision: Json, leads: Sequence[Assigned], names: Sequence[str]) -> list[int] | str:
    """The group of each lead, by what it asks, and whether it had to go to whom it went to."""
    groups = decision["groups"]
    if len(groups) == 1:
        return [0] * len(leads)
    divided = {
        _requirement(group): number
        for number, group in enumerate(groups)
        if group.get("forced_to") is None
    }
    asked = [required_of(lead.attributes, tuple(names)).skills for lead in leads]
    excluded = tuple(groups[0]["excluded"]) if groups else ()
    found = [divided.get(Requirement(skills, excluded), -1) for skills in asked]
    for number, group in enumerate(groups):
        skills, taker = tuple(group["required_skills"]), group.get("forced_to")
        if taker is None:
            continue
        theirs = [
            place
            for place, lead in enumerate(leads)
            if (asked[place], lead.assignee_id) == (skills, taker)
        ]
        if len(theirs) != group["leads"]:
            return "which of the leads had to go to somebody isn't told"
        for place in theirs:
            found[place] = number
    if -1 in found:
        return "the assignments of the batch don't fit its groups"
    return found


def _requirement(group: Json) -> Requirement:
    return Requirement(tuple(group["required_skills"]), tuple(group["excluded"]))


def _that_waited(decision: Json, *, by_value: bool) -> list[tuple[int, int]] | str:
    """(group, leads) of those that nobody could take and that had a part in the division."""
    found = []
    for number, group in enumerate(decision["groups"]):
        if not group["parked"] or group.get("lead_by_lead"):
            continue  # who may not take a lead by itself is due nothing of it
        if not by_value:
            found.append((number, int(group["parked"])))
        elif group.get("parked_because") == "capacity_reached":
            return "what those of its leads count that nobody had room for isn't in the log"
    return found


def _limits(ledger: Ledger) -> tuple[LimitsOf, ...]:
    return tuple(
        LimitsOf(
            name,
            tuple(
                Limit(
                    limit["attribute"],
                    limit["value"],
                    share_millionths(limit["share_max"]),
                    _millionths(limit["matching"]),
                    _millionths(limit["total"]),
                )
                for limit in account.limits
            ),
        )
        for name, account in sorted(ledger.accounts.items())
        if account.limits
    )


def _millionths(text: str) -> int:
    return units_of(text) // (UNITS_PER_LEAD // MILLIONTHS)


def _eligibility(
    roster: Roster, value_attribute: str | None, limits: tuple[LimitsOf, ...]
) -> Eligibility:
    """What is left of a capacity is a capacity of nothing taken yet."""
    rules = Rules() if value_attribute is None else Rules(value_attribute=value_attribute)
    terms = tuple(
        Terms(each.skills, None if each.room == UNBOUNDED else each.room) for each in roster.members
    )
    return Eligibility(rules, terms, (0,) * len(terms)).with_limits(limits)


def _moved(
    roster: Roster,
    decision: Json,
    core: CoreRoster,
    eligibility: Eligibility,
    given: Measured,
    errors: list[int],
    value_attribute: str | None,
) -> MeasuredAgain:
    """It is due to its taker alone, who was charged for it by the outcome."""
    rank = core.rank(decision["groups"][0]["forced_to"])
    # By hand to the same, for all but errors and what is due.
    by_hand = divide_measured(
        [_requirement(decision["groups"][0])], core, errors, eligibility, given, {0: rank}
    )
    due = [0] * len(errors)
    due[rank] = given.values[0] * (core.error_denominator // MILLIONTHS)
    divided = by_hand._replace(accrued=tuple(due), errors=tuple(errors))
    batch = _recomputed(roster, decision, divided, [0], [rank])
    return MeasuredAgain(batch, value_attribute, given.values[:1], [0], [rank], {})


def _recomputed(
    roster: Roster,
    decision: Json,
    divided: Divided,
    groups_of: Sequence[int],
    takers: Sequence[int | None],
) -> Recomputed:
    groups = []
    for number, asked in enumerate(decision["groups"]):
        requirement, forced_to = _requirement(asked), asked.get("forced_to")
        skills, excluded = requirement.skills, requirement.excluded
        able = [
            rank
            for rank, member in enumerate(roster.members)
            if not member.paused
            and member.assignee_id not in excluded
            and set(skills).issubset(member.skills)
        ]
        order = tuple(
            taker
            for group, taker in zip(groups_of, takers, strict=True)
            if group == number and taker is not None
        )
        counts = {rank: order.count(rank) for rank in {*able, *order}}
        capped = next(
            (
                each.capped
                for each in divided.groups
                if each.requirement == requirement and (each.forced_to is None) is (not forced_to)
            ),
            (),
        )
        groups.append(
            Group(
                int(asked["leads"]), skills, excluded, able, [], counts, order, {}, forced_to,
                list(capped),
            )
        )  # fmt: skip
    value = divided.assigned_value
    limits = {each.assignee_id: limits_listed(each) for each in divided.limits or ()}
    return Recomputed(
        roster,
        groups,
        list(divided.assigned),
        list(divided.accrued),
        list(divided.errors),
        None if value is None else [millionths_text(each) for each in value],
        limits,
    )


def takers_differ(again: MeasuredAgain, leads: Sequence[Assigned]) -> list[Difference]:
    """Leads that went to somebody else than the division says."""
    members = again.batch.roster.members
    found = []
    for lead, taker in zip(leads, again.takers, strict=True):
        expected = "nobody" if taker is None else members[taker].assignee_id
        if lead.assignee_id != expected:
            what = f"who got lead {lead.lead_id} at position {lead.position}"
            found.append(Difference(what, lead.assignee_id, expected))
    return found


def measured_told(again: MeasuredAgain, lead: Assigned, decision: Json) -> Json:
    """What a lead counts, which it is by size, and who was owed how much when it was given."""
    place = lead.position - 1
    members, one_lead = again.batch.roster.members, again.batch.roster.one_lead
    group = again.groups[place]
    alike = [each for each, number in enumerate(again.groups) if number == group]
    by_size = sorted(alike, key=lambda each: (-again.values[each], each))
    return {
        "by": again.value_attribute,
        "counts": millionths_text(again.values[place]),
        "place_by_size": by_size.index(place) + 1,
        "of": len(alike),
        "lead_by_lead": bool(decision["groups"][group].get("lead_by_lead")),
        "owed_most_first": [
            {
                "assignee_id": members[rank].assignee_id,
                "cumulative_error": decimal_text(error, one_lead),
            }
            for error, rank in again.trace.get(place, ())
        ],
    }
