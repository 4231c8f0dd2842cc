"""States in Redis: one hash per partition, changed by compare-and-set scripts.

The hash `partidor:<application id>:{leads.batches-3}` holds the fields `channels/<changelog key>`,
`applied-offsets` and `restore-point`, so that it is lost as a whole or not at all (R7). What is
staged for a replacement stands in a second hash with the same hash tag, and expires if its owner
doesn't come back for it. Owners are keys of their own, with an expiry, beside the hash; its field
`register-point` says how far they go, and is lost with it.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final, cast

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from dispatcher.state_records import Record
from dispatcher.store import (
    OwnerEntry,
    OwnersFound,
    RegisterPoint,
    RestorePoint,
    Slice,
    StoreUnavailable,
    partition_key,
    record_field,
    record_key_of,
    status_key,
)

STAGED_LIFETIME_MS: Final = 600_000

_APPLY: Final = """
local found = redis.call('HGET', KEYS[1], 'restore-point')
if (found or '') ~= ARGV[1] then return found or '' end
local sets, deletes = tonumber(ARGV[3]), 4
for i = 4, 3 + 2 * sets, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = 4 + 2 * sets, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
redis.call('HSET', KEYS[1], 'restore-point', ARGV[2])
return ARGV[2]
"""
# A staged copy carries the point that it will have from its first part on: parts that come late, or
# after the first one was lost, don't fit and are refused.
_STAGE: Final = """
if ARGV[2] == 'first' then
  redis.call('UNLINK', KEYS[1])
  redis.call('HSET', KEYS[1], 'restore-point', ARGV[1])
elseif redis.call('HGET', KEYS[1], 'restore-point') ~= ARGV[1] then
  return redis.error_reply('NOSTAGE what was staged is gone, or of another attempt')
end
for i = 4, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_REPLACE: Final = """
local found = redis.call('HGET', KEYS[1], 'restore-point')
if (found or '') ~= ARGV[1] then return found or '' end
if redis.call('HGET', KEYS[2], 'restore-point') ~= ARGV[2] then
  return redis.error_reply('NOSTAGE what was staged is gone, or of another attempt')
end
redis.call('PERSIST', KEYS[2])
redis.call('RENAME', KEYS[2], KEYS[1])
return ARGV[2]
"""
_PUT_OWNERS: Final = """
local found = redis.call('HGET', KEYS[1], 'restore-point')
if (found or '') ~= ARGV[1] then return 0 end
found = redis.call('HGET', KEYS[1], 'register-point')
if (found or '') ~= ARGV[2] then return 0 end
for i = 2, #KEYS do redis.call('SET', KEYS[i], ARGV[2 * i], 'PX', ARGV[2 * i + 1]) end
redis.call('HSET', KEYS[1], 'register-point', ARGV[3])
return 1
"""
_encode = msgspec.json.Encoder().encode
_decode_point = msgspec.json.Decoder(RestorePoint).decode
_decode_register_point = msgspec.json.Decoder(RegisterPoint).decode


