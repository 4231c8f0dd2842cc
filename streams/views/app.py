"""The Faust application: decisions in from Kafka, standings out over HTTP.

In: settings. Out: a process that serves until SIGTERM or SIGINT, then keeps what is new and
ends with 0. Everything runs on one event loop, but for aiokafka's consumer, which has a thread.
"""

import asyncio
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import faust
import structlog
from aiohttp.typedefs import Middleware
from confluent_kafka.admin import AdminClient
from faust.app.base import BootStrategy

from streams.failure import Failed
from streams.former_partitions import former_counts
from streams.kafka_clients import admin_client, described
from streams.logs import configure_logs
from streams.settings import Settings
from streams.views.access import Access
from streams.views.answers import ViewsAnswers
from streams.views.api_live import ApiLive
from streams.views.board import add_board
from streams.views.credentials import faust_options
from streams.views.keeping import Keeper
from streams.views.leads import LeadSink, lead_follower
from streams.views.metrics import ViewsMetrics
from streams.views.operations import Operations
from streams.views.partitions import Views
from streams.views.quiet import quieten_libraries
from streams.views.reading import ViewsReader
from streams.views.refusals import RefusalSink, refusal_follower
from streams.views.settings import ViewsSettings, load_views_settings
from streams.views.signing_in import add_sign_in
from streams.views.transport import CommittedReader, CommittedTransport
from streams.views.web import add_api, errors_as_json

if TYPE_CHECKING:
    from faust.web.drivers.aiohttp import Web as WebDriver

CATCHING_UP_POLL_S: Final = 0.05
CAUGHT_UP_POLL_S: Final = 0.5
STOP_MAX_S: Final = 20.0
"""A clean stop that takes longer is ended as it is; a snapshot more is only comfort."""

LOOK_AT_BEGINNINGS_S: Final = 600.0
"""How often it is asked what Kafka no longer has."""

log = structlog.get_logger("views")


class _WithoutProducer(BootStrategy):
    """The views write nothing to Kafka."""

    enable_kafka_producer = False


class ViewsApp(faust.App):
    """Faust's application with our consumer; `reader` tells it where reading starts."""

    BootStrategy = _WithoutProducer
    reader: ViewsReader

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


async def _follow(app: ViewsApp) -> None:
    """Note again and again how far Kafka has been read."""
    views = app.reader.views
    while not app.should_stop:
        consumer = cast(CommittedReader, app.consumer)
        for number, reached in (await consumer.reached()).items():
            if views.reached(number, *reached):
                held = views.partitions[number]
                channels, offset = len(held.channels), held.next_offset
                log.debug("caught up", partition=number, channels=channels, offset=offset)
        await app.sleep(CAUGHT_UP_POLL_S if views.caught_up else CATCHING_UP_POLL_S)


async def _forget(app: ViewsApp) -> None:
    """Leave out of the index what Kafka no longer has."""
    consumer = cast(CommittedReader, app.consumer)
    for number, first_offset in (await consumer.first_offsets()).items():
        if number in app.reader.views.partitions:
            await app.reader.keeper.forget_before(number, first_offset)


