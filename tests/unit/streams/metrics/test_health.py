"""When a dispatcher is alive, and when it is ready."""

from typing import Any

import pytest

from streams.lifecycle import Life
from streams.metrics.health import Health
from streams.observing import PartitionStanding, ProcessStanding
from streams.settings import Settings

SETTINGS = Settings.model_construct(max_poll_interval_ms=300_000, loop_age_max_ms=25_000)


class _Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def partition(life: Life) -> PartitionStanding:
    """In this state of its life."""
    return PartitionStanding(life, 0, {}, {}, None, 0, None)


def standing(*lives: Life, **other: Any) -> ProcessStanding:
    """A process with such partitions, well otherwise."""
    values = {"member": True, "has_producer": True, "redis_up": True, "now_ms": 0, **other}
    return ProcessStanding(partitions=dict(enumerate(map(partition, lives))), **values)


@pytest.fixture
def clock() -> _Clock:
    """One that stands still."""
    return _Clock()


@pytest.fixture
def health(clock: _Clock) -> Health:
    """Of a process that begins."""
    return Health(SETTINGS, clock)


def test_a_start_is_alive_and_not_ready(health: Health) -> None:
    """It has said nothing yet."""
    assert health.alive.well
    assert not health.ready.well
    assert health.ready.why == "starting"


@pytest.mark.parametrize(
    ("found", "well", "why"),
    [
        (standing(Life.RUNNING, Life.RUNNING), True, "2 partitions"),
        (standing(), True, "0 partitions"),
        (standing(Life.RUNNING, Life.RESTORING), False, "restoring partitions 1"),
        (standing(Life.RUNNING, member=False), False, "not a member of the group yet"),
        (standing(Life.RUNNING, has_producer=False), False, "no transactional producer"),
        (standing(Life.RUNNING, redis_up=False), True, "1 partitions"),
    ],
)
def test_ready_is_who_may_decide_everything_it_owns(
    health: Health, found: ProcessStanding, well: bool, why: str
) -> None:
    """Redis isn't needed for it."""
    health.rebalanced()
    health.stands(found)
    assert health.ready == (well, why)


def test_a_member_that_was_given_nothing_yet_is_not_ready(health: Health) -> None:
    """The first assignment is on its way."""
    health.stands(standing())
    assert not health.ready.well


def test_a_loop_that_stands_still_is_first_not_ready_and_then_not_alive(
    health: Health, clock: _Clock
) -> None:
    """And is both again when it goes on."""
    health.rebalanced()
    health.stands(standing(Life.RUNNING))
    clock.now_s += 26
    assert health.alive.well
    assert health.ready == (False, "the loop has not turned for 26 s")
    clock.now_s += 300
    assert health.alive == (False, "the loop has not turned for 326 s")
    health.turned()
    assert health.alive.well
    assert health.ready.well
