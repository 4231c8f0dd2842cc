"""What Prometheus and the probes see of a dispatcher is what happened."""

import json
import os
import signal
import subprocess

import pytest

from streams.local.ports import accepts_connections, free_ports
from streams.metrics.table import DISPATCHER
from streams.own_command import PARTIDOR
from tests.reference import events
from tests.support.dispatchers import CODE, DispatcherProcess
from tests.support.installation import Installation
from tests.support.metrics import Exposed
from tests.support.waiting import wait_until

PHONE = "+61 3 5550"


def personal(number: int) -> dict[str, object]:
    """A lead with a number that belongs to somebody."""
    return {"lead_id": f"L{number}", "attributes": {"phone": f"{PHONE} {number:04}"}}


@pytest.fixture
def port() -> int:
    """A free one."""
    return free_ports(1)[0]


def test_counts_are_what_happened(installation: Installation, port: int) -> None:
    """Leads, batches, decisions, dead letters, duplicates, parked leads; and what is committed."""
    dispatcher = installation.started(metrics_port=port)
    seen = Exposed(port)
    wait_until(lambda: seen.ask("/readyz")[0] == 200, lambda: seen.ask("/readyz")[1])
    installation.process([events.roster("r", {"A": "1", "B": "2"}, "web")])
    installation.process(
        [
            *(events.lead_batch(f"b{number}", 10, "web") for number in range(20)),
            events.lead_batch("b0", 10, "web"),
            events.lead_batch("nobody", [personal(n) for n in range(7)], "empty"),
            events.lead_batch("half", [personal(1), personal(2), personal(1)], "web"),
            events.change("assignee_left", "stranger", "web", assignee_id="Z"),
        ]
    )
    installation.publisher.send(installation.topics.lead_batches, b"{", b"web")
    installation.wait_until_processed()
    expected = {
        "partidor_leads_dispatched_total": 202,
        "partidor_batches_dispatched_total": 21,
        "partidor_duplicates_ignored_total": 1,
        "partidor_dead_letters_total": 3,
        "partidor_parked_leads": 7,
        "partidor_channels": 2,
        "partidor_channels_breached": 0,
        "partidor_redis_up": 1,
        "partidor_lag_records": 0,
        "partidor_delay_seconds": 0,
        "partidor_redis_unflushed_changes": 0,
    }

    def found() -> dict[str, float]:
        return {name: seen.value(name) for name in expected}

    wait_until(lambda: found() == expected, lambda: f"{found()}; {dispatcher.log_tail()}")
    assert seen.value("partidor_dead_letters_total", reason="not_a_member") == 1
    assert seen.value("partidor_dead_letters_total", reason="not_json") == 1
    assert seen.value("partidor_decisions_total", kind="batch_parked") == 1
    assert seen.value("partidor_partitions", state="running") == installation.partitions
    assert 0 < seen.value("partidor_error_bound_used_ratio") <= 1
    assert seen.value("partidor_parked_oldest_age_seconds") > 0
    committed = seen.value("partidor_transactions_total", ending="committed")
    assert committed == seen.value("partidor_transaction_records_count") > 0
    assert seen.value("partidor_restore_duration_seconds_count") == installation.partitions
    told = {line["reason"] for line in dispatcher.log("refused")}
    assert told == {"not_a_member", "not_json", "duplicate_lead"}
    (parked,) = dispatcher.log("parked")
    assert (parked["channel"], parked["batch_id"]) == ("empty", "nobody")
    assert {"topic", "partition", "offset"} <= parked.keys()
    assert not dispatcher.says(PHONE)


def test_every_metric_of_the_table_is_there(installation: Installation, port: int) -> None:
    """Counters from the first moment on, at 0; and nothing of ours that the table doesn't name."""
    installation.started(metrics_port=port)
    seen = Exposed(port)
    expected = {metric.exposed for metric in DISPATCHER}

    def names() -> set[str]:
        return {name for name, _, _ in seen.samples() if name.startswith("partidor_")}

    wait_until(lambda: expected <= names(), lambda: f"missing: {expected - names()}")
    known = tuple(metric.name for metric in DISPATCHER)
    assert all(name.startswith(known) for name in names())
    assert seen.ask("/nothing")[0] == 404


