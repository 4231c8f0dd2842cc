"""One scheduler and one clock for everything that happens in a run.

Time is virtual: it jumps from one event to the next. What runs as a process is a greenlet that
gives way at every call to the world outside; which event comes next is decided by the latencies
that the seed drew, and by nothing else, so that the same seed gives the same run.
"""

import heapq
import itertools
from collections.abc import Callable
from random import Random

from greenlet import GreenletExit, getcurrent, greenlet

CPU_MS_PER_LOOK = 0.05
"""A process that looks at the clock has used so much time since it looked last."""


class Clockwork:
    """Virtual time in milliseconds, and what happens when."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)
        self.now_ms = 0.0
        self.steps = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def after(self, delay_ms: float, action: Callable[[], None]) -> None:
        """Let something happen later; what is due at one time happens in the order asked for."""
        heapq.heappush(self._events, (self.now_ms + delay_ms, next(self._number), action))

    def step(self) -> bool:
        """Let the next thing happen; False if there is nothing more."""
        if not self._events:
            return False
        at_ms, _, action = heapq.heappop(self._events)
        self.now_ms = max(self.now_ms, at_ms)
        self.steps += 1
        action()
        return True


class Thread:
    """A process's one thread: it runs until it waits for something; killed, it never goes on.

    Held still (SIGSTOP), whatever would have happened in it happens when it is let go.
    """

    def __init__(self, clockwork: Clockwork, run: Callable[[], None]) -> None:
        self.clockwork = clockwork
        self.alive = True
        self._held = False
        self._deferred: list[Callable[[], None]] = []
        self._cpu_ms = 0.0
        self._waits = 0
        self._wakeable = False
        self._traps: dict[str, Callable[[], None]] = {}
        self._greenlet = greenlet(run)

    def start(self) -> None:
        """Begin, with the next event."""
        self.after(0.0, self._greenlet.switch)

    def after(self, delay_ms: float, action: Callable[[], object]) -> None:
        """Let something happen in this process; not when it is dead, later when it is held."""

        def happen() -> None:
            if not self.alive:
                return
            if self._held:
                self._deferred.append(happen)
            else:
                action()

        self.clockwork.after(delay_ms, happen)

    def pause(self, ms: float, *, wakeable: bool = False) -> None:
        """Give way for so long (wakeable: or until `wake`); called by what runs in this thread."""
        self._waits += 1
        number = self._waits
        self._wakeable = wakeable
        delay_ms = ms + self._cpu_ms
        self._cpu_ms = 0.0
        self.after(delay_ms, lambda: self._resume(number))
        parent = self._greenlet.parent
        assert getcurrent() is self._greenlet
        assert parent is not None
        parent.switch()

    def wake(self) -> None:
        """End the wakeable wait that the thread is in, if it is in one, with the next event."""
        if self._wakeable:
            number = self._waits
            self.after(0.0, lambda: self._resume(number))

    def _resume(self, number: int) -> None:
        if number == self._waits:
            self._waits += 1
            self._wakeable = False
            self._greenlet.switch()

    def look_ms(self) -> float:
        """The time as this process sees it; looking takes a moment."""
        self._cpu_ms += CPU_MS_PER_LOOK
        return self.clockwork.now_ms + self._cpu_ms

    def trap(self, point: str, action: Callable[[], None]) -> None:
        """Do something when the thread next comes to this point."""
        self._traps[point] = action

    def clear_traps(self) -> None:
        """Nothing waits for it any more."""
        self._traps.clear()

    def at(self, point: str) -> None:
        """The thread has come to a point of what it does: a request sent, or carried out."""
        action = self._traps.pop(point, None)
        if action is not None:
            action()
            if self._held:
                self.pause(0.0)

    def hold(self) -> None:
        """SIGSTOP."""
        self._held = True

    @property
    def held(self) -> bool:
        """Whether it stands still."""
        return self._held

    def let_go(self) -> None:
        """SIGCONT."""
        self._held = False
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            self.clockwork.after(0.0, action)

    def kill(self) -> None:
        """`kill -9`: not another instruction."""
        if not self.alive:
            return
        self.alive = False
        self._deferred.clear()
        if getcurrent() is self._greenlet:
            raise GreenletExit
        if self._greenlet:
            self._greenlet.throw(GreenletExit)
