"""Why a lead went to whom it went to: every time that it was assigned, from the log alone.

In: the lines of the log, each `lead_assigned` before the decision that it belongs to (so they
stand in the output of `partidor replay`; of the topics, assignments are read first). Out: one
explanation for each time, as plain values: when, who could take it, the four steps, the order
within the batch, since when it waited, and whether all of it is the same when it is divided again.
Where it went on to another channel, each level is explained; that takes the lead batches that the
dispatcher sent on, each before its decision. Pure; attributes are looked at for the skills that
they ask, and not kept.
"""

from collections.abc import Sequence
from typing import Final

from streams.audit.checking import (
    Assigned,
    Difference,
    Place,
    assigned_in,
    differences,
    order_differences,
    own_differences,
    places,
)
from streams.audit.decision_log import Json, Ledger, Unreadable, decision_of, is_measured
from streams.audit.going_on import (
    GoneOn,
    as_assigned,
    counts_differ,
    gone_on,
    place_gone_on,
    places_with_gaps,
    routed_differences,
    went_on,
)
from streams.audit.measuring import measured_told, recompute_measured, takers_differ
from streams.audit.recomputing import Recomputed, Roster, members_before, recompute
from streams.audit.telling import exact_text, group_told, in_group

BATCHES_OPEN_MAX: Final = 64
"""Batches whose assignments are held until the last of them comes."""


_Key = tuple[str, int]
"""Channel and state version: what the assignments of a batch share."""


class Inquiry:
    """One question about one lead."""

    def __init__(self, lead_id: str, channel: str | None = None) -> None:
        """About a lead, in one channel or in all."""
        self.lead_id = lead_id
        self._channel = channel
        self._open: dict[_Key, dict[int, Assigned]] = {}
        self._found: dict[_Key, dict[int, Assigned]] = {}
        self._gone_on: dict[_Key, GoneOn] = {}
        self._ledgers: dict[str, Ledger] = {}
        self.explanations: list[Json] = []
        self.outcomes: list[Json] = []

    @property
    def channels(self) -> set[str]:
        """Where the lead was assigned or sent on, so far."""
        return {channel for channel, _ in [*self._found, *self._gone_on]}

    def assignment(self, value: bytes) -> None:
        """The next `lead_assigned`; what isn't one is passed over."""
        read = assigned_in(value)
        if read is None or self._channel not in (None, read.channel):
            return
        key = (read.channel, read.state_version)
        batch = self._found.get(key)
        if batch is None:
            batch = self._open.setdefault(key, {})
        batch[read.position] = read
        if read.lead_id == self.lead_id:
            self._found[key] = self._open.pop(key, batch)
        elif len(self._open) > BATCHES_OPEN_MAX or len(batch) == read.batch_size:
            # It is complete, or was begun so long ago that no more of it can come.
            self._open.pop(key if len(batch) == read.batch_size else next(iter(self._open)), None)

    def batch(self, value: bytes) -> None:
        """The next `lead_batch`; what the dispatcher didn't send on is passed over."""
        found = gone_on(value, self.lead_id)
        if found is not None and self._channel in (None, found.source):
            self._gone_on[found.source, found.state_version] = found

    def decision(self, value: bytes) -> None:
        """The next decision; what isn't one is passed over. Raises Unreadable."""
        decision = decision_of(value)
        if decision is None or self._channel not in (None, decision["channel"]):
            return
        channel = decision["channel"]
        ledger = self._ledgers.setdefault(channel, Ledger(channel))
        if not ledger.turn_to(decision):
            return
        if decision.get("lead_id") == self.lead_id:
            self.outcomes.append(_outcome(decision))
        key = (channel, decision["state_version"])
        batch, gone = self._found.pop(key, None), self._gone_on.pop(key, None)
        if (batch or gone) and decision["type"] == "batch_dispatched":
            leads = [batch[position] for position in sorted(batch)] if batch else []
            try:
                told = _explanation(self.lead_id, leads, gone, ledger, decision)
                self.explanations += [told] if told else []
            except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                version = decision["state_version"]
                text = f"decision {version} of channel {channel} can't be read: {error!r}"
                raise Unreadable(text) from None
        ledger.apply(decision)

    def finish(self) -> None:
        """No more comes: what was assigned without its decision in the log is said too."""
        for (_, _), batch in sorted(self._found.items()):
            lead = next(lead for lead in batch.values() if lead.lead_id == self.lead_id)
            missing = "the log doesn't hold the decision of this batch"
            self.explanations.append({**_head(lead), "checked": None, "not_known": [missing]})
        self._found.clear()
        # From the top down, whatever partition was read first.
        if any("went_on_to" in told for told in self.explanations):
            self.explanations.sort(key=lambda told: str(told["channel"]).count("/"))


def _outcome(decision: Json) -> Json:
    names = (
        "channel", "state_version", "decided_at", "outcome_type", "assignee_id", "to_assignee_id",
        "reason", "changed_by", "credited", "dispatched_again",
    )  # fmt: skip
    return {name: decision[name] for name in names if decision.get(name) is not None}


def _head(lead: Assigned) -> Json:
    return {
        "channel": lead.channel,
        "lead_id": lead.lead_id,
        "assignee_id": lead.assignee_id,
        "assignment_id": f"{lead.channel}/{lead.state_version}/{lead.lead_id}",
        "decided_at": lead.decided_at,
        "batch_id": lead.batch_id,
        "position": lead.position,
        "batch_size": lead.batch_size,
        "state_version": lead.state_version,
    }


