"""Which lead went to whom: the assignments of a partition, on disk.

In: records of `leads.assignments` in order of their offsets. Out: the assignments of a lead, those
of an assignee page by page, the offsets between which a batch's assignments stand in Kafka.

Leads and the next offset are written in one transaction, so after any end the two fit, and what is
read again changes nothing: a lead's key is its record's offset. Ids that repeat are stored once;
attributes, which are personal, not at all.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from streams.views.decisions import Count
from streams.views.sqlite_files import looking_at, opened, transaction

FORMAT: Final = "1"
"""Rises when what is kept changes its shape or its meaning; then all is read again."""

NUMBERS_REMEMBERED_MAX: Final = 20_000
"""Assignees, and as many batches, whose numbers are known without a look into the file."""

_SCHEMA: Final = """
CREATE TABLE progress (next_offset INTEGER NOT NULL);
CREATE TABLE assignees (
    number INTEGER PRIMARY KEY, channel TEXT NOT NULL, assignee_id TEXT NOT NULL,
    UNIQUE (channel, assignee_id)
);
CREATE TABLE batches (
    first_offset INTEGER PRIMARY KEY, channel TEXT NOT NULL, state_version INTEGER NOT NULL,
    batch_id TEXT NOT NULL, batch_size INTEGER NOT NULL, decided_at TEXT NOT NULL,
    UNIQUE (channel, state_version)
);
CREATE TABLE leads (
    offset INTEGER PRIMARY KEY, batch INTEGER NOT NULL, assignee INTEGER NOT NULL,
    position INTEGER NOT NULL, lead_id TEXT NOT NULL
);
CREATE INDEX leads_by_id ON leads (lead_id);
CREATE INDEX leads_of_assignee ON leads (assignee, offset)
"""

_ASSIGNMENTS: Final = """
SELECT leads.offset, assignees.channel, batches.batch_id, leads.lead_id, assignees.assignee_id,
    leads.position, batches.batch_size, batches.state_version, batches.decided_at
FROM leads JOIN assignees ON assignees.number = leads.assignee
    JOIN batches ON batches.first_offset = leads.batch
