"""The gauges of a dispatcher follow the states of its channels."""

import pytest

from dispatcher.events import InputRef
from dispatcher.parking import ParkedBatch, parking_of
from dispatcher.promise import Promise
from dispatcher.roster import Member, Roster, rank_digest
from dispatcher.state import ChannelState
from streams.lifecycle import Life
from streams.metrics.dispatcher import DispatcherMetrics
from streams.observing import PartitionStanding, ProcessStanding
from streams.settings import Settings

ROSTER = Roster(Member(rank_digest("web", each), each, 1_000_000, False) for each in "AB")
LEAD = ROSTER.error_denominator
PARKED_AT_MS = 1_795_338_000_000


@pytest.fixture
def metrics() -> DispatcherMetrics:
    """Of a process that has done nothing."""
    return DispatcherMetrics(Settings.model_construct())


def value(metrics: DispatcherMetrics, name: str, **labels: str) -> float | None:
    """A sample; None where there is none."""
    return metrics.registry.get_sample_value(name, labels)


def look(metrics: DispatcherMetrics, now_ms: int = 0, **partitions: PartitionStanding) -> None:
    """A look at these partitions, written p0, p1 and so on."""
    held = {int(name[1:]): each for name, each in partitions.items()}
    metrics.stands(ProcessStanding(True, True, True, now_ms, held))


def state(channel: str, share: float, *, corrected: bool = False) -> ChannelState:
    """A channel of two whose errors take this share of the bound."""
    error = round(share * LEAD / 2)
    promise = Promise(2, corrected=corrected)
    return ChannelState(channel, 1, roster=ROSTER, errors=(error, -error), promise=promise)


def waiting(channel: str, leads: int, at: str) -> ChannelState:
    """A channel with leads that wait since then."""
    parked = ParkedBatch(
        "b",
        at,
        "hash",
        tuple(f"L{number}" for number in range(leads)),
        (b"{}",) * leads,
        InputRef("leads.batches", 0, 0),
        at,
    )
    return ChannelState(channel, 1, parking=parking_of([(0, parked)], 1))


def test_the_channel_that_is_furthest_off_counts(metrics: DispatcherMetrics) -> None:
    """Of all partitions of the process."""
    metrics.changed(0, [state("near", 0.1), state("far", 0.9)])
    metrics.changed(1, [state("elsewhere", 0.5)])
    look(metrics)
    assert value(metrics, "partidor_error_bound_used_ratio") == pytest.approx(0.9)
    metrics.changed(0, [state("far", 0.2)])
    look(metrics)
    assert value(metrics, "partidor_error_bound_used_ratio") == pytest.approx(0.5)
    metrics.left(1)
    look(metrics)
    assert value(metrics, "partidor_error_bound_used_ratio") == pytest.approx(0.2)


def test_a_breach_is_counted_and_a_corrected_channel_is_none(metrics: DispatcherMetrics) -> None:
    """Until the corrected one is back inside."""
    metrics.changed(0, [state("broken", 1.2), state("moved", 5.0, corrected=True)])
    look(metrics)
    assert value(metrics, "partidor_channels_breached") == 1
    assert value(metrics, "partidor_channels_corrected") == 1
    assert value(metrics, "partidor_error_bound_used_ratio") == pytest.approx(1.2)
    metrics.changed(0, [state("broken", 1.0), state("moved", 1.0)])
    look(metrics)
    assert value(metrics, "partidor_channels_breached") == 0
    assert value(metrics, "partidor_channels_corrected") == 0
    assert value(metrics, "partidor_error_bound_used_ratio") == 1.0


def test_parked_leads_age_until_they_are_gone(metrics: DispatcherMetrics) -> None:
    """By the one that has waited longest."""
    metrics.loaded(0, [waiting("late", 3, "2026-11-22T09:00:00.000Z")])
    metrics.loaded(1, [waiting("later", 4, "2026-11-22T09:00:30.000Z")])
    look(metrics, PARKED_AT_MS + 60_000)
    assert value(metrics, "partidor_parked_leads") == 7
    assert value(metrics, "partidor_parked_oldest_age_seconds") == 60
    metrics.changed(0, [state("late", 0)])
    look(metrics, PARKED_AT_MS + 60_000)
    assert value(metrics, "partidor_parked_leads") == 4
    assert value(metrics, "partidor_parked_oldest_age_seconds") == 30
    metrics.left(1)
    look(metrics, PARKED_AT_MS + 60_000)
    assert value(metrics, "partidor_parked_oldest_age_seconds") == 0


def test_a_partition_that_is_gone_has_no_lag_any_more(metrics: DispatcherMetrics) -> None:
    """Its new owner tells of it; two processes with a lag for one partition would add up."""
    held = PartitionStanding(
        Life.RUNNING, 3, {"leads.batches": 4}, {"leads.batches": 6}, 1_000, 5, None
    )
    look(metrics, 3_500, p7=held)
    assert value(metrics, "partidor_lag_records", topic="leads.batches", partition="7") == 10
    assert value(metrics, "partidor_delay_seconds", partition="7") == 2.5
    assert value(metrics, "partidor_redis_unflushed_changes") == 5
    look(metrics)
    assert value(metrics, "partidor_lag_records", topic="leads.batches", partition="7") is None
    assert value(metrics, "partidor_delay_seconds", partition="7") is None