def create_app(
    settings: Settings,
    own: ViewsSettings,
    reader: ViewsReader,
    access: Access,
    data_directory: Path,
    metrics: ViewsMetrics,
) -> ViewsApp:
    """The application, not started. Raises WrongUsage for properties that Faust can't honour."""
    app = ViewsApp(
        f"{settings.application_id}-views",
        **faust_options(settings.kafka, settings.application_id),
        **_faust_settings(
            settings, own, (metrics.middleware(), errors_as_json, access.middleware())
        ),
        datadir=data_directory,
    )
    app.reader = reader
    decisions = app.topic(
        settings.topics.decisions,
        key_serializer="raw",
        value_serializer="raw",
        # The standings know how far they are; nothing is committed.
        acks=False,
    )

    @app.agent(decisions)
    async def count(stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            reader.views.receive(
                message.partition,
                message.offset,
                message.value,
                message.generation_id,
                round(message.timestamp * 1000),
            )

    async def follow() -> None:
        await _follow(app)

    async def keep() -> None:
        await reader.keep_all()

    async def forget() -> None:
        await _forget(app)

    app.task(follow)
    app.timer(interval=own.snapshot_interval_ms / 1000)(keep)
    app.timer(interval=LOOK_AT_BEGINNINGS_S)(forget)
    return app


def _faust_settings(
    settings: Settings, own: ViewsSettings, middlewares: Iterable[Middleware]
) -> dict[str, Any]:
    return {
        "autodiscover": False,
        "broker_session_timeout": own.session_timeout_ms / 1000,
        "broker_heartbeat_interval": own.session_timeout_ms / 1000 / 3,
        "broker_rebalance_timeout": own.rebalance_timeout_ms / 1000,
        "broker_max_poll_records": own.buffered_records_max,
        "broker_max_poll_interval": settings.max_poll_interval_ms / 1000,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": own.fetch_bytes_max,
        "stream_buffer_maxsize": own.buffered_records_max,
        "stream_recovery_delay": 0.0,
        "stream_wait_empty": False,
        "store": "memory://",
        # Topics are made by `partidor topics create`; this process makes none.
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "web_bind": own.host,
        "web_port": own.port,
        "web_application_options": {"middlewares": list(middlewares)},
        "web_graph_enabled": False,
        "web_metrics_enabled": False,
        "web_router_enabled": False,
        "web_stats_enabled": False,
        "web_tables_enabled": False,
        "worker_redirect_stdouts": False,
    }


def run_views(settings: Settings, own: ViewsSettings | None = None) -> int:
    """Serve until SIGTERM or SIGINT. Returns the exit code; raises Failed if it can't start.

    `own` is read from the environment and the settings file where it isn't given.
    """
    own = load_views_settings() if own is None else own
    access = Access(own.host, own.token.get_secret_value() if own.token else None)
    configure_logs(settings)
    quieten_libraries()
    topics = settings.topics
    names = (topics.decisions, topics.assignments, topics.dead_letters)
    admin = admin_client(settings)
    found = described(admin, settings, names)
    for topic in names:
        if topic not in found:
            raise Failed(f"there is no topic {topic}; `partidor topics create` makes it")
    decisions, assignments, dead_letters = (found[topic] for topic in names)
    data_directory = own.data_directory.expanduser()
    directory = data_directory / settings.application_id
    try:
        keeper = Keeper(directory / topics.decisions, str(decisions.topic_id))
        leads = LeadSink(directory / topics.assignments, str(assignments.topic_id))
    except OSError as error:
        raise Failed(f"views.data_dir: {error}") from None
    refusals = RefusalSink()
    followers = (lead_follower(settings, leads), refusal_follower(settings, refusals))
    views = Views(len(decisions.partitions), _former_counts(admin, settings))
    reader = ViewsReader(views, keeper, leads, refusals, followers)
    reader.start(len(dead_letters.partitions))
    try:
        return asyncio.run(_serve(settings, own, reader, access, data_directory))
    finally:
        reader.stop()


def _former_counts(admin: AdminClient, settings: Settings) -> tuple[int, ...]:
    """Who may not read the changelog counts channels that moved from there on."""
    try:
        return former_counts(admin, settings, None)
    except Failed as error:
        log.warning("as if the topics had never been expanded", why=str(error))
        return ()


async def _serve(
    settings: Settings,
    own: ViewsSettings,
    reader: ViewsReader,
    access: Access,
    data_directory: Path,
) -> int:
    answers = _answers(settings, own, reader)
    live = ApiLive(answers.versions)
    metrics = ViewsMetrics(reader.views)
    app = create_app(settings, own, reader, access, data_directory, metrics)
    # Faust's own pages are asked about by name; these paths hold any id, however it is written.
    served = cast("WebDriver", app.web).web_app
    add_api(served.router, reader.views, answers, live, own.channels_per_page_max)
    board = add_board(served, answers)
    metrics.listeners = lambda: live.listening + board.listening
    served.router.add_get("/metrics", metrics.handler)
    add_sign_in(served.router, access, board)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    starting = asyncio.create_task(app.start())
    stopping = asyncio.create_task(stop.wait())
    log.info("views starting", host=own.host, port=own.port, topic=settings.topics.decisions)
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            await starting
            await app.wait(stop.wait())
        if app.crash_reason is not None:
            raise Failed(f"the views stopped: {app.crash_reason}")
    except OSError as error:
        raise Failed(f"can't serve on {own.host}:{own.port}: {error.strerror or error}") from None
    finally:
        live.close()
        board.close()
        await _stop(app, reader, starting)
        answers.close()
    log.info("views stopped")
    return 0


def _answers(settings: Settings, own: ViewsSettings, reader: ViewsReader) -> ViewsAnswers:
    operations = Operations(settings, reader, time.time_ns() // 1_000_000)
    return ViewsAnswers(
        settings,
        reader,
        operations,
        channels_per_page_max=own.channels_per_page_max,
        with_attributes=own.attributes,
    )


async def _stop(app: ViewsApp, reader: ViewsReader, starting: "asyncio.Task[None]") -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await starting
    await reader.keep_all()
    try:
        await asyncio.wait_for(app.stop(), STOP_MAX_S)
    except TimeoutError:
        log.warning("the views did not stop in time", after_s=STOP_MAX_S)
