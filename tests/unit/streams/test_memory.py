"""What is free goes back to the system."""

import gc
import weakref

from streams.memory import give_back
from tests.support.interpreter import output_of


class Circle:
    """Holds itself."""

    def __init__(self) -> None:
        self.own = self


def test_what_is_held_in_circles_is_freed() -> None:
    """Also when Python wouldn't look for long."""
    gc.disable()
    try:
        held = weakref.ref(Circle())
        assert held() is not None
        give_back()
        assert held() is None
    finally:
        gc.enable()


PEAKS = """
import psutil
from streams.memory import give_back

process = psutil.Process()
before = process.memory_info().rss
peak = [bytes(4000) for _ in range(25_000)]
last = peak[-1]  # above all others: nothing shrinks by itself
grown = process.memory_info().rss - before
del peak
give_back()
print((process.memory_info().rss - before) / grown)
"""


def test_what_the_allocator_keeps_is_returned() -> None:
    """Of a peak of 100 MB less than a tenth stays."""
    assert float(output_of(PEAKS)) < 0.1
