"""How many leads of a batch each assignee gets: cumulative-error apportionment.

In: the batch size, and weight and cumulative error of every active assignee, in order of rank.
Out: a whole number for each, which add up to the batch size, and their errors after.

The rules, all in exact whole numbers (design, section 3; the four steps of the method):

1. Normalise: an assignee's fair share is S w / W, of S leads by weight w of the sum W.
2. Ideal = fair share - cumulative error.
3. Round the ideal to the nearest non-negative integer, halves up.
4. Fine-tune one by one until the sum is S. Too many: take from the one with assigned > 0 whose
   error is largest, of equals the last in rank. Too few: give to the one whose error is smallest
   among those with weight > 0 or an error below 0 at that step, of equals the first in rank.

Theory of operation. A cumulative error is a whole count of 1/(W 10^12) leads, so every number
here is an integer and no step can round. The result is the same, ties included, as giving lead
after lead to whoever is owed most; that is how it is computed for a few leads, and when a
correction has left more to fine-tune than there are leads.
"""

from collections.abc import Sequence
from functools import lru_cache
from heapq import heapify, heappop, heapreplace
from operator import sub
from typing import Final, NamedTuple

from schemas.scalars import UNITS_PER_LEAD

_FEW_LEADS: Final = 4

SHARES_REMEMBERED_MAX: Final = 2_048
_MEMBERS_REMEMBERED_MAX: Final = 100
"""Together 15 MB at most: fair shares of batches of one size among the same weights."""


class Division(NamedTuple):
    """A batch divided, in order of rank.

    Attributes:
        assigned: whole numbers of leads; their sum is the batch size.
        errors: cumulative errors after, numerators over W 10^12.
    """

    assigned: list[int]
    errors: list[int]


def apportion(
    batch_size: int, weights_millionths: Sequence[int], errors: Sequence[int]
) -> Division:
    """Divide a batch among the active assignees.

    Args:
        batch_size: leads to divide, 0 or more.
        weights_millionths: of each active assignee in order of rank; their sum W is over 0.
        errors: cumulative errors before, numerators over W 10^12, same order.

    Raises ValueError when no weight is over 0: then there is nobody to divide among.
    """
    if len(weights_millionths) <= _MEMBERS_REMEMBERED_MAX:
        one_lead, fair_shares, all_take = _fair_shares_remembered(
            batch_size, tuple(weights_millionths)
        )
    else:
        one_lead, fair_shares, all_take = _fair_shares(batch_size, weights_millionths)
    return four_steps(batch_size, one_lead, fair_shares, all_take, weights_millionths, errors)


def apportion_within(
    batch_size: int,
    weights_millionths: Sequence[int],
    errors: Sequence[int],
    one_lead: int,
) -> tuple[list[int], Division]:
    """Divide leads among some of the active assignees: those who may take these leads.

    Args:
        batch_size, weights_millionths, errors: as for `apportion`, of those who may take them.
        one_lead: the denominator of the errors, W 10^12 with W the sum of *all* active weights.

    Returns: the fair shares, and the division. A fair share within a set need not be a whole count
    of 1/(W 10^12) leads: they are rounded down, the missing units go one each to the largest
    remainders, of equals the last in rank. Within all active assignees nothing is rounded, and the
    division is that of `apportion`.

    Raises ValueError when no weight is over 0.
    """
    weight_sum = sum(weights_millionths)
    if weight_sum <= 0:
        raise ValueError("nobody to take it: the sum of the weights is 0")
    total = batch_size * one_lead
    fair_shares = spread(total, weights_millionths, weight_sum)
    all_take = min(weights_millionths) > 0
    division = four_steps(batch_size, one_lead, fair_shares, all_take, weights_millionths, errors)
    return fair_shares, division


def spread(total: int, weights: Sequence[int], weight_sum: int) -> list[int]:
    """Whole units by weight, with the sum `total`; missing ones to the largest remainders."""
    parts = [divmod(total * weight, weight_sum) for weight in weights]
    return with_missing_units([part for part, _ in parts], [rest for _, rest in parts], total)


def with_missing_units(floors: list[int], remainders: Sequence[int], total: int) -> list[int]:
    """One more unit each for the largest remainders, of equals the last, until the sum is right."""
    missing = total - sum(floors)
    if missing:
        by_remainder = sorted(
            range(len(floors)), key=lambda rank: (remainders[rank], rank), reverse=True
        )
        for rank in by_remainder[:missing]:
            floors[rank] += 1
    return floors


