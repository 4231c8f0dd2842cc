"""In which order a batch's leads go out, once it is known how many each assignee gets.

In: the counts, in order of rank. Out: for each position of the batch, the rank that gets it.

Slots 0 to S-1. The j-th of an assignee's L leads may stand in slots floor((j-1) S/L) up to but
not including ceil(j S/L); each slot takes, of those whose window is open, the one that closes
first, then rank. So at every prefix of a batch everyone is within one lead of their share of it
(just-in-time sequencing: such a sequence always exists, and earliest-closing-first finds it).

The order depends on the counts alone, so it is remembered, up to a bound.
"""

from collections import OrderedDict
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

REMEMBERED_POSITIONS_MAX: Final = 2_000_000
"""Positions held in remembered orders; about 16 MB, twenty thousand batches of 100."""

_remembered: OrderedDict[tuple[int, ...], tuple[int, ...]] = OrderedDict()
_remembered_positions = 0


def interleave(counts: Sequence[int]) -> tuple[int, ...]:
    """The rank that gets each position: `sum(counts)` entries, rank `r` in `counts[r]` of them."""
    global _remembered_positions  # noqa: PLW0603 - a cache: what it holds never changes a result
    key = tuple(counts)
    order = _remembered.get(key)
    if order is not None:
        return order
    order = earliest_closing_first(key)
    _remembered[key] = order
    _remembered_positions += len(order)
    while _remembered_positions > REMEMBERED_POSITIONS_MAX and _remembered:
        _, forgotten = _remembered.popitem(last=False)
        _remembered_positions -= len(forgotten)
    return order


def earliest_closing_first(counts: Sequence[int]) -> tuple[int, ...]:
    """Compute the order afresh. An entry of the heap is (closing slot, rank) in one integer."""
    slot_count = sum(counts)
    rank_count = len(counts)
    opening: list[list[int]] = [[] for _ in range(slot_count)]
    for rank, count in enumerate(counts):
        for j in range(count):
            closes = -((j + 1) * slot_count // -count)
            opening[j * slot_count // count].append(closes * rank_count + rank)
    open_windows: list[int] = []
    order = []
    for opened in opening:
        for window in opened:
            heappush(open_windows, window)
        order.append(heappop(open_windows) % rank_count)
    return tuple(order)
