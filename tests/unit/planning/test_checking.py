"""The independent check: a sound plan passes, and nothing in it can be changed unnoticed."""

import copy
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import pytest

import streams.planning
from dispatcher.planning.m2_greatest_profit import greatest_profit
from dispatcher.planning.rates import EXPONENTIAL
from streams.failure import Failed
from streams.planning.checking import check, check_file
from streams.planning.exact_curves import curve_of, exponential, linear
from streams.planning.exact_tables import exact, read_tables
from streams.planning.loading import load_network
from streams.planning.reported import read_plans
from streams.planning.summary import document_of

DATA: Final = Path(streams.planning.__file__).parent / "data"
DUMMY: Final = DATA / "dummy"
Json = dict[str, Any]
Path_ = tuple[str | int, ...]

LOANS: Final = {"7": "3A", "4": "3A", "2": "1C", "9": "1C", "11": "1C", "13": "6B", "5": "6B",
                "10": "6B"}  # fmt: skip


def banker(banker_id: str, branch_id: str, capacity: float, cost: float) -> Json:
    """Full to the last unit."""
    return {"banker_id": banker_id, "branch_id": branch_id, "capacity": capacity,
            "assigned_value": capacity, "unused_capacity": 0, "cost": cost}  # fmt: skip


def branch(branch_id: str, capacity: float, target: float, value: float, part: float) -> Json:
    """With the part of its value that is in investment loans."""
    return {"branch_id": branch_id, "capacity": capacity, "target_value": target,
            "assigned_value": value, "investment_value": part}  # fmt: skip


def made_by_hand() -> Json:
    """Three bankers of the dummy, full: not the best profit, and it doesn't say so."""
    return {
        "model": "m2", "status": "feasible", "target": 0.11,
        "objective": 104.9445363, "bound": 138.9650766, "gap": 0.3241763841,
        "rate": 12, "seconds": 0.1, "money": "units",
        "cost": 30.0554637, "revenue": 135, "profit": 104.9445363,
        "bankers_assigned": 3, "unused_capacity": 0,
        "bankers": [banker("1", "C", 750, 9.9280451), banker("3", "A", 500, 9.3659089),
                    banker("6", "B", 1000, 10.7615097)],
        "branches": [branch("A", 1000, 110, 500, 0), branch("B", 5000, 550, 1000, 300),
                     branch("C", 3500, 385, 750, 150)],
        "loans": [{"loan_id": loan, "branch_id": at[1], "banker_id": at[0]}
                  for loan, at in LOANS.items()],
    }  # fmt: skip


def breaches(plan: Json, directory: Path = DUMMY) -> list[str]:
    """With the rule before each."""
    (reported,) = read_plans(json.dumps(plan).encode())
    rules = check(reported, read_tables(directory))
    return [f"{rule.rule}: {each}" for rule in rules for each in rule.breaches]


def test_a_sound_plan_passes() -> None:
    """Every rule was applied to something."""
    (reported,) = read_plans(json.dumps(made_by_hand()).encode())
    rules = check(reported, read_tables(DUMMY))
    assert [(rule.rule, rule.count, rule.breaches) for rule in rules] == [
        ("ids", 14, []), ("(2), (3)", 8, []), ("(4)", 3, []), ("(5)", 3, []), ("(6)", 3, []),
        ("(7)", 3, []), ("(8), (9)", 8, []), ("(10)", 3, []), ("(11)", 1, []), ("bankers", 3, []),
        ("branches", 3, []), ("totals", 6, []), ("bound", 1, []),
    ]  # fmt: skip


def give(loan: str, at: str) -> Callable[[Json], None]:
    """One loan more."""
    return lambda plan: plan["loans"].append(
        {"loan_id": loan, "banker_id": at[0], "branch_id": at[1]}
    )


def move(banker_id: str, to: str) -> Callable[[Json], None]:
    """A banker and all their loans."""

    def moved(plan: Json) -> None:
        for each in plan["bankers"] + plan["loans"]:
            if each["banker_id"] == banker_id:
                each["branch_id"] = to

    return moved


def put(*path: str | int, value: object) -> Callable[[Json], None]:
    """Another value in one place."""

    def changed(plan: Json) -> None:
        within: Any = plan
        for step in path[:-1]:
            within = within[step]
        within[path[-1]] = value

    return changed


def both(*changes: Callable[[Json], None]) -> Callable[[Json], None]:
    """One after the other."""

    def changed(plan: Json) -> None:
        for change in changes:
            change(plan)

    return changed


