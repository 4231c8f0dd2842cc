"""Redis is a copy: emptied, away, old or ahead, it costs time and never a lead."""

import json
from collections.abc import Callable, Mapping

import pytest

from streams.local.redis_server import RedisServer
from tests.support import copies, oracle
from tests.support.dispatchers import DispatcherProcess
from tests.support.installation import AT_ONCE, Installation
from tests.support.traffic import day, one_batch_each, rosters

CHANNELS = 8


def source_of(dispatcher: DispatcherProcess) -> set[str]:
    """Where its first restores took the state from."""
    return {line["source"] for line in dispatcher.log("restored")}


def test_redis_emptied_between_runs_and_on_the_way_changes_nothing(beside: Installation) -> None:
    """FLUSHALL, then a restore from the changelog alone; FLUSHALL again and again while running."""
    beside.publish(rosters(CHANNELS))
    first = beside.started()
    beside.process(day(3_000, CHANNELS, seed=1))
    copies.check_redis(beside)
    assert first.stop() == 0

    beside.redis.flushall()
    second = beside.started()
    assert source_of(second) == {"changelog"}
    for seed in range(2, 8):
        beside.publish(day(1_000, CHANNELS, seed=seed))
        beside.redis.flushall()
    beside.wait_until_processed()
    beside.redis.flushall()
    # A loss is noticed, and made good, with the next thing that is written.
    beside.process(one_batch_each(CHANNELS, "last"))
    outcome = oracle.check(beside)
    assert len(outcome.assignments) == 9_000 + 10 * CHANNELS
    assert second.log("wrote a whole copy to Redis")
    assert second.stop() == 0

    third = beside.started()
    assert source_of(third) == {"redis"}
    assert sum(line["changelog_records"] for line in third.log("restored")) == 0


@pytest.mark.parametrize("way", ["killed", "held still"])
def test_dispatching_goes_on_while_redis_is_away(
    beside: Installation, own_redis: RedisServer, way: str
) -> None:
    """Leads are assigned from memory; when Redis is back it becomes the changelog again."""
    beside.publish(rosters(CHANNELS))
    # Nothing but the inputs may be waited for: each call to Redis that hangs costs its time-out.
    dispatcher = beside.started(redis_timeout_ms=50)
    beside.process(day(500, CHANNELS, seed=1))
    copies.check_redis(beside)
    own_redis.kill() if way == "killed" else own_redis.pause()
    beside.process(day(2_000, CHANNELS, seed=2))
    assert dispatcher.log("Redis is away; dispatching goes on from memory")
    own_redis.start() if way == "killed" else own_redis.resume()
    outcome = oracle.check(beside)
    assert len(outcome.assignments) == 2_500
    assert dispatcher.log("Redis is back")


def test_without_redis_everything_comes_from_the_changelog(
    beside: Installation, own_redis: RedisServer
) -> None:
    """Started, killed and started again with no Redis at all; it is filled when it comes."""
    own_redis.kill()
    beside.publish(rosters(CHANNELS))
    first = beside.started(**AT_ONCE)
    beside.process(day(1_000, CHANNELS, seed=1))
    first.kill()
    second = beside.started(**AT_ONCE)
    assert source_of(second) == {"changelog"}
    beside.process(day(1_000, CHANNELS, seed=2))
    own_redis.start()
    assert len(oracle.check(beside).assignments) == 2_000


def is_processed_soon(installation: Installation) -> bool:
    """Whether all input is processed within a second."""
    try:
        installation.wait_until_processed(timeout_s=1)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    "bound", [{"redis_unflushed_fields_max": 2}, {"redis_unflushed_age_max_ms": 300}]
)
def test_what_redis_has_not_taken_is_bounded(
    beside: Installation, own_redis: RedisServer, bound: Mapping[str, int]
) -> None:
    """In count and in age: beyond, input waits in Kafka, and goes on when Redis is back (R9)."""
    beside.publish(rosters(CHANNELS))
    dispatcher = beside.started(**bound)
    beside.wait_until_processed()
    copies.check_redis(beside)
    own_redis.kill()
    beside.publish(day(200, CHANNELS, seed=1))
    dispatcher.wait_for("Redis is away; dispatching goes on from memory")
    days = 1
    while is_processed_soon(beside):
        days += 1
        assert days < 50, "input never waits"
        beside.publish(day(100, CHANNELS, seed=days))
    own_redis.start()
    outcome = oracle.check(beside)
    assert len(outcome.assignments) == 200 + 100 * (days - 1)
    assert dispatcher.log("Redis is back")


