"""What is kept on disk of a partition of decisions: standings, activity, and where each one is.

In: what this process has counted since the last time, with the next offset. Out: the same again at
the next start; pages of a channel's decisions in short; the offset of each decision in Kafka.

What belongs together is written in one transaction: the standings are those after all decisions
before the next offset, and each of these is in the index. An old file only means that more is read
again. It also carries totals over the time for which decisions are kept.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from streams.views.activity import Activity
from streams.views.delays import Delays
from streams.views.sqlite_files import looking_at, may_be_well, opened, remove, transaction
from streams.views.standings import ChannelStanding, DecisionInShort

FORMAT: Final = "2"
"""Rises when what is kept changes its shape or its meaning; then all is read again."""

_SCHEMA: Final = """
CREATE TABLE progress (next_offset INTEGER NOT NULL, delays TEXT NOT NULL);
CREATE TABLE channels (
    channel TEXT PRIMARY KEY, standing TEXT NOT NULL, activity TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE decisions (
    offset INTEGER PRIMARY KEY, channel TEXT NOT NULL, state_version INTEGER NOT NULL,
    lists_everyone INTEGER NOT NULL, lead_id TEXT, in_short TEXT NOT NULL
);
CREATE UNIQUE INDEX decisions_of_channel ON decisions (channel, state_version);
CREATE INDEX decisions_about_lead ON decisions (lead_id) WHERE lead_id IS NOT NULL
"""


_PROGRESS: Final = "SELECT next_offset, delays FROM progress"


class Indexed(NamedTuple):
    """A decision in the index.

    Attributes:
        offset: of its record.
        lists_everyone: whether all members stand in it, so that it can be followed from there.
    """

    offset: int
    channel: str
    lists_everyone: bool
    in_short: DecisionInShort


class Counted(NamedTuple):
    """What has been counted of a partition: all of it, or since it was last kept."""

    next_offset: int | None
    standings: dict[str, ChannelStanding]
    activities: dict[str, Activity]
    delays: Delays
    indexed: Sequence[Indexed] = ()


_encode_short = msgspec.json.Encoder().encode
_decode_short = msgspec.json.Decoder(DecisionInShort).decode


class DecisionArchive:
    """The file of one partition.

    Attributes:
        path: where it is.
        kept_offset: the next offset that was loaded or kept last.
    """

    def __init__(self, directory: Path, topic_id: str, partition: int) -> None:
        """Opens nothing yet."""
        self.path = directory / f"decisions-{partition}.sqlite"
        self._identity = {
            "format": FORMAT, "topic_id": topic_id, "partition": str(partition),
        }  # fmt: skip
        self._connection: sqlite3.Connection | None = None
        self.kept_offset: int | None = None

    def load(self) -> Counted:
        """What was kept last; nothing, if there is nothing.

        Raises OSError, sqlite3.Error. A file that can't be understood is removed, and ValueError
        says why.
        """
        try:
            return self._load()
        except Exception as error:
            self.close()
            self.kept_offset = None
            if may_be_well(error):
                raise
            remove(self.path)
            raise ValueError(f"{type(error).__name__}: {error}") from None

    def _load(self) -> Counted:
        connection = self._open()
        found = connection.execute(_PROGRESS).fetchone()
        self.kept_offset = found[0] if found else None
        if found is None:
            return Counted(None, {}, {}, Delays())
        standings, activities = {}, {}
        rows = connection.execute("SELECT channel, standing, activity FROM channels")
        for channel, standing, activity in rows:
            standings[channel] = msgspec.convert(json.loads(standing), ChannelStanding)
            activities[channel] = _activity(json.loads(activity))
        return Counted(found[0], standings, activities, _delays(json.loads(found[1])))

    def keep(self, counted: Counted, *, whole: bool = False) -> bool:
        """Write what is new in one transaction, or with `whole` everything. Raises sqlite3.Error.

        Returns False, and writes nothing, if another process has written meanwhile: parts of two
        wouldn't fit together, so everything has to be written.
        """
        connection = self._open()
        channels = (
            (channel, _text(standing), _text(counted.activities[channel]))
            for channel, standing in counted.standings.items()
        )
        index = (
            (
                each.offset, each.channel, each.in_short.state_version, each.lists_everyone,
                each.in_short.lead_id, _encode_short(each.in_short).decode(),
            )
            for each in counted.indexed
        )  # fmt: skip
        with transaction(connection):
            found = connection.execute(_PROGRESS).fetchone()
            if whole:
                connection.execute("DELETE FROM channels")
            elif (found[0] if found else None) != self.kept_offset:
                return False
            connection.execute("DELETE FROM progress")
            progress = (counted.next_offset, _text(counted.delays.minutes))
            connection.execute("INSERT INTO progress VALUES (?, ?)", progress)
            connection.executemany("INSERT OR REPLACE INTO channels VALUES (?, ?, ?)", channels)
            connection.executemany(
                "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?)", index
            )
        self.kept_offset = counted.next_offset
        return True

    def forget_before(self, first_offset: int) -> int:
        """Leave out what Kafka no longer has. Returns how many. Raises sqlite3.Error."""
        connection = self._open()
        with transaction(connection):
            return connection.execute(
                "DELETE FROM decisions WHERE offset < ?", (first_offset,)
            ).rowcount

    def close(self) -> None:
        """Nothing is written from here on."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = opened(self.path, _SCHEMA, self._identity)
        return self._connection


def page(path: Path, channel: str, before: int | None, limit: int) -> list[DecisionInShort]:
    """A channel's newest decisions with a version below `before`. Raises sqlite3.Error, OSError."""
    with looking_at(path) as connection:
        rows = connection.execute(
            "SELECT in_short FROM decisions WHERE channel = ? AND state_version < ?"
            " ORDER BY state_version DESC LIMIT ?",
            (channel, _below(before), limit),
        )
        return [_decode_short(text) for (text,) in rows]


def place_of(path: Path, channel: str, state_version: int) -> int | None:
    """The offset of a decision; None if it isn't there. Raises sqlite3.Error, OSError."""
    with looking_at(path) as connection:
        found = connection.execute(
            "SELECT offset FROM decisions WHERE channel = ? AND state_version = ?",
            (channel, state_version),
        ).fetchone()
        return found[0] if found else None


class Passed(NamedTuple):
    """A decision that came before another one: what decides from where that can be followed."""

    state_version: int
    offset: int
    lists_everyone: bool
    batch_id: str | None


def passed(path: Path, channel: str, upto_version: int, limit: int) -> list[Passed]:
    """A channel's decisions up to a version, newest first. Raises sqlite3.Error, OSError."""
    with looking_at(path) as connection:
        rows = connection.execute(
            "SELECT state_version, offset, lists_everyone, json_extract(in_short, '$.batch_id')"
            " FROM decisions WHERE channel = ? AND state_version <= ?"
            " ORDER BY state_version DESC LIMIT ?",
            (channel, upto_version, limit),
        )
        return [Passed._make(row) for row in rows]


def about_lead(path: Path, lead_id: str, limit: int) -> list[tuple[str, DecisionInShort]]:
    """The outcomes of a lead with their channels, oldest first. Raises sqlite3.Error, OSError."""
    with looking_at(path) as connection:
        rows = connection.execute(
            "SELECT channel, in_short FROM decisions WHERE lead_id = ? ORDER BY offset LIMIT ?",
            (lead_id, limit),
        )
        return [(channel, _decode_short(text)) for channel, text in rows]


def _below(before: int | None) -> int:
    return 2**62 if before is None else before


def _text(value: Any) -> str:
    # The numerators are longer than msgspec's JSON takes for a number.
    return json.dumps(msgspec.to_builtins(value, str_keys=True), separators=(",", ":"))


def _activity(found: Any) -> Activity:
    return msgspec.convert(found, Activity, strict=False)


def _delays(found: dict[str, dict[str, int]]) -> Delays:
    minutes = {
        int(minute): Counter({int(step): count for step, count in counted.items()})
        for minute, counted in found.items()
    }
    return Delays(minutes)
