"""Waiting for what must come true, with a deadline, instead of sleeping."""

import time
from collections.abc import Callable

POLL_S = 0.01


def wait_until(
    condition: Callable[[], bool], what: str | Callable[[], str], timeout_s: float = 90.0
) -> None:
    """Ask every 10 ms until the condition holds.

    Args:
        condition: Asked at least once after the deadline, so that a slow answer counts.
        what: Said in the failure: what should have come true, and what was seen instead.
        timeout_s: How long that may take.

    Raises:
        AssertionError: it didn't.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() > deadline
        if condition():
            return
        if late:
            text = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_s:g} s: {text}")
        time.sleep(POLL_S)