def _explanation(
    lead_id: str,
    leads: Sequence[Assigned],
    gone: GoneOn | None,
    ledger: Ledger,
    decision: Json,
) -> Json | None:
    """One time that the lead was assigned; `leads` are those of its batch that are there.

    If it has `gone` on, they are not looked at. None where the decision knows nothing of that.
    """
    lead = next((each for each in leads if each.lead_id == lead_id), None)
    if lead is None and gone is not None:
        lead = as_assigned(gone, decision)
    if lead is None:
        return None
    if lead in leads:
        gone = None
    told: Json = _head(lead)
    if gone is not None:
        told |= {"assignment_id": None, "position": None}
        told |= {"went_on_to": gone.routes_to, "went_on_in": gone.batch_id}
    told["dispatched_because"] = _again(ledger, decision)
    told["parked"] = _parked(ledger, decision)
    roster = members_before(ledger, decision)
    not_known: list[str] = []
    if isinstance(roster, str):
        not_known.append(roster)
        found = own_differences(decision)
        told["shares"] = [_own_row(row, decision) for row in decision["shares"]]
    elif is_measured(decision):
        found = _measured(told, not_known, roster, ledger, decision, leads, lead)
    else:
        again = recompute(roster, decision)
        found = differences(decision, again)
        names = (ledger.rules or {}).get("required_skills", ())
        if gone is not None:
            leads = [lead]
            where = _place_gone_on(gone, lead, decision, again, names)
        elif went_on(decision):
            where = places_with_gaps(decision, again, leads, names)
        else:
            where = places(decision, again.groups, leads, names)
        if where is None:
            not_known.append("not all assignments of the batch fit its groups, or are there")
            if len(again.groups) == 1:
                told |= group_told(again, again.groups[0])
        else:
            found += order_differences(again, leads, where)
            told |= in_group(again, where[leads.index(lead)], lead)
    found += counts_differ(leads, decision) if gone is None else []
    found += routed_differences(decision)
    told["checked"] = False if found else None if not_known else True
    told["differences"] = [each._asdict() for each in found]
    told["not_known"] = not_known
    return told


def _measured(
    told: Json,
    not_known: list[str],
    roster: Roster,
    ledger: Ledger,
    decision: Json,
    leads: Sequence[Assigned],
    lead: Assigned,
) -> list[Difference]:
    """Where leads count by value, or limits are about them."""
    again = recompute_measured(roster, decision, leads, ledger)
    if isinstance(again, str):
        not_known.append(again)
        told["shares"] = [_own_row(row, decision) for row in decision["shares"]]
        return own_differences(decision)
    told |= group_told(again.batch, again.batch.groups[again.groups[lead.position - 1]])
    told["measured"] = measured_told(again, lead, decision)
    return differences(decision, again.batch) + takers_differ(again, leads)


def _place_gone_on(
    gone: GoneOn, lead: Assigned, decision: Json, again: Recomputed, names: Sequence[str]
) -> list[Place] | None:
    place = place_gone_on(gone, lead, decision, again, names)
    return None if place is None else [place]


def _again(ledger: Ledger, decision: Json) -> Json | None:
    """The outcome that this batch of one lead follows from, if it does."""
    previous = ledger.previous
    if previous is None or "outcome_type" not in previous:
        return None
    # Both decisions are about one input.
    return _outcome(previous) if previous.get("input") == decision.get("input") else None


def _parked(ledger: Ledger, decision: Json) -> Json | None:
    """Since when and why its leads waited; None if they didn't."""
    previous = ledger.previous
    if previous is None or not (
        previous["type"] == "batch_released" or "unparked_batch_id" in previous
    ):
        # In channels with rules the decision says so, wherever the log begins.
        return {"since": None} if decision.get("released") else None
    asked = [group.get("required_skills") for group in decision.get("groups") or ()]
    waited = [
        entry
        for entry in ledger.released
        if not entry.groups
        or any(group["parked"] and group.get("required_skills") in asked for group in entry.groups)
    ] or ledger.released
    if not waited:
        return {"since": None, "released_by": _cause(ledger.cause)}
    reasons = {
        group["parked_because"]
        for group in waited[0].groups
        if group.get("parked_because") and group.get("required_skills") in asked
    }
    return {
        "since": waited[0].decided_at,
        "state_version": waited[0].state_version,
        "because": sorted(reasons or {"nobody_active"}),
        "released_by": _cause(ledger.cause),
    }


def _cause(decision: Json | None) -> Json | None:
    if decision is None:
        return None
    names = (
        "type", "state_version", "decided_at", "change_type", "assignee_id", "by_timer", "reason",
        "changed_by", "outcome_type", "day", "batch_id",
    )  # fmt: skip
    return {name: decision[name] for name in names if decision.get(name) is not None}


def _own_row(row: Json, decision: Json) -> Json:
    return {
        "assignee_id": row["assignee_id"],
        "weight": row["weight"],
        "cumulative_error_before": row["cumulative_error_before"],
        "fair_share": row["fair_share"],
        "ideal": row["ideal"],
        "assigned": row["assigned"],
        "cumulative_error_after": row["cumulative_error_after"],
        "cumulative_error_after_exact": exact_text(
            int(row["cumulative_error_numerator"]), int(decision["error_denominator"])
        ),
    }
