"""Calls of a client that are given up when they outlast their own time-out.

librdkafka's transactional calls take a time-out, and may yet not return: `send_offsets` does not
when the group's coordinator moves at the wrong moment (seen with 2.16, for minutes). A thread makes
the calls; whoever waits for one that is stuck leaves it behind, with its client.
"""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from streams.broker import CallFailed, Remedy

GRACE_S: Final = 2.0
"""Beyond its time-out, for a call that ends by itself."""

STUCK_MAX: Final = 5
"""Clients left behind at the same time, each with its threads and connections; then the process
ends, which frees them all."""

_stuck: set["BoundedCalls"] = set()


class BoundedCalls:
    """A thread that makes one call after another, for one other thread.

    Nothing here keeps an error longer than its call: errors hold the frames that they came through,
    and those the client, which would not end when it is dropped.
    """

    def __init__(self) -> None:
        """Makes no thread yet. What a stuck call belongs to is kept until it returns."""
        self._jobs: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._answering = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def is_stuck(self) -> bool:
        """Whether a call was given up that has not returned."""
        return self in _stuck

    def run(self, name: str, timeout_s: float, call: Callable[..., Any], *arguments: Any) -> Any:
        """Make a call that ends within `timeout_s` by itself; `name` is for messages.

        Raises what it raises; CallFailed(REPLACE) if it doesn't end, or STOP with too many such.
        After that no more calls can be made.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="client-calls", daemon=True)
            self._thread.start()
        self._jobs.put((call, arguments))
        try:
            answer, error = self._answers.get(timeout=timeout_s + GRACE_S)
        except Empty:
            answer, error = self._last_look(name)
        if error is None:
            return answer
        try:
            raise error
        finally:
            del error

    def _last_look(self, name: str) -> tuple[Any, BaseException | None]:
        """The answer, if it came in this moment."""
        with self._answering:
            try:
                return self._answers.get_nowait()
            except Empty:
                _stuck.add(self)
        remedy = Remedy.STOP if len(_stuck) > STUCK_MAX else Remedy.REPLACE
        detail = f"{name} is stuck in the client, {len(_stuck)} of {STUCK_MAX}"
        raise CallFailed(remedy, detail)

    def close(self) -> None:
        """End the thread, now or when its last call returns."""
        if self._thread is not None:
            self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            call, arguments = job
            answer: tuple[Any, BaseException | None]
            try:
                answer = call(*arguments), None
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                answer = None, error
            with self._answering:
                self._answers.put(answer)
                _stuck.discard(self)
            del job, call, arguments, answer  # while it waits for the next one
