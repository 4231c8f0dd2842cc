"""Memory that nobody uses any more goes back to the system.

In: nothing. Out: what Python holds in circles is freed, and what the allocator keeps for later is
returned. After a restore both are worth it: errors of what failed before hold frames, and those
states; and of what was read at once the allocator keeps every page, arena by arena (in a soak 17
of 33 MiB were free and kept).
"""

import ctypes
import gc
from contextlib import suppress


def give_back() -> None:
    """Takes as long as a full collection: seconds with millions of objects."""
    gc.collect()
    # glibc's own; elsewhere the allocator does as it likes.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
