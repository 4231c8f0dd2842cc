"""The dispatchers' group as metrics, seen from outside: also while no dispatcher runs.

In: Kafka, asked again and again. Out: lag under the name that exporters of Kafka use, delays, who
has a partition, transactions that stay open; and when Kafka last answered.

Lag is ours: the markers of transactions at a partition's end are no records, and don't count (see
`streams.lag`); an exporter that takes the difference of two offsets shows one where sources write
in transactions.
"""

import time
from collections.abc import Callable
from typing import Any, Final

from prometheus_client import CollectorRegistry, ProcessCollector

from streams.failure import Failed
from streams.lag import PartitionLag, partition_lags
from streams.metrics import table
from streams.metrics.build import describe_build
from streams.metrics.health import Answer
from streams.metrics.server import MetricsServer
from streams.open_transactions import OpenTransactions
from streams.settings import Settings

SILENT_LOOKS: Final = 4
"""So many intervals without an answer, and the answers before it are no news any more."""


STOP_POLL_S: Final = 0.2


class GroupMetrics:
    """What was seen at the last look."""

    def __init__(
        self,
        settings: Settings,
        interval_s: float,
        *,
        wall_s: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`interval_s`: between two looks."""
        self._settings = settings
        self._interval_s = interval_s
        self._wall_s = wall_s
        self._monotonic = monotonic
        self._open = OpenTransactions()
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        describe_build(registry)
        self._lag = table.GROUP_LAG.make(registry)
        self._offset = table.GROUP_OFFSET.make(registry)
        self._end = table.TOPIC_OFFSET.make(registry)
        self._delay = table.GROUP_DELAY.make(registry)
        self._owned = table.GROUP_OWNED.make(registry)
        self._open_s = table.OPEN_TRANSACTION.make(registry)
        self._last_look = table.LAST_LOOK.make(registry)
        self._failures = table.LOOK_FAILURES.make(registry)
        self._looked_at_s = self._answered_at_s = monotonic()
        self._why_not = "no answer yet"

    def look(self) -> list[PartitionLag]:
        """Ask once. Raises Failed; what was seen before stays."""
        self._looked_at_s = self._monotonic()
        try:
            rows, _ = partition_lags(self._settings, round(self._wall_s() * 1000))
            open_s = self._open.look(self._settings, self._monotonic())
        except Failed as failed:
            self._failures.inc()
            self._why_not = str(failed)
            raise
        for row in rows:
            self._show(row)
        for (topic, partition), seconds in open_s.items():
            self._open_s.labels(topic, str(partition)).set(seconds)
        self._last_look.set(self._wall_s())
        self._answered_at_s, self._why_not = self._monotonic(), ""
        return rows

    def _show(self, row: PartitionLag) -> None:
        place = (row.topic, str(row.partition))
        self._lag.labels(self._settings.application_id, *place).set(row.lag)
        self._end.labels(*place).set(row.end)
        self._owned.labels(*place).set(row.owner is not None)
        if row.committed is not None:
            self._offset.labels(self._settings.application_id, *place).set(row.committed)
        if row.delay_seconds is not None:
            self._delay.labels(*place).set(row.delay_seconds)

    @property
    def questions(self) -> dict[str, Callable[[], Answer]]:
        """What the probes ask."""
        return {"/livez": self._alive, "/readyz": self._ready}

    def _alive(self) -> Answer:
        limit_s = self._settings.max_poll_interval_ms / 1000 + self._interval_s
        age_s = self._monotonic() - self._looked_at_s
        return Answer(age_s <= limit_s, f"last look {age_s:.0f} s ago")

    def _ready(self) -> Answer:
        if self._why_not:
            return Answer(False, self._why_not)
        return Answer(True, f"last answer {self._monotonic() - self._answered_at_s:.0f} s ago")


def serve(
    settings: Settings,
    interval_s: float,
    *,
    stopping: Callable[[], bool],
    sleep: Callable[[float], None] = time.sleep,
    logger: Any,
) -> None:
    """Ask and serve until told to stop. Raises Failed if the address is taken."""
    metrics = GroupMetrics(settings, interval_s)
    host, port = settings.metrics_host, settings.metrics_port
    with MetricsServer(metrics.registry, metrics.questions, host, port):
        logger.info("serving metrics of the group", host=host, port=port)
        while not stopping():
            began_s = time.monotonic()
            try:
                metrics.look()
            except Failed as failed:
                logger.warning("no look at the group", why=str(failed))
            wait_until_s = began_s + interval_s
            while not stopping() and (left_s := wait_until_s - time.monotonic()) > 0:
                sleep(min(left_s, STOP_POLL_S))
