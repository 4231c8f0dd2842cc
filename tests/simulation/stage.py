"""A run in which nothing happens by chance: each step of an execution is called for."""

from collections.abc import Callable
from typing import Any

from streams.settings import Settings
from tests.reference import events
from tests.reference.validation import Json

from .processes import Process
from .world import World

PATIENCE_MS = 120_000.0


class Stage(World):
    """A world with plain settings and no faults of its own."""

    def __init__(self, seed: int = 1, **settings: Any) -> None:
        plain: dict[str, Any] = {
            "application_id": "sim",
            "slot": "0",
            "partitions": 1,
            "session_timeout_ms": 2_000,
            "transaction_timeout_ms": 10_000,
            "poll_timeout_ms": 100,
            "redis_timeout_ms": 50,
            "redis_retry_ms": 100,
            "max_poll_interval_ms": 10_000,
            **settings,
        }
        super().__init__(seed, Settings(**plain))
        self.traffic.transactional = 0.0

    def send(self, *sent: Json) -> None:
        """Events, one after another, acknowledged."""
        for event in sent:
            self.traffic.send(event, plain=True)

    def begin(self, slot: str = "0", leads: int = 3) -> Process:
        """A dispatcher, a roster of two and a first batch, all of it processed."""
        process = self.start(slot)
        self.send(events.roster("first", {"A": "1", "B": "2"}), events.lead_batch("first", leads))
        self.settle()
        return process

    def settle(self) -> None:
        """Wait until everything sent is processed and Redis has it."""
        self.wait(lambda: self._is_processed() and self._redis_is_there(), "all is processed")

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until something has come true. Raises AssertionError."""
        assert self.until(condition, PATIENCE_MS), f"not within {PATIENCE_MS} ms: {what}"

    def said(self, text: str) -> bool:
        """Whether the trace holds the text."""
        return any(text in line for line in self.trace.lines)

    def at(self, process: Process, point: str, action: Callable[[], None]) -> None:
        """When the process comes to the point, do something; waits until it has."""
        reached: list[bool] = []

        def act() -> None:
            reached.append(True)
            action()

        process.thread.trap(point, act)
        self.wait(lambda: bool(reached), point)

    def assigned(self) -> dict[str, str]:
        """Who got which lead: `batch/lead` to assignee."""
        return {
            f"{record.event['batch_id']}/{record.event['lead_id']}": record.event["assignee_id"]
            for record in self.checks.records[self.topics.assignments]
        }

    def kinds(self) -> list[str]:
        """The types of the decisions so far, in order."""
        return [record.event["type"] for record in self.checks.records[self.topics.decisions]]

    def refusals(self) -> list[str]:
        """The reasons of the dead letters so far."""
        letters = self.checks.records[self.topics.dead_letters]
        return [record.errors["reason"] for record in letters]
