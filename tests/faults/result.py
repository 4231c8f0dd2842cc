"""What a run came to."""

from typing import NamedTuple


class Result(NamedTuple):
    """It passes when the three figures are 0 and there are no problems.

    Attributes:
        leads, lost, duplicated, stale: See `figures.Figures`.
        longest_wait_s: Of any lead, from when it was sent until a reader of what is committed saw
            its assignment; leads that were parked don't count.
        waits_s: Of all batches.
        problems: Everything else that is not as it has to be.
        left_out: Why this machine can't do it, if so; then there is nothing else.
    """

    fault: str
    variant: str
    seed: int
    leads: int
    lost: int
    duplicated: int
    stale: int
    longest_wait_s: float
    waits_s: list[float]
    problems: list[str]
    left_out: str = ""

    @property
    def passes(self) -> bool:
        """Whether nothing was lost, doubled or stale, and nothing else is wrong."""
        return not (self.lost or self.duplicated or self.stale or self.problems)
