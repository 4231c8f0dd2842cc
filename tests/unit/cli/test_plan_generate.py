"""`partidor plan generate`, as it is called."""

import json
from pathlib import Path
from typing import Any

from streams.planning.loading import load_network


def test_the_command_says_what_it_drew(partidor: Any, tmp_path: Path) -> None:
    """As JSON, and the directory is there as a whole."""
    out = tmp_path / "network"
    arguments = ("--bankers", 30, "--branches", 10, "--loans", 300, "--periods", 4)
    result = partidor("plan", "generate", "--out", out, "--seed", 7, *arguments, "--json")
    assert (result.exit_code, result.err) == (0, "")
    drawn = json.loads(result.out)
    assert (drawn["bankers"], drawn["branches"], drawn["loans"]) == (30, 10, 300)
    network = load_network(out).network
    assert network.loan_amount.sum() == drawn["loans_value"]
    assert network.branch_capacity.sum() == drawn["branch_capacity"]
    assert network.banker_capacity.sum() == drawn["banker_capacity"]


def test_the_command_overwrites_nothing(partidor: Any, tmp_path: Path) -> None:
    """A directory with something in it is left as it is."""
    (tmp_path / "mine.txt").write_text("mine")
    result = partidor("plan", "generate", "--out", tmp_path, "--loans", 10)
    assert result.exit_code == 1
    assert "is there already, and not empty" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_table_of_the_command_has_every_size(partidor: Any, tmp_path: Path) -> None:
    """In million dollars."""
    result = partidor("plan", "generate", "--out", tmp_path / "n", "--loans", 1000, "--periods", 2)
    assert result.exit_code == 0
    assert "1,000" in result.out
    assert "338" in result.out
