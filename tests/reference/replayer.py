"""Events in, outputs out: what the dispatcher must decide, done literally and in order.

The outputs are plain dicts with the fields that this reading of the method fixes. Fields that
depend on the surroundings or on an encoding (``input``, ``content_hash``, ``shares_complete``)
are left out, and every decision lists everyone; ``comparison`` knows what may be compared.
The exact state of a channel stands in ``Replayer.states``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from types import MappingProxyType
from zoneinfo import ZoneInfo

from . import arithmetic, outcomes, routes, rules, values
from .state import Parked, State, Window, apply, refuse_if_not_applicable
from .validation import (
    Batch,
    Change,
    Json,
    Lead,
    Outcome,
    RefusedError,
    checked,
    checked_lead,
    parsed,
)

BATCH_LEADS_MAX = 10_000
REMEMBERED = 1_000
"""Batches, and changes, that a channel remembers to recognise duplicates."""


class Replayer:
    """Takes events in order and gives the outputs of each; see ``replayed``."""

    def __init__(
        self,
        *,
        batch_leads_max: int = BATCH_LEADS_MAX,
        remembered: int = REMEMBERED,
        timers_by_events: bool = True,
        routes_followed: bool = True,
    ) -> None:
        """Timers happen by the times of the events; or else when ``timer`` is called.

        What goes on to other channels is decided too; or else it is only among the outputs.
        """
        self.timers_by_events = timers_by_events
        self.routes_followed = routes_followed
        self.batch_leads_max = batch_leads_max
        self.remembered = remembered
        self.states: dict[str, State] = {}
        self.line = 0

    def feed(self, event: Json | str | bytes) -> list[Json]:
        """The outputs of one event: parsed JSON, or a line of text.

        A blank line gives none, but it is counted.
        """
        self.line += 1
        if isinstance(event, str | bytes) and not event.strip():
            return []
        outputs = self._fed(event)
        waiting = _batches_in(outputs)
        while self.routes_followed and waiting:
            more = self._fed(waiting.pop(0))
            outputs += more
            waiting += _batches_in(more)
        return outputs

    def _fed(self, event: Json | str | bytes) -> list[Json]:
        outputs: list[Json] = []
        try:
            value = parsed(event) if isinstance(event, str | bytes) else event
            item = checked(value)
            state = self.states.get(item.channel) or State(item.channel)
            if self.timers_by_events:
                outputs += self._timers(state, rules.moment(item.created_at))
            if isinstance(item, Batch):
                outputs += self._batch(state, item)
            elif isinstance(item, Outcome):
                outputs += self._outcome(state, item)
            else:
                outputs += self._change(state, item)
        except RefusedError as refused:
            return [*outputs, self._dead_letter(refused)]
        self.states[item.channel] = state
        return outputs

    def _timers(self, state: State, now: datetime) -> list[Json]:
        """What happens by itself until now, in order; days that nobody noticed are one."""
        outputs: list[Json] = []
        while rules.due(state, now) is not None:
            outputs += self.timer(state, now)
        return outputs

    def timer(self, state: State, now: datetime) -> list[Json]:
        """The first timer of a channel happens; it must be due."""
        timer = rules.due(state, now)
        if timer is None:
            raise AssertionError("no timer is due")
        at, name = timer
        if name:
            change = Change(
                state.channel,
                f"until/{state.state_version + 1}",
                rules.written(at),
                "assignee_resumed",
                content="",
                assignee_id=name,
            )
            decision, *released = self._change(state, change)
            return [{**decision, "by_timer": True}, *released]
        for member in state.members.values():
            member.taken_today = 0
        day = now.astimezone(ZoneInfo(state.time_zone)).date().isoformat()
        state.day_ends = rules.end_of_day(now, state.time_zone)
        began = _decision(
            state,
            "day_began",
            rules.written(at),
            day=day,
            day_ends_at=rules.written(state.day_ends),
        )
        return [began, *self._release(state, rules.written(at))]

    def _dead_letter(self, refused: RefusedError) -> Json:
        return {
            "type": "dead_letter",
            "schema_version": 1,
            "reason": refused.reason,
            "detail": refused.detail,
            "line": self.line,
            **refused.known,
        }

    # --- Batches ------------------------------------------------------------------------

    def _batch(self, state: State, batch: Batch) -> list[Json]:
        known: dict[str, object] = {"channel": state.channel, "batch_id": batch.batch_id}
        earlier = {each.batch_id: each.content for each in state.parked} | state.batches
        if batch.batch_id in earlier:
            if earlier[batch.batch_id] != batch.content:
                raise RefusedError("batch_id_reused", "other leads under a known id", **known)
            return [
                _decision(state, "duplicate_ignored", batch.created_at, batch_id=batch.batch_id)
            ]
        if len(batch.leads) > self.batch_leads_max:
            raise RefusedError("limit_exceeded", f"over {self.batch_leads_max} leads", **known)
        leads, refusals = _sorted_out(batch, state.value_attribute)
        outputs = [self._dead_letter(refused) for refused in refusals]
        whole = Parked(batch.batch_id, batch.content, leads)
        if state.has_rules:
            return outputs + self._batch_by_rules(state, whole, batch.created_at)
        if state.can_take():
            outputs += self._dispatch(state, whole, batch.created_at)
        else:
            state.parked.append(whole)
            outputs.append(_batch_decision(state, "batch_parked", batch.created_at, whole))
        return outputs

    def _batch_by_rules(self, state: State, whole: Parked, decided_at: str) -> list[Json]:
        now = rules.moment(decided_at)
        owners = {lead.lead_id: rules.owner_of(state, lead, now) for lead in whole.leads}
        groups = rules.told_apart(state, whole.leads)
        if any(rules.can_take(state, skills, (), leads) for skills, _, leads in groups) or (
            not groups and state.can_take()
        ):
            outputs = self._dispatch_by_rules(
                state, whole, decided_at, released=False, owners=owners
            )
            return outputs + (self._release(state, decided_at) if state.anything_limited else [])
        # Nobody takes any of it.
        _, _, rows, _ = rules.divide(state, whole.leads)
        decision = _batch_decision(state, "batch_parked", decided_at, whole)
        if rows:
            decision |= {"groups": rows, "groups_complete": True}
        waiting = list(self._staying(state, whole, {}, owners))
        state.parked += waiting or [Parked(whole.batch_id, whole.content, [])]
        return [decision]

    def _dispatch_by_rules(
        self,
        state: State,
        taken: Parked,
        decided_at: str,
        *,
        released: bool,
        divide: Callable[[], rules.Divided] | None = None,
        remembered: bool = True,
        owners: Mapping[str, str] = MappingProxyType({}),
    ) -> list[Json]:
        before = state.errors()
        takers, due, groups, by_owner = (
            divide() if divide else rules.divide(state, taken.leads, taken.excluded, owners=owners)
        )
        for lead in taken.leads:
            if lead.lead_id in takers:
                rules.remember(state, lead, takers[lead.lead_id], rules.moment(decided_at))
        got = list(takers.values())
        total = _total(state)
        gone = [lead for lead in taken.leads if lead.lead_id in takers]
        if not released:
            state.parked += self._staying(state, taken, takers, owners, by_owner)
        worths = {lead.lead_id: values.worth(state, lead) for lead in gone}
        got_worth = {
            name: sum((worths[each] for each in worths if takers[each] == name), Fraction(0))
            for name in state.members
        }
        by_value = state.value_attribute is not None
        rows = [
            {
                "assignee_id": name,
                "weight": arithmetic.plain_decimal(member.weight),
                "fair_share": arithmetic.twelve_decimals(due[name]),
                "cumulative_error_before": arithmetic.twelve_decimals(before[name]),
                "ideal": arithmetic.twelve_decimals(due[name] - before[name]),
                "assigned": got.count(name),
                **(
                    {"assigned_value": arithmetic.twelve_decimals(got_worth[name])}
                    if by_value
                    else {}
                ),
                **_error_after(member.error, total),
            }
            for name, member in sorted(state.members.items())
        ]
        decision = _decision(
            state,
            "batch_dispatched",
            decided_at,
            batch_id=taken.batch_id,
            batch_size=len(gone),
            shares=rows,
            error_denominator=str(_denominator(total)),
            released=released,
            leads_parked=len(taken.leads) - len(gone),
            groups=groups,
            groups_complete=True,
        )
        if remembered and taken.batch_id not in state.batches:
            _remember(state.batches, taken.batch_id, taken.content, self.remembered)
        on_purpose = not state.has_rules
        if state.promise.largest is not None:
            state.promise.largest = max([state.promise.largest, *worths.values()])
            on_purpose = _held_up(state) or any(
                row["excluded"] or "forced_to" in row for row in groups
            )
        state.observe(correction=on_purpose)
        given = _assignments(decision, gone, [takers[each.lead_id] for each in gone])
        return routes.sent_on(state, given, decision)

    @staticmethod
    def _staying(
        state: State,
        taken: Parked,
        takers: Mapping[str, str],
        owners: Mapping[str, str],
        by_owner: Collection[str] = (),
    ) -> Iterable[Parked]:
        """By group, in it by owner, and there by what is limited."""
        divided = [lead for lead in taken.leads if lead.lead_id not in by_owner]
        for _, owner, stay in rules.left_over(state, divided, takers, owners):
            for skills, kinds, leads in rules.told_apart(state, stay):
                yield replace(taken, leads=leads, skills=skills, kinds=kinds, owner=owner)

    def _dispatch(self, state: State, taken: Parked, decided_at: str) -> list[Json]:
        """Divides the leads among those who are there, in the order of the slots."""
        size = len(taken.leads)
        weights = state.active_weights()
        ranked = [member for member in state.ranked() if member in weights]
        before = state.errors()
        counts = arithmetic.apportioned(size, weights, before, ranked)
        total = sum(weights.values(), Fraction(0))
        rows = []
        for member in sorted(state.members):
            assignee = state.members[member]
            share = size * weights.get(member, Fraction(0)) / total
            assignee.error = before[member] + counts.get(member, 0) - share
            rows.append(
                {
                    "assignee_id": member,
                    "weight": arithmetic.plain_decimal(assignee.weight),
                    "fair_share": arithmetic.twelve_decimals(share),
                    "cumulative_error_before": arithmetic.twelve_decimals(before[member]),
                    "ideal": arithmetic.twelve_decimals(share - before[member]),
                    "assigned": counts.get(member, 0),
                    **_error_after(assignee.error, total),
                }
            )
        decision = _decision(
            state,
            "batch_dispatched",
            decided_at,
            batch_id=taken.batch_id,
            batch_size=size,
            shares=rows,
            error_denominator=str(_denominator(total)),
        )
        _remember(state.batches, taken.batch_id, taken.content, self.remembered)
        state.observe()
        takers = arithmetic.interleaved(counts, ranked)
        return routes.sent_on(state, _assignments(decision, taken.leads, takers), decision)

    def _release(self, state: State, decided_at: str) -> list[Json]:
        """All that is parked, oldest first, if someone can take it now."""
        outputs: list[Json] = []
        while True:
            takeable = [
                place
                for place, each in enumerate(state.parked)
                if rules.can_take(state, each.skills, each.excluded, each.leads)
            ]
            if not takeable:
                return outputs
            taken = state.parked.pop(takeable[0])
            if not state.has_rules:
                outputs.append(_batch_decision(state, "batch_released", decided_at, taken))
                outputs += self._dispatch(state, taken, decided_at)
                continue
            released = _batch_decision(state, "batch_released", decided_at, taken)
            owners = {lead.lead_id: taken.owner for lead in taken.leads}
            dispatched = self._dispatch_by_rules(
                state, taken, decided_at, released=True, owners=owners
            )
            released["batch_size"] = dispatched[-1]["batch_size"]
            gone = _ids_in(dispatched)
            if rest := [lead for lead in taken.leads if lead.lead_id not in gone]:
                released["still_parked"] = len(rest)
                state.parked.insert(takeable[0], replace(taken, leads=rest))
            outputs += [released, *dispatched]

    # --- Outcomes -----------------------------------------------------------------------

    def _outcome(self, state: State, outcome: Outcome) -> list[Json]:
        known = {"channel": state.channel, "outcome_id": outcome.outcome_id}
        if outcome.outcome_id in state.outcomes:
            if state.outcomes[outcome.outcome_id] != outcome.content:
                raise RefusedError("outcome_id_reused", "another outcome, known id", **known)
            ignored = _decision(
                state, "duplicate_ignored", outcome.created_at, outcome_id=outcome.outcome_id
            )
            return [ignored]
        outcomes.refuse_if_not_applicable(state, outcome)
        before = state.errors()
        found = outcomes.apply(state, outcome)
        state.observe(correction=state.errors() != before)
        _remember(state.outcomes, outcome.outcome_id, outcome.content, self.remembered)
        recorded = _decision(
            state,
            "outcome_recorded",
            outcome.created_at,
            outcome_id=outcome.outcome_id,
            outcome_type=outcome.kind,
            lead_id=outcome.lead.lead_id,
            assignee_id=outcome.assignee_id,
            reason=outcome.reason,
            shares=list(self._outcome_rows(state, before)),
            error_denominator=str(_denominator(_total(state))),
            **found.said,
        )
        outputs = [recorded]
        if found.goes.leads and outcome.kind == "lead_returned":
            outputs += self._goes_again(state, outcome, found.goes)
        elif found.goes.leads:
            outputs += self._goes_to(state, outcome, found)
        return outputs + self._release(state, outcome.created_at)

    def _outcome_rows(self, state: State, before: arithmetic.Amounts) -> Iterable[Json]:
        for name, member in sorted(state.members.items()):
            row: Json = {
                "assignee_id": name,
                "weight": arithmetic.plain_decimal(member.weight),
                "paused": member.paused,
                "cumulative_error_before": arithmetic.twelve_decimals(before[name]),
                **_error_after(member.error, _total(state)),
            }
            if state.has_rules:
                row["open_leads"] = member.open_leads
            yield row

    def _goes_to(self, state: State, outcome: Outcome, found: outcomes.Found) -> list[Json]:
        """The lead goes to somebody who is named."""
        goes, taker = found.goes, outcome.to_assignee_id or outcome.assignee_id
        return self._dispatch_by_rules(
            state,
            goes,
            outcome.created_at,
            released=found.was_parked,
            divide=lambda: (
                rules.hand_over(state, goes.leads, taker)
                if found.charged
                else rules.divide(state, goes.leads, forced_to=taker)
            ),
            remembered=found.was_parked,
        )

    def _goes_again(self, state: State, outcome: Outcome, goes: Parked) -> list[Json]:
        ((skills, kinds, _),) = rules.told_apart(state, goes.leads)
        if rules.can_take(state, skills, goes.excluded, goes.leads):
            return self._dispatch_by_rules(
                state, goes, outcome.created_at, released=False, remembered=False
            )
        _, _, rows, _ = rules.divide(state, goes.leads, goes.excluded)
        decision = _batch_decision(state, "batch_parked", outcome.created_at, goes)
        state.parked.append(replace(goes, skills=skills, kinds=kinds))
        # From here on not everybody may take everything.
        state.has_rules = True
        return [{**decision, "groups": rows, "groups_complete": True}]

    # --- Roster changes -----------------------------------------------------------------

    def _change(self, state: State, change: Change) -> list[Json]:
        known = {"channel": state.channel, "change_id": change.change_id}
        if change.change_id in state.changes:
            if state.changes[change.change_id] != change.content:
                raise RefusedError("change_id_reused", "another change under a known id", **known)
            ignored = _decision(
                state, "duplicate_ignored", change.created_at, change_id=change.change_id
            )
            return [ignored]
        refuse_if_not_applicable(state, change)
        before = state.errors()
        state.set_errors(arithmetic.rounded_to_units(before, state.ranked()))
        apply(state, change)
        state.observe(correction=change.kind == "cumulative_error_corrected")
        state.roster_version += 1
        _remember(state.changes, change.change_id, change.content, self.remembered)
        rows = [
            {
                "assignee_id": member,
                "weight": arithmetic.plain_decimal(assignee.weight),
                "paused": assignee.paused,
                "cumulative_error_before": arithmetic.twelve_decimals(
                    before.get(member, Fraction(0))
                ),
                "routes_to": assignee.routes_to,
                **_error_after(assignee.error, Fraction(1, 10**6)),
            }
            for member, assignee in sorted(state.members.items())
        ]
        decision = _decision(
            state,
            "roster_changed",
            change.created_at,
            change_id=change.change_id,
            shares=rows,
            error_denominator=str(_denominator(Fraction(1, 10**6))),
        )
        return [decision, *self._release(state, change.created_at)]


def replayed(events: Iterable[Json | str | bytes]) -> tuple[list[Json], dict[str, State]]:
    """All outputs of the events in order, and the state of each channel at the end."""
    replayer = Replayer()
    outputs = [output for event in events for output in replayer.feed(event)]
    return outputs, replayer.states


def _held_up(state: State) -> bool:
    """Whether there is anything that may keep somebody active from a lead."""
    return bool(state.required_skills) or any(
        member.limits or member.per_day is not None or member.open_max is not None
        for member in state.members.values()
    )


def _batches_in(outputs: list[Json]) -> list[Json]:
    return [output for output in outputs if output["type"] == "lead_batch"]


def _ids_in(outputs: list[Json]) -> set[str]:
    """The leads that go to somebody, or on."""
    ids = {each["lead_id"] for each in outputs if each["type"] == "lead_assigned"}
    return ids | {lead["lead_id"] for each in _batches_in(outputs) for lead in each["leads"]}


def _sorted_out(batch: Batch, value_attribute: str | None) -> tuple[list[Lead], list[RefusedError]]:
    """The leads that can be dispatched, and why the others can't; places count from 1."""
    leads: dict[str, Lead] = {}
    worthless: set[str] = set()
    refusals = []
    for place, value in enumerate(batch.leads, start=1):
        known: dict[str, object] = {
            "channel": batch.channel,
            "batch_id": batch.batch_id,
            "position": place,
        }
        try:
            lead = checked_lead(value)
        except ValueError as error:
            refusals.append(RefusedError("invalid_lead", str(error), **known))
            continue
        if lead.lead_id in leads or lead.lead_id in worthless:
            refusals.append(RefusedError("duplicate_lead", "a second time in this batch", **known))
            continue
        try:
            if value_attribute is not None:
                values.checked_value(lead.attributes.get(value_attribute))
        except ValueError as error:
            refusals.append(RefusedError("invalid_lead", str(error), **known))
            worthless.add(lead.lead_id)
        else:
            leads[lead.lead_id] = lead
    return list(leads.values()), refusals


