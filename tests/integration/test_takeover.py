"""Several dispatchers share the partitions: each goes on where another stopped, however it did."""

import time

from tests.support import oracle
from tests.support.installation import Installation
from tests.support.traffic import day, one_batch_each, rosters
from tests.support.waiting import wait_until

CHANNELS = 16


def share(installation: Installation) -> dict[str, set[int]]:
    """The partitions that each process says it runs; it says so in Redis every half second."""
    owned = {}
    for dispatcher in installation.dispatchers:
        if dispatcher.is_running:
            status = installation.status(dispatcher.slot)
            states = status.get("partitions", {})
            owned[dispatcher.slot] = {int(n) for n, life in states.items() if life == "running"}
    return owned


def is_shared_by(installation: Installation, processes: int) -> bool:
    """Whether so many processes run all partitions between them, and each at least one."""
    owned = share(installation)
    together = sorted(number for partitions in owned.values() for number in partitions)
    return (
        len(owned) == processes
        and all(owned.values())
        and together == list(range(installation.partitions))
    )


def test_one_of_two_is_killed_and_the_other_goes_on(installation: Installation) -> None:
    """In under 30 s, without losing or doubling a lead."""
    installation.publish(rosters(CHANNELS))
    one, two = installation.start("one"), installation.start("two")
    wait_until(lambda: is_shared_by(installation, 2), lambda: f"shared: {share(installation)}")
    installation.publish(day(8_000, CHANNELS, seed=1))
    installation.wait_until_committed(100)
    two.kill()
    killed_at = time.monotonic()
    installation.publish(one_batch_each(CHANNELS, "after"))
    installation.wait_until_processed()
    assert time.monotonic() - killed_at < 30
    assert len(one.restored()) == installation.partitions
    outcome = oracle.check(installation)
    assert len(outcome.assignments) == 8_000 + 10 * CHANNELS


def test_one_of_two_stops_and_hands_over_at_once(installation: Installation) -> None:
    """A clean stop waits for no session to expire, and leaves Redis up to date."""
    installation.publish(rosters(CHANNELS))
    one, two = (installation.start(slot, session_timeout_ms=30_000) for slot in ("one", "two"))
    wait_until(lambda: is_shared_by(installation, 2), lambda: f"shared: {share(installation)}")
    installation.publish(day(10_000, CHANNELS, seed=1))
    stopped_at = time.monotonic()
    assert two.stop() == 0
    installation.wait_until_processed()
    # A killed process would be waited for half a minute.
    assert time.monotonic() - stopped_at < 20
    installation.process(one_batch_each(CHANNELS, "after"))
    assert len(oracle.check(installation).assignments) == 10_000 + 10 * CHANNELS
    sources = [(line["source"], line["changelog_records"]) for line in one.log("restored")]
    # What it had it kept in memory; what it was handed stood in Redis to the last record.
    assert {source for source, _ in sources} <= {"memory", "redis", "changelog"}
    taken_over = [line for line in sources[-installation.partitions :] if line[0] == "redis"]
    assert taken_over
    assert all(records == 0 for _, records in taken_over)


def test_a_third_joins_and_leaves_without_a_trace(installation: Installation) -> None:
    """Rebalances while leads pour in: nothing lost, nothing twice, each in its order."""
    installation.publish(rosters(CHANNELS))
    installation.start("one")
    installation.start("two")
    for seed in range(1, 3):
        installation.publish(day(3_000, CHANNELS, seed=seed))
        guest = installation.start(f"guest-{seed}")
        installation.wait_until_restored(guest, 1)
        installation.publish(day(3_000, CHANNELS, seed=10 + seed))
        assert guest.stop() == 0
    assert len(oracle.check(installation).assignments) == 12_000


def test_one_held_still_too_long_finds_itself_replaced(installation: Installation) -> None:
    """It wakes up as a zombie: what it had decided is fenced, and it starts anew."""
    installation.publish(rosters(CHANNELS))
    sleeper, other = (
        installation.start(slot, transaction_timeout_ms=5_000) for slot in ("sleeper", "other")
    )
    wait_until(lambda: is_shared_by(installation, 2), lambda: f"shared: {share(installation)}")
    installation.publish(day(8_000, CHANNELS, seed=1))
    installation.wait_until_committed(50)
    sleeper.hold()
    installation.wait_until_restored(other, installation.partitions)
    installation.process(one_batch_each(CHANNELS, "meanwhile"))
    sleeper.go_on()
    installation.publish(day(5_000, CHANNELS, seed=2))
    wait_until(lambda: is_shared_by(installation, 2), lambda: f"shared: {share(installation)}")
    installation.process(one_batch_each(CHANNELS, "after"))
    assert len(oracle.check(installation).assignments) == 13_000 + 20 * CHANNELS


def test_two_processes_with_one_slot_are_told_apart(installation: Installation) -> None:
    """They fence each other; one of them stops and names the slot, the other does the work."""
    installation.publish(rosters(4))
    twins = [installation.start("same"), installation.start("same")]
    number = 0

    def one_stopped() -> bool:
        nonlocal number
        number += 1
        installation.publish(one_batch_each(4, f"batch-{number}", size=1))
        return not all(twin.is_running for twin in twins)

    wait_until(one_stopped, lambda: f"one stops: {twins[0].log_tail()}", timeout_s=60)
    stopped = next(twin for twin in twins if not twin.is_running)
    assert stopped.wait() == 1
    said = (stopped.log("stopped: an operator has to decide") + stopped.log("cannot start"))[-1]
    assert "'same'" in said["why"]
    assert "PARTIDOR_SLOT" in said["why"]
    installation.process(one_batch_each(4, "after"))
    oracle.check(installation)
    assert sum(twin.is_running for twin in twins) == 1
