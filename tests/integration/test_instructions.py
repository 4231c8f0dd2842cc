"""What a lead costs, in instructions: it grows only by a commit that says why."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.benchmarks.instructions import CASES, counted, recorded
from tests.support.machine import LeftOut

MORE = 1.05
"""Other patch versions of Python and other libraries differ by a few per cent."""


@pytest.mark.parametrize("case", CASES)
def test_a_lead_costs_no_more_instructions_than_recorded(
    case: str,
    say: Callable[[str], None],
    left_out: Callable[[str, str], NoReturn],
) -> None:
    """From the bytes of a batch to the bytes of its outputs; counted, not timed."""
    try:
        now = counted(case)
    except LeftOut as left:
        left_out(left.reason, left.remedy)
    before = recorded(case)
    told = "no record" if before is None else f"{before:,.0f} recorded"
    say(f"instructions for a lead, {case}: {now:,.0f} ({told})")
    assert before is None or now <= before * MORE
