"""More partitions while sources go on: no lead is lost or doubled, no state split or forgotten."""

import time

from tests.reference import events
from tests.support import oracle
from tests.support.expansions import expand
from tests.support.installation import Installation
from tests.support.traffic import day, rosters

CHANNELS = 16
BEFORE, AFTER = 4, 8


def expanded(installation: Installation, after: int = AFTER, **how: object) -> str:
    """Expand with success; what it said."""
    done = expand(installation, after, **how)  # type: ignore[arg-type]
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_channel_keeps_its_state_on_its_new_partition(installation: Installation) -> None:
    """Errors, duplicates window, parked leads: all of it goes on where the key hashes to now."""
    installation.publish(rosters(CHANNELS))
    installation.publish([events.lead_batch("parked", 3, "nobody")])
    one = installation.started()
    installation.process(day(2_000, CHANNELS, seed=1))
    assert one.stop() == 0
    at_ms = time.time_ns() // 1_000_000
    expanded(installation)
    installation.expanded_to(AFTER, at_ms)
    installation.publisher.use_partitions(AFTER)
    installation.publisher.publish(day(2_000, CHANNELS, seed=1))  # all of it again
    installation.publisher.publish(day(2_000, CHANNELS, seed=2))
    installation.publisher.publish([events.roster("at-last", {"A": "1"}, "nobody")])
    installation.publisher.flush()
    installation.started("after")
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 4_003