class RedisStore:
    """See `dispatcher.store.StateStore` for what each call does."""

    def __init__(
        self, url: str, application_id: str, lead_batches_topic: str, timeout_ms: int
    ) -> None:
        """Connects on first use. Each call takes at most `timeout_ms`, and is not retried here:
        a call that failed may have been carried out, and only the caller can tell.
        """
        self._application_id = application_id
        self._topic = lead_batches_topic
        seconds = timeout_ms / 1000
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),
            health_check_interval=0,
        )

    def close(self) -> None:
        """Leave Redis."""
        self._redis.close()

    def eviction_policy(self) -> str | None:
        """`maxmemory-policy` in force; None where Redis doesn't tell (some hosted ones)."""
        try:
            found = cast("dict[Any, Any]", self._redis.config_get("maxmemory-policy"))
        except redis.ResponseError:
            return None
        except redis.RedisError as error:
            raise StoreUnavailable(str(error)) from error
        texts = {_text(key): _text(value) for key, value in found.items()}
        return texts.get("maxmemory-policy")

    def restore_point(self, partition: int) -> RestorePoint | None:
        """See `StateStore`."""
        with _unavailable():
            found = self._redis.hget(self._key(partition), "restore-point")
        return _read_point(cast("bytes | None", found))

    def read(self, partition: int, cursor: int, count: int) -> Slice:
        """See `StateStore`; HSCAN gives every field that is there throughout at least once."""
        with _unavailable():
            next_cursor, found = cast(
                "tuple[int, dict[bytes, bytes]]",
                self._redis.hscan(self._key(partition), cursor, count=count),
            )
        records = {
            key: value
            for field, value in found.items()
            if (key := record_key_of(field)) is not None
        }
        return Slice(records, next_cursor or None)

    def apply(
        self,
        partition: int,
        expected: RestorePoint | None,
        new: RestorePoint,
        records: Sequence[Record],
    ) -> RestorePoint | None:
        """See `StateStore`."""
        sets = [
            part
            for key, value in records
            if value is not None
            for part in (record_field(key), value)
        ]
        deletes = [record_field(key) for key, value in records if value is None]
        arguments = [_point(expected), _encode(new), len(sets) // 2, *sets, *deletes]
        with _unavailable():
            found = self._redis.eval(_APPLY, 1, self._key(partition), *arguments)  # type: ignore[arg-type]
        return _read_point(cast("bytes", found))

    def stage(
        self,
        partition: int,
        owner: str,
        new: RestorePoint,
        records: Iterable[Record],
        *,
        first: bool,
    ) -> None:
        """See `StateStore`."""
        fields = [
            text for k, value in records if value is not None for text in (record_field(k), value)
        ]
        begins = b"first" if first else b"next"
        arguments = [_encode(new), begins, STAGED_LIFETIME_MS, *fields]
        with _unavailable():
            self._redis.eval(_STAGE, 1, self._staged_key(partition, owner), *arguments)  # type: ignore[arg-type]

    def replace(
        self, partition: int, owner: str, expected: RestorePoint | None, new: RestorePoint
    ) -> RestorePoint | None:
        """See `StateStore`."""
        keys = (self._key(partition), self._staged_key(partition, owner))
        with _unavailable():
            found = self._redis.eval(_REPLACE, 2, *keys, _point(expected), _encode(new))
        return _read_point(cast("bytes", found))

    def owners(self, partition: int, topic_id: str, keys: Sequence[str]) -> OwnersFound:
        """See `StateStore`."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.hmget(self._key(partition), ["restore-point", "register-point"])
        if keys:
            pipeline.mget([self._owner_key(partition, topic_id, key) for key in keys])
        with _unavailable():
            (restore_point, register_point), *owners = pipeline.execute()
        return OwnersFound(
            _read_point(restore_point),
            _read_register_point(register_point),
            cast("list[bytes | None]", owners[0] if owners else []),
        )

    def put_owners(
        self,
        partition: int,
        topic_id: str,
        expected: tuple[RestorePoint | None, RegisterPoint | None],
        entries: Sequence[OwnerEntry],
        next_offset: int,
    ) -> bool:
        """See `StateStore`."""
        restore_point, register_point = expected
        keys = [self._owner_key(partition, topic_id, entry.key) for entry in entries]
        kept = [part for entry in entries for part in (entry.value, entry.lifetime_ms)]
        with _unavailable():
            done = self._redis.eval(
                _PUT_OWNERS,
                1 + len(keys),
                self._key(partition),
                *keys,
                _point(restore_point),
                _point(register_point),
                _encode(RegisterPoint(topic_id, next_offset)),
                *kept,
            )
        return bool(done)

    def write_status(self, slot: str, status: bytes, lifetime_ms: int) -> None:
        """See `StateStore`."""
        with _unavailable():
            self._redis.set(status_key(self._application_id, slot), status, px=lifetime_ms)

    def _key(self, partition: int) -> str:
        return partition_key(self._application_id, self._topic, partition)

    def _owner_key(self, partition: int, topic_id: str, key: str) -> str:
        return f"{self._key(partition)}:owners:{topic_id}:{key}"

    def _staged_key(self, partition: int, owner: str) -> str:
        return f"{self._key(partition)}:staged:{owner}"


class _unavailable:  # noqa: N801 - reads as a statement
    """Whatever Redis or the way to it says instead of an answer is `StoreUnavailable`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, redis.RedisError | OSError):
            raise StoreUnavailable(f"{type(error).__name__}: {error}") from error


def _point(point: RestorePoint | RegisterPoint | None) -> bytes:
    return b"" if point is None else _encode(point)


def _read_point(found: bytes | None) -> RestorePoint | None:
    if not found:
        return None
    try:
        return _decode_point(found)
    except msgspec.DecodeError as error:
        raise StoreUnavailable(f"the restore point in Redis can't be read: {error}") from error


def _read_register_point(found: bytes | None) -> RegisterPoint | None:
    try:
        return _decode_register_point(found) if found else None
    except msgspec.DecodeError as error:
        raise StoreUnavailable(f"the register point in Redis can't be read: {error}") from error


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
