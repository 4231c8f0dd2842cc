"""A running Partidor with everything that watches it, for alarms and dashboards."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from confluent_kafka import Consumer, Producer, TopicPartition

from streams.local.ports import free_ports
from tests.reference import events
from tests.support.dispatchers import DispatcherProcess
from tests.support.installation import Installation
from tests.support.metrics import Exposed
from tests.support.prometheus import MONITORING, Prometheus, shortened
from tests.support.waiting import wait_until
from tests.views_process.material import ViewsProcess

if TYPE_CHECKING:
    from streams.local.containers import RedisContainer
    from streams.local.redis_server import RedisServer

FACTOR: Final = 60
"""By which rules are quicker here than in production: minutes are seconds."""
CALL_S: Final = 30.0


class Monitored(Installation):
    """An installation with a Redis of its own, the views, the group's server, and Prometheus.

    Attributes:
        ports: at which dispatchers serve their metrics: the usual one, and one more.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        redis: "RedisServer | RedisContainer",
        directory: Path,
        program: str,
    ) -> None:
        super().__init__(bootstrap_servers, redis.url, directory)
        self.redis_server = redis
        *self.ports, self.lag_port = free_ports(3)
        self._program = program
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Everything runs, and nothing fires."""
        self.dispatcher = self.run()
        self.publish([events.roster("r", {"A": "1", "B": "2"}, "web")])
        views_settings = {
            **self.environment(),
            "PARTIDOR_VIEWS__DATA_DIR": str(self.directory / "views"),
        }
        self.views = self._open.enter_context(
            ViewsProcess(views_settings, self.directory / "views.log")
        )
        self.watch()
        targets = {
            "partidor-dispatcher": [f"127.0.0.1:{port}" for port in self.ports[:1]],
            "partidor-second": [f"127.0.0.1:{port}" for port in self.ports[1:]],
            "partidor-lag": [f"127.0.0.1:{self.lag_port}"],
            "partidor-views": [f"127.0.0.1:{self.views.port}"],
        }
        rules = shortened((MONITORING / "rules.yml").read_text(), FACTOR)
        self.prometheus = self._open.enter_context(
            Prometheus(self._program, self.directory / "prometheus", rules, targets)
        )
        self.wait_until_nothing_fires()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End all of it."""
        self.unwatch()
        self._open.close()
        super().__exit__(kind, error, traceback)

    # -- what runs

    def run(
        self, slot: str = "0", port: int | None = None, **settings: object
    ) -> DispatcherProcess:
        """A dispatcher that Prometheus sees, once it is ready."""
        port = port or self.ports[0]
        dispatcher = self.start(slot, metrics_port=port, **settings)
        exposed = Exposed(port)
        wait_until(
            lambda: exposed.ask("/readyz")[0] == 200,
            lambda: f"{exposed.ask('/readyz')[1]}: {dispatcher.log_tail()}",
        )
        return dispatcher

    def stop(self) -> None:
        """The dispatcher stops in good order."""
        self.dispatcher.stop()

    def start_again(self) -> None:
        """And runs again."""
        self.dispatcher = self.run()

    def watch(self) -> None:
        """Have the group watched."""
        self._lag_server = ExitStack()
        self._lag_server.enter_context(self.lag_server(self.lag_port))

    def unwatch(self) -> None:
        """No more."""
        self._lag_server.close()

    # -- what can be seen

    def wait_until_nothing_fires(self, timeout_s: float = 60.0) -> None:
        """Wait until nothing fires any more."""
        wait_until(
            lambda: self.seen() and not self.prometheus.firing(),
            lambda: f"firing: {self.prometheus.firing()}",
            timeout_s,
        )

    def seen(self) -> bool:
        """Whether Prometheus has seen all there is."""
        jobs = ("partidor-dispatcher", "partidor-lag", "partidor-views")
        return all(
            any(
                float(each["value"][1]) == 1 for each in self.prometheus.query(f'up{{job="{job}"}}')
            )
            for job in jobs
        )

    def wait_until_scraped(self, job: str) -> None:
        """Wait until Prometheus has had an answer from all processes of a job."""
        up = f'min(up{{job="{job}"}})'
        wait_until(
            lambda: [float(each["value"][1]) for each in self.prometheus.query(up)] == [1],
            f"{job} is scraped",
        )

    def until_firing(
        self, alarm: str, meanwhile: Callable[[], None] = lambda: None, timeout_s: float = 60.0
    ) -> float:
        """Wait until an alarm fires, doing something all the while; how long it took, seconds."""
        began_s = time.monotonic()

        def fires() -> bool:
            meanwhile()
            return alarm in self.prometheus.firing()

        wait_until(fires, lambda: f"{alarm} fires; {self.prometheus.firing()} do", timeout_s)
        return time.monotonic() - began_s

    def until_clear(
        self, alarm: str, meanwhile: Callable[[], None] = lambda: None, timeout_s: float = 60.0
    ) -> float:
        """Wait until it doesn't any more, likewise."""
        began_s = time.monotonic()

        def clear() -> bool:
            meanwhile()
            return alarm not in self.prometheus.firing()

        wait_until(clear, lambda: f"{alarm} clears", timeout_s)
        return time.monotonic() - began_s

    # -- what may happen to it

    @contextmanager
    def unstable_offsets(self) -> Iterator[None]:
        """Offsets of the group stand in an open transaction: nobody can say what they are."""
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "transactional.id": f"{self.name}-unstable",
                "transaction.timeout.ms": 300_000,
                "log_level": 0,
            }
        )
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": self.name})
        producer.init_transactions(CALL_S)
        producer.begin_transaction()
        offsets = [TopicPartition(*place, offset=0) for place in self.input_places()]
        producer.send_offsets_to_transaction(offsets, consumer.consumer_group_metadata(), CALL_S)
        try:
            yield
        finally:
            producer.abort_transaction(CALL_S)
            consumer.close()
