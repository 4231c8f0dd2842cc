"""Transactions that hold readers back: how long each partition's has been open.

In: two ends of each partition, asked again and again: where it ends, and where what can be read of
it ends. Out: seconds. While the second one lies before the first and stays where it is, somebody's
open transaction begins there, and no committed reader gets past it, whoever wrote since.
"""

from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    high_watermarks,
    partition_counts,
)
from streams.settings import Settings


class OpenTransactions:
    """What was seen at former looks."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._since: dict[Place, tuple[int, float]] = {}

    def look(self, settings: Settings, now_s: float) -> dict[Place, float]:
        """Of every partition of every topic; 0 where nothing is open. Raises Failed."""
        admin = admin_client(settings)
        names = [name for name, _ in settings.topics.table()]
        counts = partition_counts(admin, settings, names)
        places = [(name, number) for name in names for number in range(counts[name])]
        # In this order: what is committed meanwhile looks like nothing open, and never the reverse.
        ends = high_watermarks(admin, settings, places)
        stable = end_offsets(admin, settings, places)
        return {place: self._open_s(place, stable[place], ends[place], now_s) for place in places}

    def _open_s(self, place: Place, stable: int, end: int, now_s: float) -> float:
        if stable >= end:
            self._since.pop(place, None)
            return 0.0
        at, since_s = self._since.get(place, (-1, now_s))
        if at != stable:
            since_s = now_s
            self._since[place] = (stable, now_s)
        return now_s - since_s
