"""How long decisions took, over the last hour: counted by minute and by about how long.

In: when a decision was written and how long after its event. Out: quantiles. A delay is counted
among those within 5 % of it, so that a quantile is within 5 %, and memory has a bound.
"""

from collections import Counter
from collections.abc import Iterable
from math import ceil, log
from typing import Final

from streams.views.activity import MINUTE_MS

MINUTES_MAX: Final = 61
GROWTH: Final = 1.05
_LOG_GROWTH: Final = log(GROWTH)
DELAY_MS_MAX: Final = 7 * 86_400_000
"""Longer ones count as this: no input is kept longer."""


class Delays:
    """Of one partition."""

    def __init__(self, minutes: dict[int, Counter[int]] | None = None) -> None:
        """As counted before, or nothing yet."""
        self.minutes: dict[int, Counter[int]] = minutes or {}

    def copy(self) -> "Delays":
        """The same, to be read in another thread."""
        return Delays({minute: Counter(counted) for minute, counted in self.minutes.items()})

    def add(self, at_ms: int, delay_ms: int) -> None:
        """One decision, written at a time (milliseconds since 1970)."""
        minute = at_ms // MINUTE_MS
        counted = self.minutes.get(minute)
        if counted is None:
            newest = max(self.minutes, default=minute)
            if minute <= newest - MINUTES_MAX:
                return
            kept_from = max(newest, minute) - MINUTES_MAX
            self.minutes = {each: found for each, found in self.minutes.items() if each > kept_from}
            counted = self.minutes[minute] = Counter()
        counted[_step(delay_ms)] += 1


def together(delays: Iterable[Delays], first_minute: int, last_minute: int) -> Counter[int]:
    """What is counted in these minutes, to ask `quantile` of."""
    found: Counter[int] = Counter()
    for each in delays:
        for minute, counted in each.minutes.items():
            if first_minute <= minute <= last_minute:
                found.update(counted)
    return found


def quantile(counted: Counter[int], part: float) -> int | None:
    """The delay (ms) that `part` of them don't pass; None of nothing."""
    rank, below = max(1, ceil(part * counted.total())), 0
    for step in sorted(counted):
        below += counted[step]
        if below >= rank:
            return step if step < 1 else round(GROWTH ** (step - 1))
    return None


def _step(delay_ms: int) -> int:
    """0 for none, then one for each 5 % more; what isn't told apart in whole ms comes together."""
    bounded = min(max(delay_ms, 0), DELAY_MS_MAX)
    return 0 if bounded == 0 else 1 + round(log(bounded) / _LOG_GROWTH)