WRONG: Final[dict[str, tuple[Callable[[Json], None], str]]] = {
    "a loan that is not there": (
        give("99", "3A"), "ids: loan 99 of the plan is not in loans.csv"),
    "a banker who is not there": (
        put("bankers", 0, "banker_id", value="9"),
        "ids: banker 9 of the plan is not in bankers.csv"),
    "a branch that is not there": (
        put("branches", 0, "branch_id", value="D"),
        "ids: branch D of the plan is not in branches.csv"),
    "another network": (
        put("money", value="dollars"), "ids: the plan is in dollars, the tables are in units"),
    "a loan twice": (give("7", "6B"), "(2), (3): loan 7 goes out 2 times"),
    "a banker at two branches": (
        lambda plan: plan["bankers"].append(banker("3", "B", 500, 10.3659089)),
        "(4): banker 3 works 2 times: at A, B"),
    "a banker beyond their capacity": (
        give("14", "3A"),
        "(5): banker 3 processes 600, more than their capacity of 500"),
    "a branch beyond its capacity": (
        both(move("6", "A"), put("target", value=0)),
        "(6): branch A gets 1,500, more than its capacity of 1,000"),
    "a target that is missed": (
        put("target", value=0.2001),
        "(7): branch B gets 1,000, less than its target of 1,000.5"),
    "a loan at a branch where its banker isn't": (
        put("loans", 0, "branch_id", value="C"),
        "(8), (9): loan 7 is at branch C, but its banker 3 works at A"),
    "a loan with a banker who works nowhere": (
        give("14", "4C"),
        "(8), (9): loan 14 is at branch C, but its banker 4 works nowhere"),
    "too much investment": (
        both(put("loans", 6, "banker_id", value="3"), put("loans", 6, "branch_id", value="A")),
        "(5): banker 3 processes 800, more than their capacity of 500"),
    "more than half investment": (
        lambda plan: plan["loans"].__delitem__(5),
        "(10): branch B has 300 in investment loans, more than half of its 400"),
    "a rate beyond 24 per cent": (put("rate", value=24.5), "(11): the rate is 24.5 per cent"),
    "no rate": (put("rate", value=None), "(11): m2 has no rate"),
    "a banker's capacity": (
        put("bankers", 0, "capacity", value=800),
        "bankers: banker 1: capacity is 800, and should be 750"),
    "a banker's cost": (
        put("bankers", 2, "cost", value=8.7615097),
        "bankers: banker 6: cost is 8.7615097, and should be 10.7615097"),
    "a branch that is missing": (
        lambda plan: plan["branches"].__delitem__(1), "branches: branch B has 0 lines, not one"),
    "a branch's investment": (
        put("branches", 1, "investment_value", value=0),
        "branches: branch B: investment_value is 0, and should be 300"),
    "a missing total": (
        put("cost", value=None), "totals: the plan: cost is missing; it is 30.0554637"),
    "the number of bankers": (
        put("bankers_assigned", value=4),
        "totals: the plan: bankers_assigned is 4, and should be 3"),
    "an objective by a thousandth": (
        put("objective", value=105.05),
        "totals: the plan: objective is 105.05, and should be 104.9445363"),
    "the objective of another model": (
        put("model", value="m3"),
        "totals: the plan: objective is 104.9445363, and should be 34.9815121"),
    "profit per banker of nobody": (
        lambda plan: plan.update(model="m3", bankers=[], loans=[]),
        "totals: m3 is a profit per banker, and nobody works"),
    "a bound on the wrong side": (
        put("bound", value=104.9),
        "bound: the objective of 104.9445363 is better than its bound of 104.9"),
    "a gap that isn't the distance": (
        put("gap", value=0.0001), "bound: the plan: gap is 0.0001, and should be 0.324176384"),
    "no gap": (put("gap", value=None), "bound: there is a bound and no gap"),
    "no objective": (
        put("objective", value=None), "bound: the plan is feasible and has no objective"),
    "optimal without a bound": (
        lambda plan: plan.update(status="optimal", bound=None),
        "bound: the plan is called optimal and has no bound"),
    "a gap without a bound": (
        put("bound", value=None), "bound: the gap is 0.3241763841, without a bound"),
    "an infeasible plan with loans": (
        put("status", value="infeasible"),
        "nothing: the plan is infeasible and allocates all the same"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_every_kind_of_breach_is_named(what: str) -> None:
    """With the ids and the figures."""
    change, sentence = WRONG[what]
    plan = made_by_hand()
    change(plan)
    assert any(each.startswith(sentence) for each in breaches(plan)), breaches(plan)


def leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Whatever stands in a plan."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in items:
            yield from leaves(each, (*path, key))
    else:
        yield path, value


def test_no_figure_can_be_changed_unnoticed() -> None:
    """By a hundred-thousandth of itself, or to something where it was 0."""
    plan = made_by_hand()
    figures = [(path, value) for path, value in leaves(plan) if isinstance(value, int | float)]
    assert len(figures) == 11 + 3 * 4 + 3 * 4
    for path, value in figures:
        if path in (("seconds",), ("rate",), ("bankers_assigned",)):
            continue  # nobody knows; the rate is at the top of its curve; a whole number (above)
        changed = copy.deepcopy(plan)
        put(*path, value=value * 1.00001 or 0.01)(changed)
        assert breaches(changed), path


def test_no_line_can_be_left_out_or_doubled_and_no_id_changed() -> None:
    """Not even to another one that exists."""
    plan = made_by_hand()
    for table in ("bankers", "branches", "loans"):
        for at in range(len(plan[table])):
            without, twice = copy.deepcopy(plan), copy.deepcopy(plan)
            del without[table][at]
            twice[table].append(twice[table][at])
            assert breaches(without), (table, at)
            assert breaches(twice), (table, at)
    others = {"banker_id": ["4"], "branch_id": ["A", "B", "C"], "loan_id": ["14"]}
    for path, value in leaves(plan):
        for other in others.get(str(path[-1]), []):
            if other != value:
                changed = copy.deepcopy(plan)
                put(*path, value=other)(changed)
                assert breaches(changed), (path, other)


def test_a_limit_may_be_met_exactly_and_not_be_missed_by_a_billionth(tmp_path: Path) -> None:
    """0.11 of 5,000 is 550 here, though not for a computer; sums of cents come out even."""
    assert 0.07 * 100 > 7
    for name in ("bankers", "branches", "distances", "loans"):
        (tmp_path / f"{name}.csv").write_text((DUMMY / f"{name}.csv").read_text())
    assert breaches(made_by_hand(), tmp_path) == []
    loans = (DUMMY / "loans.csv").read_text()
    (tmp_path / "loans.csv").write_text(loans.replace("13,600,", "13,600.000000001,"))
    assert breaches(made_by_hand(), tmp_path) == [
        "(5): banker 6 processes 1,000.000000001, more than their capacity of 1,000"
    ]
    plan = made_by_hand()
    plan["target"], plan["branches"][1]["target_value"] = 0.2, 1000
    plan["branches"][0]["target_value"], plan["branches"][2]["target_value"] = 200, 700
    assert breaches(plan) == []
    assert breaches(plan, tmp_path) != []
    plan["target"] = 0.2000000000001
    assert breaches(plan) == ["(7): branch B gets 1,000, less than its target of 1,000.0000000005"]


def test_cost_and_revenue_are_recomputed_for_other_questions_too() -> None:
    """Least cost, least unused, an exponential R; from plans that models made."""
    data = load_network(DUMMY)
    plan = greatest_profit(data.network, 0.11, curve=EXPONENTIAL)
    text = document_of(data.network, plan, "m2", 0.0).model_dump_json().encode()
    (reported,) = read_plans(text)
    tables = read_tables(DUMMY)
    assert not any(rule.breaches for rule in check(reported, tables, exponential))
    assert any(rule.breaches for rule in check(reported, tables, linear))
    cheap = made_by_hand()
    cheap.update(model="m1", rate=None, objective=30.0554637, bound=30.0554637, gap=0)
    assert breaches(cheap) == []
    cheap.update(bound=29, gap=(30.0554637 - 29) / 30.0554637)
    assert breaches(cheap) == []
    cheap.update(bound=31, gap=0.03142647449)
    assert breaches(cheap)[0].startswith("bound: the objective of 30.0554637 is better")
    full = made_by_hand()
    full.update(model="least-unused", rate=None, objective=0, bound=0, gap=0)
    assert breaches(full) == []


def test_a_curve_may_be_a_table(tmp_path: Path) -> None:
    """Straight between its points; a rate outside it is said."""
    path = tmp_path / "curve.csv"
    path.write_text("rate,value\n0,1\n24,0\n8,0.5\n")
    curve = curve_of(str(path))
    assert (curve(Decimal(4)), curve(Decimal(16))) == (Fraction(3, 4), Fraction(1, 4))
    assert curve_of("linear")(Decimal(12)) == Fraction(1, 2)
    assert abs(curve_of("exponential")(Decimal(8)) - Fraction("0.36787944117144232160")) < 1e-18
    with pytest.raises(Failed, match="no value at the plan's rate of 30 per cent"):
        curve(Decimal(30))
    path.write_text("rate,value\n0,1\n")
    with pytest.raises(Failed, match="two or more points"):
        curve_of(str(path))


def test_both_readers_of_tables_see_the_same_network() -> None:
    """The one that models use and the one that checks them: all figures but for the last digits."""
    for directory in (DUMMY, DATA / "nab-victoria"):
        network, tables = load_network(directory).network, read_tables(directory)
        assert list(tables.banker_capacity) == list(network.banker_ids)
        assert list(map(float, tables.banker_capacity.values())) == list(network.banker_capacity)
        assert list(map(float, tables.branch_capacity.values())) == list(network.branch_capacity)
        assert list(map(float, tables.loan_amount.values())) == list(network.loan_amount)
        assert tables.money == network.money
        kinds = [loan_id in tables.investment for loan_id in network.loan_ids]
        assert kinds == list(network.loan_is_investment)
        for row, banker_id in enumerate(network.banker_ids):
            column = row % len(network.branch_ids)
            cost = tables.cost(banker_id, network.branch_ids[column])
            assert float(cost) == pytest.approx(network.cost[row, column], rel=1e-14)


def test_distances_in_km_are_those_of_the_great_circle() -> None:
    """By another formula than the models' data."""
    directory = DATA / "nab-victoria"
    network = load_network(directory, distance="km", travel_cost_per_km=2.5).network
    tables = read_tables(directory, cost_per_km=Decimal("2.5"))
    for row, banker_id in enumerate(network.banker_ids):
        travel = tables.travel(banker_id, network.branch_ids[row % 169])
        assert float(travel) == pytest.approx(network.travel[row, row % 169], rel=1e-8)
    with pytest.raises(Failed, match=r"distances\.csv says the distances"):
        read_tables(DUMMY, cost_per_km=Decimal(1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "this is no JSON"),
        (b'{"model": NaN}', "NaN is no number"),
        (b'{"model": "m1"}', "this is no plan: status: Field required"),
        (b"[1]", "this is no plan: all of it"),
        (b"\xff", "this is no JSON"),
    ],
)  # fmt: skip
def test_what_is_no_plan_is_refused(text: bytes, says: str) -> None:
    """In one line."""
    with pytest.raises(Failed, match=says):
        read_plans(text)


@pytest.mark.parametrize(
    ("table", "content", "says"),
    [
        ("loans", "loan_id,loan_amount,loan_type\n1,300,2\n", "loan_type of 1 is 2, neither 0"),
        ("loans", "loan_id,loan_amount,loan_type\n1,3e99,1\n", "not a number up to 1e30"),
        ("loans", "loan_id,loan_amount,loan_type\n1,3,1\n1,3,1\n", "loan_id 1 twice"),
        ("loans", "loan_id,loan_type\n1,1\n", "no column loan_amount"),
        ("loans", "loan_id,loan_amount,loan_type\n1,1\n", "can't be read as CSV"),
        ("branches", "id,capacity\n1,1\n", "no column branch_id"),
        ("distances", "banker_id,A,B,C\n1,1,1,1\n", "no row for banker 2"),
    ],
)
def test_a_table_that_is_wrong_ends_the_check(
    table: str, content: str, says: str, tmp_path: Path
) -> None:
    """It doesn't go on with what it doesn't understand."""
    for name in ("bankers", "branches", "distances", "loans"):
        (tmp_path / f"{name}.csv").write_text((DUMMY / f"{name}.csv").read_text())
    (tmp_path / f"{table}.csv").write_text(content)
    with pytest.raises(Failed, match=says):
        read_tables(tmp_path)
    (tmp_path / f"{table}.csv").unlink()
    with pytest.raises(Failed):
        read_tables(tmp_path)


def test_a_file_may_hold_plans_for_several_targets(tmp_path: Path) -> None:
    """Each is checked, those without an allocation too."""
    nothing = {"model": "m1", "status": "infeasible", "target": 0.9, "seconds": 0, "money": "units"}
    path = tmp_path / "plans.json"
    path.write_text(json.dumps([made_by_hand(), nothing]))
    results = check_file(path, DUMMY)
    assert [len(rules) for _, rules in results] == [13, 1]
    assert not any(rule.breaches for _, rules in results for rule in rules)
    assert exact(" 1.50 ") == Fraction(3, 2)
