"""Every metric: its name, kind, labels and meaning, in one table that README is made from.

Units are in the names, base units of Prometheus; what only grows ends in `_total`. Labels are
bounded: topics, partitions, kinds, reasons; never a channel, an assignee or anything of a lead.
"""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

TRANSACTION_SECONDS: Final = (
    0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0,
)  # fmt: skip
RECORDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
REDIS_SECONDS: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
RESTORE_SECONDS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0, 180.0)


class Kind(Enum):
    """What Prometheus calls its type."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


_MAKERS: dict[Kind, Callable[..., Any]] = {
    Kind.COUNTER: Counter,
    Kind.GAUGE: Gauge,
    Kind.HISTOGRAM: Histogram,
    Kind.INFO: Info,
}


class Metric(NamedTuple):
    """A row of the table.

    Attributes:
        name: as Prometheus sees it.
        buckets: upper bounds, of a histogram.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: Sequence[float] = ()

    @property
    def exposed(self) -> str:
        """A name that it has among the samples."""
        return f"{self.name}_count" if self.kind is Kind.HISTOGRAM else self.name

    def make(self, registry: CollectorRegistry) -> Any:
        """The client library's object for it, in a registry."""
        # Any: which class it is depends on the kind.
        name = self.name.removesuffix("_info") if self.kind is Kind.INFO else self.name
        buckets = {"buckets": self.buckets} if self.buckets else {}
        return _MAKERS[self.kind](name, self.meaning, self.labels, registry=registry, **buckets)


BUILD = Metric("partidor_build_info", Kind.INFO, "versions: of Partidor, Python and librdkafka")

# Of a dispatcher: what was done.
PROCESS = Metric("partidor_dispatcher_info", Kind.INFO, "application id and slot of the process")
LEADS = Metric("partidor_leads_dispatched_total", Kind.COUNTER, "leads assigned, committed")
BATCHES = Metric("partidor_batches_dispatched_total", Kind.COUNTER, "batches divided, committed")
DECISIONS = Metric(
    "partidor_decisions_total", Kind.COUNTER, "decisions committed, by their type", ("kind",)
)
DUPLICATES = Metric(
    "partidor_duplicates_ignored_total", Kind.COUNTER, "events that came again and moved nothing"
)
DEAD_LETTERS = Metric(
    "partidor_dead_letters_total", Kind.COUNTER, "inputs and leads refused, by reason", ("reason",)
)
SENT_ON = Metric(
    "partidor_records_sent_on_total",
    Kind.COUNTER,
    "inputs sent on to where their keys belong since the topics were expanded",
)

# Transactions.
TRANSACTIONS = Metric(
    "partidor_transactions_total",
    Kind.COUNTER,
    "Kafka transactions, by how they ended: committed, aborted, unknown",
    ("ending",),
)
TRANSACTION_DURATION = Metric(
    "partidor_transaction_duration_seconds",
    Kind.HISTOGRAM,
    "from the begin of a transaction to its end",
    buckets=TRANSACTION_SECONDS,
)
TRANSACTION_RECORDS = Metric(
    "partidor_transaction_records",
    Kind.HISTOGRAM,
    "records of a transaction",
    buckets=RECORDS,
)
FENCED = Metric(
    "partidor_fenced_total", Kind.COUNTER, "times that a rival or a time-out fenced the producer"
)
REPLACED = Metric(
    "partidor_producers_replaced_total", Kind.COUNTER, "producers closed for a new one (R6)"
)

# The group and the input.
REBALANCES = Metric(
    "partidor_rebalances_total",
    Kind.COUNTER,
    "rebalances served, by kind: assigned, revoked, lost",
    ("kind",),
)
PARTITIONS = Metric(
    "partidor_partitions",
    Kind.GAUGE,
    "partitions of this process, by state: restoring, running",
    ("state",),
)
LAG = Metric(
    "partidor_lag_records",
    Kind.GAUGE,
    "records not yet decided, received or not, of a partition that this process owns",
    ("topic", "partition"),
)
DELAY = Metric(
    "partidor_delay_seconds",
    Kind.GAUGE,
    "age of the oldest record that is received and not committed; 0 where none waits",
    ("partition",),
)
LOOP_AGE = Metric(
    "partidor_loop_age_seconds", Kind.GAUGE, "since the loop did its last turn, when asked"
)
READY = Metric(
    "partidor_ready", Kind.GAUGE, "1 if all partitions owned are restored and the loop turns"
)

# States.
CHANNELS = Metric("partidor_channels", Kind.GAUGE, "channels with a state in memory")
BOUND_USED = Metric(
    "partidor_error_bound_used_ratio",
    Kind.GAUGE,
    "largest share of the promised bound that a cumulative error takes, over the channels decided "
    "since they were assigned; above 1 is a breach; corrected channels are left out",
)
BREACHED = Metric(
    "partidor_channels_breached", Kind.GAUGE, "channels, among these, beyond the promised bound"
)
CORRECTED = Metric(
    "partidor_channels_corrected",
    Kind.GAUGE,
    "channels, among these, that a correction has moved and that aren't back inside",
)
PARKED = Metric("partidor_parked_leads", Kind.GAUGE, "leads that wait for somebody")
PARKED_AGE = Metric(
    "partidor_parked_oldest_age_seconds", Kind.GAUGE, "age of the oldest of them; 0 without any"
)

