"""Does the consumer still deliver what is there? Asked now and then, of the cluster.

In: what was received so far, and the ends of the inputs. Out: partitions that are sought anew; when
that doesn't help, the end of the process.

Why: a client that lost its leader, or a question on the way, may never fetch a partition again, and
says nothing. Its membership goes on, so nobody else gets the partition either. A partition stalls
if for a whole interval nothing came of it although there was something at its beginning, the
cluster answered at both ends of it, and it was not paused in between.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.broker import CallFailed, Cluster, GroupConsumer, Remedy, TopicPartition

STALLS_MAX: Final = 3
"""So many in a row that seeking anew didn't end."""


class InputWatch:
    """Looks every `input_check_ms`."""

    def __init__(
        self,
        consumer: GroupConsumer,
        cluster: Cluster,
        interval_ms: int,
        *,
        logger: Any,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Has seen nothing yet."""
        self._consumer = consumer
        self._cluster = cluster
        self._interval_s = interval_ms / 1000
        self._log = logger
        self._monotonic = monotonic
        self._look_at = 0.0
        self._before: dict[TopicPartition, tuple[int, int]] = {}
        self._stalls: dict[TopicPartition, int] = {}

    def forget(self, place: TopicPartition) -> None:
        """It was paused, or started anew: what was known of it says nothing any more."""
        self._before.pop(place, None)

    def look(self, positions: Mapping[TopicPartition, int]) -> None:
        """`positions`: of the partitions that are to be delivered, the next offset to come.

        Raises CallFailed(STOP) when a partition stalls again and again.
        """
        now = self._monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._interval_s
        before, self._before = self._before, {}
        if not positions:
            return
        try:
            ends = self._cluster.end_offsets(list(positions), read_committed=True)
        except CallFailed:
            return  # a cluster that doesn't answer delivers nothing either
        self._before = {place: (at, ends[place]) for place, at in positions.items()}
        stalled = {
            place: at
            for place, at in positions.items()
            if place in before and before[place][0] == at < before[place][1]
        }
        self._stalls = {place: self._stalls.get(place, 0) + 1 for place in stalled}
        if any(count > STALLS_MAX for count in self._stalls.values()):
            raise CallFailed(Remedy.STOP, f"the Kafka client delivers nothing of {sorted(stalled)}")
        for place, at in stalled.items():
            self._log.warning("input stalls; sought anew", topic=place[0], partition=place[1])
            self._consumer.start_from({place: at})
