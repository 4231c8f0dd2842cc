"""`partidor plan solve`, `compare` and `periods`: what they print, and what they refuse."""

import json
from pathlib import Path

import pytest

from tests.support.networks import DUMMY
from tests.unit.cli.conftest import Partidor


def test_a_plan_is_printed_with_its_proof_and_who_works_where(partidor: Partidor) -> None:
    """The dummy instance at 10 %."""
    done = partidor("plan", "solve", "--data", DUMMY, "--model", "m1", "--target", "0.1")
    assert done.exit_code == 0
    assert "29.0946598" in done.out
    assert "optimal" in done.out
    assert "in units" in done.out


def test_a_plan_as_json_has_status_objective_bound_gap_and_every_loan(partidor: Partidor) -> None:
    """And each loan's banker works at its branch."""
    done = partidor("plan", "solve", "--data", DUMMY, "--model", "m3", "--target", "0.11", "--json")
    plan = json.loads(done.out)
    assert plan["status"] == "optimal"
    assert plan["objective"] == pytest.approx(37.6866952, abs=1e-7)
    assert (plan["gap"], plan["rate"], len(plan["bankers"])) == (0, 12, 3)
    assert plan["seconds"] < 60
    places = {banker["banker_id"]: banker["branch_id"] for banker in plan["bankers"]}
    assert all(places[loan["banker_id"]] == loan["branch_id"] for loan in plan["loans"])


def test_a_rate_that_is_given_is_kept(partidor: Partidor) -> None:
    """With less profit than at the best one."""
    done = partidor("plan", "solve", "--data", DUMMY, "--model", "m2", "--target", "0.11",
                    "--rate", "6", "--json")  # fmt: skip
    plan = json.loads(done.out)
    assert plan["rate"] == 6
    assert plan["objective"] < 138.9


def test_an_infeasible_target_is_an_answer_with_its_reason(partidor: Partidor) -> None:
    """Status infeasible, exit code 0, the conflict and the largest target that isn't."""
    done = partidor("plan", "solve", "--data", DUMMY, "--target", "0.35")
    assert done.exit_code == 0
    assert "Infeasible at 35 %" in done.out
    assert "The largest feasible target: 34.2857 %" in done.out
    plan = json.loads(partidor("plan", "solve", "--data", DUMMY, "--target", "0.35", "--json").out)
    assert (plan["status"], plan["objective"], plan["loans"]) == ("infeasible", None, [])
    assert plan["conflict"]["branch_ids"] == ["A", "B", "C"]


def test_a_range_of_targets_says_which_leave_least_unused(partidor: Partidor) -> None:
    """A row for each; of equals the largest is named."""
    done = partidor("plan", "solve", "--data", DUMMY, "--target", "0.20:0.30:0.05")
    assert "Least capacity unused: 50 units at 20 %, 25 %." in done.out
    assert "The largest of these targets is 25 %" in done.out
    plans = json.loads(
        partidor("plan", "solve", "--data", DUMMY, "--target", "0.2,0.25", "--json").out
    )
    assert [plan["target"] for plan in plans] == [0.2, 0.25]


def test_plans_of_the_same_cost_are_told_from_the_fullest_to_the_emptiest(
    partidor: Partidor,
) -> None:
    """At 5 %, where the document's figure shows 850, anything from 50 to 1,150 costs the same."""
    done = partidor("plan", "solve", "--data", DUMMY, "--target", "0.05", "--alternatives",
                    "--json")  # fmt: skip
    fullest, emptiest = json.loads(done.out)
    assert fullest["objective"] == emptiest["objective"]
    assert (fullest["unused_capacity"], emptiest["unused_capacity"]) == (50, 1150)


def test_a_plan_as_csv_has_a_row_for_each_loan(partidor: Partidor) -> None:
    """With its branch and banker."""
    done = partidor("plan", "solve", "--data", DUMMY, "--target", "0.1", "--csv")
    assert done.out.startswith("target,loan_id,branch_id,banker_id\n0.1,")


def test_a_plan_is_written_to_a_file(partidor: Partidor, tmp_path: Path) -> None:
    """The same JSON."""
    file = tmp_path / "plan.json"
    partidor("plan", "solve", "--data", DUMMY, "--target", "0.1", "--out", file)
    assert json.loads(file.read_text())["status"] == "optimal"


def test_all_models_are_compared_at_one_target(partidor: Partidor) -> None:
    """Figure 6 of the source document, and what its third question asks beside it."""
    done = partidor("plan", "compare", "--data", DUMMY)
    assert all(figure in done.out for figure in ("138.9650766", "37.6866952", "least-unused"))
    plans = json.loads(partidor("plan", "compare", "--data", DUMMY, "--json").out)
    unused = {plan["model"]: plan["unused_capacity"] for plan in plans}
    assert unused == {"m1": 50, "m2": 150, "m3": 50, "least-unused": 0}


def test_a_curve_comes_from_a_table(partidor: Partidor, tmp_path: Path) -> None:
    """With the columns rate and value."""
    table = tmp_path / "curve.csv"
    table.write_text("rate,value\n0,1\n10,0.9\n20,0\n")
    done = partidor("plan", "solve", "--data", DUMMY, "--model", "m2", "--target", "0.11",
                    "--curve", table, "--json")  # fmt: skip
    assert json.loads(done.out)["rate"] == 10


def test_periods_are_planned_together(partidor: Partidor) -> None:
    """Without a target two halves of the year are possible."""
    arguments = ("plan", "periods", "--data", DUMMY, "--target", "0", "--periods", "2")
    assert "optimal" in partidor(*arguments).out
    year = json.loads(partidor(*arguments, "--moving", "1", "--json").out)
    assert [period["period"] for period in year["periods"]] == ["1", "2"]
    assert year["gap"] == pytest.approx(0, abs=1e-7)
    rolling = json.loads(partidor(*arguments, "--moving", "1", "--horizon", "1", "--json").out)
    assert rolling["objective"] <= year["objective"] + 1e-6
    stuck = partidor("plan", "periods", "--data", DUMMY, "--target", "0.3")
    assert "no plan for period 1" in stuck.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--model", "m4"), "--model m4: one of m1, m2, m3, least-unused"),
        (("--target", "1.5"), "a target is a share of the capacity, from 0 to 1"),
        (("--target", "nan"), "a target is a share"),
        (("--target", "ten"), "give a share like 0.1"),
        (("--target", "0.2:0.1:0.01"), "FIRST:LAST:STEP"),
        (("--target", "0:1:0.0001"), "a range of 10,001 targets; at most 1,000"),
        (("--curve", "parabola"), "give linear, exponential, or a table"),
        (("--json", "--csv"), "choose one"),
        (("--alternatives", "--model", "m2"), "for model m1"),
        (("--target", "0.1,0.2", "--out", "x.json"), "--out takes the plan of one target"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_what_makes_no_sense_is_refused(
    partidor: Partidor, arguments: tuple[str, ...], said: str
) -> None:
    """With exit code 2 and what to do, before anything is solved."""
    given = arguments if "--data" in arguments else (*arguments, "--data", str(DUMMY))
    done = partidor("plan", "solve", *given)
    assert done.exit_code == 2
    assert said in done.err