# Redis and restores.
REDIS_UP = Metric("partidor_redis_up", Kind.GAUGE, "1 if Redis answered last")
REDIS_DURATION = Metric(
    "partidor_redis_apply_duration_seconds",
    Kind.HISTOGRAM,
    "a write of a partition's changes to Redis",
    buckets=REDIS_SECONDS,
)
REDIS_UNFLUSHED = Metric(
    "partidor_redis_unflushed_changes", Kind.GAUGE, "changes that Redis has not taken"
)
RESTORE_DURATION = Metric(
    "partidor_restore_duration_seconds",
    Kind.HISTOGRAM,
    "of a partition, by source: redis, changelog, memory",
    ("source",),
    RESTORE_SECONDS,
)
RESTORE_RECORDS = Metric(
    "partidor_restore_records_total", Kind.COUNTER, "changelog records read by restores"
)
RESTORING = Metric(
    "partidor_restoring_seconds",
    Kind.GAUGE,
    "for how long the partition that restores longest is being restored; 0 if none is",
)

DISPATCHER: Final = (
    BUILD, PROCESS, LEADS, BATCHES, DECISIONS, DUPLICATES, DEAD_LETTERS, SENT_ON,
    TRANSACTIONS, TRANSACTION_DURATION, TRANSACTION_RECORDS, FENCED, REPLACED,
    REBALANCES, PARTITIONS, LAG, DELAY, LOOP_AGE, READY,
    CHANNELS, BOUND_USED, BREACHED, CORRECTED, PARKED, PARKED_AGE,
    REDIS_UP, REDIS_DURATION, REDIS_UNFLUSHED,
    RESTORE_DURATION, RESTORE_RECORDS, RESTORING,
)  # fmt: skip

# Of the group, seen from outside: `partidor lag --serve`.
GROUP_LAG = Metric(
    "kafka_consumergroup_lag",
    Kind.GAUGE,
    "records behind, of the dispatchers' group; markers at the end don't count",
    ("consumergroup", "topic", "partition"),
)
GROUP_OFFSET = Metric(
    "kafka_consumergroup_current_offset",
    Kind.GAUGE,
    "what the group reads next",
    ("consumergroup", "topic", "partition"),
)
TOPIC_OFFSET = Metric(
    "kafka_topic_partition_current_offset",
    Kind.GAUGE,
    "where what is committed ends",
    ("topic", "partition"),
)
GROUP_DELAY = Metric(
    "partidor_group_delay_seconds",
    Kind.GAUGE,
    "age of the first record that isn't processed; 0 where none is behind",
    ("topic", "partition"),
)
GROUP_OWNED = Metric(
    "partidor_group_partition_owned",
    Kind.GAUGE,
    "1 if a member of the group has the partition",
    ("topic", "partition"),
)
OPEN_TRANSACTION = Metric(
    "partidor_open_transaction_seconds",
    Kind.GAUGE,
    "for how long an open transaction has kept a partition's readers at the same offset",
    ("topic", "partition"),
)
LAST_LOOK = Metric(
    "partidor_group_last_look_timestamp_seconds", Kind.GAUGE, "when Kafka last answered"
)
LOOK_FAILURES = Metric(
    "partidor_group_look_failures_total", Kind.COUNTER, "times that Kafka did not answer"
)

GROUP: Final = (
    BUILD, GROUP_LAG, GROUP_OFFSET, TOPIC_OFFSET, GROUP_DELAY, GROUP_OWNED, OPEN_TRANSACTION,
    LAST_LOOK, LOOK_FAILURES,
)  # fmt: skip

# Of the views.
VIEWS_PARTITIONS = Metric(
    "partidor_views_partitions", Kind.GAUGE, "partitions read, by state: caught up, behind",
    ("state",),
)  # fmt: skip
VIEWS_CHANNELS = Metric("partidor_views_channels", Kind.GAUGE, "channels with standings")
VIEWS_LISTENERS = Metric("partidor_views_listeners", Kind.GAUGE, "open live connections")
VIEWS_REQUESTS = Metric(
    "partidor_views_requests_total", Kind.COUNTER, "requests, by class of status", ("status",)
)
VIEWS_REQUEST_DURATION = Metric(
    "partidor_views_request_duration_seconds",
    Kind.HISTOGRAM,
    "answers, live connections left out",
    buckets=TRANSACTION_SECONDS,
)

VIEWS: Final = (
    BUILD, VIEWS_PARTITIONS, VIEWS_CHANNELS, VIEWS_LISTENERS, VIEWS_REQUESTS,
    VIEWS_REQUEST_DURATION,
)  # fmt: skip

TABLES: Final = {
    "a dispatcher": DISPATCHER,
    "`partidor lag --serve`": GROUP,
    "the views": VIEWS,
}
"""All of them, by who serves them."""
