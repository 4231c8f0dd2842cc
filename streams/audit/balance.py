"""Where the leads are: what came in, less what was dispatched, went on, or waits; 0 for each batch.

In: leads that come and go, by channel and batch. Out: the batches that don't come to nothing.
Pure.

A lead is counted, and its id added up as a hash: so a batch takes as much memory as one lead, and
none once it comes to nothing. The hashes are Python's, keyed anew in each process: nobody can make
up ids whose hashes cancel one another.
"""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

BATCHES_OPEN_MAX: Final = 1_000_000
"""Batches of which something is still awaited; about 200 MB. Beyond, leads can't be told."""

_MASK: Final = (1 << 64) - 1
Batch = tuple[str, str]
"""Channel and batch_id."""


def ids_sum(lead_ids: Iterable[str]) -> int:
    """What a set of leads adds up to, in whatever order."""
    return sum(map(hash, lead_ids))


class Entry(NamedTuple):
    """A batch that hasn't come to nothing.

    Attributes:
        leads: that came and aren't anywhere yet; below 0, more went than came.
        ids: their hashes, added up.
        came: whether its coming was seen.
        ids_known: whether all that went was seen by id.
    """

    leads: int = 0
    ids: int = 0
    came: bool = False
    ids_known: bool = True

    @property
    def is_even(self) -> bool:
        """Whether all that came went."""
        return not self.leads and (not self.ids or not self.ids_known)


class Balance:
    """All batches of a verification."""

    def __init__(self, batches_open_max: int = BATCHES_OPEN_MAX) -> None:
        """Nothing came yet; `is_full` once more batches were open than it may hold."""
        self._entries: dict[Batch, Entry] = {}
        self._open_max = batches_open_max
        self.is_full = False
        self.open_most = 0

    def came(self, batch: Batch, leads: int, ids: int) -> None:
        """Leads came in."""
        entry = self._entries.get(batch, Entry())
        self._put(batch, entry._replace(leads=entry.leads + leads, ids=entry.ids + ids, came=True))

    def went(self, batch: Batch, leads: int, ids: int | None) -> None:
        """Leads were dispatched, went on, or wait; None where their ids weren't seen."""
        entry = self._entries.get(batch, Entry())
        self._put(
            batch,
            entry._replace(
                leads=entry.leads - leads,
                ids=entry.ids - (ids or 0),
                ids_known=entry.ids_known and ids is not None,
            ),
        )

    def _put(self, batch: Batch, entry: Entry) -> None:
        entry = entry._replace(ids=entry.ids & _MASK)
        if entry.is_even and (entry.came or not entry.leads):
            self._entries.pop(batch, None)
        elif batch in self._entries or len(self._entries) < self._open_max:
            self._entries[batch] = entry
            self.open_most = max(self.open_most, len(self._entries))
        else:
            self.is_full = True

    def uneven(self) -> Iterator[tuple[Batch, Entry]]:
        """What doesn't come to nothing."""
        yield from self._entries.items()
