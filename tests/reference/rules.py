"""Skills, capacities, days, pauses that end, and leads that have to go to somebody, literally.

A channel has rules from the first change on that asks for any. Then a batch is divided group by
group: leads that ask for the same skills, among those who are there, have them, and have room.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from . import arithmetic, values

if TYPE_CHECKING:
    from .state import Parked, State
    from .validation import Change, Json, Lead

Divided = tuple[dict[str, str], dict[str, Fraction], list[dict[str, Any]], Collection[str]]
"""Who takes each lead, by lead id; what each was due; a row for each group; leads that came to
their owner because of that."""

ASKING = ("channel_configured", "capacity_changed", "skills_changed", "limits_changed")


# --- What a change does -----------------------------------------------------------------


def apply(state: State, change: Change) -> None:
    """After a change was applied to the roster, in a channel that has rules or gets them."""
    for assignee in state.members.values():
        if not assignee.paused:
            assignee.until = None
    if change.kind in ASKING or change.until is not None:
        state.has_rules = True
    if not state.has_rules:
        return
    if change.kind == "limits_changed":
        member = state.members[change.assignee_id]
        known = {limit.kind: limit for limit in member.limits}
        member.limits = [
            values.Limit(kind, share_max, known[kind].of_kind, known[kind].of_all)
            if kind in known
            else values.Limit(kind, share_max)
            for kind, share_max in change.limits
        ]
    if change.kind == "capacity_changed":
        state.members[change.assignee_id].per_day = change.per_day
        state.members[change.assignee_id].open_max = change.open_max
    if change.kind == "skills_changed":
        state.members[change.assignee_id].skills = frozenset(change.skills)
    if change.kind == "assignee_paused":
        until = None if change.until is None else moment(change.until)
        state.members[change.assignee_id].until = until
    if change.kind == "channel_configured":
        state.time_zone, state.required_skills = change.time_zone, change.required_skills
        state.returns, state.sticky = change.returns, change.sticky
        _measure_by(state, change.value_attribute)
    state.parked = list(_by_what_is_asked(state))
    if change.kind == "channel_configured" or state.day_ends is None:
        state.day_ends = end_of_day(moment(change.created_at), state.time_zone)


def _measure_by(state: State, attribute: str | None) -> None:
    """What was owed until now says nothing about what is measured otherwise."""
    if attribute != state.value_attribute:
        for member in state.members.values():
            member.error = Fraction(0)
            for limit in member.limits:
                limit.of_kind = limit.of_all = Fraction(0)
    state.value_attribute = attribute
    largest = state.promise.largest
    state.promise.largest = None if attribute is None else largest or Fraction(0)


def _by_what_is_asked(state: State) -> Iterable[Parked]:
    for parked in state.parked:
        if not parked.leads:
            yield parked
        for skills, kinds, leads in told_apart(state, parked.leads):
            yield replace(parked, leads=leads, skills=skills, kinds=kinds)


def told_apart(
    state: State, leads: Sequence[Lead]
) -> list[tuple[tuple[str, ...], tuple[values.Kind, ...], list[Lead]]]:
    """As leads wait: by the skills that they ask for, and the limits that are about them."""
    groups: dict[tuple[tuple[str, ...], tuple[values.Kind, ...]], list[Lead]] = {}
    for lead in leads:
        key = asked(lead, state.required_skills), values.kinds(state, lead)
        groups.setdefault(key, []).append(lead)
    return [(skills, kinds, group) for (skills, kinds), group in groups.items()]


def grouped(state: State, leads: Sequence[Lead]) -> list[tuple[tuple[str, ...], list[Lead]]]:
    """Leads by the skills that they ask for, in the order of each group's first lead."""
    groups: dict[tuple[str, ...], list[Lead]] = {}
    for lead in leads:
        groups.setdefault(asked(lead, state.required_skills), []).append(lead)
    return list(groups.items())


def asked(lead: Lead, names: Sequence[str]) -> tuple[str, ...]:
    """The skills that a lead asks for."""
    skills = set()
    for name in names:
        value = lead.attributes.get(name)
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                text = each if isinstance(each, str) else json.dumps(each, separators=(",", ":"))
                skills.add(f"{name}={text}")
    return tuple(sorted(skills))


# --- Time -------------------------------------------------------------------------------


def moment(text: str) -> datetime:
    """A time, to the millisecond."""
    time_ = datetime.fromisoformat(text).astimezone(UTC)
    return time_.replace(microsecond=time_.microsecond // 1000 * 1000)


def end_of_day(now: datetime, time_zone: str) -> datetime:
    """The next midnight there."""
    zone = ZoneInfo(time_zone)
    tomorrow = now.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(), zone).astimezone(UTC)


