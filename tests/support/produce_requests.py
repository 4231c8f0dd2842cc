"""Kafka's produce requests, as far as to see which partition one is for, and to change it.

In: a request with its length before it. Out: the partition, the request for another one. Kafka
protocol guide, "Request Header" and "Produce API", versions 3 to 12; of several partitions in one
request only the first is looked at (librdkafka sends one).
"""

import struct
from typing import NamedTuple

FIRST_FLEXIBLE = 9
NOBODY = 1_000_000
"""Added to a partition's number, no topic has such a one."""


class Target(NamedTuple):
    """Where a request's records are to go: its topic, its partition, and where that number is."""

    topic: bytes
    partition: int
    at: int


class _Cursor:
    """Walks through a request."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def integer(self, code: str) -> int:
        (value,) = struct.unpack_from(f">{code}", self.data, self.at)
        self.at += struct.calcsize(f">{code}")
        return int(value)

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text(self, *, flexible: bool) -> bytes:
        """A string, or nothing for null; compact ones count from 1."""
        length = max(0, self.varint() - 1 if flexible else self.integer("h"))
        self.at += length
        return self.data[self.at - length : self.at]


def target_of(request: bytes) -> Target:
    """For which partition a produce request is."""
    cursor = _Cursor(request, 4)
    assert cursor.integer("h") == 0, "no produce request"
    version = cursor.integer("h")
    assert 3 <= version <= 12, version
    flexible = version >= FIRST_FLEXIBLE
    cursor.integer("i")  # correlation
    cursor.text(flexible=False)  # the client's id, a plain string in all versions
    if flexible:
        assert cursor.varint() == 0, "tags in the header"
    cursor.text(flexible=flexible)  # transactional id
    cursor.integer("h")  # acks
    cursor.integer("i")  # time-out
    _count(cursor, flexible=flexible)
    topic = cursor.text(flexible=flexible)
    _count(cursor, flexible=flexible)
    at = cursor.at
    return Target(topic, cursor.integer("i"), at)


def _count(cursor: _Cursor, *, flexible: bool) -> None:
    count = cursor.varint() - 1 if flexible else cursor.integer("i")
    assert count >= 1, "a request without records"


def to_nobody(request: bytes, target: Target) -> bytes:
    """The same records for a partition that isn't there: UNKNOWN_TOPIC_OR_PARTITION.

    A leader that doesn't know yet that it is one answers so. The client asks for nothing else than
    one partition, and doesn't look at the number in the answer.
    """
    number = struct.pack(">i", target.partition + NOBODY)
    return request[: target.at] + number + request[target.at + 4 :]
