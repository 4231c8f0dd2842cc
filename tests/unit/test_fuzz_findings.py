"""What fuzzing found stays mended: every seed and every finding is run again."""

from pathlib import Path

import pytest

from tests.fuzz.targets import FUZZED, seeds

FOUND = Path(__file__).parents[1] / "fuzz" / "found"


@pytest.mark.parametrize("name", FUZZED)
def test_no_seed_and_no_finding_of_a_target_is_one_any_more(name: str) -> None:
    """A target raises for nothing that its decoder takes or refuses as it should."""
    for seed in seeds(name):
        FUZZED[name].target(seed)
    for path in sorted((FOUND / name).glob("*")):
        FUZZED[name].target(path.read_bytes())


def test_every_finding_is_of_a_target() -> None:
    """One that was renamed would be run no more."""
    assert {path.name for path in FOUND.glob("*")} <= {*FUZZED, "README.md"}
