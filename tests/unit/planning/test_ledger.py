"""What branches got and what of it is booked, whichever topic is read first."""

import json
import random

import msgspec
import pytest

from dispatcher.limits import Limits
from streams.planning import ledger as ledgers
from streams.planning.ledger import Ledger, Totals
from streams.replay import Replay
from tests.reference import events
from tests.support.records import Json

MILLION = 1_000_000
BY_VALUE = {"dispatch_by": "value", "value_attribute": "amount"}
REASONS = ["settled", "declined", "withdrawn"]


def outcome(kind: str, outcome_id: str, channel: str, **fields: object) -> Json:
    """An outcome."""
    event = events.change(kind, "", channel, outcome_id=outcome_id, **fields)
    del event["change_id"]
    return event


def bank() -> list[Json]:
    """A hub with two branches, one banker each."""
    found = [
        events.roster("r", {"B1": "1", "B2": "1"}, "loans"),
        events.change("channel_configured", "c", "loans", **BY_VALUE),
    ]
    for branch in ("B1", "B2"):
        below = f"loans/{branch}"
        found += [
            events.roster("r", {f"K-{branch}": "1"}, below),
            events.change("channel_configured", "c", below, **BY_VALUE),
            events.change("assignee_routed", branch, "loans", assignee_id=branch, routes_to=below),
        ]
    return found


def loan(lead_id: str, amount: object) -> Json:
    """A loan."""
    return {"lead_id": lead_id, "attributes": {"amount": amount}}


def outputs(inputs: list[Json]) -> list[bytes]:
    """What the dispatchers say to them."""
    return list(Replay(Limits()).lines(json.dumps(each).encode() for each in inputs))


def told(ledger: Ledger, values: list[bytes]) -> None:
    """Each record to the part that reads its topic."""
    for value in values:
        kind = json.loads(value)["type"]
        if kind == "lead_assigned":
            ledger.assignment(value)
        elif kind != "lead_batch":
            ledger.decision(value)


def where(values: list[bytes]) -> dict[str, str]:
    """The branch of each loan."""
    assigned = [json.loads(value) for value in values if b'"lead_assigned"' in value]
    return {each["lead_id"]: each["channel"].removeprefix("loans/") for each in assigned}


