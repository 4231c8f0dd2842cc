"""Every store keeps the rules of the port: the reference, Redis, and the simulation's model."""

from collections.abc import Callable, Iterator

import pytest

from dispatcher.redis_store import RedisStore
from dispatcher.state_records import APPLIED_OFFSETS_KEY
from dispatcher.store import (
    MemoryStore,
    OwnerEntry,
    OwnersFound,
    RegisterPoint,
    RestorePoint,
    StateStore,
    StoreUnavailable,
    partition_key,
    status_key,
)
from tests.conformance.model_side import DrivingThread
from tests.simulation.clockwork import Clockwork
from tests.simulation.redis import Redis, SimStore
from tests.support.waiting import wait_until

TIMEOUT_MS = 2_000
A = RestorePoint("topic", 10, 1)
B = RestorePoint("topic", 20, 2)
C = RestorePoint("topic", 30, 3)


def model(*, away: bool = False) -> SimStore:
    """The simulation's way to its Redis, in calm weather."""
    clockwork = Clockwork(1)
    redis = Redis(clockwork, clockwork.rng, lambda _: None, lambda: None, away=away)
    return SimStore(DrivingThread(clockwork), redis, TIMEOUT_MS)


@pytest.fixture(params=["memory", "redis", "model"])
def store(request: pytest.FixtureRequest, application_id: str) -> Iterator[StateStore]:
    """One of the stores, empty."""
    if request.param == "memory":
        yield MemoryStore()
    elif request.param == "model":
        yield model()
    else:
        url = request.getfixturevalue("redis_url")
        redis = RedisStore(url, application_id, "leads.batches", TIMEOUT_MS)
        yield redis
        redis.close()


def everything(store: StateStore, partition: int = 3) -> dict[bytes, bytes]:
    """All records, read in slices."""
    records: dict[bytes, bytes] = {}
    cursor: int | None = 0
    while cursor is not None:
        part = store.read(partition, cursor, 7)
        records.update(part.records)
        cursor = part.cursor
    return records


def test_nothing_is_there_at_first(store: StateStore) -> None:
    """No restore point, no records."""
    assert store.restore_point(3) is None
    assert everything(store) == {}


def test_what_is_applied_is_read_back_and_partitions_are_apart(store: StateStore) -> None:
    """Records, deletions, the partition's own record."""
    many = [(b"channel-%d" % n, b"%d" % n) for n in range(50)]
    assert store.apply(3, None, A, [*many, (APPLIED_OFFSETS_KEY, b"{}")]) == A
    assert store.apply(3, A, B, [(b"channel-0", None), (b"channel-1", b"new")]) == B
    expected = {**dict(many), APPLIED_OFFSETS_KEY: b"{}", b"channel-1": b"new"}
    del expected[b"channel-0"]
    assert everything(store) == expected
    assert store.restore_point(3) == B
    assert store.restore_point(4) is None


@pytest.mark.parametrize(
    "expected", [None, B, RestorePoint("topic", 10, 2), RestorePoint("x", 10, 1)]
)
def test_a_write_that_expects_another_point_changes_nothing(
    store: StateStore, expected: RestorePoint | None
) -> None:
    """Compare-and-set on the whole point: topic, offset and time."""
    store.apply(3, None, A, [(b"k", b"old")])
    assert store.apply(3, expected, C, [(b"k", b"new")]) == A
    store.stage(3, "me", C, [(b"k", b"new")], first=True)
    assert store.replace(3, "me", expected, C) == A
    assert everything(store) == {b"k": b"old"}
    assert store.restore_point(3) == A


def test_an_expectation_of_something_where_nothing_is_changes_nothing(store: StateStore) -> None:
    """After a flush."""
    assert store.apply(3, A, B, [(b"k", b"v")]) is None
    assert everything(store) == {}


def test_a_replacement_takes_the_place_of_everything(store: StateStore) -> None:
    """What isn't in the new copy is gone; it was collected apart, in parts."""
    store.apply(3, None, A, [(b"old", b"1"), (b"both", b"1")])
    store.stage(3, "me", C, [(b"x", b"left over")], first=True)
    store.stage(3, "me", B, [(b"both", b"2")], first=True)
    store.stage(3, "rival", B, [(b"rival", b"2")], first=True)
    store.stage(3, "me", B, [(b"new", b"2")], first=False)
    assert everything(store) == {b"old": b"1", b"both": b"1"}
    assert store.replace(3, "me", A, B) == B
    assert everything(store) == {b"both": b"2", b"new": b"2"}
    assert store.apply(3, B, C, [(b"both", None)]) == C


