"""Rounds as other methods divide them, written in a line; and how far off a division is."""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import product

from dispatcher.roster import Member
from schemas.scalars import weight_millionths
from streams.whatif.course import Round
from streams.whatif.measure import Outcome, measured

MINUTE_MS = 60_000


def rounds_of(*parts: tuple[int, dict[str, str]]) -> list[Round]:
    """(leads, weights by name) of each round; ranks are in order of name."""
    found = []
    for number, (leads, weights) in enumerate(parts):
        members = tuple(
            Member(name.encode(), name, weight_millionths(weight), paused=False)
            for name, weight in sorted(weights.items())
        )
        weight_sum = sum(member.weight_millionths for member in members)
        found.append(Round(number * MINUTE_MS, leads, members, weight_sum))
    return found


def outcome_of(rounds: Sequence[Round], counts: Sequence[Sequence[int]]) -> Outcome:
    """What a division comes to."""
    steps = [each.step(own) for each, own in zip(rounds, counts, strict=True)]
    return measured("test", steps)


def largest_error(rounds: Sequence[Round], counts: Sequence[Sequence[int]]) -> Fraction:
    """The largest error of anybody after any round, in leads."""
    outcome = outcome_of(rounds, counts)
    return abs(outcome.leads(outcome.largest.error))


def all_divisions(rounds: Sequence[Round]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to divide the rounds among those who are there."""
    ways = [
        [
            counts
            for counts in product(range(each.leads + 1), repeat=len(each.members))
            if sum(counts) == each.leads
        ]
        for each in rounds
    ]
    return product(*ways)