def written(at: datetime) -> str:
    """As decisions write it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def due(state: State, now: datetime) -> tuple[datetime, str] | None:
    """The first thing that happens by itself until now: an end of a pause, or of the day ("")."""
    timers = [(each.until, name) for name, each in state.members.items() if each.until is not None]
    if state.day_ends is not None:
        timers.append((state.day_ends, ""))
    timers = [timer for timer in timers if timer[0] <= now]
    return min(timers) if timers else None


# --- A batch ----------------------------------------------------------------------------


def able(state: State, skills: Sequence[str], excluded: Sequence[str] = ()) -> list[str]:
    """Who is there, has the skills and isn't excluded, first in rank first."""
    return [
        name
        for name in state.ranked()
        if not state.members[name].paused
        and state.members[name].skills.issuperset(skills)
        and name not in excluded
    ]


def can_take(
    state: State,
    skills: Sequence[str],
    excluded: Sequence[str] = (),
    leads: Sequence[Lead] = (),
) -> bool:
    """Whether there is somebody with a weight and room, for any of the leads within limits."""
    return any(
        state.members[name].weight > 0
        and (not state.has_rules or state.members[name].room() > 0)
        and (not leads or any(values.within_limits(state, name, lead) for lead in leads))
        for name in able(state, skills, excluded)
    )


def divide(
    state: State,
    leads: Sequence[Lead],
    excluded: Sequence[str] = (),
    forced_to: str | None = None,
    owners: Mapping[str, str] = MappingProxyType({}),
) -> Divided:
    """Divides the leads, and moves everyone's error.

    Nobody of ``excluded`` gets any; all go to ``forced_to`` if that is somebody. ``owners`` says,
    by lead id, to whom a lead goes if they may take it.
    """
    takers: dict[str, str] = {}
    due_: dict[str, Fraction] = dict.fromkeys(state.members, Fraction(0))
    rows = _to_their_owners(state, leads, excluded, owners, takers, due_)
    by_owner = frozenset(takers)
    for skills, group in grouped(state, [lead for lead in leads if lead.lead_id not in by_owner]):
        there = able(state, skills, excluded)
        row = _row(skills, excluded, len(group), there)
        if any(values.kinds(state, lead) for lead in group):
            given, limited = _lead_by_lead(state, group, there, due_, forced_to)
            takers |= given
            row |= {"parked": len(group) - len(given), "lead_by_lead": True}
            if forced_to is not None:
                row |= {"forced_to": forced_to, "forced_because": "by_hand"}
            if row["parked"]:
                because = _why(state, skills, there)
                reached = limited and because != "nobody_active"
                row["parked_because"] = "limit_reached" if reached else because
            rows.append(row)
            continue
        if forced_to is not None:
            _force(state, group, there, forced_to, due_)
            takers |= {lead.lead_id: forced_to for lead in group}
            rows.append(row | {"forced_to": forced_to, "forced_because": "by_hand"})
            continue
        if state.value_attribute is not None:
            given, capped = _by_value(state, group, there, due_)
            takers |= given
            row |= {"capped": sorted(capped), "parked": len(group) - len(given)}
            if row["parked"]:
                row["parked_because"] = _why(state, skills, there)
            rows.append(row)
            continue
        counts, capped = _divide_group(state, len(group), there, due_)
        order = arithmetic.interleaved(counts, there)
        for lead, taker in zip(group, order, strict=False):
            takers[lead.lead_id] = taker
            values.counts_towards(state.members[taker], lead, Fraction(1))
        row |= {"capped": sorted(capped), "parked": len(group) - len(order)}
        if row["parked"]:
            row["parked_because"] = _why(state, skills, there)
        rows.append(row)
    return takers, due_, rows, by_owner


def _to_their_owners(
    state: State,
    leads: Sequence[Lead],
    excluded: Sequence[str],
    owners: Mapping[str, str],
    takers: dict[str, str],
    due_: dict[str, Fraction],
) -> list[dict[str, Any]]:
    """Every lead whose owner may take it, one after the other as they stand in the batch."""
    rows = []
    for (skills, owner), group in _by_owner(state, leads, owners):
        there = able(state, skills, excluded)
        if owner not in there or not state.members[owner].weight:
            continue
        theirs = _acceptable(state, owner, group)
        if not theirs:
            continue
        row = _row(skills, excluded, len(theirs), there)
        if any(values.kinds(state, lead) for lead in theirs):
            row["lead_by_lead"] = True
            for lead in theirs:
                could = [name for name in there if values.within_limits(state, name, lead)]
                _force(state, [lead], could, owner, due_)
        else:
            _force(state, theirs, there, owner, due_)
        takers |= {lead.lead_id: owner for lead in theirs}
        rows.append(row | {"forced_to": owner, "forced_because": "owner"})
    return rows


