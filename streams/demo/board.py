"""The board with a working day on it, until somebody ends it.

In: a seed, and whether a browser is to be opened. Out: the board's address on stdout, what goes on
on stderr. Everything that was started ends with Ctrl-C or SIGTERM.
"""

import os
import signal
import sys
import threading
import time
import urllib.request
import webbrowser
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType
from typing import Final

import msgspec
from confluent_kafka import Message

from streams.cli.output import note
from streams.demo.processes import Running, forget_settings, running
from streams.demo.reading import Assignment, Tail
from streams.demo.stream import Sender
from streams.demo.tables import show
from streams.demo.working_day import RECENT_MAX, Received, working_day
from streams.failure import Failed

READY_S_MAX: Final = 60.0
POLL_S: Final = 0.05
DISPLAYS: Final = ("DISPLAY", "WAYLAND_DISPLAY")


def run_board(seed: int, *, with_browser: bool) -> None:
    """Run until Ctrl-C or SIGTERM. Raises Failed."""
    forget_settings()
    with _terminated_as_interrupted(), running(keep=False, on_progress=note) as system:
        until_ready(system)
        show(f"The board: {system.views_url}/")
        sys.stdout.flush()
        note("leads come until Ctrl-C")
        if with_browser and has_display():
            webbrowser.open(f"{system.views_url}/")
        with _asked_to_end() as ending:
            play_day(system, seed, ending)


def until_ready(system: Running) -> None:
    """Wait until the views have read all that there is. Raises Failed."""
    deadline = time.monotonic() + READY_S_MAX
    while not _is_ready(system):
        system.check()
        if time.monotonic() > deadline:
            raise Failed(f"the views were not ready within {READY_S_MAX:.0f} s")
        time.sleep(POLL_S)


def _is_ready(system: Running) -> bool:
    try:
        # The views that the demo started.
        with urllib.request.urlopen(f"{system.views_url}/healthz", timeout=READY_S_MAX):  # nosec B310
            return True
    except OSError:
        return False  # not there yet, or still reading (503)


def has_display() -> bool:
    """Whether a browser would have somewhere to appear."""
    return sys.platform == "darwin" or any(os.environ.get(name) for name in DISPLAYS)


def play_day(system: Running, seed: int, ending: threading.Event) -> None:
    """Send what happens on a working day until somebody ends it. Raises Failed."""
    sender = Sender(system)
    with _Receivers(system) as receivers:
        for step in working_day(seed, receivers.recent, lambda: datetime.now(UTC)):
            if ending.wait(step.wait_s):
                break
            sender.send(step.event)
            receivers.take()
            system.check()
        sender.flush()


class _Receivers(Tail):
    """Who received which lead lately: a part of them closes theirs, or gives them back."""

    def __init__(self, system: Running) -> None:
        super().__init__(system, system.settings.topics.assignments)
        self._decode = msgspec.json.Decoder(Assignment).decode
        self.recent: defaultdict[str, deque[Received]] = defaultdict(
            lambda: deque(maxlen=RECENT_MAX)
        )

    def receive(self, message: Message) -> None:
        """Remember an assignment."""
        found = self._decode(message.value() or b"")
        self.recent[found.channel].append(Received(found.lead_id, found.assignee_id))


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """Set by Ctrl-C or SIGTERM, so that neither strikes where it could get lost."""
    ending = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda *_: ending.set()) for number in numbers]
    try:
        yield ending
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends it as Ctrl-C does, also while everything is still being started."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
