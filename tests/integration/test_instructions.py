"""What a lead costs, in instructions: it grows only by a commit that says why."""

from collections.abc import Callable
from typing import NoReturn

import pytest

from tests.benchmarks.instructions import BATCHES, counted, recorded
from tests.support.machine import LeftOut

MORE = 1.05
"""Other patch versions of Python and other libraries differ by a few per cent."""


@pytest.mark.parametrize("batch_size", BATCHES)
def test_a_lead_costs_no_more_instructions_than_recorded(
    batch_size: int,
    say: Callable[[str], None],
    left_out: Callable[[str, str], NoReturn],
) -> None:
    """From the bytes of a batch to the bytes of its outputs; counted, not timed."""
    try:
        now = counted(batch_size)
    except LeftOut as left:
        left_out(left.reason, left.remedy)
    before = recorded(batch_size)
    told = "no record" if before is None else f"{before:,.0f} recorded"
    say(f"instructions for a lead, batches of {batch_size}: {now:,.0f} ({told})")
    assert before is None or now <= before * MORE
