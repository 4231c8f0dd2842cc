"""Threads of clients are nicer than the one that decides."""

import os
import sys
import threading

import pytest

from streams.kafka_broker.giving_way import made_giving_way

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are nice on Linux only")


def niceness() -> int:
    """Of this thread."""
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_what_is_made_has_nicer_threads_and_who_asks_for_it_stays_as_it_is() -> None:
    """Those that it starts, and those that they start."""
    before, seen = niceness(), []

    def start() -> None:
        seen.append(niceness())
        thread = threading.Thread(target=lambda: seen.append(niceness()))
        thread.start()
        thread.join()

    made_giving_way(3, start)
    assert seen == [min(19, before + 3)] * 2
    assert niceness() == before


def test_with_none_they_are_as_nice_as_who_asks() -> None:
    """0 switches it off."""
    assert made_giving_way(0, niceness) == niceness()


def test_what_fails_fails_as_it_would() -> None:
    """A client that can't be made says why."""
    with pytest.raises(ZeroDivisionError):
        made_giving_way(5, lambda: 1 // 0)
