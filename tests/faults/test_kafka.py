"""Brokers, their disks, logs and clocks."""

from tests.faults.catalogue import Variant
from tests.faults.once import LeaveOut, each_variant, run_once
from tests.faults.servers import Servers


@each_variant("F4", "F8", "F9", "F12")
def test_brokers_break_and_no_lead_is_lost(
    variant: Variant, shared: Servers, left_out: LeaveOut
) -> None:
    """Whatever happens to them: one assignment per lead, and everything that is kept agrees."""
    run_once(variant, shared, left_out)