def _acceptable(state: State, name: str, leads: Sequence[Lead]) -> list[Lead]:
    """Those that somebody has room for and is within limits with, each after those before it."""
    member = state.members[name]
    counted, member.limits = member.limits, [copy(limit) for limit in member.limits]
    theirs: list[Lead] = []
    for lead in leads:
        if len(theirs) < member.room() and values.within_limits(state, name, lead):
            values.counts_towards(member, lead, values.worth(state, lead))
            theirs.append(lead)
    member.limits = counted
    return theirs


def _by_owner(
    state: State, leads: Sequence[Lead], owners: Mapping[str, str]
) -> list[tuple[tuple[tuple[str, ...], str], list[Lead]]]:
    groups: dict[tuple[tuple[str, ...], str], list[Lead]] = {}
    for lead in leads:
        if owners.get(lead.lead_id):
            asks = (asked(lead, state.required_skills), owners[lead.lead_id])
            groups.setdefault(asks, []).append(lead)
    return list(groups.items())


def left_over(
    state: State, leads: Sequence[Lead], takers: Mapping[str, str], owners: Mapping[str, str]
) -> list[tuple[tuple[str, ...], str, list[Lead]]]:
    """What nobody takes of leads that were divided: by skills in that order, there by owner."""
    found = []
    for skills, group in grouped(state, leads):
        parts: dict[str, list[Lead]] = {}
        for lead in group:
            if lead.lead_id not in takers:
                parts.setdefault(owners.get(lead.lead_id, ""), []).append(lead)
        found += [(skills, owner, stays) for owner, stays in parts.items()]
    return found


def owner_of(state: State, lead: Lead, now: datetime) -> str:
    """Who had a lead of the same person last, within the days of the rule; "" for nobody."""
    if state.sticky is None:
        return ""
    for name in state.sticky.attributes:
        known = state.owners.get((name, person(lead.attributes.get(name))))
        if known is not None:
            assignee, at, days = known
            if at >= now - timedelta(days=min(days, state.sticky.days)):
                return assignee
    return ""


def remember(state: State, lead: Lead, taker: str, now: datetime) -> None:
    """The next lead of the same person may go to them, too."""
    if state.sticky is None:
        return
    for name in state.sticky.attributes:
        if value := person(lead.attributes.get(name)):
            state.owners[name, value] = (taker, now, state.sticky.days)


