"""Two methods that people know, on the same rounds: round robin, and largest remainder.

In: rounds, each with who is there. Out: for each round how many leads everyone gets, in order of
rank. Both respect the roster: who has left, is paused or has weight 0 gets nothing. Neither knows
skills or capacities, and nobody's error is settled when they leave.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final

from streams.whatif.course import Round

ROUND_ROBIN: Final = "round robin"
LARGEST_REMAINDER: Final = "largest remainder"


def round_robin(rounds: Iterable[Round]) -> Iterator[list[int]]:
    """One lead each in turn, whatever the weights; the turn goes on from round to round.

    Turns go by rank. Whoever is next when somebody comes or goes is the one behind the last who
    got a lead.
    """
    last = b""
    for each in rounds:
        digests = [member.digest for member in each.members]
        members = len(digests)
        first = bisect_right(digests, last) % members
        whole, more = divmod(each.leads, members)
        counts = [whole] * members
        for turn in range(more):
            counts[(first + turn) % members] += 1
        if each.leads:
            last = digests[(first + each.leads - 1) % members]
        yield counts


def largest_remainder(rounds: Iterable[Round]) -> Iterator[list[int]]:
    """Each batch by itself: fair shares rounded down, what is left to the largest remainders.

    Hamilton's method, without memory; of equal remainders the first in rank.
    """
    for each in rounds:
        parts = [
            divmod(each.leads * member.weight_millionths, each.weight_sum)
            for member in each.members
        ]
        counts = [whole for whole, _ in parts]
        by_remainder = sorted(range(len(parts)), key=lambda rank: (-parts[rank][1], rank))
        for rank in by_remainder[: each.leads - sum(counts)]:
            counts[rank] += 1
        yield counts
