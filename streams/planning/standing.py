"""The rosters as they will stand when everything that was sent so far is applied.

In: names of channels. Out: their states. What the dispatchers keep in Redis says how far it goes;
the roster changes behind that are read and applied here, by the dispatcher's own rules. So what is
on its way counts as done: who publishes twice, or again after a crash, publishes nothing twice,
whether a dispatcher runs or not.
"""

import time
from collections.abc import Iterable, Mapping

from dispatcher.events import InputRef
from dispatcher.state import ChannelState
from dispatcher.times import timestamp_text
from schemas.partitioning import partition_of
from streams.failure import Failed
from streams.intake import Refused, read_change
from streams.kafka_clients import (
    Place,
    admin_client,
    committed_offsets,
    end_offsets,
    first_offsets,
    partition_counts,
    records_between,
)
from streams.replay import Replay
from streams.settings import Settings
from streams.state_reader import StateReader

_FETCH_WAIT_MS = 20
_AHEAD_KIB_MAX = 16 * 1024
_LOOK_S = 0.1
_NEVER = 1 << 63


class Standing:
    """The running channels."""

    def __init__(self, settings: Settings) -> None:
        """Asks how many partitions there are. Raises Failed."""
        self._settings = settings
        self._topic = settings.topics.roster_changes
        self._admin = admin_client(settings)
        self._count = partition_counts(self._admin, settings, [self._topic])[self._topic]
        self._reader = StateReader(settings)
        self._beginnings: dict[Place, int] = {}

    def channels(self, names: Iterable[str]) -> dict[str, ChannelState]:
        """Those that exist, or will when what was sent is applied. Raises Failed."""
        replay = Replay(self._settings.limits.limits())
        applied: dict[str, int] = {}
        partitions = {name: partition_of(name.encode(), self._count) for name in set(names)}
        for name, partition in sorted(partitions.items()):
            found, applied[name] = self._found(name, partition)
            if found.exists:
                replay.states[name] = found
        starts: dict[Place, int] = {}
        for name, partition in partitions.items():
            place = (self._topic, partition)
            starts[place] = min(applied[name], starts.get(place, applied[name]))
        self._apply(replay, applied, starts)
        return {name: state for name, state in replay.states.items() if state.exists}

    def _found(self, name: str, partition: int) -> tuple[ChannelState, int]:
        """A channel as Redis has it, and the first roster change that isn't in it."""
        deadline = time.monotonic() + self._settings.call_timeout_ms / 1000
        while True:
            found = self._reader.channel_at(name, partition)
            if found.applied is not None and self._topic in found.applied.inputs:
                return found.state, found.applied.inputs[self._topic].next_offset
            place = (self._topic, partition)
            if place not in self._beginnings:
                # Nothing of this partition was ever decided, or Redis is about to be told.
                if not any(committed_offsets(self._settings, [place]).values()):
                    self._beginnings |= first_offsets(self._admin, self._settings, [place])
                elif time.monotonic() > deadline:
                    raise Failed(
                        "Redis doesn't hold what the dispatchers decided: wait until one has"
                        " written it (`partidor run`, `partidor lag`), then do this again"
                    )
                else:
                    time.sleep(_LOOK_S)
                    continue
            return found.state, self._beginnings[place]

    def _apply(
        self, replay: Replay, applied: Mapping[str, int], starts: Mapping[Place, int]
    ) -> None:
        ends = end_offsets(self._admin, self._settings, starts)
        messages = records_between(
            self._settings, starts, ends, fetch_wait_ms=_FETCH_WAIT_MS, ahead_kib=_AHEAD_KIB_MAX
        )
        for message in messages:
            name = (message.key() or b"").decode(errors="replace")
            if (message.offset() or 0) < applied.get(name, _NEVER):
                continue
            where = InputRef(self._topic, message.partition() or 0, message.offset() or 0)
            decided_at = timestamp_text(message.timestamp()[1])
            try:
                change = read_change(message.value(), replay.limits, where, decided_at)
            except Refused:
                continue  # a dead letter
            if change.channel == name:
                replay.decide(change)  # what is refused leaves no trace
