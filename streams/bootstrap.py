"""The wiring: the only module that names the adapters. `run` is a dispatcher process."""

import gc
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaException

from dispatcher.redis_store import RedisStore
from dispatcher.store import StoreUnavailable
from streams.broker import CallFailed, InputLost, TopicFacts
from streams.failure import Failed, WrongUsage
from streams.kafka_broker import (
    KafkaChangelogReader,
    KafkaCluster,
    KafkaGroupConsumer,
    KafkaProducer,
)
from streams.logs import configure_logs
from streams.memory import give_back
from streams.observing import UNOBSERVED, Observer
from streams.processor import Processor
from streams.redis_address import checked_redis_address
from streams.restore import RETRY_WAIT_S
from streams.settings import Settings
from streams.stopping import stop_signals
from streams.topic_checks import checked_facts
from streams.tracing import Tracing
from streams.transactions import OutcomeUnknown, SlotContested, Transactions
from streams.watchdog import Watchdog

SWITCH_INTERVAL_S = 0.0005


class CannotStart(Exception):
    """Something that the dispatcher needs isn't as it has to be; the text says what to do."""


class Instruments(NamedTuple):
    """What looks on."""

    observer: Observer = UNOBSERVED
    tracing: Tracing | None = None


NOBODY = Instruments()


def open_processor(settings: Settings, logger: Any, instruments: Instruments = NOBODY) -> Processor:
    """Connect everything, check that it is fit to run with, and make a processor.

    Raises CannotStart, or SlotContested.
    """
    try:
        cluster = KafkaCluster(settings, logger=logging.getLogger("librdkafka"))
    except KafkaException as error:
        raise CannotStart(f"{error.args[0].str()} (PARTIDOR_KAFKA__...)") from error
    try:
        return _wired(settings, cluster, logger, instruments)
    except BaseException:
        cluster.close()
        raise


def _wired(
    settings: Settings, cluster: KafkaCluster, logger: Any, instruments: Instruments
) -> Processor:
    client_logger = logging.getLogger("librdkafka")
    try:
        redis_address = checked_redis_address(settings)
    except WrongUsage as wrong:
        raise CannotStart(str(wrong)) from None
    facts = _first_look(settings, cluster)
    store = RedisStore(
        redis_address,
        settings.application_id,
        settings.topics.lead_batches,
        settings.redis_timeout_ms,
    )
    _check_eviction(store, logger)
    transactions = Transactions(
        lambda: KafkaProducer(settings, logger=client_logger),
        settings,
        logger=logger,
        observer=instruments.observer,
    )
    try:
        transactions.open()
    except (OutcomeUnknown, CallFailed) as unknown:
        raise CannotStart(f"no transactional producer: {unknown}") from unknown
    return Processor(
        settings,
        consumer=KafkaGroupConsumer(settings, logger=client_logger),
        transactions=transactions,
        reader=KafkaChangelogReader(settings, settings.topics.changelog, logger=client_logger),
        register_reader=KafkaChangelogReader(
            settings, settings.topics.register, logger=client_logger
        ),
        cluster=cluster,
        store=store,
        dead_letter_partitions=facts[settings.topics.dead_letters].partition_count,
        logger=logger,
        observer=instruments.observer,
        tracing=instruments.tracing,
    )


def _first_look(settings: Settings, cluster: KafkaCluster) -> dict[str, TopicFacts]:
    """Whether the topics are fit to run with. A cluster that is about to start is waited for."""
    deadline = time.monotonic() + settings.call_timeout_ms / 1000
    while True:
        try:
            return checked_facts(settings, cluster)
        except InputLost as lost:
            raise CannotStart(str(lost)) from lost
        except CallFailed as failed:
            if cluster.in_vain is not None:
                raise CannotStart(f"{failed} (Kafka at {settings.bootstrap_servers})") from failed
            if time.monotonic() > deadline:
                raise CannotStart(
                    f"no answer from Kafka at {settings.bootstrap_servers} within "
                    f"{settings.call_timeout_ms} ms: {failed}"
                ) from failed
            time.sleep(RETRY_WAIT_S)


def _check_eviction(store: RedisStore, logger: Any) -> None:
    """R8: a Redis that may evict would lose states one by one when memory is short."""
    try:
        policy = store.eviction_policy()
    except StoreUnavailable as error:
        logger.warning("starting without Redis; it is tried again", why=str(error))
        return
    if policy is not None and policy != "noeviction":
        raise CannotStart(
            f"Redis has maxmemory-policy {policy!r}; it must be noeviction, else it drops states "
            "when memory is short"
        )


def run(settings: Settings) -> int:
    """Run a dispatcher until SIGTERM or SIGINT. Returns the exit status: 0 stopped, 1 failed."""
    configure_logs(settings)
    logger = structlog.get_logger("partidor").bind(slot=settings.slot)
    stopping = stop_signals()
    with (
        Watchdog(settings.stall_max_ms) as watchdog,
        _observed(settings, logger) as observer,
        _traced(settings) as tracing,
    ):
        instruments = Instruments(observer, tracing)
        return _run(settings, watchdog, instruments, logger, stopping)


@contextmanager
def _observed(settings: Settings, logger: Any) -> Iterator[Observer]:
    """Metrics and health over HTTP, if a port is given. Raises Failed if it is taken."""
    if not settings.metrics_port:
        yield UNOBSERVED
        return
    from streams.metrics.dispatcher import DispatcherMetrics
    from streams.metrics.server import MetricsServer

    metrics = DispatcherMetrics(settings)
    health = metrics.health
    questions = {"/livez": lambda: health.alive, "/readyz": lambda: health.ready}
    host, port = settings.metrics_host, settings.metrics_port
    with MetricsServer(metrics.registry, questions, host, port):
        logger.info("serving metrics", host=host, port=port)
        yield metrics


@contextmanager
def _traced(settings: Settings) -> Iterator[Tracing | None]:
    """Traces, if they are switched on. Raises Failed without what they need."""
    if not settings.tracing:
        yield None
        return
    from streams.tracing import OpenTelemetry

    try:
        tracing = OpenTelemetry(settings)
    except ImportError:
        raise Failed(
            "PARTIDOR_TRACING is on, and OpenTelemetry isn't installed: it comes with "
            "the extra `tracing`"
        ) from None
    try:
        yield tracing
    finally:
        tracing.close()


def _run(
    settings: Settings,
    watchdog: Watchdog,
    instruments: Instruments,
    logger: Any,
    stopping: list[int],
) -> int:
    try:
        processor = open_processor(settings, logger, instruments)
    except (CannotStart, SlotContested) as error:
        logger.error("cannot start", why=str(error))
        return 1
    # What is here now stays: spare the collector from looking at it again and again.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    # While one thread decides, another has the brokers' answers to act upon: it is not to wait for
    # the default 5 ms each time.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    logger.info("started", application_id=settings.application_id)
    status = 0
    try:
        was_restoring = False
        while not stopping:
            processor.turn()
            watchdog.turned()
            if was_restoring and not processor.is_restoring:
                give_back()
            was_restoring = processor.is_restoring
    except (InputLost, SlotContested) as error:
        logger.error("stopped: an operator has to decide", why=str(error))
        status = 1
    except CallFailed as failed:
        logger.error("stopped", why=str(failed), remedy=failed.remedy.value)
        status = 1
    finally:
        processor.close()
    logger.info("stopped", leads_dispatched=processor.leads_dispatched)
    return status
