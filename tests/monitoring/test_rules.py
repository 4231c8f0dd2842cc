"""The rules as they are in production: valid, and firing when and only when they should."""

import subprocess
from pathlib import Path

import yaml

from tests.support.prometheus import MONITORING, shortened

TESTS = MONITORING / "rules.test.yml"


def test_the_rules_pass_their_own_tests(promtool: str) -> None:
    """`rules.test.yml`: of each alarm what fires it, and what is still well."""
    command = [promtool, "test", "rules", str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_are_valid(promtool: str, tmp_path: Path) -> None:
    """As they are, and shortened as the tests on a running stack take them."""
    short = tmp_path / "rules.yml"
    short.write_text(shortened((MONITORING / "rules.yml").read_text(), 60))
    command = [promtool, "check", "rules", str(MONITORING / "rules.yml"), str(short)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alarm_has_such_a_test() -> None:
    """By its name."""
    rules = yaml.safe_load((MONITORING / "rules.yml").read_text())
    every = [rule for group in rules["groups"] for rule in group["rules"]]
    names = [test["name"] for test in yaml.safe_load(TESTS.read_text())["tests"]]
    wanted = [rule["alert"] for rule in every if "alert" in rule]
    assert names == [f"{name} {how}" for name in wanted for how in ("fires", "is quiet")]


def test_only_times_are_shortened() -> None:
    """Durations and limits in seconds; counts stay, and texts for people."""
    text = yaml.safe_dump(
        {
            "groups": [
                {
                    "name": "g",
                    "rules": [
                        {
                            "alert": "A",
                            "expr": "max(x_seconds) > 120 and deriv(y[5m]) > 0 and z > 1000",
                            "for": "1m",
                            "annotations": {"runbook": "after 120 s or 5m"},
                        }
                    ],
                }
            ]
        }
    )
    (rule,) = yaml.safe_load(shortened(text, 60))["groups"][0]["rules"]
    assert rule == {
        "alert": "A",
        "expr": "max(x_seconds) > 2 and deriv(y[5000ms]) > 0 and z > 1000",
        "for": "1000ms",
        "annotations": {"runbook": "after 120 s or 5m"},
    }
