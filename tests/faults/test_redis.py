"""Redis breaks; poison comes; everything at once."""

from tests.faults.catalogue import Variant
from tests.faults.once import LeaveOut, each_variant, run_once
from tests.faults.servers import Servers


@each_variant("F5", "F10", "FX")
def test_redis_breaks_and_no_lead_is_lost(
    variant: Variant, shared: Servers, left_out: LeaveOut
) -> None:
    """It is a copy: one assignment per lead, and in the end it is the changelog again."""
    run_once(variant, shared, left_out)
