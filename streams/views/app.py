"""The Faust application: decisions in from Kafka, standings out over HTTP.

In: settings. Out: a process that serves until SIGTERM or SIGINT, then saves its snapshots and
ends with 0. Everything runs on one event loop, but for aiokafka's consumer, which has a thread.
"""

import asyncio
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import faust
import structlog
from faust.app.base import BootStrategy

from streams.failure import Failed
from streams.kafka_clients import admin_client, described
from streams.logs import configure_logs
from streams.settings import Settings
from streams.views.credentials import faust_options
from streams.views.partitions import Views
from streams.views.quiet import quieten_libraries
from streams.views.settings import ViewsSettings, load_views_settings
from streams.views.snapshots import Snapshots, copy_of
from streams.views.transport import CommittedReader, CommittedTransport
from streams.views.web import add_pages, errors_as_json

CATCHING_UP_POLL_S: Final = 0.05
CAUGHT_UP_POLL_S: Final = 0.5
STOP_MAX_S: Final = 20.0
"""A clean stop that takes longer is ended as it is; a snapshot more is only comfort."""

log = structlog.get_logger("views")


class _WithoutProducer(BootStrategy):
    """The views write nothing to Kafka."""

    enable_kafka_producer = False


class ViewsApp(faust.App):
    """Faust's application with our consumer; `reader` tells it where reading starts."""

    BootStrategy = _WithoutProducer
    reader: "ViewsReader"

    def _new_transport(self) -> CommittedTransport:
        return CommittedTransport(self.conf.broker_consumer, self)


class ViewsReader:
    """Keeps the views in step with what the consumer reads, and their snapshots on disk."""

    def __init__(self, views: Views, snapshots: Snapshots) -> None:
        """Nothing is held yet."""
        self.views = views
        self._snapshots = snapshots

    def hold(self, numbers: Iterable[int], generation: int) -> None:
        """These partitions are read from now on; new ones go on from their snapshots."""
        for held in self.views.hold(numbers, generation):
            self._snapshots.load(held)

    def begin(self, bounds: Mapping[int, tuple[int, int]]) -> Mapping[int, int]:
        """Where each partition's reading starts."""
        return self.views.begin(bounds)

    async def follow(self, app: ViewsApp) -> None:
        """Note again and again how far Kafka has been read."""
        while not app.should_stop:
            consumer = cast(CommittedReader, app.consumer)
            for number, reached in (await consumer.reached()).items():
                if self.views.reached(number, *reached):
                    held = self.views.partitions[number]
                    channels, offset = len(held.channels), held.next_offset
                    log.debug("caught up", partition=number, channels=channels, offset=offset)
            await app.sleep(CAUGHT_UP_POLL_S if self.views.caught_up else CATCHING_UP_POLL_S)

    async def save_all(self) -> None:
        """Write the snapshots that are due; a disk that won't take them stops nothing."""
        for held in list(self.views.partitions.values()):
            try:
                await asyncio.to_thread(self._snapshots.save, copy_of(held))
            except OSError as error:
                log.error("snapshot not written", partition=held.number, why=str(error))


def create_app(
    settings: Settings, own: ViewsSettings, reader: ViewsReader, data_directory: Path
) -> ViewsApp:
    """The application, not started. Raises WrongUsage for properties that Faust can't honour."""
    app = ViewsApp(
        f"{settings.application_id}-views",
        **faust_options(settings.kafka, settings.application_id),
        **_faust_settings(settings, own),
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
                message.partition, message.offset, message.value, message.generation_id
            )

    async def follow() -> None:
        await reader.follow(app)

    async def save() -> None:
        await reader.save_all()

    app.task(follow)
    app.timer(interval=own.snapshot_interval_ms / 1000)(save)
    add_pages(app, reader.views, own.channels_per_page_max)
    return app


def _faust_settings(settings: Settings, own: ViewsSettings) -> dict[str, Any]:
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
        "web_application_options": {"middlewares": [errors_as_json]},
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
    configure_logs(settings)
    quieten_libraries()
    topic = settings.topics.decisions
    found = described(admin_client(settings), settings, [topic]).get(topic)
    if found is None:
        raise Failed(f"there is no topic {topic}; `partidor topics create` makes it")
    data_directory = own.data_directory.expanduser()
    try:
        directory = data_directory / settings.application_id / topic
        snapshots = Snapshots(directory, str(found.topic_id))
    except OSError as error:
        raise Failed(f"views.data_dir: {error}") from None
    reader = ViewsReader(Views(len(found.partitions)), snapshots)
    return asyncio.run(_serve(settings, own, reader, data_directory))


async def _serve(
    settings: Settings, own: ViewsSettings, reader: ViewsReader, data_directory: Path
) -> int:
    app = create_app(settings, own, reader, data_directory)
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
        await _stop(app, reader, starting)
    log.info("views stopped")
    return 0


async def _stop(app: ViewsApp, reader: ViewsReader, starting: "asyncio.Task[None]") -> None:
    starting.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await starting
    await reader.save_all()
    try:
        await asyncio.wait_for(app.stop(), STOP_MAX_S)
    except TimeoutError:
        log.warning("the views did not stop in time", after_s=STOP_MAX_S)
