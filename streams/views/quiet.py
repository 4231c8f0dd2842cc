"""Log lines of the libraries below, each kind of them now and then only.

While Kafka is away aiokafka says so many times a second; operators need it once in a while.
"""

import logging
import time
from typing import Final

REPEATED_AFTER_S: Final = 60.0
KINDS_MAX: Final = 1_000
"""Kinds that are remembered; beyond that all are forgotten."""


class Seldom(logging.Filter):
    """Lets a kind of line (one place in the code) pass, then not again for a while."""

    def __init__(self, repeated_after_s: float = REPEATED_AFTER_S) -> None:
        """Nothing was logged yet."""
        super().__init__()
        self._repeated_after_s = repeated_after_s
        self._last_s: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        kind, now_s = (record.pathname, record.lineno), time.monotonic()
        last_s = self._last_s.get(kind)
        if last_s is not None and now_s - last_s < self._repeated_after_s:
            return False
        if len(self._last_s) >= KINDS_MAX:
            self._last_s.clear()
        self._last_s[kind] = now_s
        return True


def quieten_libraries() -> None:
    """Apply it to everything that goes through the standard library's logging."""
    seldom = Seldom()
    for handler in logging.getLogger().handlers:
        handler.addFilter(seldom)
