"""The views' own metrics: how far they are, who listens, and how requests go.

In: every request, as a middleware; the views, asked when Prometheus asks. Out: `/metrics`.
"""

import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Middleware
from prometheus_client.aiohttp import make_aiohttp_handler

from streams.metrics import table
from streams.metrics.build import registry_of_process
from streams.views.partitions import PartitionStandings, Views
from streams.views.web import Handler


class ViewsMetrics:
    """What is counted.

    Attributes:
        listeners: how many live connections are open, once somebody can tell.
        handler: serves it.
    """

    def __init__(self, views: Views) -> None:
        """Nothing was asked yet."""
        self.listeners: Callable[[], int] = lambda: 0
        registry = registry_of_process()
        partitions = table.VIEWS_PARTITIONS.make(registry)
        for state, caught_up in (("caught up", True), ("behind", False)):
            partitions.labels(state).set_function(_count(views, caught_up))
        channels = table.VIEWS_CHANNELS.make(registry)
        channels.set_function(lambda: sum(len(held.channels) for held in _held(views)))
        table.VIEWS_LISTENERS.make(registry).set_function(self._listening)
        requests = table.VIEWS_REQUESTS.make(registry)
        self._requests = {each: requests.labels(f"{each}xx") for each in range(1, 6)}
        self._duration = table.VIEWS_REQUEST_DURATION.make(registry)
        self.handler = make_aiohttp_handler(registry)

    def _listening(self) -> int:
        return self.listeners()

    def middleware(self) -> Middleware:
        """To be the outermost one."""

        @web.middleware
        async def counted(request: web.Request, handler: Handler) -> web.StreamResponse:
            began_s = time.monotonic()
            response = await handler(request)
            self._requests[response.status // 100].inc()
            if response.content_type != "text/event-stream":
                self._duration.observe(time.monotonic() - began_s)
            return response

        return counted


def _held(views: Views) -> list[PartitionStandings]:
    return list(views.partitions.values())


def _count(views: Views, caught_up: bool) -> Callable[[], float]:
    return lambda: float(sum(1 for held in _held(views) if held.caught_up is caught_up))
