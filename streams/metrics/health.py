"""Whether a dispatcher is alive, and whether it is ready.

- Alive: its loop has turned within the time between polls that the group allows
  (`max_poll_interval_ms`); whoever isn't has lost its partitions, and is to be started again.
- Ready: it belongs to the group, has a producer, every partition that it owns is restored, and the
  loop turns (`loop_age_max_ms`). A member without partitions is ready too: there may be more
  processes than partitions.

Both are asked by other threads than the loop's; each answer is from one moment's standing.
"""

from collections.abc import Callable
from typing import NamedTuple

from streams.lifecycle import Life
from streams.observing import ProcessStanding
from streams.settings import Settings


class Answer(NamedTuple):
    """Well or not, and why, in a line."""

    well: bool
    why: str


class Health:
    """What the probes ask."""

    def __init__(self, settings: Settings, monotonic: Callable[[], float]) -> None:
        """The clock starts with the process: a start that never ends is no life either."""
        self._alive_s = settings.max_poll_interval_ms / 1000
        self._ready_s = settings.loop_age_max_ms / 1000
        self._monotonic = monotonic
        self._turned_at = monotonic()
        self._standing: ProcessStanding | None = None
        self._ever_assigned = False

    def turned(self) -> None:
        """The loop goes on."""
        self._turned_at = self._monotonic()

    def rebalanced(self) -> None:
        """The group has given this process its part, be it nothing."""
        self._ever_assigned = True

    def stands(self, standing: ProcessStanding) -> None:
        """Where it all stands."""
        self._standing = standing

    def loop_age_s(self) -> float:
        """Since the last turn."""
        return self._monotonic() - self._turned_at

    @property
    def alive(self) -> Answer:
        """For `/livez`."""
        age_s = self.loop_age_s()
        if age_s > self._alive_s:
            return Answer(False, f"the loop has not turned for {age_s:.0f} s")
        return Answer(True, "the loop turns")

    @property
    def ready(self) -> Answer:
        """For `/readyz`."""
        age_s = self.loop_age_s()
        standing = self._standing
        if standing is None:
            return Answer(False, "starting")
        if age_s > self._ready_s:
            return Answer(False, f"the loop has not turned for {age_s:.0f} s")
        if not (standing.member and self._ever_assigned):
            return Answer(False, "not a member of the group yet")
        if not standing.has_producer:
            return Answer(False, "no transactional producer")
        restoring = [n for n, p in standing.partitions.items() if p.life is not Life.RUNNING]
        if restoring:
            numbers = ", ".join(map(str, sorted(restoring)))
            return Answer(False, f"restoring partitions {numbers}")
        return Answer(True, f"{len(standing.partitions)} partitions")
