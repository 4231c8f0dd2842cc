"""librdkafka's admin client, made anew after each question that failed.

Why anew: the client goes on with the leader epochs that it knew; after a broker was restarted every
question about offsets would be refused (FENCED_LEADER_EPOCH) until its metadata is refreshed, five
minutes later. Why the former one is kept for a while: dropped with a question still pending,
librdkafka aborts the process.
"""

from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any, Final

from confluent_kafka.admin import AdminClient

GRACE_S: Final = 1.0
"""A question ends by its own time-out; only then, a little later, we stop waiting for it."""


class Admin:
    """The client in use, and former ones that are still waiting for answers."""

    def __init__(self, config: dict[str, Any], *, logger: Any) -> None:
        """Connects with the first question."""
        self._config = config
        self._logger = logger
        self._former: list[tuple[AdminClient, list[Future[Any]]]] = []
        self.client = self._made()

    def _made(self) -> AdminClient:
        return AdminClient(self._config, logger=self._logger)

    def renew(self, futures: Iterable["Future[Any]"]) -> None:
        """After a failure: another client. `futures` are the questions that were asked of this."""
        self._former = [former for former in self._former if not _are_done(former[1])]
        self._former.append((self.client, list(futures)))
        self.client = self._made()


def _are_done(futures: Iterable["Future[Any]"]) -> bool:
    return all(future.done() for future in futures)