def closed(loan_id: str, branch: str, reason: str | None) -> Json:
    """It is done, for a reason."""
    fields = {} if reason is None else {"reason": reason}
    return outcome(
        "lead_closed", f"o-{loan_id}", f"loans/{branch}",
        lead_id=loan_id, assignee_id=f"K-{branch}", **fields,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_whichever_topic_is_read_first_the_totals_are_the_same(seed: int) -> None:
    """Decisions before assignments, after them, or mixed, each topic in its order."""
    rng = random.Random(seed)
    amounts = {f"L{n}": rng.choice([250_000, "600000.50", 1.5]) for n in range(30)}
    batch = events.lead_batch("b", [loan(*each) for each in amounts.items()], "loans")
    branches = where(outputs([*bank(), batch]))
    endings = [closed(each, branches[each], rng.choice(REASONS)) for each in sorted(amounts)[:20]]
    values = outputs([*bank(), batch, *endings, endings[0]])
    assignments = [value for value in values if b'"lead_assigned"' in value]
    decisions = [value for value in values if b'"lead_assigned"' not in value]
    mixed = sorted(
        [(rng.random(), value) for value in values], key=lambda each: each[0] * (seed % 2)
    )
    found = []
    for order in ([*assignments, *decisions], [*decisions, *assignments], [v for _, v in mixed]):
        ledger = Ledger("loans", "amount", ["settled"])
        told(ledger, order)
        found.append((ledger.totals.assigned, ledger.totals.booked, ledger.loans_open))
    assert found[0] == found[1] == found[2]
    for branch in ("B1", "B2"):
        reasons = {each["lead_id"]: each["reason"] for each in endings}
        theirs = {each: round(float(amounts[each]) * MILLION) for each in amounts
                  if branches[each] == branch}  # fmt: skip
        kept = [value for each, value in theirs.items() if reasons.get(each) in (None, "settled")]
        settled = [value for each, value in theirs.items() if reasons.get(each) == "settled"]
        assert found[0][0][branch] == sum(kept)
        assert found[0][1].get(branch, 0) == sum(settled)
    assert found[0][2] == 10


def test_without_reasons_all_that_is_closed_is_booked() -> None:
    """A source that only says that loans are done need not say more."""
    values = outputs([*bank(), events.lead_batch("b", [loan("L", 5)], "loans")])
    branch = where(values)["L"]
    ledger = Ledger("loans", "amount")
    told(ledger, values)
    told(ledger, outputs([*bank(), events.lead_batch("b", [loan("L", 5)], "loans"),
                          closed("L", branch, None)])[-1:])  # fmt: skip
    assert ledger.counted(booked_only=True) == {branch: 5 * MILLION}
    assert ledger.counted(booked_only=False)[branch] == 5 * MILLION


def test_what_is_given_back_or_moves_counts_where_it_is() -> None:
    """To the hub, which gives it to the other branch; from there by hand of a supervisor."""
    batch = events.lead_batch("b", [loan("L", 5)], "loans")
    branch = where(outputs([*bank(), batch]))["L"]
    other = {"B1": "B2", "B2": "B1"}[branch]
    attributes = {"amount": 5}
    back = outcome(
        "lead_returned", "o1", "loans",
        lead_id="L", assignee_id=branch, reason="full", attributes=attributes,
    )  # fmt: skip
    ledger = Ledger("loans", "amount")
    told(ledger, outputs([*bank(), batch, back]))
    assert ledger.totals.assigned == {branch: 0, other: 5 * MILLION}
    moved = outcome(
        "lead_reassigned", "o2", "loans",
        lead_id="L", assignee_id=other, to_assignee_id=branch, attributes=attributes,
    )  # fmt: skip
    ledger = Ledger("loans", "amount")
    told(ledger, outputs([*bank(), batch, back, moved]))
    assert ledger.totals.assigned == {branch: 5 * MILLION, other: 0}
    assert ledger.loans_open == 1


def test_what_was_kept_goes_on_as_if_nothing_had_happened() -> None:
    """Written and read between any two records."""
    batch = events.lead_batch("b", [loan(f"L{n}", 10 + n) for n in range(8)], "loans")
    branches = where(outputs([*bank(), batch]))
    values = outputs([*bank(), batch, *[closed(each, branches[each], None) for each in branches]])
    whole = Ledger("loans", "amount")
    told(whole, values)
    assert sum(whole.totals.booked.values()) == sum(range(10, 18)) * MILLION
    totals = Totals()
    for value in values:
        ledger = Ledger("loans", "amount", (), totals)
        told(ledger, [value])
        totals = msgspec.json.decode(msgspec.json.encode(ledger.totals), type=Totals)
    assert totals == whole.totals


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open loans are said; of closings of unknown loans the oldest are forgotten."""
    monkeypatch.setattr(ledgers, "LOANS_OPEN_MAX", 3)
    monkeypatch.setattr(ledgers, "CLOSED_EARLY_MAX", 2)
    batch = events.lead_batch("b", [loan(f"L{n}", 1) for n in range(4)], "loans")
    values = outputs([*bank(), batch])
    with pytest.raises(ledgers.Failed, match="over 3 loans are open"):
        told(Ledger("loans", "amount"), values)
    strangers = [closed(f"S{n}", "B1", None) for n in range(5)]
    ledger = Ledger("loans", "amount")
    told(ledger, outputs([*bank(), *strangers]))
    assert ledger.totals.closed_early == {"B1": {"S3": True, "S4": True}}


def test_strangers_records_are_passed_over() -> None:
    """What is no event, and other channels'."""
    ledger = Ledger("loans", "amount")
    ledger.decision(b"\xff")
    ledger.assignment(b"{}")
    told(ledger, outputs([events.roster("r", {"A": "1"}), events.lead_batch("b", 2)]))
    assert ledger.totals == Totals()
