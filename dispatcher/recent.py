"""An immutable queue that is looked up by key: what was seen lately, what is parked.

States are immutable values, so that a transaction that aborts leaves no trace in what counts as
a duplicate (a window changed in place would turn the retry into a duplicate, and lose its leads).
Copying a window of 1,000 for each batch would cost more than the batch; so the queues that come
one after another share one log of entries by number, and each knows which numbers count for it.
An entry goes to the end of the log itself if nobody has gone on from here before; whoever goes on
from an earlier queue a second time, after an abort, gets a log of its own. So a log's entries never
change, and what stands in it beyond a queue's own numbers is invisible to that queue.
"""

from collections.abc import Hashable, Iterable, Iterator
from itertools import islice
from typing import Final, Generic, TypeVar

import msgspec

SPARE: Final = 16
"""Entries that have left stay in the log until they are so many, and a quarter of what counts."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class _Log(Generic[K, V]):
    """Entries in order of their numbers: {key: (number, value)}; the next one gets `end`."""

    __slots__ = ("end", "entries")

    def __init__(self, entries: dict[K, tuple[int, V]], end: int) -> None:
        self.entries = entries
        self.end = end


class Recent(msgspec.Struct, Generic[K, V], frozen=True, eq=False, gc=False):
    """Entries numbered `first` to `next_number` - 1, oldest first.

    Attributes:
        log: where they stand, among others; None if there are none.
        first: the number of the oldest entry that still counts.
        next_number: the number that the next entry gets.
    """

    log: _Log[K, V] | None = None
    first: int = 0
    next_number: int = 0

    def __len__(self) -> int:
        """How many entries count."""
        return self.next_number - self.first

    def get(self, key: K) -> V | None:
        """The value under the key, or None."""
        if self.log is None:
            return None
        found = self.log.entries.get(key)
        return found[1] if found is not None and self.first <= found[0] < self.next_number else None

    def added(self, key: K, value: V, length_max: int | None = None) -> "Recent[K, V]":
        """With one more entry at the end; beyond `length_max` the oldest leave.

        The key must not be among those that count.
        """
        number = self.next_number
        first = self.first
        if length_max is not None and number - first >= length_max:
            first = number + 1 - length_max
        log = self.log
        if log is None or log.end != number:
            log = _Log({k: (at, v) for at, k, v in self.since(first)}, number)
        elif key in log.entries or len(log.entries) > SPARE + (number - first) * 5 // 4:
            left = len(log.entries) - (number - first)
            log = _Log(dict(islice(log.entries.items(), left, None)), number)
        log.entries[key] = (number, value)
        log.end = number + 1
        return Recent(log, first, number + 1)

    def without_oldest(self) -> "Recent[K, V]":
        """Without the entry at the front."""
        if self.first + 1 >= self.next_number:
            return Recent(None, self.next_number, self.next_number)
        return Recent(self.log, self.first + 1, self.next_number)

    def since(self, number: int) -> list[tuple[int, K, V]]:
        """(number, key, value) of the entries from `number` on, oldest first.

        Costs as much as what it returns, not as much as what the queue holds.
        """
        number, end = max(number, self.first), self.next_number
        if self.log is None or number >= end:
            return []
        # Of the log's last entries some may be of others who went on from here.
        last = islice(reversed(self.log.entries.items()), self.log.end - number)
        found = [(at, key, value) for key, (at, value) in last if number <= at < end]
        found.reverse()
        return found

    def items_since(self, number: int) -> list[tuple[K, V]]:
        """(key, value) of the same."""
        return [(key, value) for _, key, value in self.since(number)]

    def entries(self) -> Iterator[tuple[int, K, V]]:
        """(number, key, value) of all that count, oldest first."""
        yield from self.since(self.first)


def recent_from(entries: Iterable[tuple[int, K, V]], first: int, next_number: int) -> Recent[K, V]:
    """Build the queue from stored (number, key, value), in any order; others are left out."""
    counted = sorted((e for e in entries if first <= e[0] < next_number), key=lambda e: e[0])
    if not counted:
        return Recent(None, first, next_number)
    log = _Log({key: (number, value) for number, key, value in counted}, next_number)
    return Recent(log, first, next_number)
