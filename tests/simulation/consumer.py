"""The member of the group on the model: membership in the background, rebalances in `poll`."""

from collections.abc import Mapping, Sequence

from streams.broker import (
    CallFailed,
    InputLost,
    InputRecord,
    Polled,
    Rebalance,
    RebalanceEvent,
    Remedy,
    TopicPartition,
)

from .clients import Calls
from .groups import Group, NotAMember

HEARTBEAT_MS = 500.0
READ_COMMITTED = True
"""`isolation.level` of the inputs' reader."""


class SimConsumer:
    """See `broker.GroupConsumer`."""

    def __init__(
        self, calls: Calls, topics: Sequence[str], timeout_ms: int, poll_interval_most_ms: float
    ) -> None:
        self._calls = calls
        self._kafka = calls.kafka
        self._group = calls.kafka.group
        self._thread = calls.thread
        self._rng = calls.thread.clockwork.rng
        self._topics = topics
        self._timeout_ms = timeout_ms
        self._poll_interval_most_ms = poll_interval_most_ms
        self._member: str | None = None
        self._generation = -1
        self._owned: frozenset[int] | None = None
        self._given: tuple[int, list[int]] | None = None
        self._revoked = False
        self._lost = False
        self._joining = False
        self._unanswered = False
        self._polled_ms = self._thread.clockwork.now_ms
        self._next: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._ends: dict[TopicPartition, int] = {}
        self._seen: dict[TopicPartition, int] = {}
        self._closed = False
        self._thread.after(0.0, self._beat)

    # -- membership, in the background

    def _beat(self) -> None:
        if self._closed:
            return
        clockwork = self._thread.clockwork
        idle_ms = clockwork.now_ms - self._polled_ms
        if self._owned is not None and idle_ms > self._poll_interval_most_ms and self._member:
            self._group.leave(self._member)
            self._out()
        if self._member is not None and self._owned is not None and self._kafka.up:
            try:
                self._group.heartbeat(self._member, self._generation)
            except NotAMember as refused:
                if refused.code == "REBALANCE_IN_PROGRESS":
                    self._revoked = True
                else:
                    self._out()
                self._thread.wake()
        if self._unanswered and self._member not in self._group.members:
            self._send_join()  # thrown out while it waited for the others
        self._thread.after(HEARTBEAT_MS, self._beat)

    def _out(self) -> None:
        self._member, self._generation, self._lost = None, -1, True

    def _join(self) -> None:
        self._joining = True
        self._thread.after(self._rng.uniform(0.5, 5.0), self._send_join)

    def _send_join(self) -> None:
        if not self._kafka.up:
            self._thread.after(50.0, self._send_join)
            return

        def joined(generation: int, partitions: list[int]) -> None:
            self._unanswered = False
            self._thread.after(
                self._rng.uniform(0.5, 5.0), lambda: self._take(generation, partitions)
            )

        self._unanswered = True
        self._member = self._group.join(self._member, joined)

    def _take(self, generation: int, partitions: list[int]) -> None:
        self._generation = generation
        self._given = (generation, partitions)
        self._thread.wake()

    def _serve_rebalances(self, polled: Polled) -> None:
        if self._lost or self._revoked:
            kind = Rebalance.LOST if self._lost else Rebalance.REVOKED
            self._lost = self._revoked = False
            if self._owned:
                polled.rebalances.append(RebalanceEvent(kind, self._owned))
            self._owned = None
            self._next.clear()
            self._given = None
            self._thread.at(f"partitions {kind.value}")
        if self._given is not None:
            _, partitions = self._given
            self._given, self._joining = None, False
            self._owned = frozenset(partitions)
            self._next.clear()
            self._paused.clear()
            if partitions:
                polled.rebalances.append(RebalanceEvent(Rebalance.ASSIGNED, self._owned))
        elif self._owned is None and not self._joining:
            self._join()

    # -- the port

    def poll(self, records_max: int, timeout_ms: int) -> Polled:
        """See `broker.GroupConsumer`."""
        polled = Polled([], [], [])
        self._thread.pause(self._rng.uniform(0.02, 0.5))
        self._polled_ms = self._thread.clockwork.now_ms
        # What was fetched may be handed out by the call that serves a rebalance.
        if self._rng.random() < 0.5:
            self._fetch(polled, records_max)
        self._serve_rebalances(polled)
        if self._group.rejoined_within_ms and polled.rebalances and self._owned is None:
            # The new assignment may come before the call that served the revocation returns.
            self._thread.pause(self._group.rejoined_within_ms, wakeable=True)
            self._serve_rebalances(polled)
        self._fetch(polled, records_max)
        if timeout_ms and not (polled.records or polled.ends or polled.rebalances):
            for place in self._next:
                self._kafka.logs[place].waiting[self._thread.wake] = None
            self._thread.pause(timeout_ms, wakeable=True)
            self._serve_rebalances(polled)
            self._fetch(polled, records_max)
        return polled

    def _fetch(self, polled: Polled, records_max: int) -> None:
        if not self._kafka.up:
            return
        for place, first in list(self._next.items()):
            if place in self._paused:
                continue
            log = self._kafka.logs[place]
            if not log.start <= first <= log.end:
                raise InputLost(f"{place} offset {first} is not in {log.start} to {log.end}")
            now = log.stable if READ_COMMITTED else log.end
            # What the fetcher saw last may be a while ago.
            limit = self._seen.get(place, 0) if self._rng.random() < 0.2 else now
            self._seen[place] = now
            room = min(records_max - len(polled.records), self._rng.randint(0, 20))
            for entry in log.between(first, max(limit, first)):
                if room <= 0:
                    break
                self._next[place] = entry.offset + 1
                if entry.visible or not (READ_COMMITTED or entry.marker):
                    polled.records.append(
                        InputRecord(
                            *place,
                            entry.offset,
                            entry.timestamp_ms,
                            entry.key,
                            entry.value,
                            entry.headers,
                        )
                    )
                    room -= 1
            else:
                self._next[place] = max(limit, self._next[place])
                if limit >= first and self._ends.get(place) != limit:
                    self._ends[place] = limit
                    polled.ends.append((*place, limit))

    def ask_committed(self, partitions: Sequence[TopicPartition]) -> "SimAskedOffsets":
        """See `broker.GroupConsumer`."""
        return SimAskedOffsets(self._calls, self._group, partitions, self._timeout_ms)

    def known_end(self, place: TopicPartition) -> int | None:
        """See `broker.GroupConsumer`."""
        return self._seen.get(place)

    def start_from(self, positions: Mapping[TopicPartition, int]) -> bool:
        """See `broker.GroupConsumer`."""
        if self._rng.random() < 0.1:
            return False
        for place, offset in positions.items():
            if self._owned is not None and place[1] in self._owned:
                self._next[place] = offset
                self._paused.discard(place)
                self._ends.pop(place, None)
        return True

    def pause(self, partitions: Sequence[TopicPartition]) -> None:
        """See `broker.GroupConsumer`."""
        self._paused.update(partitions)

    def resume(self, partitions: Sequence[TopicPartition]) -> None:
        """See `broker.GroupConsumer`."""
        self._paused.difference_update(partitions)

    def group_metadata(self) -> bytes:
        """See `broker.GroupConsumer`."""
        return f"{self._member or ''}@{self._generation}".encode()

    def generation(self) -> int:
        """See `broker.GroupConsumer`."""
        return self._generation

    def close(self) -> None:
        """See `broker.GroupConsumer`."""
        self._closed = True
        if self._member is not None and self._kafka.up:
            self._group.leave(self._member)


class SimAskedOffsets:
    """See `broker.AskedOffsets`. Asked at once; what it came to is told later, or at once."""

    def __init__(
        self, calls: Calls, group: Group, places: Sequence[TopicPartition], timeout_ms: int
    ) -> None:
        self._found: dict[TopicPartition, int | None] | None = None
        self._failed: CallFailed | None = None
        self._is_late = calls.thread.clockwork.rng.random() < 0.3
        try:
            self._found = calls.ask(
                "OffsetFetch", lambda: group.committed(list(places)), timeout_ms
            )
        except CallFailed as failed:
            self._failed = failed

    def answer(self, timeout_ms: float) -> dict[TopicPartition, int | None] | None:
        """See `broker.AskedOffsets`."""
        del timeout_ms
        if self._is_late:
            self._is_late = False
            return None
        if self._failed is not None:
            raise self._failed
        if self._found is None:
            raise CallFailed(Remedy.RETRY, "UNSTABLE_OFFSET_COMMIT")
        return self._found
