"""Versions are exchanged, and partitions added, while leads come in."""

from tests.faults.catalogue import Variant
from tests.faults.once import LeaveOut, each_variant, run_once
from tests.faults.servers import Servers


@each_variant("F14", "F15")
def test_versions_and_partition_counts_change_and_no_lead_is_lost(
    variant: Variant, shared: Servers, left_out: LeaveOut
) -> None:
    """Whoever decides: one assignment per lead, and everything that is kept agrees."""
    run_once(variant, shared, left_out)