def test_a_dispatcher_that_hangs_is_seen_within_half_a_minute(
    installation: Installation, port: int
) -> None:
    """Held still it answers nobody, which Prometheus and the probes take for down."""
    dispatcher = installation.started(metrics_port=port, loop_age_max_ms=1_000)
    seen = Exposed(port)
    wait_until(lambda: seen.ask("/readyz")[0] == 200, lambda: seen.ask("/readyz")[1])
    dispatcher.hold()
    assert seen.ask("/livez")[0] == 0
    dispatcher.go_on()
    wait_until(lambda: seen.ask("/livez")[0] == 200, "it goes on")


def test_the_group_is_seen_also_while_no_dispatcher_runs(
    installation: Installation, port: int
) -> None:
    """Lag, delay and owners under the names that exporters use; nobody's partitions are seen."""
    topics = installation.topics
    with installation.lag_server(port):
        seen = Exposed(port)
        wait_until(lambda: seen.ask("/readyz")[0] == 200, lambda: seen.ask("/readyz")[1])
        assert seen.value("partidor_group_partition_owned") == 0
        installation.publish([events.lead_batch(f"b{n}", 1, "web") for n in range(30)])
        lag = {"consumergroup": installation.name, "topic": topics.lead_batches}
        wait_until(
            lambda: seen.value("kafka_consumergroup_lag", **lag) == 30,
            lambda: str(seen.value("kafka_consumergroup_lag", **lag)),
        )
        assert seen.value("partidor_group_delay_seconds", topic=topics.lead_batches) > 0
        installation.started()
        everything = 3 * installation.partitions
        wait_until(
            lambda: (
                seen.value("partidor_group_partition_owned") == everything
                and seen.value("kafka_consumergroup_lag") == 0
            ),
            lambda: str(seen.value("partidor_group_partition_owned")),
        )
        assert seen.value("kafka_consumergroup_current_offset", **lag) == 30


def test_a_transaction_that_stays_open_is_seen_to_get_older(
    installation: Installation, port: int
) -> None:
    """Whoever began it; readers of that partition get no further meanwhile."""
    place = {"topic": installation.topics.lead_batches, "partition": "1"}
    with installation.lag_server(port):
        seen = Exposed(port)
        wait_until(lambda: seen.ask("/readyz")[0] == 200, lambda: seen.ask("/readyz")[1])
        assert seen.value("partidor_open_transaction_seconds", **place) == 0
        with installation.hanging_transaction(installation.topics.lead_batches, 1):
            wait_until(
                lambda: seen.value("partidor_open_transaction_seconds", **place) > 2,
                "it gets older",
            )
        wait_until(
            lambda: seen.value("partidor_open_transaction_seconds", **place) == 0, "it is gone"
        )


def test_lag_can_be_watched_until_somebody_has_seen_enough(installation: Installation) -> None:
    """A document for each look; Ctrl-C is a good end."""
    installation.publish([events.lead_batch("b", 1, "web")])
    command = [*PARTIDOR, "lag", "--watch", "--json", "--every", "0.5"]
    environment = {**os.environ, **installation.environment(), "PYTHONPATH": CODE}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as process:
        assert process.stdout is not None
        looks = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert [look["lag"] for look in looks] == [1, 1]
    assert len(looks[0]["partitions"]) == 3 * installation.partitions


def test_each_of_several_processes_has_a_port_of_its_own(installation: Installation) -> None:
    """Those behind the first one's."""
    port = next(at for at in free_ports(20) if not accepts_connections(at + 1))
    environment = installation.environment(metrics_port=port)
    log_path = installation.directory / "two.log"
    command = ("run", "--processes", "2")
    both = DispatcherProcess("both", environment, log_path, command)
    try:
        for seen, slot in ((Exposed(port), "0-0"), (Exposed(port + 1), "0-1")):
            wait_until(lambda seen=seen: seen.ask("/readyz")[0] == 200, both.log_tail)
            assert seen.value("partidor_dispatcher_info", slot=slot) == 1
    finally:
        assert both.stop() == 0