"""


class AssignmentRead(msgspec.Struct, frozen=True):
    """An assignment, as far as it is kept."""

    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: Count
    batch_size: Count
    state_version: Count
    decided_at: str


class KeptAssignment(NamedTuple):
    """An assignment that is kept, and the offset of its record."""

    offset: int
    channel: str
    batch_id: str
    lead_id: str
    assignee_id: str
    position: int
    batch_size: int
    state_version: int
    decided_at: str


class Added(NamedTuple):
    """What became of records.

    Attributes:
        leads: assignments that were added.
        unreadable: offsets of records that are no assignment.
    """

    leads: int
    unreadable: list[int]


_decode = msgspec.json.Decoder(AssignmentRead).decode
K = TypeVar("K")


class _Numbers(OrderedDict[K, int]):
    """Numbers that were given, the newest of them."""

    def remember(self, key: K, number: int) -> None:
        """One more; the oldest is forgotten when there are too many."""
        self[key] = number
        if len(self) > NUMBERS_REMEMBERED_MAX:
            self.popitem(last=False)


class LeadArchive:
    """The file of one partition. Used by one thread."""

    def __init__(self, directory: Path, topic_id: str, partition: int) -> None:
        """Opens the file or makes it. Raises OSError, sqlite3.Error."""
        self.path = path_of(directory, partition)
        identity = {"format": FORMAT, "topic_id": topic_id, "partition": str(partition)}
        self._connection = opened(self.path, _SCHEMA, identity)
        self._assignees: _Numbers[tuple[str, str]] = _Numbers()
        self._batches: _Numbers[tuple[str, int]] = _Numbers()
        found = self._connection.execute("SELECT next_offset FROM progress").fetchone()
        self.next_offset: int = found[0] if found else 0

    def add(self, records: Sequence[tuple[int, bytes | None]], next_offset: int) -> Added:
        """Add records (offset, value), and go on at `next_offset`. Raises sqlite3.Error."""
        rows, unreadable = [], []
        try:
            with transaction(self._connection):
                for offset, value in records:
                    try:
                        read = _decode(value or b"")
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                        unreadable.append(offset)
                        continue
                    batch, assignee = self._batch(read, offset), self._assignee(read)
                    rows.append((offset, batch, assignee, read.position, read.lead_id))
                self._connection.executemany(
                    "INSERT OR REPLACE INTO leads VALUES (?, ?, ?, ?, ?)", rows
                )
                self._connection.execute("DELETE FROM progress")
                self._connection.execute("INSERT INTO progress VALUES (?)", (next_offset,))
        except BaseException:
            # Numbers may have been given that are now taken back.
            self._assignees.clear()
            self._batches.clear()
            raise
        self.next_offset = next_offset
        return Added(len(rows), unreadable)

    def forget_before(self, first_offset: int) -> int:
        """Leave out what Kafka no longer has. Returns how many leads. Raises sqlite3.Error."""
        with transaction(self._connection):
            forgotten = self._connection.execute(
                "DELETE FROM leads WHERE offset < ?", (first_offset,)
            ).rowcount
            if forgotten:
                # Batches stand one after the other: of one at most, a part is left.
                self._connection.execute(
                    "DELETE FROM batches WHERE first_offset < ? AND first_offset IS NOT"
                    " (SELECT batch FROM leads ORDER BY offset LIMIT 1)",
                    (first_offset,),
                )
                self._batches.clear()
        return forgotten

    def clear(self) -> None:
        """Forget everything. Raises sqlite3.Error."""
        with transaction(self._connection):
            for table in ("progress", "leads", "batches", "assignees"):
                # Of those named above.
                self._connection.execute(f"DELETE FROM {table}")  # nosec B608
        self._assignees.clear()
        self._batches.clear()
        self.next_offset = 0

    def close(self) -> None:
        """Nothing is written from here on."""
        self._connection.close()

    def _assignee(self, read: AssignmentRead) -> int:
        key = (read.channel, read.assignee_id)
        number = self._assignees.get(key)
        if number is None:
            execute = self._connection.execute
            execute("INSERT OR IGNORE INTO assignees (channel, assignee_id) VALUES (?, ?)", key)
            (number,) = execute(
                "SELECT number FROM assignees WHERE channel = ? AND assignee_id = ?", key
            ).fetchone()
            self._assignees.remember(key, number)
        return number

    def _batch(self, read: AssignmentRead, offset: int) -> int:
        key = (read.channel, read.state_version)
        first_offset = self._batches.get(key)
        if first_offset is None:
            execute = self._connection.execute
            execute(
                "INSERT OR IGNORE INTO batches VALUES (?, ?, ?, ?, ?, ?)",
                (offset, *key, read.batch_id, read.batch_size, read.decided_at),
            )
            (first_offset,) = execute(
                "SELECT first_offset FROM batches WHERE channel = ? AND state_version = ?", key
            ).fetchone()
            self._batches.remember(key, first_offset)
        return first_offset


def path_of(directory: Path, partition: int) -> Path:
    """Where a partition's file is."""
    return directory / f"assignments-{partition}.sqlite"


def of_lead(path: Path, lead_id: str, limit: int) -> list[KeptAssignment]:
    """The assignments of a lead, oldest first. Raises sqlite3.Error, OSError."""
    return _found(path, "WHERE leads.lead_id = ? ORDER BY leads.offset LIMIT ?", lead_id, limit)


def of_assignee(
    path: Path, channel: str, assignee_id: str, before: int | None, limit: int
) -> list[KeptAssignment]:
    """Somebody's assignments whose offset is below `before`, newest first.

    Raises sqlite3.Error, OSError.
    """
    where = (
        "WHERE leads.assignee ="
        " (SELECT number FROM assignees WHERE channel = ? AND assignee_id = ?)"
        " AND leads.offset < ? ORDER BY leads.offset DESC LIMIT ?"
    )
    return _found(path, where, channel, assignee_id, 2**62 if before is None else before, limit)


def stretch_of(path: Path, channel: str, state_version: int) -> tuple[int, int] | None:
    """The offsets of a batch's first and last assignment; None if none is kept.

    Raises sqlite3.Error, OSError.
    """
    with looking_at(path) as connection:
        found = connection.execute(
            "SELECT first_offset, batch_size FROM batches WHERE channel = ? AND state_version = ?",
            (channel, state_version),
        ).fetchone()
        if found is None:
            return None
        first_offset, batch_size = found
        # They were written together, one after the other; `batch_size` rows at most.
        (last,) = connection.execute(
            "SELECT max(offset) FROM (SELECT offset, batch FROM leads WHERE offset >= ?"
            " ORDER BY offset LIMIT ?) WHERE batch = ?",
            (first_offset, batch_size, first_offset),
        ).fetchone()
        return None if last is None else (first_offset, last)


def _found(path: Path, where: str, *asked: str | int) -> list[KeptAssignment]:
    with looking_at(path) as connection:
        rows: Iterable[tuple[object, ...]] = connection.execute(_ASSIGNMENTS + where, asked)
        return [KeptAssignment._make(row) for row in rows]
