"""Ends a process that is stuck, so that whoever supervises it starts another.

In: a word after each turn of the loop. Out: the stacks of all threads on standard error, and the
end of the process with status 1, when no word came for too long.

Why: calls of librdkafka have time-outs, but its threads wait by the wall clock. After that was set
back by hours, a wait that began before lasts hours longer. The group has given the partitions to
others by then; here nothing would ever go on. The standard library's watchdog doesn't need the
interpreter, and counts by a clock that only goes on.
"""

import faulthandler
import time
from types import TracebackType
from typing import Final, Self

_REARMED_AFTER: Final = 0.05
"""Of the time allowed: each word starts a thread anew, which is too much for every turn."""


class Watchdog:
    """A context manager: awake from its beginning to its end."""

    def __init__(self, stall_max_ms: int) -> None:
        """`stall_max_ms`: how long may pass between two words, at least."""
        self._stall_max_s = stall_max_ms / 1000
        self._armed_at = 0.0

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._arm()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Watch no more."""
        faulthandler.cancel_dump_traceback_later()

    def turned(self) -> None:
        """The loop goes on."""
        if time.monotonic() - self._armed_at > _REARMED_AFTER * self._stall_max_s:
            self._arm()

    def _arm(self) -> None:
        self._armed_at = time.monotonic()
        allowed_s = (1 + _REARMED_AFTER) * self._stall_max_s
        faulthandler.dump_traceback_later(allowed_s, exit=True, file=2)
