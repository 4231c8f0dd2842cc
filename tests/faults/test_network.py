"""The way to the brokers: single requests late or lost, connections slow, reset, half open."""

from tests.faults.catalogue import Variant
from tests.faults.once import LeaveOut, each_variant, run_once
from tests.faults.servers import Servers


@each_variant("F6", "F7")
def test_the_network_breaks_and_no_lead_is_lost(
    variant: Variant, shared: Servers, left_out: LeaveOut
) -> None:
    """Whatever was answered or not: one assignment per lead, and everything that is kept agrees."""
    run_once(variant, shared, left_out)
