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


def test_what_plan_solve_prints_is_what_it_takes(partidor: Any, tmp_path: Path) -> None:
    """Several targets and a single one, of a network that comes with Partidor."""
    for name, model, target in (("targets", "m1", "0.1,0.35"), ("one", "m2", "0.1")):
        asked = ("--data", "dummy", "--model", model, "--target", target, "--json")
        (tmp_path / f"{name}.json").write_text(partidor("plan", "solve", *asked).out)
    files = ("--plan", tmp_path / "targets.json", "--plan", tmp_path / "one.json")
    result = partidor("plan", "figures", *files, "--data", "dummy", "--out", tmp_path / "out")
    assert result.err == f"5 figures of 3 plans: {tmp_path / 'out' / 'report.html'}\n"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "29.0947" in page
    assert "The largest feasible target is 34.29 %" in page


def test_a_plan_by_km_needs_its_cost_by_km(partidor: Any, tmp_path: Path) -> None:
    """Else distances and costs of the report would be others."""
    small = ("--bankers", 8, "--branches", 3, "--loans", 60)
    partidor("plan", "generate", "--out", tmp_path / "network", *small)
    asked = ("--data", tmp_path / "network", "--target", "0.1")
    plan = partidor("plan", "solve", *asked, "--cost-per-km", 2, "--time-limit", 1, "--json").out
    (tmp_path / "plan.json").write_text(plan)
    drawn = ("--plan", tmp_path / "plan.json", "--data", tmp_path / "network")
    refused = partidor("plan", "figures", *drawn, "--out", tmp_path / "out")
    assert refused.exit_code == 1
    assert "give the --cost-per-km that it was solved with" in refused.err
    taken = partidor("plan", "figures", *drawn, "--out", tmp_path / "out", "--cost-per-km", 2)
    assert taken.exit_code == 0
    assert (tmp_path / "out" / "map-m1-10.svg").exists()
    assert "distance, km" in (tmp_path / "out" / "report.html").read_text()
