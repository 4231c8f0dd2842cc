"""The life of a partition in a process, as a table.

    created -> restoring -> running -> suspended -> closed

created: assigned; nothing is known yet. restoring: offsets and state are being read, in slices.
running: inputs are decided. suspended: revoked in good order; the state is kept, because the next
assignment often brings the partition back, and is then checked against the changelog like any
other restore. closed: forgotten. A partition that is lost, or whose owner is no longer sure of
what was committed, is closed from wherever it is, without a word to Redis ("close dirty").
"""

from enum import Enum


class Life(Enum):
    """The states of a partition's life."""

    CREATED = "created"
    RESTORING = "restoring"
    RUNNING = "running"
    SUSPENDED = "suspended"
    CLOSED = "closed"


TRANSITIONS: dict[Life, frozenset[Life]] = {
    Life.CREATED: frozenset({Life.RESTORING, Life.CLOSED}),
    Life.RESTORING: frozenset({Life.RUNNING, Life.CLOSED}),
    Life.RUNNING: frozenset({Life.SUSPENDED, Life.CLOSED}),
    Life.SUSPENDED: frozenset({Life.RESTORING, Life.CLOSED}),
    Life.CLOSED: frozenset(),
}


def checked(now: Life, then: Life) -> Life:
    """`then`, if the table allows it. Raises AssertionError otherwise."""
    if then not in TRANSITIONS[now]:
        raise AssertionError(f"a partition can't go from {now.value} to {then.value}")
    return then
