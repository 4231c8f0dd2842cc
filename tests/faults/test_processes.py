"""Dispatchers are killed, held still, started and stopped, or started twice."""

from tests.faults.catalogue import Variant
from tests.faults.once import LeaveOut, each_variant, run_once
from tests.faults.servers import Servers


@each_variant("F1", "F2", "F3", "F11")
def test_dispatchers_come_and_go_and_no_lead_is_lost(
    variant: Variant, shared: Servers, left_out: LeaveOut
) -> None:
    """Whoever goes on: one assignment per lead, and everything that is kept agrees."""
    run_once(variant, shared, left_out)
