"""What is fuzzed of planning: tables of a network, plans, and what is read of the stream of loans.

As `targets`, which these are among: what isn't refused as promised is a finding.
"""

import json
from fractions import Fraction
from functools import cache
from typing import Final

import msgspec

from streams.failure import Failed
from streams.planning import checking, plan_files, reported
from streams.planning.exact_tables import Tables, read_tables
from streams.planning.ledger import Ledger
from streams.planning.loading import NetworkData, load_network
from streams.planning.loan_log import read_kept
from streams.settings import Settings
from tests.fuzz.scratch import scratch
from tests.support.networks import DUMMY

TABLES: Final = ("bankers", "branches", "loans", "distances", "periods")
BETWEEN_TABLES: Final = b"\n%\n"
_CLOSE: Final = 1e-9


def networks(data: bytes) -> None:
    """Tables of a network, as CSV: who reads them for the models, and who reads them to check."""
    directory = scratch() / "network"
    directory.mkdir(exist_ok=True)
    parts = data.split(BETWEEN_TABLES)
    for name, part in zip(TABLES, [*parts, *[b""] * len(TABLES)], strict=False):
        path = directory / f"{name}.csv"
        path.unlink(missing_ok=True)
        if part:
            path.write_bytes(part)
    try:
        exact = read_tables(directory)
    except Failed:
        exact = None
    try:
        network = load_network(directory).network
    except Failed:
        return
    if exact is not None and exact.money == network.money:
        _same(network.banker_ids, network.banker_capacity.tolist(), exact.banker_capacity)
        _same(network.branch_ids, network.branch_capacity.tolist(), exact.branch_capacity)
        _same(network.loan_ids, network.loan_amount.tolist(), exact.loan_amount)


def _same(ids: tuple[str, ...], values: list[float], exact: dict[str, Fraction]) -> None:
    """Both readers read the same."""
    assert set(ids) == set(exact)
    for each, value in zip(ids, values, strict=True):
        assert abs(value - float(exact[each])) <= _CLOSE * max(1.0, abs(value)), each


@cache
def _tables() -> Tables:
    return read_tables(DUMMY)


def plans(data: bytes) -> None:
    """Files of plans: to be checked, drawn or published."""
    path = scratch() / "plan.json"
    path.write_bytes(data)
    try:
        for plan in reported.read_plans(data):
            for checked in checking.check(plan, _tables()):
                assert checked.count >= 0
    except Failed:
        pass
    try:
        read = plan_files.read_plans([path])
    except Failed:
        return
    for plan in read:
        try:
            plan_files.check_belongs(plan, _dummy())
        except Failed:
            continue


@cache
def _dummy() -> NetworkData:
    return load_network(DUMMY)


def loan_logs(data: bytes) -> None:
    """What `plan follow` reads: decisions and assignments, a line each, and its own state file."""
    ledger = Ledger("loans", "amount")
    for line in data.split(b"\n")[:20]:
        ledger.decision(line)
        ledger.assignment(line)
    assert ledger.loans_open >= 0
    path = scratch() / "loans.json"
    path.write_bytes(data)
    try:
        kept = read_kept(path, _settings(), "loans")
    except Failed:
        return
    assert kept is not None
    again = Ledger("loans", "amount", totals=kept.totals)
    again.counted(booked_only=True)


@cache
def _settings() -> Settings:
    return Settings()


def network_seeds() -> list[bytes]:
    """The small network, with distances, and one with places and periods instead."""
    small = BETWEEN_TABLES.join((DUMMY / f"{name}.csv").read_bytes() for name in TABLES[:4])
    placed = BETWEEN_TABLES.join(
        [
            b"banker_id,salary_thousands,capacity_millions,latitude,longitude\n1,70,250,-37,145\n",
            b"branch_id,capacity,latitude,longitude,location\nA,1e6,-37.5,145.1,somewhere\n",
            b"loan_id,loan_amount,loan_type\n1,500000.5,0\n2,.5,1\n",
            b"",
            b"period,branch_id,demand_share\n1,A,0.25\n2,A,0.75\n",
        ]
    )
    return [small, placed, placed.replace(b",", b";"), placed.replace(b"\n", b"\r\n")]


def plan_seeds() -> list[bytes]:
    """A plan of the small network, one that is infeasible, and both."""
    plan = {
        "model": "m1", "status": "optimal", "target": 0.1, "objective": 29.0946598,
        "bound": 29.0946598, "gap": 0.0, "seconds": 0.1, "rate": None, "money": "units",
        "bankers_assigned": 1, "cost": 29.0946598, "revenue": None, "profit": None,
        "unused_capacity": 50.0,
        "bankers": [{"banker_id": "1", "branch_id": "C", "cost": 9.9, "capacity": 750.0,
                     "assigned_value": 700.0, "unused_capacity": 50.0}],
        "branches": [{"branch_id": "C", "capacity": 5000.0, "target_value": 500.0,
                      "assigned_value": 700.0, "investment_value": 300.0}],
        "loans": [{"loan_id": "1", "banker_id": "1", "branch_id": "C"}],
    }  # fmt: skip
    none = {**plan, "status": "infeasible", "objective": None, "bound": None, "gap": None,
            "bankers": [], "branches": [], "loans": [], "bankers_assigned": None}  # fmt: skip
    return [json.dumps(each).encode() for each in (plan, none, [plan, none])]


def loan_log_seeds() -> list[bytes]:
    """Decisions of a hub, an assignment of a branch, outcomes, and a state file."""
    shares = [{"assignee_id": "A", "assigned": 1, "assigned_value": "500000.000000000000"}]
    lines = [
        {"type": "batch_dispatched", "channel": "loans", "shares": shares},
        {"type": "lead_assigned", "channel": "loans/A", "lead_id": "L1",
         "attributes": {"amount": 500000.5}},
        {"type": "outcome_recorded", "outcome_type": "lead_closed", "channel": "loans/A",
         "lead_id": "L1", "reason": "booked"},
        {"type": "outcome_recorded", "outcome_type": "lead_returned", "channel": "loans",
         "lead_id": "L2", "assignee_id": "A", "lead_value": "7.000000000000"},
    ]  # fmt: skip
    totals = {"assigned": {"A": 1}, "booked": {}, "loans_open": {"A": {"L": 1}}, "closed_early": {}}
    state = {
        "type": "partidor_plan_ledger",
        "schema_version": 1,
        "application_id": _settings().application_id,
        "hub": "loans",
        "positions": {"dispatch.decisions": {"0": 3}},
        "totals": totals,
    }
    return [b"\n".join(map(msgspec.json.encode, lines)), msgspec.json.encode(state)]
