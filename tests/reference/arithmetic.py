"""The arithmetic, literally: four steps, rank, rounding, settlement, correction, interleaving.

Words: a *cumulative error* is leads received minus fair shares, summed over batches; above
zero is ahead, below zero is owed. *Ranked* is a list of assignee ids, first in rank first.
All quantities are leads. Errors, weights and shares are ``Fraction``s; nothing is rounded
except where the method says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import ceil, floor

UNIT = Fraction(1, 10**12)
"""The grain to which every roster change rounds the cumulative errors, in leads."""

Amounts = dict[str, Fraction]
Counts = dict[str, int]


# --- Rank -------------------------------------------------------------------------------


def rank_digest(channel: str, assignee_id: str) -> bytes:
    """The lot an assignee has drawn in a channel; the smaller digest is first in rank."""
    return hashlib.sha256(f"{channel}\n{assignee_id}".encode()).digest()


def in_rank(channel: str, assignee_ids: Iterable[str]) -> list[str]:
    """The assignees, first in rank first."""
    return sorted(assignee_ids, key=lambda assignee_id: rank_digest(channel, assignee_id))


# --- The four steps ---------------------------------------------------------------------


def normalised(weights: Mapping[str, Fraction]) -> Amounts:
    """Step 1: each weight as a part of the sum of all. The sum must not be zero."""
    total = sum(weights.values(), Fraction(0))
    return {member: weight / total for member, weight in weights.items()}


def ideals(size: int, weights: Mapping[str, Fraction], errors: Mapping[str, Fraction]) -> Amounts:
    """Step 2: fair share of ``size`` leads minus the cumulative error."""
    return {member: size * part - errors[member] for member, part in normalised(weights).items()}


def rounded_half_up(ideal: Fraction) -> int:
    """Step 3: the nearest non-negative integer, halves up."""
    return max(0, floor(ideal + Fraction(1, 2)))


def fine_tuned(
    size: int,
    weights: Mapping[str, Fraction],
    ideal: Mapping[str, Fraction],
    rounded: Mapping[str, int],
    ranked: Sequence[str],
) -> Counts:
    """Step 4: take or give one lead at a time until the sum is ``size``.

    Assigned minus ideal is the cumulative error after the batch, so that is what is compared.
    ``max`` and ``min`` return the first of equals: reversed rank makes that the last in rank.
    """
    assigned = dict(rounded)
    while sum(assigned.values()) > size:
        holders = [member for member in reversed(ranked) if assigned[member] > 0]
        assigned[max(holders, key=lambda member: assigned[member] - ideal[member])] -= 1
    while sum(assigned.values()) < size:
        takers = [
            member
            for member in ranked
            if weights[member] > 0 or assigned[member] - ideal[member] < 0
        ]
        assigned[min(takers, key=lambda member: assigned[member] - ideal[member])] += 1
    return assigned


def four_steps(
    size: int,
    weights: Mapping[str, Fraction],
    errors: Mapping[str, Fraction],
    ranked: Sequence[str],
) -> Counts:
    """Divides ``size`` leads among the members in ``ranked`` (the active ones).

    Raises ZeroDivisionError if no weight is above zero. Takes as many steps of fine-tuning
    as it takes: after a large correction that can be a hundred thousand (see ``apportioned``).
    """
    ideal = ideals(size, weights, errors)
    rounded = {member: rounded_half_up(ideal[member]) for member in ranked}
    return fine_tuned(size, weights, ideal, rounded, ranked)


def lead_after_lead(
    size: int,
    weights: Mapping[str, Fraction],
    errors: Mapping[str, Fraction],
    ranked: Sequence[str],
) -> Counts:
    """The same division in other words: lead after lead to whoever is owed most.

    All fair shares are booked first. Of equals the first in rank takes the lead. A member of
    weight 0 takes part as long as they are owed something.
    """
    now = {member: -ideal for member, ideal in ideals(size, weights, errors).items()}
    assigned = dict.fromkeys(ranked, 0)
    for _ in range(size):
        takers = [member for member in ranked if weights[member] > 0 or now[member] < 0]
        taker = min(takers, key=lambda member: now[member])
        assigned[taker] += 1
        now[taker] += 1
    return assigned


def apportioned(
    size: int,
    weights: Mapping[str, Fraction],
    errors: Mapping[str, Fraction],
    ranked: Sequence[str],
) -> Counts:
    """The four steps; lead after lead when there are more than ``size`` leads to fine-tune."""
    ideal = ideals(size, weights, errors)
    rounded = {member: rounded_half_up(ideal[member]) for member in ranked}
    if abs(sum(rounded.values()) - size) > size:
        return lead_after_lead(size, weights, errors, ranked)
    return fine_tuned(size, weights, ideal, rounded, ranked)


# --- Roster changes ---------------------------------------------------------------------


def rounded_to_units(
    amounts: Mapping[str, Fraction], ranked: Sequence[str], unit: Fraction = UNIT
) -> Amounts:
    """The amounts in whole units with the same sum (which must be whole units itself).

    Down; then the missing units, one each, to the largest remainders, of equals to the last
    in rank.
    """
    down = {member: floor(amounts[member] / unit) for member in ranked}
    remainder = {member: amounts[member] / unit - down[member] for member in ranked}
    missing = sum(remainder.values(), Fraction(0))
    if missing.denominator != 1:
        raise ValueError("the sum of the amounts is not a whole number of units")
    last_first = list(reversed(ranked))
    by_remainder = sorted(last_first, key=lambda member: -remainder[member])  # keeps equals so
    for member in by_remainder[: int(missing)]:
        down[member] += 1
    return {member: down[member] * unit for member in ranked}


def levelled_down(heights: Mapping[str, int], amount: int, order: Sequence[str]) -> Counts:
    """Takes ``amount`` off the heights, always from the highest, of equals the first in ``order``.

    Done one at a time this could take 10^17 steps, so whole rounds are done at once: all the
    highest go down together, to the next height at most, as long as there is one for each.
    When there is less than one for each, the first in order lose one. This ends where one at
    a time ends: among equals that goes round and round in order, and a lower member is not
    touched before all the highest have come down to it.
    """
    now = dict(heights)
    while amount > 0:
        top = max(now.values())
        highest = [member for member in order if now[member] == top]
        below = [height for height in now.values() if height < top]
        rounds = amount // len(highest)
        if below:
            rounds = min(rounds, top - max(below))
        for member in highest if rounds else highest[:amount]:
            now[member] -= max(rounds, 1)
            amount -= max(rounds, 1)
    return now


def settled(errors: Mapping[str, Fraction], net: Fraction, ranked: Sequence[str]) -> Amounts:
    """The errors of those who stay after members whose errors sum to ``net`` have left.

    ``errors`` and ``net`` are whole units and sum to zero together. What the leavers were owed
    (net below zero) is taken from those furthest ahead, of equals the first in rank; what they
    were ahead goes to those most owed, of equals the last in rank.
    """
    units = {member: int(errors[member] / UNIT) for member in ranked}
    if net <= 0:
        after = levelled_down(units, int(-net / UNIT), ranked)
    else:
        upside_down = {member: -height for member, height in units.items()}
        lowered = levelled_down(upside_down, int(net / UNIT), list(reversed(ranked)))
        after = {member: -height for member, height in lowered.items()}
    return {member: after[member] * UNIT for member in ranked}


def counter_entries(
    amount: Fraction, weights: Mapping[str, Fraction], ranked: Sequence[str]
) -> Amounts:
    """What a correction by ``amount`` without a counterparty adds to everyone else's errors.

    ``weights`` are those of the active members; those with weight 0 take no part. The sum is
    exactly ``-amount``, in whole units.
    """
    takers = [member for member in ranked if weights.get(member, Fraction(0)) > 0]
    parts = normalised({member: weights[member] for member in takers})
    return rounded_to_units({member: -amount * parts[member] for member in takers}, takers)


# --- Order inside a batch ---------------------------------------------------------------


def interleaved(counts: Mapping[str, int], ranked: Sequence[str]) -> list[str]:
    """Who takes slot 0, 1, ... of a batch in which member m takes ``counts[m]`` leads.

    The j-th of L leads may stand in the slots from floor((j-1)S/L) up to but not including
    ceil(jS/L). Each slot goes to the open window that closes first, of equals the first in rank.
    """
    size = sum(counts.values())
    given = dict.fromkeys(ranked, 0)
    order: list[str] = []
    for slot in range(size):
        waiting = [member for member in ranked if given[member] < counts[member]]
        windows = {member: window(given[member] + 1, counts[member], size) for member in waiting}
        opened = [member for member in waiting if windows[member][0] <= slot]
        taker = min(opened, key=lambda member: windows[member][1])
        if windows[taker][1] <= slot:
            raise AssertionError(f"slot {slot}: {taker}'s window had closed")
        given[taker] += 1
        order.append(taker)
    return order


def window(nth: int, leads: int, size: int) -> tuple[int, int]:
    """First slot for the ``nth`` of ``leads`` in a batch of ``size``, and the first too late."""
    return (nth - 1) * size // leads, -(-nth * size // leads)


# --- Showing ----------------------------------------------------------------------------


def twelve_decimals(amount: Fraction) -> str:
    """Half to even, no negative zero."""
    units = round(amount / UNIT)
    whole, decimals = divmod(abs(units), 10**12)
    return f"{'-' if units < 0 else ''}{whole}.{decimals:012d}"


def plain_decimal(weight: Fraction) -> str:
    """A weight (at most six decimals) without trailing zeros."""
    millionths = weight * 10**6
    if ceil(millionths) != floor(millionths):
        raise ValueError("more than six decimals")
    whole, decimals = divmod(int(millionths), 10**6)
    return f"{whole}.{decimals:06d}".rstrip("0").rstrip(".")
