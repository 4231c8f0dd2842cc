"""Threads that give way to the one that decides, where they compete with it for a core.

A client's threads wake up many hundred times a second, and each time the system may take the core
from the thread that decides, which always has something to do and can do nothing else meanwhile.
Linux knows how nice each thread is, and a thread is as nice as the one that started it. So a client
is made in a thread that is nicer. They still get a share of a busy core: at 5 a quarter of it, and
a core that is free is theirs as ever.
"""

import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")


def give_way(niceness: int) -> None:
    """Make this thread, and those that it starts from now on, nicer by so much.

    On Linux; elsewhere threads aren't nice by themselves, and nothing is done.
    """
    if niceness and sys.platform == "linux":
        with suppress(OSError):  # it only makes things quicker
            this = threading.get_native_id()
            now = os.getpriority(os.PRIO_PROCESS, this)
            os.setpriority(os.PRIO_PROCESS, this, now + niceness)


def made_giving_way(niceness: int, make: Callable[[], T]) -> T:
    """What `make` makes; all threads that it starts are nicer by so much. Raises what it raises."""
    with ThreadPoolExecutor(1, "maker", initializer=give_way, initargs=(niceness,)) as maker:
        return maker.submit(make).result()
