"""A process of the pool that runs variants: it keeps its Kafka and its Redis between runs."""

from contextlib import ExitStack
from typing import NamedTuple

from tests.support.machine import LeftOut

from .catalogue import chosen
from .perform import perform
from .result import Result
from .servers import Servers, shared_servers

RUNS_PER_BROKER = 40
"""A broker gets slower with the topics that it has had."""


class Task(NamedTuple):
    """A variant by its names, and the seed of a run of it."""

    fault: str
    variant: str
    seed: int


class _Worker:
    """What a process of the pool keeps between runs: its Kafka and its Redis."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._servers: Servers | None = None
        self._runs = 0

    def perform(self, task: Task) -> Result:
        """One run."""
        (variant,) = (found for found in chosen([task.fault]) if found.name == task.variant)
        try:
            if self._runs % RUNS_PER_BROKER == 0:
                self._opened.close()
                self._servers = None
            if self._servers is None:
                self._servers = self._opened.enter_context(shared_servers())
            self._runs += 1
            return perform(variant, task.seed, self._servers)
        except LeftOut as missing:
            why = f"{missing.reason}; {missing.remedy}"
            return Result(*task, 0, 0, 0, 0, 0.0, [], [], left_out=why)
        except Exception as error:  # noqa: BLE001 - the other runs go on
            problem = f"{type(error).__name__}: {error}"
            return Result(*task, 0, 0, 0, 0, 0.0, [], [problem])


_worker = _Worker()


def perform_task(task: Task) -> Result:
    """A run, in this process of the pool."""
    return _worker.perform(task)
