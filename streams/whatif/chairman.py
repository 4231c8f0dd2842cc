"""What hindsight could do: the chairman assignment, and the least error that was possible at all.

In: rounds. Out: for each round how many leads everyone gets; and a bound.

The chairman assignment (R. Tijdeman, The chairman assignment problem, Discrete Mathematics 32
(1980) 323-330): every year one of k states provides the chairman, state i is due lambda_it of year
t, and the sum of what the states are due in a year is 1. There is a choice by which nobody is ever
further from what they were due than D = 1 - 1/(2k - 2), at any year, and no smaller number holds
for all cases. Here a year is a lead, and lambda_it an assignee's weight by the sum of the weights
of those present when the lead is divided.

The choice is a schedule. The j-th lead of i must not come before i was due j - D leads, and has to
have come when i is due more than j - 1 + D. Of those whose window is open the one that closes
first gets the lead. When a window closes depends on the leads and weights to come, so this is
hindsight: nobody can divide live by it. Where it exists, a schedule within windows is found by
closing first (unit jobs with releases and deadlines), so the windows give Tijdeman's bound.

Tijdeman's theorem lets a lead go to a state that is due nothing that year. Here somebody who is
absent gets none, so with pauses and leavers the bound can be passed; then the window that closed
first, or else whoever is owed most, is served. How far off anybody was is measured like all else.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import accumulate
from math import lcm
from typing import Final

from streams.whatif.course import Round

CHAIRMAN: Final = "chairman (hindsight)"
CHOICES_MAX: Final = 20_000_000
"""Leads times assignees that the chairman assignment is computed for: about half a minute."""


@dataclass(frozen=True)
class Dues:
    """What everyone was due, summed from round to round.

    Attributes:
        names: everybody with a weight over 0 in any round, in order of rank.
        one_lead: the denominator of what follows.
        rates: by name, for each round, what one lead of it is worth to them.
        sums: by name, before the first round and after each.
        leads: before the first round and after each.
    """

    names: list[str]
    one_lead: int
    rates: dict[str, list[int]]
    sums: dict[str, list[int]]
    leads: list[int]

    @property
    def bound(self) -> int:
        """1 - 1/(2k - 2), a numerator over `one_lead`; for one assignee alone 1/2."""
        k = len(self.names)
        return self.one_lead - self.one_lead // max(2, 2 * k - 2)

    def closes(self, name: str, count: int, bound: int) -> int:
        """The first lead, counted from 1, at which so many leads have to have come.

        One behind the last where the history ends before.
        """
        limit = (count - 1) * self.one_lead + bound
        after = bisect_right(self.sums[name], limit)
        if after == len(self.leads):
            return self.leads[-1] + 1
        missing = limit - self.sums[name][after - 1]
        return self.leads[after - 1] + missing // self.rates[name][after - 1] + 1


def dues_of(rounds: Sequence[Round]) -> Dues:
    """Sum up what everyone is due."""
    digests = {m.assignee_id: m.digest for each in rounds for m in each.members}
    names = sorted(digests, key=digests.__getitem__)
    one_lead = lcm(max(2, 2 * len(names) - 2), *{each.weight_sum for each in rounds})
    rates: dict[str, list[int]] = {name: [0] * len(rounds) for name in names}
    for index, each in enumerate(rounds):
        scale = one_lead // each.weight_sum
        for member in each.members:
            rates[member.assignee_id][index] = member.weight_millionths * scale
    sizes = [each.leads for each in rounds]
    sums = {name: [0, *accumulate(map(int.__mul__, sizes, own))] for name, own in rates.items()}
    return Dues(names, one_lead, rates, sums, [0, *accumulate(sizes)])


def chairman(rounds: Sequence[Round]) -> list[list[int]] | None:
    """Divide lead by lead; for each round the counts, in order of rank.

    None when there are more than `CHOICES_MAX` choices to make.
    """
    if sum(each.leads * len(each.members) for each in rounds) > CHOICES_MAX:
        return None
    dues = dues_of(rounds)
    got = dict.fromkeys(dues.names, 0)
    closing = {name: dues.closes(name, 1, dues.bound) for name in dues.names}
    opens_at = dues.one_lead - dues.bound
    divided = []
    for index, each in enumerate(rounds):
        names = [member.assignee_id for member in each.members]
        rates = [dues.rates[name][index] for name in names]
        owed = [dues.sums[name][index] - got[name] * dues.one_lead for name in names]
        counts = [0] * len(names)
        for _ in range(each.leads):
            owed = list(map(int.__add__, owed, rates))
            open_windows = [
                (closing[name], rank) for rank, name in enumerate(names) if owed[rank] >= opens_at
            ]
            rank = min(open_windows)[1] if open_windows else owed.index(max(owed))
            counts[rank] += 1
            owed[rank] -= dues.one_lead
            name = names[rank]
            got[name] += 1
            closing[name] = dues.closes(name, got[name] + 1, dues.bound)
        divided.append(counts)
    return divided


def least_possible(rounds: Sequence[Round]) -> tuple[int, int]:
    """The least that the largest error after any round can be, whoever divides: (numerator, over).

    Exact: leads may even go to who is absent, so no division whatever stays under it. For bounds
    below 1 an error is one of two values for each assignee after each round; of these it is the
    least within which closing first finds a schedule.
    """
    if not any(each.leads for each in rounds):
        return 0, 1
    dues = dues_of(rounds)
    remainders = {total % dues.one_lead for sums in dues.sums.values() for total in sums}
    candidates = sorted(remainders | {dues.one_lead - each for each in remainders if each})
    low, high = 0, len(candidates) - 1
    while low < high:
        middle = (low + high) // 2
        if _possible(dues, candidates[middle]):
            high = middle
        else:
            low = middle + 1
    return candidates[low], dues.one_lead


def _possible(dues: Dues, bound: int) -> bool:
    """Whether all errors after all rounds can be within the bound, which is under one lead."""
    got = dict.fromkeys(dues.names, 0)
    one_lead = dues.one_lead
    total = 0
    for index, leads in enumerate(dues.leads[1:], start=1):
        optional = []
        for rank, name in enumerate(dues.names):
            due = dues.sums[name][index]
            least, most = -((bound - due) // one_lead), (due + bound) // one_lead
            if least > most:
                return False
            if least > got[name]:
                total += least - got[name]
                got[name] = least
            for count in range(got[name] + 1, most + 1):
                closes = bisect_right(dues.sums[name], (count - 1) * one_lead + bound)
                optional.append((closes, rank))
        missing = leads - total
        if missing < 0 or missing > len(optional):
            return False
        for _, rank in nsmallest(missing, optional):
            got[dues.names[rank]] += 1
        total = leads
    return True
