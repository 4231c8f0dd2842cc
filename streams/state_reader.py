"""What the dispatchers keep in Redis, for people: read only, and only what is asked for.

In: the hash of a channel's partition, and the status that each process writes. Out: a channel's
state, whole and of one moment; the life-cycle state of each partition. Raises Failed when Redis
can't be asked or holds nothing of what is asked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

import msgspec
import redis

from dispatcher.state import ChannelState
from dispatcher.state_records import (
    SEGMENTS,
    AppliedOffsets,
    ParkedNumbers,
    channel_key,
    read_applied_offsets,
    read_state,
)
from dispatcher.store import RestorePoint, partition_key, status_key
from schemas.partitioning import partition_of
from streams.failure import Failed
from streams.redis_address import checked_redis_address
from streams.settings import Settings

_FIELDS_PER_CALL_MAX: Final = 1_000
_ATTEMPTS_MAX: Final = 20
_KEYS_PER_SCAN: Final = 1_000


class _MainParked(msgspec.Struct):
    parked: ParkedNumbers


class RestoreSeen(msgspec.Struct, frozen=True):
    """A partition that a process restored: from where, and how long it took."""

    partition: int
    source: str
    seconds: float
    at_ms: int
    channels: int
    changelog_records: int


class DispatcherStatus(msgspec.Struct, frozen=True):
    """What a process says of itself: the state of each partition that it owns.

    Attributes:
        redis: "up" or "away", as it sees it.
        restores: the last of them.
    """

    slot: str
    host: str
    pid: int
    updated_at_ms: int
    partitions: dict[str, str]
    started_at_ms: int | None = None
    leads_dispatched: int = 0
    redis: str = "up"
    restores: list[RestoreSeen] = []


class FoundChannel(msgspec.Struct, frozen=True):
    """A channel's state, where it stands, and how fresh the partition's hash is.

    Attributes:
        applied: the inputs that are in the state; None where the hash isn't there.
    """

    partition: int
    state: ChannelState
    restore_point: RestorePoint | None
    applied: AppliedOffsets | None


_decode_main = msgspec.json.Decoder(_MainParked).decode
_decode_status = msgspec.json.Decoder(DispatcherStatus).decode
_decode_point = msgspec.json.Decoder(RestorePoint).decode


def read_statuses(values: Iterable[bytes | None]) -> list[DispatcherStatus]:
    """What can be read of them; the newest last."""
    found = []
    for value in values:
        try:
            found.append(_decode_status(value or b""))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue  # expired meanwhile, or written by another version
    return sorted(found, key=lambda status: status.updated_at_ms)


class StateReader:
    """Redis as `partidor show` and `partidor lag` see it."""

    def __init__(self, settings: Settings) -> None:
        """Connects with the first question."""
        self._settings = settings
        seconds = settings.call_timeout_ms / 1000
        with _answered():
            self._redis = redis.Redis.from_url(
                checked_redis_address(settings),
                socket_timeout=seconds,
                socket_connect_timeout=seconds,
            )

    def channel(self, channel: str) -> FoundChannel:
        """The channel's state. Raises Failed when there is none."""
        with _answered():
            count = self._partition_count()
            if count is None:
                raise Failed(
                    f"Redis holds no state of application {self._settings.application_id!r}:"
                    " no dispatcher has written to it yet (`partidor run`)"
                )
            partition = partition_of(channel.encode(), count)
        found = self.channel_at(channel, partition)
        if not found.state.exists:
            raise Failed(f"there is no channel {channel!r} in Redis (partition {partition})")
        return found

    def channel_at(self, channel: str, partition: int) -> FoundChannel:
        """The channel's state in a partition; one without a decision where there is none."""
        with _answered():
            for _ in range(_ATTEMPTS_MAX):
                found = self._read(channel, partition)
                if found is not None:
                    return found
        raise Failed(f"channel {channel!r} changes faster than it can be read")

    def statuses(self) -> list[DispatcherStatus]:
        """What each process said last, if it wasn't too long ago; the newest last."""
        with _answered():
            pattern = status_key(self._settings.application_id, "*")
            keys = list(self._redis.scan_iter(match=pattern, count=_KEYS_PER_SCAN))
            values = cast("list[bytes | None]", self._redis.mget(keys) if keys else [])
        return read_statuses(values)

    def points_and_fields(
        self, partition: int
    ) -> Iterator[RestorePoint | Mapping[bytes, bytes] | None]:
        """A partition's hash as it is: its restore point, its fields in parts, the point again.

        Fields have their names in Redis. What changes meanwhile may be as it was at any moment
        between the two points. Raises Failed.
        """
        key = self._hash_of(partition)
        with _answered():
            yield self._point(key)
            cursor = 0
            while True:
                cursor, found = cast(
                    "tuple[int, dict[bytes, bytes]]",
                    self._redis.hscan(key, cursor, count=_FIELDS_PER_CALL_MAX),
                )
                yield found
                if not cursor:
                    break
            yield self._point(key)

    def _point(self, hash_key: str) -> RestorePoint | None:
        value = cast("bytes | None", self._redis.hget(hash_key, "restore-point"))
        try:
            return _decode_point(value) if value else None
        except msgspec.DecodeError as error:
            raise Failed(f"the restore point in Redis can't be read: {error}") from None

    def _hash_of(self, partition: int | str) -> str:
        """The name of a partition's hash; "*" for a pattern of all."""
        settings = self._settings
        return partition_key(settings.application_id, settings.topics.lead_batches, partition)

    def _hash_keys(self) -> Iterator[str]:
        """Where a partition's hash may be: the first one, else any that a search finds."""
        yield self._hash_of(0)
        for key in self._redis.scan_iter(match=self._hash_of("*"), count=_KEYS_PER_SCAN):
            yield cast("bytes", key).decode()

    def _partition_count(self) -> int | None:
        """As any of the partitions recorded it; asked of Redis, so that no broker is needed."""
        for key in self._hash_keys():
            value = cast("bytes | None", self._redis.hget(key, "applied-offsets"))
            if value is not None:
                try:
                    return read_applied_offsets(value).partition_count
                except msgspec.DecodeError as error:
                    raise Failed(f"the state in Redis can't be read: {error}") from None
        return None

    def _read(self, channel: str, partition: int) -> FoundChannel | None:
        """The channel at one moment; None when it changed while it was read."""
        hash_key, key = self._hash_of(partition), b"channels/" + channel_key(channel)
        windows = [
            b"%b/%b/%d" % (key, window, place)
            for window in (b"batches", b"changes", b"outcomes")
            for place in range(SEGMENTS)
        ]
        asked = [b"restore-point", b"applied-offsets", key, *windows]
        point, inputs, main, *segments = self._fields(hash_key, asked)
        fields = dict(zip(asked[2:], [main, *segments], strict=True))
        try:
            applied = read_applied_offsets(inputs) if inputs else None
            restore_point = _decode_point(point) if point else None
            if main is None:
                return FoundChannel(partition, ChannelState(channel), restore_point, applied)
            numbers = _decode_main(main).parked.numbers()
            names = [b"%b/parked/%d" % (key, number) for number in numbers]
            for start in range(0, len(names), _FIELDS_PER_CALL_MAX):
                part = names[start : start + _FIELDS_PER_CALL_MAX]
                fields.update(zip(part, self._fields(hash_key, part), strict=True))
            if names and self._fields(hash_key, [key]) != [main]:
                return None
            prefix = len(b"channels/")
            records = {name[prefix:]: value for name, value in fields.items() if value is not None}
            return FoundChannel(partition, read_state(records), restore_point, applied)
        except (msgspec.DecodeError, KeyError) as error:
            raise Failed(f"the state of {channel!r} in Redis can't be read: {error}") from None

    def _fields(self, hash_key: str, names: list[bytes]) -> list[bytes | None]:
        """Values of fields, all of the same moment."""
        return cast("list[bytes | None]", self._redis.hmget(hash_key, cast("list[Any]", names)))


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, ValueError, OSError) as error:
        # The address may hold a password and is not repeated.
        raise Failed(f"can't ask Redis (PARTIDOR_REDIS_URL): {error}") from None
