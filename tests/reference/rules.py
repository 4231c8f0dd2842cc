"""Skills, capacities, days, pauses that end, and leads that have to go to somebody, literally.

A channel has rules from the first change on that asks for any. Then a batch is divided group by
group: leads that ask for the same skills, among those who are there, have them, and have room.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from . import arithmetic

if TYPE_CHECKING:
    from .state import Parked, State
    from .validation import Change, Json, Lead

Divided = tuple[dict[str, str], dict[str, Fraction], list[dict[str, Any]]]
"""Who takes each lead, by lead id; what each was due; a row for each group."""

ASKING = ("channel_configured", "capacity_changed", "skills_changed")


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
        state.parked = list(_by_skills(state))
    if change.kind == "channel_configured" or state.day_ends is None:
        state.day_ends = end_of_day(moment(change.created_at), state.time_zone)


def _by_skills(state: State) -> Iterable[Parked]:
    from .state import Parked

    for parked in state.parked:
        if not parked.leads:
            yield parked
        for skills, leads in grouped(state, parked.leads):
            yield Parked(
                parked.batch_id, parked.content, leads, skills, parked.excluded, parked.owner
            )


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


def can_take(state: State, skills: Sequence[str], excluded: Sequence[str] = ()) -> bool:
    """Whether there is somebody with a weight and room."""
    return any(
        state.members[name].weight > 0 and (not state.has_rules or state.members[name].room() > 0)
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
    rows = []
    if owners:
        leads = list(leads)
        for (skills, owner), group in _by_owner(state, leads, owners):
            there = able(state, skills, excluded)
            if owner not in there or not state.members[owner].weight:
                continue
            theirs = group[: state.members[owner].room()]
            if theirs:
                _force(state, len(theirs), there, owner, due_)
                takers |= {lead.lead_id: owner for lead in theirs}
                row = _row(skills, excluded, len(theirs), there)
                rows.append(row | {"forced_to": owner, "forced_because": "owner"})
        leads = [lead for lead in leads if lead.lead_id not in takers]
    for skills, group in grouped(state, leads):
        there = able(state, skills, excluded)
        if forced_to is not None:
            _force(state, len(group), there, forced_to, due_)
            takers |= {lead.lead_id: forced_to for lead in group}
            rows.append(
                _row(skills, excluded, len(group), there)
                | {"forced_to": forced_to, "forced_because": "by_hand"}
            )
            continue
        counts, capped = _divide_group(state, len(group), there, due_)
        order = arithmetic.interleaved(counts, there)
        for lead, taker in zip(group, order, strict=False):
            takers[lead.lead_id] = taker
        row = _row(skills, excluded, len(group), there)
        row |= {"capped": sorted(capped), "parked": len(group) - len(order)}
        if row["parked"]:
            row["parked_because"] = _why(state, skills, there)
        rows.append(row)
    return takers, due_, rows


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
    """What nobody takes: by skills, and there by owner; skills in the order of the division."""
    forced = {lead for lead in takers if takers[lead] == owners.get(lead)}
    divided = [lead for lead in leads if lead.lead_id not in forced]
    found = []
    for skills, group in grouped(state, divided):
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
    due_ = dict.fromkeys(state.members, Fraction(0)) | {taker: Fraction(len(leads))}
    state.members[taker].error -= len(leads)
    _receives(state, taker, len(leads))
    rows = [
        _row(skills, (), len(group), able(state, skills))
        | {"forced_to": taker, "forced_because": "moved"}
        for skills, group in grouped(state, leads)
    ]
    return {lead.lead_id: taker for lead in leads}, due_, rows


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
    state: State, size: int, there: Sequence[str], taker: str, due_: dict[str, Fraction]
) -> None:
    """Whoever could have had them accrues them by weight; one gets them all."""
    among = [name for name in there if state.members[name].room() > 0]
    weights = {name: state.members[name].weight for name in among}
    if not any(weights.values()):
        among, weights = [taker], {taker: Fraction(1)}
    parts = arithmetic.normalised(weights)
    exact = {name: size * parts[name] for name in among}
    for name, share in arithmetic.rounded_to_units(exact, among, _unit(state)).items():
        state.members[name].error -= share
        due_[name] += share
    _receives(state, taker, size)


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
