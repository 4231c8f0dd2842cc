"""The port to where states are kept beside the changelog, and its in-memory reference.

The truth is the changelog. A store holds, per partition, the same records as a whole committed
prefix of it, together with the point up to which they are that prefix. It makes a takeover or a
restart fast, and it is where everybody else reads. Losing it costs time, never a lead.

The rules that a store keeps (design, R7 and R8):

- All or nothing: a partition's records and its restore point are lost together or not at all.
- Compare-and-set: `apply` and `replace` change something only if the restore point is exactly the
  one that the caller read or wrote last; otherwise they change nothing and say what is there. So a
  late write of an earlier owner can't mix into what a later one wrote.
- Whatever is in the store is a committed prefix with its offset, whoever wrote it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

from dispatcher.state_records import APPLIED_OFFSETS_KEY, Record

CHANNEL_FIELD: Final = b"channels/"
APPLIED_OFFSETS_FIELD: Final = b"applied-offsets"


class RestorePoint(msgspec.Struct, frozen=True):
    """Everything below `next_offset` of the changelog partition is in the store.

    Attributes:
        topic_id: of the changelog; another topic of the same name is another history.
        next_offset: of the first changelog record that isn't in the store.
        written_at_ms: milliseconds since the epoch; a point older than tombstones live is
            not believed.
    """

    topic_id: str
    next_offset: int
    written_at_ms: int


class RegisterPoint(msgspec.Struct, frozen=True):
    """Everything below `next_offset` of the register's partition is in the store, and may be more.

    Lost with the restore point, or whenever that copy is written whole.
    """

    topic_id: str
    next_offset: int


class OwnersFound(NamedTuple):
    """Owners that were looked up, and the points in force when they were."""

    restore_point: RestorePoint | None
    register_point: RegisterPoint | None
    owners: list[bytes | None]


class OwnerEntry(NamedTuple):
    """An owner to keep: the key, what to keep, and for how long, milliseconds."""

    key: str
    value: bytes
    lifetime_ms: int


class StoreUnavailable(Exception):
    """The store did not answer in time, or refused to write. Nothing can be said of the call."""


class Slice(NamedTuple):
    """A part of a partition's records; `cursor` continues, None is the end."""

    records: Mapping[bytes, bytes]
    cursor: int | None


class StateStore(Protocol):
    """Where a partition's records are kept.

    Every call may raise `StoreUnavailable`, after at most the store's time-out; the caller can't
    know then whether it was carried out, and finds out by the restore point.
    """

    def restore_point(self, partition: int) -> RestorePoint | None:
        """The point in force; None where nothing is kept."""

    def read(self, partition: int, cursor: int, count: int) -> Slice:
        """About `count` records from `cursor` on, 0 first. Between changes of the restore point a
        whole pass yields every record at least once; a record may come twice.
        """

    def apply(
        self,
        partition: int,
        expected: RestorePoint | None,
        new: RestorePoint,
        records: Sequence[Record],
    ) -> RestorePoint | None:
        """Write records and the new restore point, if `expected` is in force.

        Returns the restore point in force afterwards: `new` itself when it was carried out.
        """

    def stage(
        self,
        partition: int,
        owner: str,
        new: RestorePoint,
        records: Iterable[Record],
        *,
        first: bool,
    ) -> None:
        """Collect records for `replace`, apart from what is in force; `first` begins anew.

        `owner` keeps what two owners collect at the same time apart; `new`, the point that the
        copy will have, keeps attempts of one owner apart: a part that belongs to another attempt
        than the one begun last (it came late, or the first part was lost since) is refused with
        `StoreUnavailable`.
        """

    def replace(
        self, partition: int, owner: str, expected: RestorePoint | None, new: RestorePoint
    ) -> RestorePoint | None:
        """Put what was staged for `new` in the place of everything, if `expected` is in force.

        Returns the restore point in force afterwards: `new` itself when it was carried out.
        Raises StoreUnavailable when what was staged is not there, or not for `new`.
        """

    def owners(self, partition: int, topic_id: str, keys: Sequence[str]) -> OwnersFound:
        """Look owners up in one round trip; `topic_id` of the register that they were read from."""

    def put_owners(
        self,
        partition: int,
        topic_id: str,
        expected: tuple[RestorePoint | None, RegisterPoint | None],
        entries: Sequence[OwnerEntry],
        next_offset: int,
    ) -> bool:
        """Keep owners, if both points `expected` are in force; False if they aren't.

        `next_offset` of the register point from then on. Every call moves it, so that a store which
        lost the last call, and only that, can be told from one that didn't.
        """

    def write_status(self, slot: str, status: bytes, lifetime_ms: int) -> None:
        """Let people see what a process is doing. Forgotten after `lifetime_ms`."""


