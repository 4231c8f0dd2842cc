"""Calls of a client that are given up when they outlast their own time-out.

librdkafka's transactional calls take a time-out, and may yet not return: `send_offsets` does not
when the group's coordinator moves at the wrong moment (seen with 2.16, for minutes). A thread makes
the calls; whoever waits for one that is stuck leaves it behind, with its client.
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

from streams.broker import CallFailed, Remedy
from streams.kafka_broker.giving_way import give_way

GRACE_S: Final = 2.0
"""Beyond its time-out, for a call that ends by itself."""

STUCK_MAX: Final = 5
"""Clients left behind at the same time, each with its threads and connections; then the process
ends, which frees them all."""

T = TypeVar("T")

_stuck: set["BoundedCalls"] = set()


class _Limit(NamedTuple):
    """Until when the call of this name has to be over, monotonic seconds. Compared by identity."""

    name: str
    at_s: float


def _limit(name: str, timeout_s: float) -> _Limit:
    return _Limit(name, time.monotonic() + timeout_s + GRACE_S)


class BoundedCalls:
    """A thread that makes one call after another, for one other thread.

    Nothing here keeps an error longer than its call: errors hold the frames that they came through,
    and those the client, which would not end when it is dropped.
    """

    def __init__(self, niceness: int = 0) -> None:
        """Makes no thread yet. What a stuck call belongs to is kept until it returns.

        `niceness`: of the thread, beyond that of who uses it; see `giving_way`.
        """
        self._niceness = niceness
        self._jobs: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]] | None] = SimpleQueue()
        self._answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self._answering = threading.Lock()
        self._thread: threading.Thread | None = None
        self._limit = _Limit("", 0.0)

    @property
    def is_stuck(self) -> bool:
        """Whether a call was given up that has not returned."""
        return self in _stuck

    def run(self, name: str, timeout_s: float, call: Callable[..., T], *arguments: Any) -> T:
        """Make a call that ends within `timeout_s` by itself; `name` is for messages.

        Raises what it raises; CallFailed(REPLACE) if it doesn't end, or STOP with too many such.
        After that no more calls can be made.
        """
        if threading.current_thread() is self._thread:  # one of those that were started
            self._limit = _limit(name, timeout_s)
            return call(*arguments)
        return self.start(name, timeout_s, call, *arguments)()

    def start(
        self, name: str, timeout_s: float, call: Callable[..., T], *arguments: Any
    ) -> Callable[[], T]:
        """Have a call made, which may `run` others, each with a time of its own.

        Returns: waits for it; see `run`.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="client-calls", daemon=True)
            self._thread.start()
        self._limit = _limit(name, timeout_s)
        self._jobs.put((call, arguments))
        return self._wait

    def _wait(self) -> Any:
        answer, error = self._answer()
        if error is None:
            return answer
        try:
            raise error
        finally:
            del error

    def _answer(self) -> tuple[Any, BaseException | None]:
        while True:
            limit = self._limit
            try:
                return self._answers.get(timeout=max(0.0, limit.at_s - time.monotonic()))
            except Empty:
                if self._limit is limit:
                    return self._last_look(limit.name)

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
        give_way(self._niceness)
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
