"""When is there nothing left to do? Not when the group has committed all that it could see.

Leads go on to other channels, as inputs of their own; what is parked goes out for a while; and a
transaction that a killed process left open on an input hides all that stands behind it, from the
dispatchers as from whoever asks where the partition ends.
"""

import time

from .copies import releases_under_way
from .installation import Installation
from .records import ends
from .waiting import wait_until


def wait_until_quiet(installation: Installation, timeout_s: float = 90.0) -> None:
    """Wait until all input is processed, and what came of it, and what came of that.

    For when nobody publishes any more and no transaction of a source is left open.

    Args:
        installation: What runs.
        timeout_s: How long each step towards that may take; there are as many as levels that
            leads go through.

    Raises:
        AssertionError: there is still something to do.
    """
    places = installation.input_places()
    deadline = time.monotonic() + 3 * timeout_s
    while True:
        begun = ends(installation.admin, places, stable=False)
        installation.wait_until_stable(places, timeout_s)
        installation.wait_until_processed(timeout_s)
        wait_until(
            lambda: not releases_under_way(installation),
            lambda: f"releases end: {releases_under_way(installation)}",
            timeout_s,
        )
        # All of it was processed before nothing was under way: nothing can follow any more.
        if (ended := ends(installation.admin, places, stable=False)) == begun:
            return
        assert time.monotonic() < deadline, f"inputs grow: {begun} to {ended}"
