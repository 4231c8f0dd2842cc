"""`partidor plan check`, as it is called."""

import json
from pathlib import Path
from typing import Any, Final

import streams.planning

DUMMY: Final = Path(streams.planning.__file__).parent / "data" / "dummy"


def test_a_plan_of_ours_is_sound_and_a_changed_one_is_not(partidor: Any, tmp_path: Path) -> None:
    """Exit 0 and 1; what is wrong stands below the table."""
    path = tmp_path / "plan.json"
    solved = partidor("plan", "solve", "--data", DUMMY, "--model", "m1", "--out", path)
    assert solved.exit_code == 0
    sound = partidor("plan", "check", path, "--data", DUMMY)
    assert (sound.exit_code, sound.err) == (0, "")
    assert "m1 at a target of 0.1, optimal" in sound.out
    assert "BREACH" not in sound.out
    plan = json.loads(path.read_text())
    plan["loans"].append(plan["loans"][0])
    path.write_text(json.dumps(plan))
    result = partidor("plan", "check", path, "--data", DUMMY)
    assert result.exit_code == 1
    loan_id = plan["loans"][0]["loan_id"]
    assert f"BREACH (2), (3): loan {loan_id} goes out 2 times\n" in result.out


def test_all_of_it_is_there_as_json(partidor: Any, tmp_path: Path) -> None:
    """Plans of several targets, one of them impossible."""
    path = tmp_path / "plans.json"
    arguments = ("--data", DUMMY, "--model", "m2", "--curve", "exponential")
    solved = partidor("plan", "solve", *arguments, "--target", "0.1,0.4", "--json")
    path.write_text(solved.out)
    right = partidor("plan", "check", path, "--data", DUMMY, "--curve", "exponential", "--json")
    assert right.exit_code == 0
    found = json.loads(right.out)
    assert found["sound"] is True
    assert [(each["status"], each["sound"]) for each in found["plans"]] == [
        ("optimal", True), ("infeasible", True),
    ]  # fmt: skip
    wrong = partidor("plan", "check", path, "--data", DUMMY, "--json")
    assert wrong.exit_code == 1
    first = json.loads(wrong.out)["plans"][0]["rules"]
    (totals,) = [rule for rule in first if rule["breaches"]]
    assert totals["rule"] == "totals"
    assert len(totals["breaches"]) == 3


def test_many_breaches_are_counted_and_a_plan_without_an_allocation_is_said(
    partidor: Any, tmp_path: Path
) -> None:
    """Twenty lines of a kind."""
    path = tmp_path / "plan.json"
    head = {"model": "m1", "status": "infeasible", "target": 0.9, "seconds": 0, "money": "units"}
    path.write_text(json.dumps(head))
    nothing = partidor("plan", "check", path, "--data", DUMMY)
    assert nothing.exit_code == 0
    assert "that there is none is not checked" in nothing.err
    strangers = [
        {"loan_id": f"X{number}", "banker_id": "1", "branch_id": "A"} for number in range(25)
    ]
    path.write_text(json.dumps({**head, "status": "feasible", "loans": strangers}))
    result = partidor("plan", "check", path, "--data", DUMMY)
    assert result.exit_code == 1
    assert result.out.count("BREACH ids: loan X") == 20
    assert "BREACH ids: and 5 more\n" in result.out


def test_what_can_t_be_checked_fails_in_one_line(partidor: Any, tmp_path: Path) -> None:
    """No such file is wrong usage; tables that aren't CSV are said."""
    assert partidor("plan", "check", tmp_path / "none.json", "--data", DUMMY).exit_code == 2
    path = tmp_path / "plan.json"
    path.write_text("[]")
    result = partidor("plan", "check", path, "--data", tmp_path)
    assert result.exit_code == 1
    assert result.err.count("\n") == 1
    assert "checked against tables in CSV" in result.err
