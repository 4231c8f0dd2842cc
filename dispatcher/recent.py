"""An immutable queue that is looked up by key: what was seen lately, what is parked.

States are immutable values, so that a transaction that aborts leaves no trace in what counts as
a duplicate (a window changed in place would turn the retry into a duplicate, and lose its leads).
Copying a window of 1,000 for each batch would cost more than the batch; so the entries stand in
layers of doubling size that never change once they are built: the smallest is copied with each
entry until it is full, then full ones of like size are merged, and a look-up asks about
log2(n / 16) of them. Entries leave at the front by number, not by being deleted.
"""

from collections.abc import Hashable, Iterable, Iterator
from typing import Final, Generic, TypeVar

import msgspec

SMALLEST_FULL: Final = 16
"""Entries of the newest layer."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(msgspec.Struct, Generic[K, V], frozen=True):
    """Entries numbered `first` to `next_number` - 1, oldest first.

    Attributes:
        layers: newest first; each maps a key to (number, value) and is never changed.
        first: the number of the oldest entry that still counts.
        next_number: the number that the next entry gets.
    """

    layers: tuple[dict[K, tuple[int, V]], ...] = ()
    first: int = 0
    next_number: int = 0

    def __len__(self) -> int:
        """How many entries count."""
        return self.next_number - self.first

    def get(self, key: K) -> V | None:
        """The newest value under the key, or None."""
        for layer in self.layers:
            found = layer.get(key)
            if found is not None:
                return found[1] if found[0] >= self.first else None
        return None

    def added(self, key: K, value: V, length_max: int | None = None) -> "Recent[K, V]":
        """With one more entry at the end; beyond `length_max` the oldest leave."""
        number = self.next_number
        first = self.first
        if length_max is not None:
            first = max(first, number + 1 - length_max)
        layers = self.layers
        if layers and len(layers[0]) < SMALLEST_FULL and key not in layers[0]:
            newest = {**layers[0], key: (number, value)}
            return Recent((newest, *layers[1:]), first, number + 1)
        newest = {key: (number, value)}
        rest = layers
        while len(rest) > 1 and len(rest[1]) <= len(rest[0]):
            rest = (_merged(rest[1], rest[0], first), *rest[2:])
        return Recent((newest, *rest), first, number + 1)

    def without_oldest(self) -> "Recent[K, V]":
        """Without the entry at the front."""
        if self.first + 1 >= self.next_number:
            return Recent((), self.next_number, self.next_number)
        return Recent(self.layers, self.first + 1, self.next_number)

    def since(self, number: int) -> list[tuple[int, K, V]]:
        """(number, key, value) of the entries from `number` on, oldest first.

        Costs as much as what it returns, not as much as what the queue holds.
        """
        number = max(number, self.first)
        found = []
        for layer in self.layers:
            for key, (at, value) in reversed(layer.items()):
                if at < number:
                    break
                found.append((at, key, value))
        found.reverse()
        return found

    def entries(self) -> Iterator[tuple[int, K, V]]:
        """(number, key, value) of all that count, oldest first."""
        yield from self.since(self.first)


def _merged(
    older: dict[K, tuple[int, V]], newer: dict[K, tuple[int, V]], first: int
) -> dict[K, tuple[int, V]]:
    """Both layers, oldest first, so that `since` can stop early; without what has left."""
    oldest, _ = next(iter(older.values()))
    if oldest >= first:
        merged = older | newer
        if len(merged) == len(older) + len(newer):
            return merged
    kept = {k: e for k, e in older.items() if e[0] >= first and k not in newer}
    kept.update(newer)
    return kept


def recent_from(entries: Iterable[tuple[int, K, V]], first: int, next_number: int) -> Recent[K, V]:
    """Build the queue from stored (number, key, value), in any order; others are left out."""
    counted = sorted((e for e in entries if first <= e[0] < next_number), key=lambda e: e[0])
    layer = {key: (number, value) for number, key, value in counted}
    return Recent((layer,) if layer else (), first, next_number)