def partition_key(application_id: str, lead_batches_topic: str, partition: int | str) -> str:
    """The name of a partition's hash; the braces make its parts share a cluster slot.

    `partition` may be "*", for a pattern of all.
    """
    return f"partidor:{application_id}:{{{lead_batches_topic}-{partition}}}"


def record_field(key: bytes) -> bytes:
    """Under which field of the hash a changelog record is kept."""
    return APPLIED_OFFSETS_FIELD if key == APPLIED_OFFSETS_KEY else CHANNEL_FIELD + key


def record_key_of(field: bytes) -> bytes | None:
    """The key of the changelog record in a field; None for what is no record."""
    if field.startswith(CHANNEL_FIELD):
        return field[len(CHANNEL_FIELD) :]
    return APPLIED_OFFSETS_KEY if field == APPLIED_OFFSETS_FIELD else None


def status_key(application_id: str, slot: str) -> str:
    """Where a process says what it is doing."""
    return f"partidor:{application_id}:dispatcher:{slot}"


class MemoryStore:
    """The reference: what every store does, without a server."""

    def __init__(self) -> None:
        """Starts empty."""
        self._records: dict[int, dict[bytes, bytes]] = {}
        self._points: dict[int, RestorePoint] = {}
        self._staged: dict[tuple[int, str], tuple[RestorePoint, dict[bytes, bytes]]] = {}
        self._owners: dict[tuple[int, str, str], bytes] = {}
        self._register_points: dict[int, RegisterPoint] = {}
        self.statuses: dict[str, bytes] = {}

    def flush(self) -> None:
        """Forget everything, as FLUSHALL does."""
        self._records.clear()
        self._points.clear()
        self._staged.clear()
        self._owners.clear()
        self._register_points.clear()
        self.statuses.clear()

    def restore_point(self, partition: int) -> RestorePoint | None:
        """See `StateStore`."""
        return self._points.get(partition)

    def read(self, partition: int, cursor: int, count: int) -> Slice:
        """See `StateStore`."""
        keys = sorted(self._records.get(partition, {}))
        part = keys[cursor : cursor + count]
        end = cursor + count
        records = self._records.get(partition, {})
        return Slice({key: records[key] for key in part}, end if end < len(keys) else None)

    def apply(
        self,
        partition: int,
        expected: RestorePoint | None,
        new: RestorePoint,
        records: Sequence[Record],
    ) -> RestorePoint | None:
        """See `StateStore`."""
        found = self._points.get(partition)
        if found != expected:
            return found
        _write(self._records.setdefault(partition, {}), records)
        self._points[partition] = new
        return new

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
        if first:
            self._staged[partition, owner] = (new, {})
        _write(self._staged_for(partition, owner, new), records)

    def replace(
        self, partition: int, owner: str, expected: RestorePoint | None, new: RestorePoint
    ) -> RestorePoint | None:
        """See `StateStore`."""
        found = self._points.get(partition)
        if found != expected:
            return found
        self._records[partition] = self._staged_for(partition, owner, new)
        self._points[partition] = new
        self._register_points.pop(partition, None)
        self._staged.pop((partition, owner))
        return new

    def _staged_for(self, partition: int, owner: str, new: RestorePoint) -> dict[bytes, bytes]:
        point, records = self._staged.get((partition, owner), (None, {}))
        if point != new:
            raise StoreUnavailable("what was staged is gone, or of another attempt")
        return records

    def owners(self, partition: int, topic_id: str, keys: Sequence[str]) -> OwnersFound:
        """See `StateStore`."""
        return OwnersFound(
            self._points.get(partition),
            self._register_points.get(partition),
            [self._owners.get((partition, topic_id, key)) for key in keys],
        )

    def put_owners(
        self,
        partition: int,
        topic_id: str,
        expected: tuple[RestorePoint | None, RegisterPoint | None],
        entries: Sequence[OwnerEntry],
        next_offset: int,
    ) -> bool:
        """See `StateStore`; the reference forgets nothing."""
        points = (self._points.get(partition), self._register_points.get(partition))
        if points != expected:
            return False
        for entry in entries:
            self._owners[partition, topic_id, entry.key] = entry.value
        self._register_points[partition] = RegisterPoint(topic_id, next_offset)
        return True

    def write_status(self, slot: str, status: bytes, lifetime_ms: int) -> None:
        """See `StateStore`; the reference forgets nothing."""
        del lifetime_ms
        self.statuses[slot] = status


def _write(kept: dict[bytes, bytes], records: Iterable[Record]) -> None:
    for key, value in records:
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = value
