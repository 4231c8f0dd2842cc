"""What a decision does to one member's cumulative error, and why: a movement for each cause.

In: the ledger before a decision, the decision, an assignee. Out: the movements, exact, computed
from the rules of the channel; the decision's own figure after it is not used to find them, so that
it can be held against them. Pure.

An error is leads received minus fair shares, plus what roster changes did to it: so a movement
has leads, a fair share, and an adjustment.
"""

from fractions import Fraction
from typing import Final, NamedTuple

from dispatcher.apportionment import spread
from dispatcher.roster import cancel, rounded_units
from schemas.scalars import UNITS_PER_LEAD, amount_units, weight_millionths
from streams.audit.decision_log import (
    Account,
    Json,
    Ledger,
    by_rank,
    has_rules,
    is_measured,
    measured_by,
    received_units,
    spread_by_weight_units,
)
from streams.audit.recomputing import fair_share, members_before, recompute


class Movement(NamedTuple):
    """One line of a statement; amounts in leads, or in value where leads are divided by it.

    `leads` is below 0 where a lead was given back; `value` is what they count, None for one each.
    """

    what: str
    leads: int = 0
    fair_share: Fraction = Fraction(0)
    adjustment: Fraction = Fraction(0)
    value: Fraction | None = None

    @property
    def received(self) -> Fraction:
        """What the leads count."""
        return Fraction(self.leads) if self.value is None else self.value

    @property
    def amount(self) -> Fraction:
        """By how much the error rises."""
        return self.received - self.fair_share + self.adjustment


def row_of(decision: Json, assignee_id: str) -> Json | None:
    """Where a decision lists an assignee."""
    for row in decision.get("shares") or ():
        if row["assignee_id"] == assignee_id:
            found: Json = row
            return found
    return None


def movements(ledger: Ledger, decision: Json, assignee_id: str) -> list[Movement] | None:
    """The movements of a decision, in order; none for a decision that doesn't concern them.

    Args:
        ledger: before the decision, ready for it; it knows the assignee's error.

    Returns: None where the log doesn't reach back far enough to tell a roster change's causes.
    """
    kind = decision["type"]
    if kind == "batch_dispatched":
        return _batch(ledger, decision, assignee_id)
    if kind == "roster_changed":
        return _roster_change(ledger, decision, assignee_id)
    if "shares" in decision:
        return _outcome(ledger, decision, assignee_id)
    return []


def _batch(ledger: Ledger, decision: Json, assignee_id: str) -> list[Movement]:
    row = row_of(decision, assignee_id)
    account = ledger.accounts.get(assignee_id)
    leads = int(row["assigned"]) if row else 0
    one_lead = int(decision["error_denominator"])
    if has_rules(decision):
        due = _due_by_rules(ledger, decision, assignee_id, row)
    elif account is not None:
        due = fair_share(decision, account.weight_millionths, paused=account.paused)
    elif row is not None:  # the first that the log says of them
        due = fair_share(decision, weight_millionths(row["weight"]), paused=bool(row.get("paused")))
    else:
        return []
    if not leads and not due:
        return []
    size = decision["batch_size"]
    what = f"batch {decision['batch_id']}, {size} {'lead' if size == 1 else 'leads'}"
    value = None
    if row is not None and "assigned_value" in row:
        value = Fraction(received_units(row), UNITS_PER_LEAD)
    return [Movement(what, leads, Fraction(due, one_lead), value=value)]


def _due_by_rules(ledger: Ledger, decision: Json, assignee_id: str, row: Json | None) -> int:
    """Divided again where the log tells all it takes; else what the exact errors say."""
    if row is None:
        return 0
    roster = members_before(ledger, decision)
    # What leads are worth stands in their assignments, not here.
    if isinstance(roster, str) or is_measured(decision):
        before, after = ledger.error(assignee_id) or 0, int(row["cumulative_error_numerator"])
        units_per = int(decision["error_denominator"]) // UNITS_PER_LEAD
        return before + received_units(row) * units_per - after
    ranks = {member.assignee_id: rank for rank, member in enumerate(roster.members)}
    rank = ranks.get(assignee_id)
    return 0 if rank is None else recompute(roster, decision).accrued[rank]


def _outcome(ledger: Ledger, decision: Json, assignee_id: str) -> list[Movement]:
    """What became of a lead: whole leads for those it names, the rest spread by weight."""
    account = ledger.accounts.get(assignee_id)
    row = row_of(decision, assignee_id)
    part = 0
    if account is not None and not account.paused:
        part = spread_by_weight_units(decision) * account.weight_millionths
    found = []
    what = str(decision.get("outcome_type") or decision["type"]).replace("_", " ")
    if lead_id := decision.get("lead_id"):
        what += f", lead {lead_id}"
    if row is not None:
        before = ledger.error(assignee_id) or 0
        direct = Fraction(
            int(row["cumulative_error_numerator"]) - before - part, ledger.denominator
        )
        # A lead given back was received before; one that comes has an assignment of its own.
        stated = decision.get("lead_value")
        value = None if stated is None else Fraction(stated)
        gave_up = decision.get("assignee_id") == assignee_id and (
            decision.get("credited") or "to_assignee_id" in decision
        )
        if direct == (-1 if value is None else -value) and (direct or gave_up):
            found.append(Movement(what, leads=-1, value=None if value is None else direct))
        elif direct:
            found.append(Movement(what, adjustment=direct))
    if part:
        share = Fraction(-part, ledger.denominator)
        found.append(Movement(f"{what}: spread by weight", fair_share=share))
    return found


