"""What a decision says, held against what it comes to when it is divided again.

In: a `batch_dispatched`, the same recomputed, the assignments of its leads as far as they are
there. Out: every difference, in the decision's own words for its fields. Pure.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from dispatcher.requirements import required_of
from schemas.scalars import decimal_text, weight_millionths, weight_text
from streams.audit.decision_log import Json, has_rules
from streams.audit.recomputing import Group, Recomputed, counted, error_before, fair_share


class Difference(NamedTuple):
    """A figure that isn't what it has to be; both as text."""

    what: str
    stated: str
    recomputed: str

    def __str__(self) -> str:
        """For people."""
        return f"{self.what}: {self.stated} in the log, {self.recomputed} recomputed"


class Assigned(NamedTuple):
    """A lead assignment; `attributes` as JSON text, for the skills that they ask and no more."""

    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: int
    batch_size: int
    state_version: int
    decided_at: str
    attributes: str


class _AssignedRead(msgspec.Struct, frozen=True):
    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: int
    batch_size: int
    state_version: int
    decided_at: str
    attributes: msgspec.Raw = msgspec.Raw(b"{}")


_decode_assigned = msgspec.json.Decoder(_AssignedRead).decode


def assigned_in(value: bytes) -> Assigned | None:
    """The assignment in a record or line; None for what is none."""
    try:
        read = _decode_assigned(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Assigned(
        read.channel, read.batch_id, read.lead_id, read.assignee_id, read.position,
        read.batch_size, read.state_version, read.decided_at, bytes(read.attributes).decode(),
    )  # fmt: skip


def differences(decision: Json, again: Recomputed) -> list[Difference]:
    """Everything in a decision that isn't as recomputed: sums, listing, shares, groups."""
    found = list(_head(decision, again))
    rows = {row["assignee_id"]: row for row in decision["shares"]}
    ranks = {member.assignee_id: rank for rank, member in enumerate(again.roster.members)}
    strangers = sorted(rows.keys() - ranks.keys())
    found += [Difference(f"{each} is a member", "yes", "no") for each in strangers]
    complete = decision["shares_complete"]
    for assignee_id, rank in sorted(ranks.items()):
        row = rows.get(assignee_id)
        if row is not None:
            found += _compared(assignee_id, row, expected_row(again, rank))
        elif complete or again.assigned[rank] or (has_rules(decision) and again.accrued[rank]):
            found.append(Difference(f"{assignee_id} is listed", "no", "yes"))
    if has_rules(decision):
        for number, (asked, group) in enumerate(
            zip(decision["groups"], again.groups, strict=True), start=1
        ):
            found += _compared(f"group {number}", asked, _expected_group(again, group))
    for group in again.groups:
        for each in group.rounds:
            if counted(each.rounded, each.tuned) != list(each.assigned):
                found.append(Difference("the four steps", "one by one", "otherwise at once"))
    return found


def _head(decision: Json, again: Recomputed) -> Iterator[Difference]:
    one_lead = again.roster.one_lead
    if int(decision["error_denominator"]) != one_lead:
        yield Difference("error_denominator", decision["error_denominator"], str(one_lead))
    # Where nobody is active a lead can only have been given by hand; the denominator is 10^12.
    weight_sum = sum(m.weight_millionths for m in again.roster.members if not m.paused) or 1
    if weight_sum * 10**12 != one_lead:
        # Only where the roster is taken from the decision itself.
        yield Difference("sum of the active weights", str(one_lead), str(weight_sum * 10**12))
    if decision["batch_size"] != sum(again.assigned):
        yield Difference("batch_size", str(decision["batch_size"]), str(sum(again.assigned)))
    if sum(again.after):
        yield Difference("sum of all errors", decimal_text(sum(again.after), one_lead), "0")


def expected_row(again: Recomputed, rank: int) -> Json:
    """A member's row as it has to stand in the decision."""
    member, one_lead = again.roster.members[rank], again.roster.one_lead
    due = again.accrued[rank]
    more: Json = {}
    if again.assigned_value is not None:
        more["assigned_value"] = again.assigned_value[rank]
    if member.assignee_id in again.limits:
        more["limits"] = again.limits[member.assignee_id]
    return {
        "weight": weight_text(member.weight_millionths),
        "paused": member.paused,
        "fair_share": decimal_text(due, one_lead),
        "cumulative_error_before": decimal_text(member.error, one_lead),
        "ideal": decimal_text(due - member.error, one_lead),
        "assigned": again.assigned[rank],
        "cumulative_error_after": decimal_text(again.after[rank], one_lead),
        "cumulative_error_numerator": str(again.after[rank]),
        **more,
    }


def _expected_group(again: Recomputed, group: Group) -> Json:
    members = again.roster.members
    return {
        "able": len(group.able),
        "capped": sorted(members[rank].assignee_id for rank in group.full),
        "parked": group.leads - len(group.order),
    }


def _compared(whose: str, stated: Mapping[str, Any], expected: Json) -> Iterator[Difference]:
    for name, value in expected.items():
        given = stated.get(name, False if name == "paused" else None)
        if name == "weight" and _weight_or_none(given) == weight_millionths(value):
            continue  # "1.0" is 1
        if given != value:
            yield Difference(f"{name} of {whose}", _text(given), _text(value))


def _weight_or_none(given: Any) -> int | None:
    try:
        return weight_millionths(given)
    except (TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    if value is None:
        return "nothing"
    return ", ".join(map(str, value)) or "nobody" if isinstance(value, list) else str(value)


def own_differences(decision: Json) -> list[Difference]:
    """What can be checked of a decision by itself, when not everybody before it is known."""
    one_lead = int(decision["error_denominator"])
    found: list[Difference] = []
    for row in decision["shares"]:
        after = decimal_text(int(row["cumulative_error_numerator"]), one_lead)
        expected = {"cumulative_error_after": after}
        if not has_rules(decision):
            weight, paused = weight_millionths(row["weight"]), bool(row.get("paused"))
            fair, before = fair_share(decision, weight, paused=paused), error_before(decision, row)
            expected["fair_share"] = decimal_text(fair, one_lead)
            expected["cumulative_error_before"] = decimal_text(before, one_lead)
            expected["ideal"] = decimal_text(fair - before, one_lead)
        found += _compared(row["assignee_id"], row, expected)
    received = sum(row["assigned"] for row in decision["shares"])
    if received != decision["batch_size"]:
        found.append(Difference("batch_size", str(decision["batch_size"]), str(received)))
    return found


class Place(NamedTuple):
    """Where a lead stands: in which group of the batch, and in which slot of it, from 0."""

    group: int
    slot: int


def places(
    decision: Json, groups: Sequence[Group], leads: Sequence[Assigned], names: Iterable[str]
) -> list[Place] | None:
    """The place of each lead of a batch, given all of them in order of position.

    With several groups, whose lead it is follows from the skills that it asks. None where that
    doesn't fit, or leads are missing: the assignments may be kept for a shorter time.
    """
    if [lead.position for lead in leads] != list(range(1, int(decision["batch_size"]) + 1)):
        return None
    with_leads = [number for number, group in enumerate(groups) if group.order]
    if sum(len(group.order) for group in groups) != len(leads):
        return None
    if len(with_leads) == 1:
        return [Place(with_leads[0], slot) for slot in range(len(leads))]
    number_of = {groups[number].required_skills: number for number in with_leads}
    if len(number_of) < len(with_leads):
        return None
    next_slot = dict.fromkeys(with_leads, 0)
    found = []
    for lead in leads:
        number = number_of.get(required_of(lead.attributes, tuple(names)).skills)
        if number is None:
            return None
        found.append(Place(number, next_slot[number]))
        next_slot[number] += 1
    if any(next_slot[number] != len(groups[number].order) for number in with_leads):
        return None
    return found


def order_differences(
    again: Recomputed, leads: Sequence[Assigned], where: Sequence[Place]
) -> list[Difference]:
    """Leads that went to somebody else than the order says."""
    found = []
    for lead, place in zip(leads, where, strict=True):
        rank = again.groups[place.group].order[place.slot]
        expected = again.roster.members[rank].assignee_id
        if lead.assignee_id != expected:
            what = f"who got lead {lead.lead_id} at position {lead.position}"
            found.append(Difference(what, lead.assignee_id, expected))
    return found
