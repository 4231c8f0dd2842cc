"""librdkafka's admin client, made anew after each question that failed.

Why anew: the client goes on with the leader epochs that it knew; after a broker was restarted every
question about offsets would be refused (FENCED_LEADER_EPOCH) until its metadata is refreshed, five
minutes later. Why the former one is kept for a while: dropped with a question still pending,
librdkafka aborts the process.
"""

import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka.admin import AdminClient

from streams.kafka_complaints import Complaints
from streams.settings import Settings

GRACE_S: Final = 1.0
"""A question ends by its own time-out; only then, a little later, we stop waiting for it."""

LOOK_S: Final = 0.05


class Admin:
    """The client in use, and former ones that are still waiting for answers.

    Attributes:
        timeout_s: Of the next question: twice as long after each that failed, as a new client has
            to find its way first, which on a slow network is all that there was time for.
        complaints: why the client in use isn't answered, if it isn't.
    """

    def __init__(self, config: dict[str, Any], settings: Settings, *, logger: Any) -> None:
        """Connects with the first question."""
        self._config = config
        self._first_timeout_s = settings.question_timeout_ms / 1000
        self._timeout_most_s = settings.call_timeout_ms / 1000
        self.timeout_s = self._first_timeout_s
        self._logger = logger
        self._properties = settings.kafka
        self._former: list[tuple[AdminClient, list[Future[Any]]]] = []
        self.client = self._made()

    def _made(self) -> AdminClient:
        self.complaints = Complaints(self._properties)
        # What it logs are the same complaints, many times over.
        config = {"log_level": 0, **self._config, "error_cb": self.complaints}
        return AdminClient(config, logger=self._logger)

    def result(self, future: "Future[Any]") -> Any:
        """The answer to a question. Raises TimeoutError, earlier when waiting is in vain."""
        deadline = time.monotonic() + self.timeout_s + GRACE_S
        while True:
            try:
                return future.result(LOOK_S)
            except TimeoutError:
                # It complains only while it is polled.
                self.client.poll(0)
                if self.complaints.final is not None or time.monotonic() > deadline:
                    raise

    def renew(self, futures: Iterable["Future[Any]"]) -> None:
        """After a failure: another client. `futures` are the questions that were asked of this."""
        self._drop_former()
        self._former.append((self.client, list(futures)))
        self.client = self._made()
        self.timeout_s = max(self.timeout_s, min(2 * self.timeout_s, self._timeout_most_s))

    def was_answered(self) -> None:
        """A question was answered."""
        self.timeout_s = self._first_timeout_s
        self._drop_former()

    def _drop_former(self) -> None:
        self._former = [former for former in self._former if not _are_done(former[1])]


def _are_done(futures: Iterable["Future[Any]"]) -> bool:
    return all(future.done() for future in futures)