def four_steps(
    batch_size: int,
    one_lead: int,
    fair_shares: Sequence[int],
    all_take: bool,
    weights_millionths: Sequence[int],
    errors: Sequence[int],
) -> Division:
    """Steps 2 to 4, with the fair shares given (numerators over `one_lead`).

    `all_take` says whether all weights are over 0.
    """
    assigned = [0] * len(errors)
    if batch_size == 1 and all_take:
        rank, errors_after = give_one(one_lead, fair_shares, errors)
        assigned[rank] = 1
        return Division(assigned, errors_after)
    # The ideals, negated: everyone's error if nobody got anything.
    errors_after = list(map(sub, errors, fair_shares))
    surplus = -batch_size
    if batch_size > _FEW_LEADS:
        half_lead = one_lead // 2  # exact: 10^12 is even
        rounded = [(half_lead - error) // one_lead for error in errors_after]
        if min(rounded) < 0:
            rounded = [max(0, count) for count in rounded]
        surplus_rounded = sum(rounded) - batch_size
        if surplus_rounded <= batch_size:
            assigned, surplus = rounded, surplus_rounded
            errors_after = [
                error + count * one_lead if count else error
                for count, error in zip(assigned, errors_after, strict=True)
            ]
    if surplus > 0:
        _take(assigned, errors_after, surplus, one_lead)
    elif surplus >= -_FEW_LEADS and all_take:
        # Most batches: a look at all of them costs less than a heap.
        for _ in range(-surplus):
            rank = errors_after.index(min(errors_after))
            assigned[rank] += 1
            errors_after[rank] += one_lead
    else:
        _give(assigned, errors_after, -surplus, one_lead, weights_millionths)
    return Division(assigned, errors_after)


def give_one(
    one_lead: int, fair_shares: Sequence[int], errors: Sequence[int]
) -> tuple[int, list[int]]:
    """The four steps for a single lead, all weights over 0: who gets it, and the errors after.

    Spelt out, because sources may send leads one by one. `fair_shares` are of that lead.
    """
    errors_after = list(map(sub, errors, fair_shares))
    rank = errors_after.index(min(errors_after))
    errors_after[rank] += one_lead
    return rank, errors_after


def _fair_shares(batch_size: int, weights_millionths: Sequence[int]) -> tuple[int, list[int], bool]:
    """One lead, everyone's fair share (numerators over W 10^12), whether all weights are over 0."""
    weight_sum = sum(weights_millionths)
    if weight_sum <= 0:
        raise ValueError("nobody to take it: the sum of the active weights is 0")
    batch_unit = batch_size * UNITS_PER_LEAD
    fair_shares = [batch_unit * weight for weight in weights_millionths]
    return weight_sum * UNITS_PER_LEAD, fair_shares, min(weights_millionths) > 0


_fair_shares_remembered = lru_cache(maxsize=SHARES_REMEMBERED_MAX)(_fair_shares)


def _take(assigned: list[int], errors: list[int], surplus: int, one_lead: int) -> None:
    """Take leads one by one from whoever is furthest ahead; of equals the last in rank."""
    heap = [(-errors[rank], -rank) for rank, count in enumerate(assigned) if count > 0]
    heapify(heap)
    for _ in range(surplus):
        error_negated, rank_negated = heap[0]
        rank = -rank_negated
        assigned[rank] -= 1
        errors[rank] -= one_lead
        if assigned[rank] > 0:
            heapreplace(heap, (error_negated + one_lead, rank_negated))
        else:
            heappop(heap)


def _give(
    assigned: list[int],
    errors: list[int],
    shortage: int,
    one_lead: int,
    weights_millionths: Sequence[int],
) -> None:
    """Give leads one by one to whoever is owed most; of equals the first in rank."""
    heap = [
        (error, rank)
        for rank, error in enumerate(errors)
        if weights_millionths[rank] > 0 or error < 0
    ]
    heapify(heap)
    for _ in range(shortage):
        error, rank = heap[0]
        # Weight 0 settles what is carried and takes no more.
        while weights_millionths[rank] == 0 and error >= 0:
            heappop(heap)
            error, rank = heap[0]
        assigned[rank] += 1
        errors[rank] += one_lead
        heapreplace(heap, (error + one_lead, rank))
