"""Negative controls: with a rule taken away the simulation fails."""

import pytest

from tests.support.defects import DEFECTS, line_of

from .controls import ROOT, SEEDS, search


def test_every_defect_has_its_place_in_the_code() -> None:
    """Each patch fits exactly once, on a line that is there."""
    for defect in DEFECTS.values():
        for patch in defect.patches:
            file, _, line = line_of(patch).partition(":")
            source = (ROOT / file).read_text()
            assert source.count(patch.old) == 1, patch
            assert source.splitlines()[int(line) - 1] in patch.old or patch.old.strip() in source


@pytest.mark.parametrize("name", DEFECTS)
def test_a_defect_is_found_by_the_mixture_of_faults(name: str) -> None:
    """Within 2,000 seeds; the search begins where it was found before."""
    caught = search(name, SEEDS.get(name, 1))
    assert caught.seed, f"{name} was not found in {caught.seeds} seeds:\n{caught.output}"
