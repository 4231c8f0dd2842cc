"""How long a search may take, and how exact it has to be."""

from dataclasses import dataclass
from typing import Final

from dispatcher.planning.highs import INFINITY, Answer, Progress

GAP: Final = 1e-7
"""Relative distance to the bound at which a plan is called optimal, unless another is asked for."""
EXACT: Final = 1e-9
"""The relative gap that HiGHS is asked for, and what is rounding in the last digits."""


@dataclass
class Limits:
    """What a search may take.

    Attributes:
        time_limit_s: seconds in HiGHS.
        gap: relative distance to the bound at which it ends.
        progress: told of objective and bound.
        banker_types: bankers are put into so many types (`types`); None: each by themselves.
    """

    time_limit_s: float = INFINITY
    gap: float = GAP
    progress: Progress | None = None
    banker_types: int | None = None

    def spent(self, answer: Answer) -> None:
        """Count what HiGHS took."""
        self.time_limit_s = max(0.0, self.time_limit_s - answer.seconds)