def person(value: object) -> str:
    """A value as people mean it, or "" if it names nobody."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", str(value)).casefold()).strip()
    if re.fullmatch(r"[0-9+\-()./ ]*", text) and len(digits := re.sub(r"[^0-9]", "", text)) >= 5:
        return digits.removeprefix("00")
    return text


def hand_over(state: State, leads: Sequence[Lead], taker: str) -> Divided:
    """They come to somebody who is charged for them already: they are due to nobody else."""
    total = sum((values.worth(state, lead) for lead in leads), Fraction(0))
    due_ = dict.fromkeys(state.members, Fraction(0)) | {taker: total}
    state.members[taker].error -= total
    for lead in leads:
        _gets(state, taker, lead)
    rows = [
        _row(skills, (), len(group), able(state, skills))
        | {"forced_to": taker, "forced_because": "moved"}
        for skills, group in grouped(state, leads)
    ]
    return {lead.lead_id: taker for lead in leads}, due_, rows, ()


def _row(skills: Sequence[str], excluded: Sequence[str], leads: int, there: Sequence[str]) -> Json:
    return {
        "required_skills": list(skills),
        "excluded": list(excluded),
        "leads": leads,
        "able": len(there),
        "capped": [],
        "parked": 0,
    }


def _unit(state: State) -> Fraction:
    return 1 / (sum(state.active_weights().values(), Fraction(0)) * 10**18 or Fraction(10**12))


def _force(
    state: State,
    leads: Sequence[Lead],
    could: Sequence[str],
    taker: str,
    due_: dict[str, Fraction],
) -> None:
    """Whoever could have had them accrues them by weight; one gets them all."""
    among = [name for name in could if state.members[name].room() > 0]
    total = sum((values.worth(state, lead) for lead in leads), Fraction(0))
    if any(state.members[name].weight for name in among):
        values.accrue(state, total, among, due_, _unit(state))
    else:
        state.members[taker].error -= total
        due_[taker] += total
    for lead in leads:
        _gets(state, taker, lead)


def _by_value(
    state: State, leads: Sequence[Lead], there: Sequence[str], due_: dict[str, Fraction]
) -> tuple[dict[str, str], list[str]]:
    """Over and over: share it out; whoever has no room for all of theirs gets the first of them."""
    takers: dict[str, str] = {}
    capped: list[str] = []
    rest = list(leads)
    among = [name for name in there if state.members[name].room() > 0]
    while rest and any(state.members[name].weight for name in among):
        given, due = values.shared_out(state, rest, among, _unit(state))
        theirs = {name: [lead for lead, taker in given if taker == name] for name in among}
        over = [name for name in among if len(theirs[name]) > state.members[name].room()]
        for name in over or among:
            kept = theirs[name][: state.members[name].room()]
            worth = sum((values.worth(state, lead) for lead in kept), Fraction(0))
            share = worth if over else due[name]
            state.members[name].error -= share
            due_[name] += share
            for lead in kept:
                _gets(state, name, lead)
                takers[lead.lead_id] = name
        rest = [lead for lead in rest if lead.lead_id not in takers]
        capped += over
        among = [name for name in among if name not in over]
    return takers, capped


def _lead_by_lead(
    state: State,
    leads: Sequence[Lead],
    there: Sequence[str],
    due_: dict[str, Fraction],
    forced_to: str | None,
) -> tuple[dict[str, str], bool]:
    """Each as a batch of its own, among those who may take it then; were any held by a limit?"""
    takers: dict[str, str] = {}
    limited = False
    for lead in values.largest_first(state, leads):
        roomy = [name for name in there if state.members[name].room() > 0]
        among = [name for name in roomy if values.within_limits(state, name, lead)]
        weights = {name: state.members[name].weight for name in among}
        if forced_to is not None:
            _force(state, [lead], among, forced_to, due_)
            takers[lead.lead_id] = forced_to
        elif any(weights.values()):
            values.accrue(state, values.worth(state, lead), among, due_, _unit(state))
            errors = {name: state.members[name].error for name in among}
            taker = values.owed_most(errors, weights, among)
            _gets(state, taker, lead)
            takers[lead.lead_id] = taker
        else:
            limited = limited or any(state.members[name].weight for name in roomy)
    return takers, limited


def _gets(state: State, name: str, lead: Lead) -> None:
    member, worth = state.members[name], values.worth(state, lead)
    _receives(state, name, 1)
    member.error += worth - 1
    values.counts_towards(member, lead, worth)


def _receives(state: State, name: str, leads: int) -> None:
    member = state.members[name]
    member.error += leads
    if state.has_rules:
        member.taken_today += leads
        member.open_leads += leads


def _why(state: State, skills: Sequence[str], there: Sequence[str]) -> str:
    if not state.can_take():
        return "nobody_active"
    if any(state.members[name].weight for name in there):
        return "capacity_reached"
    return "nobody_with_the_skills" if skills else "returned_by_everybody"


def _divide_group(
    state: State, size: int, there: Sequence[str], due_: dict[str, Fraction]
) -> tuple[dict[str, int], list[str]]:
    unit = _unit(state)
    counts = dict.fromkeys(there, 0)
    capped: list[str] = []
    among = [name for name in there if state.members[name].room() > 0]

    def give(name: str, leads: int, share: Fraction) -> None:
        counts[name] += leads
        due_[name] += share
        state.members[name].error -= share
        _receives(state, name, leads)

    while size and any(state.members[name].weight for name in among):
        weights = {name: state.members[name].weight for name in among}
        parts = arithmetic.normalised(weights)
        exact = {name: size * parts[name] for name in among}
        shares = arithmetic.rounded_to_units(exact, among, unit)
        ideal = {name: shares[name] - state.members[name].error for name in among}
        assigned = _four_steps(size, weights, ideal, among)
        over = [name for name in among if assigned[name] > state.members[name].room()]
        if not over:
            for name in among:
                give(name, assigned[name], shares[name])
            return counts, capped
        for name in over:
            room = state.members[name].room()
            size -= room
            give(name, room, Fraction(room))
        capped += over
        among = [name for name in among if name not in over]
    return counts, capped


def _four_steps(
    size: int, weights: dict[str, Fraction], ideal: dict[str, Fraction], ranked: Sequence[str]
) -> dict[str, int]:
    rounded = {name: arithmetic.rounded_half_up(ideal[name]) for name in ranked}
    if abs(sum(rounded.values()) - size) <= size:
        return arithmetic.fine_tuned(size, weights, ideal, rounded, ranked)
    return arithmetic.fine_tuned(size, weights, ideal, dict.fromkeys(ranked, 0), ranked)
