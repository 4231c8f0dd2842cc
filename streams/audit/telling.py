"""A group divided, as plain values: who could take it, the four steps, the order within it.

In: a batch that was recomputed, and where in it a lead stands. Out: objects for JSON, amounts in
leads as decimal strings with 12 decimals, exact ones beside them as fractions. Pure.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from schemas.scalars import decimal_text, weight_text
from streams.audit.checking import Assigned, Place
from streams.audit.decision_log import Json
from streams.audit.recomputing import Group, Recomputed, Round

TUNED_SHOWN_MAX: Final = 20
"""Steps of fine-tuning that are told; a correction can leave a hundred thousand."""


def exact_text(numerator: int, denominator: int) -> str:
    """An amount as a fraction: `-1/6`, `2`."""
    return str(Fraction(numerator, denominator))


def group_told(again: Recomputed, group: Group) -> Json:
    """Who could take it, and the four steps of each round."""
    members = again.roster.members
    able = [members[rank].assignee_id for rank in group.able]
    return {
        "could_take_it": {
            "able": sorted(able),
            "members": len(members),
            "required_skills": list(group.required_skills),
            "excluded": list(group.excluded),
            "capacity_reached": sorted(members[rank].assignee_id for rank in group.full),
            "forced_to": group.forced_to,
        },
        "group": {"leads": group.leads, "dispatched": len(group.order)},
        "rounds": [_round_told(again, each) for each in group.rounds],
    }


def _round_told(again: Recomputed, each: Round) -> Json:
    one_lead, members = again.roster.one_lead, again.roster.members
    names = [members[rank].assignee_id for rank in each.ranks]
    return {
        "leads": each.leads,
        "rounded_sum": sum(each.rounded),
        "fine_tuned": sum(step.lead for step in each.tuned),
        "capacity_reached": sorted(members[rank].assignee_id for rank in each.full),
        "shares": [_share_told(again, each, place) for place in range(len(each.ranks))],
        "fine_tuning": [
            {
                "assignee_id": names[step.place],
                "lead": step.lead,
                "cumulative_error": decimal_text(step.error, one_lead),
                "equal": None if step.tied is None else names[step.tied],
            }
            for step in each.tuned[:TUNED_SHOWN_MAX]
        ],
    }


def _share_told(again: Recomputed, each: Round, place: int) -> Json:
    rank, one_lead = each.ranks[place], again.roster.one_lead
    member = again.roster.members[rank]
    before, fair, assigned = each.before[place], each.fair_shares[place], each.assigned[place]
    if rank in each.full:
        assigned = _room_used(again, rank, each)
        after, full = before, True
    else:
        after, full = before + assigned * one_lead - fair, False
    return {
        "assignee_id": member.assignee_id,
        "rank": rank + 1,
        "weight": weight_text(member.weight_millionths),
        "cumulative_error_before": decimal_text(before, one_lead),
        "cumulative_error_before_exact": exact_text(before, one_lead),
        "fair_share": decimal_text(fair, one_lead),
        "ideal": decimal_text(fair - before, one_lead),
        "rounded": each.rounded[place],
        "fine_tuned": sum(step.lead for step in each.tuned if step.place == place),
        "divided": each.assigned[place],
        "capacity_reached": full,
        "assigned": assigned,
        "cumulative_error_after": decimal_text(after, one_lead),
        "cumulative_error_after_exact": exact_text(after, one_lead),
    }


def _room_used(again: Recomputed, rank: int, each: Round) -> int:
    group = next(group for group in again.groups if any(each is one for one in group.rounds))
    return group.counts[rank]


def in_group(again: Recomputed, place: Place, lead: Assigned) -> Json:
    """A lead in its group: as `group_told`, and why it stands in its slot."""
    group = again.groups[place.group]
    told = group_told(again, group)
    told["group"]["place"] = place.slot + 1
    if group.forced_to is None:
        told["slot"] = _slot(again, group, place.slot, lead)
    return told


def _slot(again: Recomputed, group: Group, slot: int, lead: Assigned) -> Json:
    """Whose windows were open at a slot; closing first, then rank, decides."""
    slots = len(group.order)
    placed: dict[int, int] = {}
    for rank in group.order[:slot]:
        placed[rank] = placed.get(rank, 0) + 1
    candidates = []
    for rank, count in group.counts.items():
        number = placed.get(rank, 0) + 1
        if number <= count and (number - 1) * slots // count <= slot:
            closes = -(number * slots // -count)
            candidates.append((closes, rank, number, count, (number - 1) * slots // count))
    candidates.sort()
    windows: list[Mapping[str, Any]] = [
        {
            "assignee_id": again.roster.members[rank].assignee_id,
            "rank": rank + 1,
            "lead": number,
            "of": count,
            "first_place": opens + 1,
            "last_place": closes,
        }
        for closes, rank, number, count, opens in candidates
    ]
    return {
        "place": slot + 1,
        "of": slots,
        "open_windows": len(windows),
        "chosen": windows[0],
        "next": windows[1] if len(windows) > 1 else None,
        "agrees": windows[0]["assignee_id"] == lead.assignee_id,
    }