def _roster_change(ledger: Ledger, decision: Json, assignee_id: str) -> list[Movement] | None:
    """Rounding first, then what the change itself does."""
    was, row = ledger.accounts.get(assignee_id), row_of(decision, assignee_id)
    if was is None and row is None:
        return []
    what = _change_words(decision)
    if was is None:
        return [Movement(_about(decision, assignee_id, "joined"))] if ledger.complete else None
    if not ledger.complete:
        return None
    ids = by_rank(ledger.channel, ledger.accounts)
    exact = [ledger.error(each) or 0 for each in ids]
    units = rounded_units(exact, ledger.weight_sum)
    place = ids.index(assignee_id)
    rounding = _leads(units[place]) - Fraction(exact[place], ledger.denominator)
    found = [Movement(f"rounding: {what}", adjustment=rounding)] if rounding else []
    if measured_otherwise(ledger, decision):
        words = f"{what}: leads are measured otherwise, errors begin at 0"
        return [*found, Movement(words, adjustment=-_leads(units[place]))]
    if decision["change_type"] == "cumulative_error_corrected":
        return found + _correction(ledger, decision, assignee_id, ids)
    left = {leaver["assignee_id"] for leaver in decision["left"]}
    if assignee_id in left:
        words = _about(decision, assignee_id, "left") + ": settled among the others"
        return [*found, Movement(words, adjustment=-_leads(units[place]))]
    settled = _settled(ids, units, left, assignee_id)
    if settled:
        names = ", ".join(sorted(left))
        found.append(Movement(f"settlement of {names}, who left", adjustment=settled))
    elif decision.get("assignee_id") == assignee_id or _changed(was, row):
        found.append(Movement(what))
    return found


def measured_otherwise(ledger: Ledger, decision: Json) -> bool:
    """Whether leads count something else from here on; errors are 0 then."""
    if decision["change_type"] != "channel_configured":
        return False
    if ledger.rules_known:
        return measured_by(ledger.rules) != measured_by(decision.get("rules"))
    # The log begins after the last change of the rules: only then can all errors be 0.
    return all(row["cumulative_error_numerator"] == "0" for row in decision["shares"])


def _about(decision: Json, assignee_id: str, what: str) -> str:
    """What happened to a member, with the change that did it where that was about more."""
    words = _change_words(decision)
    return words if decision.get("assignee_id") == assignee_id else f"{what} ({words})"


def _changed(was: Account, row: Json | None) -> bool:
    """Whether a member's weight or presence is another."""
    if row is None:
        return False
    return (weight_millionths(row["weight"]), row["paused"]) != (was.weight_millionths, was.paused)


def _settled(ids: list[str], units: list[int], left: set[str], assignee_id: str) -> Fraction:
    """What leavers owed or were ahead, as far as it is cancelled against a member who stays."""
    stay = [place for place, each in enumerate(ids) if each not in left]
    after = [units[place] for place in stay]
    cancel(after, sum(unit for unit, each in zip(units, ids, strict=True) if each in left))
    place = ids.index(assignee_id)
    return _leads(after[stay.index(place)] - units[place])


def _correction(ledger: Ledger, decision: Json, assignee_id: str, ids: list[str]) -> list[Movement]:
    amount, counter = amount_units(decision["amount"]), decision.get("counter_assignee_id")
    corrected = decision["assignee_id"]
    why = f": {decision['reason']}" if decision.get("reason") else ""
    found = []
    if assignee_id == corrected:
        found.append(Movement(f"correction{why}", adjustment=_leads(amount)))
    entry = f"counter-entry of a correction of {corrected}{why}"
    if counter is not None:
        if assignee_id == counter:
            found.append(Movement(entry, adjustment=_leads(-amount)))
        return found
    active = [each for each in ids if not ledger.accounts[each].paused]
    if assignee_id in active:
        weights = [ledger.accounts[each].weight_millionths for each in active]
        part = spread(-amount, weights, sum(weights))[active.index(assignee_id)]
        if part:
            found.append(Movement(entry, adjustment=_leads(part)))
    return found


_CHANGES: Final = {
    "assignee_joined": "{} joined",
    "assignee_left": "{} left",
    "weight_changed": "weight of {} changed",
    "assignee_paused": "{} paused",
    "assignee_resumed": "{} resumed",
    "roster_replaced": "roster replaced",
    "cumulative_error_corrected": "correction of {}",
    "capacity_changed": "capacity of {} changed",
    "skills_changed": "skills of {} changed",
    "assignee_routed": "route of {} changed",
    "limits_changed": "limits of {} changed",
    "channel_configured": "rules of the channel changed",
}


def _change_words(decision: Json) -> str:
    kind = str(decision["change_type"])
    words = _CHANGES.get(kind, kind.replace("_", " ")).format(decision.get("assignee_id"))
    return words + (f" ({decision['reason']})" if decision.get("reason") else "")


def _leads(units: int) -> Fraction:
    return Fraction(units, UNITS_PER_LEAD)