def test_a_part_of_another_attempt_is_refused(store: StateStore) -> None:
    """It came late, or what was staged before it is gone: else a copy would hold only a part."""
    store.stage(3, "me", B, [(b"one", b"1")], first=True)
    calls: list[Callable[[], object]] = [
        lambda: store.stage(3, "me", A, [(b"late", b"0")], first=False),
        lambda: store.stage(3, "rival", B, [(b"two", b"1")], first=False),
        lambda: store.replace(3, "me", None, A),
        lambda: store.replace(3, "rival", None, B),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    assert everything(store) == {}
    assert store.replace(3, "me", None, B) == B
    assert everything(store) == {b"one": b"1"}


OWNERS = [OwnerEntry("ann", b"1", 60_000), OwnerEntry("bo", b"2", 60_000)]


def test_owners_are_found_with_the_points_in_force(store: StateStore) -> None:
    """In the order of the keys; of each topic id and each partition by itself."""
    assert store.owners(3, "t", ["ann"]) == OwnersFound(None, None, [None])
    store.apply(3, None, A, [(b"k", b"v")])
    assert store.put_owners(3, "t", (A, None), OWNERS, 7)
    found = store.owners(3, "t", ["bo", "carl", "ann"])
    assert found == OwnersFound(A, RegisterPoint("t", 7), [b"2", None, b"1"])
    seven = RegisterPoint("t", 7)
    assert store.put_owners(3, "t", (A, seven), [OwnerEntry("ann", b"3", 60_000)], 8)
    assert store.owners(3, "t", ["ann"]) == OwnersFound(A, RegisterPoint("t", 8), [b"3"])
    assert store.owners(3, "another topic", ["ann"]).owners == [None]
    assert store.owners(4, "t", ["ann"]) == OwnersFound(None, None, [None])
    assert store.owners(3, "t", []).owners == []
    assert everything(store) == {b"k": b"v"}


def test_owners_are_kept_only_by_who_knows_both_points(store: StateStore) -> None:
    """A late write of an earlier owner of the partition, or into an older copy, changes nothing."""
    store.apply(3, None, B, [(b"k", b"v")])
    seven = RegisterPoint("t", 7)
    for expected in ((A, None), (None, None), (B, seven)):
        assert not store.put_owners(3, "t", expected, OWNERS, 7)
    assert store.owners(3, "t", ["ann"]) == OwnersFound(B, None, [None])
    assert store.put_owners(4, "t", (None, None), OWNERS, 7)
    assert store.owners(4, "t", ["ann"]) == OwnersFound(None, seven, [b"1"])
    assert not store.put_owners(4, "t", (None, None), OWNERS, 9)
    assert not store.put_owners(4, "t", (None, RegisterPoint("t", 6)), OWNERS, 9)
    assert store.owners(4, "t", []).register_point == seven


def test_a_whole_copy_takes_the_register_point_away(store: StateStore) -> None:
    """Whoever wrote it may have found Redis empty: how far owners go isn't known any more."""
    store.apply(3, None, A, [(b"k", b"v")])
    store.put_owners(3, "t", (A, None), OWNERS, 7)
    assert store.apply(3, A, B, [(b"k", b"w")]) == B
    assert store.owners(3, "t", []).register_point == RegisterPoint("t", 7)
    store.stage(3, "me", C, [(b"k", b"x")], first=True)
    assert store.replace(3, "me", B, C) == C
    assert store.owners(3, "t", []) == OwnersFound(C, None, [])


def test_redis_forgets_an_owner_when_its_time_is_over(redis_url: str, application_id: str) -> None:
    """By a key's expiry; the others stay."""
    store = RedisStore(redis_url, application_id, "leads.batches", TIMEOUT_MS)
    store.put_owners(3, "t", (None, None), [OwnerEntry("ann", b"1", 50), OWNERS[1]], 7)
    wait_until(
        lambda: store.owners(3, "t", ["ann", "bo"]).owners == [None, b"2"],
        lambda: "the key expires",
        5.0,
    )
    store.close()


def test_fields_have_the_names_that_operators_are_told(redis_url: str, application_id: str) -> None:
    """One hash per partition, its parts named in it; a status that is forgotten."""
    import redis

    store = RedisStore(redis_url, application_id, "leads.batches", 2_000)
    store.apply(
        3, None, A, [(b"web", b"{}"), (b"web/parked/1", b"{}"), (APPLIED_OFFSETS_KEY, b"{}")]
    )
    store.write_status("7", b"{}", 5_000)
    client = redis.Redis.from_url(redis_url)
    key = partition_key(application_id, "leads.batches", 3)
    assert key == f"partidor:{application_id}:{{leads.batches-3}}"
    fields = {b"channels/web", b"channels/web/parked/1", b"applied-offsets", b"restore-point"}
    assert set(client.hkeys(key)) == fields
    assert 0 < client.pttl(status_key(application_id, "7")) <= 5_000
    assert store.eviction_policy() == "noeviction"
    client.hset(key, "restore-point", "not a point")
    with pytest.raises(StoreUnavailable, match="can't be read"):
        store.restore_point(3)
    client.close()
    store.close()


@pytest.mark.parametrize("kind", ["redis", "model"])
def test_a_server_that_is_not_there_is_unavailable(kind: str) -> None:
    """Whatever is asked of it, within the time-out."""
    nowhere = RedisStore("redis://127.0.0.1:1/0", "nobody", "leads.batches", 200)
    store: StateStore = nowhere if kind == "redis" else model(away=True)
    calls: list[Callable[[], object]] = [
        lambda: store.restore_point(0),
        lambda: store.read(0, 0, 10),
        lambda: store.apply(0, None, A, []),
        lambda: store.stage(0, "me", A, [], first=True),
        lambda: store.replace(0, "me", None, A),
        lambda: store.write_status("0", b"", 100),
    ]
    if kind == "redis":
        calls.append(nowhere.eviction_policy)
    for call in calls:
        with pytest.raises(StoreUnavailable):
            call()
    nowhere.close()


def test_a_whole_pass_reads_everything_though_it_is_read_in_slices(store: StateStore) -> None:
    """Also what is large enough for the server to keep in another way."""
    many = {b"channel-%d" % n: b"%d" % n * 20 for n in range(1_000)}
    store.apply(3, None, A, list(many.items()))
    assert everything(store) == many


def test_a_replacement_is_a_copy_of_its_own(store: StateStore) -> None:
    """What is staged afterwards isn't in force, and can't be put in force a second time."""
    store.stage(3, "me", A, [(b"one", b"1")], first=True)
    assert store.replace(3, "me", None, A) == A
    with pytest.raises(StoreUnavailable):
        store.replace(3, "me", A, A)
    with pytest.raises(StoreUnavailable):
        store.stage(3, "me", A, [(b"two", b"2")], first=False)
    assert everything(store) == {b"one": b"1"}
