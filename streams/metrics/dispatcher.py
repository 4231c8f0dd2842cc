"""A dispatcher's metrics: counted as the loop tells, read by whoever asks over HTTP.

In: the words of `streams.observing`. Out: a registry of the client library, and whether the process
is alive and ready. The loop's thread writes, the web server's threads read.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import CollectorRegistry

from dispatcher.decisions import Decision, Dispatched, DuplicateIgnored
from dispatcher.encoding import DECISION_TYPES
from dispatcher.state import ChannelState
from dispatcher.times import milliseconds
from schemas.reasons import Reason
from streams.broker import Rebalance
from streams.draft import Draft
from streams.lifecycle import Life
from streams.metrics import table
from streams.metrics.build import registry_of_process
from streams.metrics.health import Health
from streams.observing import Ending, Observer, ProcessStanding
from streams.settings import Settings

SOURCES: Final = ("redis", "changelog", "memory")


class DispatcherMetrics(Observer):
    """Counts, and remembers of each channel only what the gauges need.

    Attributes:
        registry: what is served.
        health: likewise.
    """

    def __init__(
        self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """All counters at 0, so that the first of a kind can be seen to be new."""
        self.registry = registry = registry_of_process()
        self.health = Health(settings, monotonic)
        table.PROCESS.make(registry).info(
            {"application_id": settings.application_id, "slot": settings.slot}
        )
        self._leads = table.LEADS.make(registry)
        self._batches = table.BATCHES.make(registry)
        decisions = table.DECISIONS.make(registry)
        self._decisions = {kind: decisions.labels(name) for kind, name in DECISION_TYPES.items()}
        self._duplicates = table.DUPLICATES.make(registry)
        letters = table.DEAD_LETTERS.make(registry)
        self._dead_letters = {reason: letters.labels(reason.value) for reason in Reason}
        self._sent_on = table.SENT_ON.make(registry)
        transactions = table.TRANSACTIONS.make(registry)
        self._transactions = {each: transactions.labels(each.value) for each in Ending}
        self._transaction_duration = table.TRANSACTION_DURATION.make(registry)
        self._transaction_records = table.TRANSACTION_RECORDS.make(registry)
        self._fenced = table.FENCED.make(registry)
        self._replaced = table.REPLACED.make(registry)
        rebalances = table.REBALANCES.make(registry)
        self._rebalances = {kind: rebalances.labels(kind.value) for kind in Rebalance}
        self._redis_duration = table.REDIS_DURATION.make(registry)
        restores = table.RESTORE_DURATION.make(registry)
        self._restores = {source: restores.labels(source) for source in SOURCES}
        self._restore_records = table.RESTORE_RECORDS.make(registry)
        table.LOOP_AGE.make(registry).set_function(self.health.loop_age_s)
        table.READY.make(registry).set_function(lambda: float(self.health.ready.well))
        self._gauges = _Gauges(registry)
        self._channels: dict[int, _Channels] = {}

    # -- what is done

    def turned(self) -> None:
        """See `Observer`."""
        self.health.turned()

    def rebalanced(self, kind: Rebalance) -> None:
        """See `Observer`."""
        self._rebalances[kind].inc()
        self.health.rebalanced()

    def restored(self, source: str, seconds: float, records: int) -> None:
        """See `Observer`."""
        self._restores[source].observe(seconds)
        self._restore_records.inc(records)

    def transaction_ended(self, ending: Ending, seconds: float, records: int) -> None:
        """See `Observer`."""
        self._transactions[ending].inc()
        self._transaction_duration.observe(seconds)
        self._transaction_records.observe(records)

    def producer_replaced(self, *, fenced: bool) -> None:
        """See `Observer`."""
        self._replaced.inc()
        if fenced:
            self._fenced.inc()

    def committed(self, draft: Draft) -> None:
        """See `Observer`."""
        self._leads.inc(draft.leads)
        self._sent_on.inc(draft.sent_on)
        for kind, count in draft.decided.items():
            self._count(kind, count)
        for reason, count in draft.refused.items():
            self._dead_letters[reason].inc(count)

    def _count(self, kind: type[Decision], count: int) -> None:
        self._decisions[kind].inc(count)
        if kind is Dispatched:
            self._batches.inc(count)
        elif kind is DuplicateIgnored:
            self._duplicates.inc(count)

    def applied(self, seconds: float) -> None:
        """See `Observer`."""
        self._redis_duration.observe(seconds)

    # -- what stands

    def loaded(self, partition: int, states: Iterable[ChannelState]) -> None:
        """See `Observer`."""
        self._channels[partition] = _Channels()
        self.changed(partition, states)

    def left(self, partition: int) -> None:
        """See `Observer`."""
        self._channels.pop(partition, None)

    def changed(self, partition: int, states: Iterable[ChannelState]) -> None:
        """See `Observer`."""
        channels = self._channels.get(partition)
        if channels is None:
            channels = self._channels[partition] = _Channels()
        for state in states:
            channels.note(state)

    def stands(self, standing: ProcessStanding) -> None:
        """See `Observer`."""
        self._gauges.show(standing, self._channels.values())
        self.health.stands(standing)


class _Channels:
    """What is remembered of a partition's channels.

    Attributes:
        bound_used: of each decided since the restore, the share of the promised bound; corrected
            ones are left out.
        parked: of each with leads that wait, how many, and when the oldest began to, RFC 3339.
    """

    def __init__(self) -> None:
        self.bound_used: dict[str, float] = {}
        self.corrected: set[str] = set()
        self.parked: dict[str, tuple[int, str]] = {}

    def note(self, state: ChannelState) -> None:
        """A channel's new state."""
        channel = state.channel
        if state.promise.corrected:
            self.corrected.add(channel)
            self.bound_used.pop(channel, None)
        else:
            self.corrected.discard(channel)
            self.bound_used[channel] = state.promise.used(
                state.errors, state.roster.error_denominator
            )
        if state.parking.entries:
            oldest = state.parking.oldest(state.parking.queues)
            parked_at = oldest[1].parked_at if oldest else ""
            self.parked[channel] = (state.parking.leads, parked_at)
        else:
            self.parked.pop(channel, None)