def copy_of(installation: Installation) -> dict[int, dict[bytes, bytes]]:
    """All hashes as they are now."""
    return {number: installation.redis_hash(number) for number in range(installation.partitions)}


def put_back(installation: Installation, hashes: Mapping[int, Mapping[bytes, bytes]]) -> None:
    """Replace the hashes, as a Redis does that comes back from a snapshot."""
    for number, fields in hashes.items():
        installation.redis.delete(installation.redis_key(number))
        if fields:
            installation.redis.hset(installation.redis_key(number), mapping=dict(fields))  # type: ignore[arg-type]


def test_an_old_copy_that_comes_back_is_noticed(beside: Installation) -> None:
    """While running it is replaced; found at a start it is brought up to date, not believed."""
    beside.publish(rosters(CHANNELS))
    first = beside.started(**AT_ONCE)
    beside.process(day(500, CHANNELS, seed=1))
    copies.check_redis(beside)
    old = copy_of(beside)
    beside.process(day(500, CHANNELS, seed=2))
    copies.check_redis(beside)

    put_back(beside, old)
    beside.process(day(500, CHANNELS, seed=3))
    oracle.check(beside)
    assert first.log("the copy in Redis is not this owner's: writing it whole")
    first.kill()

    put_back(beside, old)
    second = beside.started(**AT_ONCE)
    assert source_of(second) == {"redis"}
    assert sum(line["changelog_records"] for line in second.log("restored")) > 0
    beside.process(day(500, CHANNELS, seed=4))
    assert len(oracle.check(beside).assignments) == 2_000


def with_point(
    hashes: Mapping[int, Mapping[bytes, bytes]], change: Callable[[dict[str, object]], object]
) -> dict[int, dict[bytes, bytes]]:
    """The hashes with another restore point."""
    changed = {}
    for number, fields in hashes.items():
        point = json.loads(fields[b"restore-point"])
        change(point)
        changed[number] = {
            **fields,
            b"restore-point": json.dumps(point, separators=(",", ":")).encode(),
        }
    return changed


@pytest.mark.parametrize(
    "wrong",
    [{"next_offset": 10**9}, {"topic_id": "another"}, {"written_at_ms": 1}],
    ids=["beyond the end", "of another topic", "older than tombstones live"],
)
def test_a_copy_that_can_not_be_is_not_believed(
    beside: Installation, wrong: Mapping[str, object]
) -> None:
    """The state is rebuilt from the changelog, and written over what was there (R8)."""
    beside.publish(rosters(CHANNELS))
    first = beside.started()
    beside.process(day(300, CHANNELS, seed=1))
    copies.check_redis(beside)
    assert first.stop() == 0
    spoiled = with_point(copy_of(beside), lambda point: point.update(wrong))
    # What such a hash holds is not read either.
    for fields in spoiled.values():
        fields[b"channels/from-elsewhere"] = b"{}"
    put_back(beside, spoiled)
    second = beside.started()
    assert source_of(second) == {"changelog"}
    beside.process(day(300, CHANNELS, seed=2))
    assert len(oracle.check(beside).assignments) == 600


def test_a_copy_that_is_ahead_means_that_somebody_else_goes_on(beside: Installation) -> None:
    """The process drops what it has and restores it: it may be the zombie (R8)."""
    beside.publish(rosters(CHANNELS))
    dispatcher = beside.started()
    beside.process(day(300, CHANNELS, seed=1))
    copies.check_redis(beside)
    ahead = with_point(copy_of(beside), lambda point: point.update(next_offset=10**9))
    put_back(beside, ahead)
    beside.process(one_batch_each(CHANNELS, "next"))
    assert len(oracle.check(beside).assignments) == 300 + 10 * CHANNELS
    assert len(dispatcher.log("zombie: closing dirty")) == beside.partitions


def test_a_redis_that_may_evict_is_refused(beside: Installation) -> None:
    """It would drop states one by one when memory is short."""
    beside.redis.config_set("maxmemory-policy", "allkeys-lru")
    dispatcher = beside.start()
    assert dispatcher.wait() == 1
    assert "noeviction" in dispatcher.log("cannot start")[0]["why"]
