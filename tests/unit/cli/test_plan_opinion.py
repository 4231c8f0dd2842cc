"""Every plan that is reported has been checked by other code, and says so."""

import json
import shutil
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet
import pytest

from streams.planning import solving
from streams.planning.document import LoanPlan
from tests.support.networks import DUMMY
from tests.unit.cli.conftest import Partidor


@pytest.mark.parametrize("options", [(), ("--curve", "exponential"), ("--alternatives",)])
def test_plans_of_some_targets_are_all_found_sound(
    partidor: Partidor, options: tuple[str, ...]
) -> None:
    """But for those that say nothing of who works where: there is nothing to check."""
    done = partidor("plan", "solve", "--data", DUMMY, *options, "--target", "0.1,0.4", "--json")
    plans = json.loads(done.out)
    assert {plan["checked"] for plan in plans if plan["bankers"]} == {True}
    assert plans[-1]["checked"] is None
    assert (done.exit_code, done.err) == (0, "")


def test_all_models_side_by_side_are_found_sound(partidor: Partidor) -> None:
    """In the table, too."""
    done = partidor("plan", "compare", "--data", DUMMY)
    assert done.exit_code == 0
    assert done.out.count(" sound ") == 4


def test_a_plan_that_breaks_a_limit_is_told_and_the_exit_code_is_1(
    partidor: Partidor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the models had given a loan twice."""
    right = solving.solve

    def wrong(*arguments: object) -> object:
        plan = right(*arguments)  # type: ignore[arg-type]
        first = plan.loans[0]
        again = LoanPlan(
            loan_id=first.loan_id, branch_id=first.branch_id, banker_id=first.banker_id
        )
        return plan.model_copy(update={"loans": [*plan.loans, again]})

    monkeypatch.setattr(solving, "solve", wrong)
    done = partidor("plan", "solve", "--data", DUMMY, "--json")
    assert done.exit_code == 1
    assert json.loads(done.out)["checked"] is False
    assert "BREACH (2), (3): loan " in done.err
    assert "defect of Partidor" in done.err
    table = partidor("plan", "compare", "--data", DUMMY)
    assert (table.exit_code, table.out.count(" BREACHED ")) == (1, 4)


def test_tables_that_only_the_models_can_read_are_not_checked_and_that_is_said(
    partidor: Partidor, tmp_path: Path
) -> None:
    """Parquet: the second reader takes nothing but CSV."""
    data = tmp_path / "network"
    shutil.copytree(DUMMY, data)
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(data / "loans.csv"), data / "loans.parquet")
    (data / "loans.csv").unlink()
    done = partidor("plan", "solve", "--data", data, "--json")
    assert done.exit_code == 0
    assert json.loads(done.out)["checked"] is None
    assert "not checked a second time: there is no" in done.err
