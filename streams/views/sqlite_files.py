"""Files of the views on disk: SQLite, one for each partition and kind.

In: a path, a schema, what the file is of. Out: a connection. A file that is broken, of another
topic or of another version of this program is no file: it is made anew, and what it held is read
again from Kafka.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import structlog

BUSY_S: Final = 5.0
"""How long one waits for another process that writes: two may hold a partition for a moment."""

CACHE_KIB: Final = 4_096
"""Pages of a file that are kept in memory, for each connection."""

_PRIMARY_CODE: Final = 0xFF
_OF_THE_SYSTEM: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    }
)

log = structlog.get_logger("views")

_IDENTITY: Final = (
    "CREATE TABLE IF NOT EXISTS identity (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
)


def opened(path: Path, schema: str, identity: Mapping[str, str]) -> sqlite3.Connection:
    """To write to and read from, in any one thread at a time. Raises OSError, sqlite3.Error."""
    try:
        return _opened(path, schema, identity)
    except (sqlite3.DatabaseError, ValueError) as error:
        if may_be_well(error):
            raise
        log.warning("file not used", path=str(path), why=f"{type(error).__name__}: {error}")
    remove(path)
    return _opened(path, schema, identity)


def may_be_well(error: BaseException) -> bool:
    """Whether it is the disk or a lock that fails: the file is then left as it is."""
    return isinstance(error, OSError) or (
        getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _OF_THE_SYSTEM
    )


def remove(path: Path) -> None:
    """Remove the file and what SQLite keeps beside it. Raises OSError."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _opened(path: Path, schema: str, identity: Mapping[str, str]) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        # A process that dies loses nothing; a machine that does, at most what is read again.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        with transaction(connection):
            connection.execute(_IDENTITY)
            found = dict(connection.execute("SELECT name, value FROM identity"))
            if found and found != dict(identity):
                raise ValueError("of another topic or version")
            if not found:
                connection.executemany("INSERT INTO identity VALUES (?, ?)", identity.items())
                for statement in schema.split(";"):
                    connection.execute(statement)
    except BaseException:
        connection.close()
        raise
    path.chmod(0o600)
    return connection


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def looking_at(path: Path) -> Iterator[sqlite3.Connection]:
    """To read from, in the calling thread. Raises FileNotFoundError, sqlite3.Error."""
    if not path.exists():
        raise FileNotFoundError(path)
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=BUSY_S)) as found:
        yield found
