"""`partidor plan figures`, as it is called."""

import json
from pathlib import Path
from typing import Any

from streams.planning import loading
from streams.planning.loading import load_network
from tests.support.plans import small_plans

DUMMY = Path(loading.__file__).parent / "data" / "dummy"


def test_figures_and_a_report_of_several_files_are_written(partidor: Any, tmp_path: Path) -> None:
    """SVG and PNG of each, and one page with all."""
    plans = [plan.model_dump(mode="json") for plan in small_plans(load_network(DUMMY).network)]
    (tmp_path / "targets.json").write_text(json.dumps(plans[:5]))
    (tmp_path / "m2.json").write_text(json.dumps(plans[5]))
    out = tmp_path / "out"
    files = ("--plan", tmp_path / "targets.json", "--plan", tmp_path / "m2.json")
    result = partidor("plan", "figures", *files, "--data", DUMMY, "--out", out)
    assert (result.exit_code, result.out) == (0, "")
    assert result.err == f"5 figures of 6 plans: {out / 'report.html'}\n"
    names = ("3-data", "4-allocations-m1", "5-unused-m1", "6-models", "7-profit")
    expected = {f"figure-{name}.{kind}" for name in names for kind in ("svg", "png")}
    assert {path.name for path in out.iterdir()} == {*expected, "report.html"}
    assert "</html>" in (out / "report.html").read_text()


def test_a_file_that_is_no_plan_is_named_and_nothing_is_written(
    partidor: Any, tmp_path: Path
) -> None:
    """In a line."""
    (tmp_path / "plan.json").write_text("{}")
    arguments = ("--plan", tmp_path / "plan.json", "--data", DUMMY, "--out", tmp_path / "out")
    result = partidor("plan", "figures", *arguments)
    assert result.exit_code == 1
    assert f"{tmp_path / 'plan.json'} is no plan" in result.err
    assert not (tmp_path / "out").exists()
