"""What a roster change or an outcome does to everybody's cumulative error, computed again.

In: the ledger before a decision, ready for it, and the decision. Out: every difference between
what it lists and what it has to be. Pure. Batches are divided again in `recomputing`; how one
member's error moved is told in words by `movements`.
"""

from collections.abc import Iterator

from dispatcher.apportionment import spread
from dispatcher.roster import cancel, rounded_units
from schemas.scalars import UNITS_PER_LEAD, amount_units, decimal_text, weight_millionths
from streams.audit.checking import Difference
from streams.audit.decision_log import (
    Json,
    Ledger,
    by_rank,
    spread_by_weight_units,
    units_of,
)
from streams.audit.movements import measured_otherwise


def change_differences(ledger: Ledger, decision: Json) -> list[Difference]:
    """Of a `roster_changed`, which lists everybody; the ledger has to be complete."""
    ids = by_rank(ledger.channel, ledger.accounts)
    exact = [ledger.error(each) or 0 for each in ids]
    units = _units_after(ledger, decision, ids, exact)
    before = dict(zip(ids, exact, strict=True))
    one_lead = int(decision["error_denominator"])
    found = list(_leavers(ledger, decision, before))
    after_sum = 0
    for row in decision["shares"]:
        name = row["assignee_id"]
        numerator = units.get(name, 0) * (one_lead // UNITS_PER_LEAD)
        after_sum += int(row["cumulative_error_numerator"])
        found += _row(row, before.get(name, 0), ledger.denominator, numerator, one_lead)
    missing = units.keys() - {row["assignee_id"] for row in decision["shares"]}
    found += [Difference(f"{each} is listed", "no", "yes") for each in sorted(missing)]
    return found + _denominator(decision) + _sum(after_sum, one_lead)


def _units_after(
    ledger: Ledger, decision: Json, ids: list[str], exact: list[int]
) -> dict[str, int]:
    """Who was there and stays, in 10^-12; newcomers begin at 0."""
    units = rounded_units(exact, ledger.weight_sum)
    if measured_otherwise(ledger, decision):
        return dict.fromkeys(ids, 0)
    if decision["change_type"] == "cumulative_error_corrected":
        return _corrected(ledger, decision, ids, units)
    left = {leaver["assignee_id"] for leaver in decision.get("left") or ()}
    stay = [place for place, each in enumerate(ids) if each not in left]
    after = [units[place] for place in stay]
    gone = sum(unit for unit, each in zip(units, ids, strict=True) if each in left)
    if after:
        cancel(after, gone)
    return {ids[place]: unit for place, unit in zip(stay, after, strict=True)}


def _corrected(ledger: Ledger, decision: Json, ids: list[str], units: list[int]) -> dict[str, int]:
    after = dict(zip(ids, units, strict=True))
    amount, counter = amount_units(decision["amount"]), decision.get("counter_assignee_id")
    after[decision["assignee_id"]] += amount
    if counter is not None:
        after[counter] -= amount
        return after
    active = [each for each in ids if not ledger.accounts[each].paused]
    weights = [ledger.accounts[each].weight_millionths for each in active]
    for each, part in zip(active, spread(-amount, weights, sum(weights)), strict=True):
        after[each] += part
    return after


def _leavers(ledger: Ledger, decision: Json, before: dict[str, int]) -> Iterator[Difference]:
    for leaver in decision.get("left") or ():
        name = leaver["assignee_id"]
        if name not in before:
            yield Difference(f"{name}, who left, was a member", "yes", "no")
            continue
        expected = decimal_text(before[name], ledger.denominator)
        if leaver["cumulative_error_before"] != expected:
            what = f"cumulative_error_before of {name}, who left"
            yield Difference(what, leaver["cumulative_error_before"], expected)


def outcome_differences(ledger: Ledger, decision: Json) -> list[Difference]:
    """Of an `outcome_recorded`; the ledger has to be complete."""
    one_lead = int(decision["error_denominator"])
    value = decision.get("lead_value")
    counts = UNITS_PER_LEAD if value is None else units_of(value)
    moves = _moves(ledger, decision, counts * ledger.weight_sum)
    part = spread_by_weight_units(decision)
    found: list[Difference] = []
    after_sum = 0
    for row in decision["shares"]:
        name = row["assignee_id"]
        account = ledger.accounts.get(name)
        before = ledger.error(name) or 0
        after = before + moves.get(name, 0)
        if account is not None and not account.paused:
            after += part * account.weight_millionths
        after_sum += int(row["cumulative_error_numerator"])
        found += _row(row, before, ledger.denominator, after, one_lead)
    listed = {row["assignee_id"] for row in decision["shares"]}
    missing = sorted(moves.keys() - listed)
    found += [Difference(f"{each} is listed", "no", "yes") for each in missing]
    if part and part != counts:
        found.append(Difference("spread_by_weight", str(part), str(counts)))
    return found + (_sum(after_sum, one_lead) if decision.get("shares_complete") else [])


def _moves(ledger: Ledger, decision: Json, lead: int) -> dict[str, int]:
    """Who gives up what one lead counts, and who is charged with it."""
    who, taker = decision["assignee_id"], decision.get("to_assignee_id")
    if decision.get("credited"):
        return {who: -lead}
    if decision["outcome_type"] == "lead_reassigned" and who in ledger.accounts and taker:
        return {who: -lead, taker: lead}
    return {}


def _row(
    row: Json, before: int, denominator: int, after: int, one_lead: int
) -> Iterator[Difference]:
    expected = {
        "cumulative_error_before": decimal_text(before, denominator),
        "cumulative_error_after": decimal_text(after, one_lead),
        "cumulative_error_numerator": str(after),
    }
    for name, value in expected.items():
        if row.get(name) != value:
            yield Difference(f"{name} of {row['assignee_id']}", str(row.get(name)), value)


def _denominator(decision: Json) -> list[Difference]:
    weights = [weight_millionths(row["weight"]) for row in decision["shares"] if not row["paused"]]
    expected = (sum(weights) or 1) * UNITS_PER_LEAD
    if int(decision["error_denominator"]) == expected:
        return []
    return [Difference("error_denominator", decision["error_denominator"], str(expected))]


def _sum(after_sum: int, one_lead: int) -> list[Difference]:
    if not after_sum:
        return []
    return [Difference("sum of all errors", decimal_text(after_sum, one_lead), "0")]
