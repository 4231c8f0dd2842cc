"""F4: brokers are killed, stopped and started again: a single one, and each kind of three."""

from tests.faults.catalogue.registry import variant
from tests.faults.run import Run
from tests.support.cluster import Cluster, ClusterBroker
from tests.support.controller_alone import fence


@variant("F4", "the only broker is killed", own_kafka=True)
def only_broker_killed(run: Run) -> None:
    """`kill -9` under load; it comes back with what it had on disk.

    Its controller notices that it is gone, as one does that runs elsewhere.
    """
    run.servers.kafka.kill()
    fence(run.servers.kafka)
    run.servers.kafka.start()
    run.wait_for_progress()


@variant("F4", "the only broker is killed again", own_kafka=True, quick=False)
def only_broker_killed_again(run: Run) -> None:
    """As soon as leads flow again after the first time."""
    only_broker_killed(run)
    only_broker_killed(run)


@variant(
    "F4",
    "the only broker is restarted",
    own_kafka=True,
    quick=False,
    kafka_properties={"controlled.shutdown.enable": "false"},
)
def only_broker_restarted(run: Run) -> None:
    """By SIGTERM, under load.

    A broker that first hands over what it leads, and there is nobody to hand it to, acknowledges
    commits while it ends and doesn't write their markers (Kafka 4.3.1): nobody can mend that.
    """
    run.servers.kafka.stop()
    fence(run.servers.kafka)
    run.servers.kafka.start()
    run.wait_for_progress()


@variant(
    "F4",
    "the only broker stands still",
    own_kafka=True,
    quick=False,
    kafka_properties={"broker.session.timeout.ms": "30000"},
)
def only_broker_held(run: Run) -> None:
    """It keeps its connections and answers nothing, for longer than a session and a transaction.

    Its controller, which stands still with it, must not take it for dead when both wake up: a lone
    broker that is fenced while it runs may lose markers, as one that was killed may
    (``tests.support.controller_alone``), or take nothing any more.
    """
    run.servers.kafka.pause()
    run.pause(6, 8)
    run.servers.kafka.resume()
    run.wait_for_progress()


@variant("F4", "of three, a leader is killed", brokers=3, quick=False)
def leader_killed(run: Run) -> None:
    """The broker that leads a partition of the changelog."""
    partition = run.rng.randrange(run.installation.partitions)
    _away(run, run.servers.kafka.leader(run.installation.topics.changelog, partition))


@variant("F4", "of three, the group coordinator is killed", brokers=3, quick=False)
def group_coordinator_killed(run: Run) -> None:
    """Membership and committed offsets move to another broker."""
    _away(run, run.servers.kafka.group_coordinator())


@variant("F4", "of three, the transaction coordinator is killed", brokers=3)
def transaction_coordinator_killed(run: Run) -> None:
    """The transactions of slot 0 move to another broker, open ones too."""
    _away(run, run.servers.kafka.transaction_coordinator(f"{run.installation.name}-0"))


@variant("F4", "of three, each is restarted in turn", brokers=3, quick=False)
def rolling_restart(run: Run) -> None:
    """As brokers are upgraded: the next one when the last one has caught up."""
    cluster = run.servers.kafka
    for broker in cluster.brokers.values():
        broker.restart()
        cluster.wait_until_in_sync(_topics(run))
    run.wait_for_progress()


@variant("F4", "of three, one after another is killed", brokers=3, quick=False)
def all_killed_in_turn(run: Run) -> None:
    """Two are always there; each partition changes its leader twice."""
    for broker in run.servers.kafka.brokers.values():
        _away(run, broker)


def _away(run: Run, broker: ClusterBroker) -> None:
    """Kill a broker, go on without it, start it again, and wait until it has caught up."""
    cluster: Cluster = run.servers.kafka
    broker.kill()
    cluster.wait_until_led()
    # Without the third broker, not only after it.
    run.wait_for_progress()
    broker.start()
    cluster.wait_until_in_sync(_topics(run))
    run.wait_for_progress()


def _topics(run: Run) -> list[str]:
    return [name for name, _ in run.installation.topics.table()]