def _remember(window: Window, name: str, content: object, size: int) -> None:
    window[name] = content
    if len(window) > size:
        del window[next(iter(window))]


def _decision(state: State, kind: str, decided_at: str, **fields: object) -> Json:
    """A decision; every one raises the state version by one."""
    state.state_version += 1
    return {
        "type": kind,
        "schema_version": 1,
        "channel": state.channel,
        "state_version": state.state_version,
        "roster_version": state.roster_version,
        "decided_at": decided_at,
        **fields,
    }


def _batch_decision(state: State, kind: str, decided_at: str, parked: Parked) -> Json:
    size = len(parked.leads)
    return _decision(state, kind, decided_at, batch_id=parked.batch_id, batch_size=size)


def _assignments(decision: Json, leads: list[Lead], takers: list[str]) -> list[Json]:
    version = decision["state_version"]
    return [
        {
            "type": "lead_assigned",
            "schema_version": 1,
            "assignment_id": f"{decision['channel']}/{version}/{lead.lead_id}",
            "channel": decision["channel"],
            "batch_id": decision["batch_id"],
            "lead_id": lead.lead_id,
            "assignee_id": taker,
            "position": position,
            "batch_size": decision["batch_size"],
            "state_version": version,
            "decided_at": decision["decided_at"],
            "attributes": lead.attributes,
        }
        for position, (lead, taker) in enumerate(zip(leads, takers, strict=True), start=1)
    ]


def _total(state: State) -> Fraction:
    """The sum of the active weights, or a millionth where there is none."""
    return sum(state.active_weights().values(), Fraction(0)) or Fraction(1, 10**6)


def _denominator(total: Fraction) -> int:
    """Sum of active weights in millionths, times 10^12."""
    return int(total * 10**6) * 10**12


def _error_after(error: Fraction, total: Fraction) -> dict[str, str]:
    """The error for people, and its exact numerator over the decision's denominator."""
    numerator = error * _denominator(total)
    if numerator.denominator != 1:
        raise AssertionError("an error is not a multiple of its unit")
    return {
        "cumulative_error_after": arithmetic.twelve_decimals(error),
        "cumulative_error_numerator": str(numerator),
    }
