"""What became of a lead, literally: what that does to errors and open leads, and where it goes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from . import arithmetic, values
from .state import Parked, State
from .validation import Json, Lead, Outcome, RefusedError, ReturnRule


@dataclass
class Found:
    """What follows from an outcome.

    ``said`` are fields of its decision; ``goes`` is the lead that goes to somebody, or none.
    """

    said: Json
    goes: Parked = field(default_factory=lambda: Parked("", None, []))
    was_parked: bool = False
    charged: bool = False


def refuse_if_not_applicable(state: State, outcome: Outcome) -> None:
    """Nothing has been touched yet."""

    def refuse(reason: str, detail: str) -> None:
        raise RefusedError(reason, detail, channel=state.channel, outcome_id=outcome.outcome_id)

    def refuse_without_value() -> None:
        if state.value_attribute is not None:
            try:
                values.checked_value(outcome.lead.attributes.get(state.value_attribute))
            except ValueError as error:
                refuse("invalid_event", str(error))

    if outcome.kind == "lead_returned":
        if _is_credited(state, outcome) or _rule(state, outcome).dispatched_again:
            refuse_without_value()
        if _is_credited(state, outcome) and not state.can_take():
            refuse("no_counterparty", "nobody to take the counter-entry")
    elif outcome.kind in ("lead_reassigned", "lead_assigned_manually"):
        taker = outcome.to_assignee_id or outcome.assignee_id
        if taker not in state.members:
            refuse("not_a_member", "goes to a stranger")
        if outcome.kind == "lead_reassigned" or _parked(state, outcome) is None:
            refuse_without_value()


def _parked(state: State, outcome: Outcome) -> tuple[Parked, Lead] | None:
    """The oldest lead of that id that waits."""
    for parked in state.parked:
        for lead in parked.leads:
            if lead.lead_id == outcome.lead.lead_id:
                return parked, lead
    return None


def _value_said(state: State, outcome: Outcome) -> Json:
    if state.value_attribute is None:
        return {}
    worth = values.worth(state, outcome.lead)
    return {"lead_value": arithmetic.twelve_decimals(worth)}


def apply(state: State, outcome: Outcome) -> Found:
    """The outcome itself; it is known to be applicable."""
    had_it = state.members.get(outcome.assignee_id)
    if outcome.kind == "lead_forgotten":
        return _forgotten(state, outcome)
    if outcome.kind != "lead_assigned_manually" and had_it is not None and state.has_rules:
        had_it.open_leads = max(0, had_it.open_leads - 1)
    alone = Parked("", outcome.lead.lead_id, [outcome.lead])
    if outcome.kind == "lead_returned":
        return _returned(state, outcome, alone)
    if outcome.kind == "lead_reassigned":
        if had_it is not None:
            worth = values.worth(state, outcome.lead)
            had_it.error -= worth
            values.counts_towards(had_it, outcome.lead, -worth)
            state.members[outcome.to_assignee_id].error += worth
        said = {"to_assignee_id": outcome.to_assignee_id} | _value_said(state, outcome)
        alone.batch_id = f"reassigned/{outcome.outcome_id}"
        return Found(said, alone, charged=had_it is not None)
    if outcome.kind == "lead_assigned_manually":
        if (found := _parked(state, outcome)) is not None:
            return _out_of_the_queue(state, *found)
        alone.batch_id = f"by-hand/{outcome.outcome_id}"
        return Found(_value_said(state, outcome), alone)
    return Found({})


def _forgotten(state: State, outcome: Outcome) -> Found:
    """Nothing goes anywhere; what waits of it is gone, and so is who had these persons."""
    for name, value in list(state.owners):
        text = f"{state.channel}\n{name}\n{value}".encode()
        if hashlib.sha256(text).hexdigest()[:32] in outcome.persons:
            del state.owners[name, value]
    found = _parked(state, outcome)
    return Found({}) if found is None else Found(_out_of_the_queue(state, *found).said)


def _rule(state: State, outcome: Outcome) -> ReturnRule:
    for reason in (outcome.reason, "*"):
        for rule in state.returns:
            if rule.reason == reason:
                return rule
    return ReturnRule("")


def _is_credited(state: State, outcome: Outcome) -> bool:
    return _rule(state, outcome).credited and outcome.assignee_id in state.members


def _returned(state: State, outcome: Outcome, alone: Parked) -> Found:
    rule, credited = _rule(state, outcome), _is_credited(state, outcome)
    said: Json = {"credited": credited, "dispatched_again": rule.dispatched_again}
    if credited or rule.dispatched_again:
        said |= _value_said(state, outcome)
    if credited:
        worth = values.worth(state, outcome.lead)
        if worth:
            said["spread_by_weight"] = arithmetic.twelve_decimals(worth)
        state.members[outcome.assignee_id].error -= worth
        values.counts_towards(state.members[outcome.assignee_id], outcome.lead, -worth)
        for name, part in arithmetic.normalised(state.active_weights()).items():
            state.members[name].error += worth * part
    if not rule.dispatched_again:
        return Found(said)
    alone.batch_id = f"returned/{outcome.outcome_id}"
    return Found(said, replace(alone, excluded=(outcome.assignee_id,)))


def _out_of_the_queue(state: State, parked: Parked, lead: object) -> Found:
    taken = [each for each in parked.leads if each is lead]
    parked.leads = [each for each in parked.leads if each is not lead]
    if not parked.leads:
        state.parked = [each for each in state.parked if each is not parked]
    said = {"unparked_batch_id": parked.batch_id}
    return Found(said, Parked(parked.batch_id, parked.content, taken), was_parked=True)