class _Gauges:
    """What stands, as of the last look."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._partitions = table.PARTITIONS.make(registry)
        self._lag = table.LAG.make(registry)
        self._delay = table.DELAY.make(registry)
        self._restoring = table.RESTORING.make(registry)
        self._channels = table.CHANNELS.make(registry)
        self._bound_used = table.BOUND_USED.make(registry)
        self._breached = table.BREACHED.make(registry)
        self._corrected = table.CORRECTED.make(registry)
        self._parked = table.PARKED.make(registry)
        self._parked_age = table.PARKED_AGE.make(registry)
        self._redis_up = table.REDIS_UP.make(registry)
        self._unflushed = table.REDIS_UNFLUSHED.make(registry)
        self._shown: dict[int, tuple[str, ...]] = {}

    def show(self, standing: ProcessStanding, channels: Iterable[_Channels]) -> None:
        """Set all of them."""
        held = standing.partitions.values()
        for life in (Life.RESTORING, Life.RUNNING):
            count = sum(1 for each in held if each.life is life)
            self._partitions.labels(life.value).set(count)
        self._restoring.set(max((each.restoring_s or 0.0 for each in held), default=0.0))
        self._channels.set(sum(each.channels for each in held))
        self._unflushed.set(sum(each.unflushed for each in held))
        self._redis_up.set(standing.redis_up)
        self._show_partitions(standing)
        self._show_channels(list(channels), standing.now_ms)

    def _show_partitions(self, standing: ProcessStanding) -> None:
        for number in self._shown.keys() - standing.partitions.keys():
            for topic in self._shown.pop(number):
                self._lag.remove(topic, str(number))
            self._delay.remove(str(number))
        for number, each in standing.partitions.items():
            self._shown[number] = tuple(each.behind)
            for topic, behind in each.behind.items():
                self._lag.labels(topic, str(number)).set(behind + each.buffered[topic])
            age_ms = 0 if each.oldest_ms is None else max(0, standing.now_ms - each.oldest_ms)
            self._delay.labels(str(number)).set(age_ms / 1000)

    def _show_channels(self, channels: list[_Channels], now_ms: int) -> None:
        used = [share for each in channels for share in each.bound_used.values()]
        self._bound_used.set(max(used, default=0.0))
        self._breached.set(sum(1 for share in used if share > 1))
        self._corrected.set(sum(len(each.corrected) for each in channels))
        parked = [found for each in channels for found in each.parked.values()]
        self._parked.set(sum(leads for leads, _ in parked))
        since = min((at for leads, at in parked if leads), default=None)
        age_ms = 0 if since is None else max(0, now_ms - milliseconds(since))
        self._parked_age.set(age_ms / 1000)
