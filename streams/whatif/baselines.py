"""Methods that people know, on the same rounds: round robin, largest remainder; and paying back.

In: rounds, each with who is there. Out: for each round how many leads everyone gets, in order of
rank. All respect the roster: who has left, is paused or has weight 0 gets nothing. None knows
skills or capacities, and nobody's error is settled when they leave.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from streams.whatif.course import Round

ROUND_ROBIN: Final = "round robin"
LARGEST_REMAINDER: Final = "largest remainder"
PAYS_BACK: Final = "pays back absence"


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


def pays_back(rounds: Iterable[Round]) -> Iterator[list[int]]:
    """Each lead to whoever is owed most, where absentees are due their part all the while.

    What a dispatcher comes to that counts what everybody got and forgets who was there: whoever
    comes back gets what they missed, all at once. Of equals the first in rank.
    """
    owed: defaultdict[str, Fraction] = defaultdict(Fraction)
    for each in rounds:
        everybody = [*each.members, *each.away]
        weight_sum = sum(member.weight_millionths for member in everybody)
        names = [member.assignee_id for member in each.members]
        counts = [0] * len(names)
        for _ in range(each.leads):
            for member in everybody:
                owed[member.assignee_id] += Fraction(member.weight_millionths, weight_sum)
            rank = max(range(len(names)), key=lambda rank: owed[names[rank]])
            counts[rank] += 1
            owed[names[rank]] -= 1
        yield counts
