"""`/metrics`, `/livez` and `/readyz` of a process that has no web server otherwise.

In: a registry, and questions after health. Out: an HTTP server in threads of its own, so that it
answers while the process is at work, and says so while it is stuck.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from streams.failure import Failed
from streams.metrics.health import Answer

Question = Callable[[], Answer]
REQUEST_MAX_S: Final = 10.0
"""Who sends its request more slowly is cut off."""
REQUESTS_AT_ONCE_MAX: Final = 16
"""One more is cut off at once; Prometheus and the probes ask again."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:
        self._free = threading.BoundedSemaphore(REQUESTS_AT_ONCE_MAX)
        super().__init__(*given)

    def server_bind(self) -> None:
        # Without HTTPServer's look-up of the host's name, which may take seconds.
        TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)
        self.setup_environ()

    def verify_request(self, *_request: Any) -> bool:
        return self._free.acquire(blocking=False)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(WSGIRequestHandler):
    timeout = REQUEST_MAX_S

    def log_message(self, *_line: Any) -> None:
        """Probes come every few seconds; none of them is news."""


class MetricsServer:
    """A context manager: serves from its beginning to its end."""

    def __init__(
        self, registry: CollectorRegistry, questions: Mapping[str, Question], host: str, port: int
    ) -> None:
        """`questions` by path. Raises Failed if the address is taken."""
        metrics: Callable[..., Iterable[bytes]] = make_wsgi_app(registry)

        def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if path == "/metrics":
                return metrics(environ, start)
            question = questions.get(path)
            if question is None:
                status, text = "404 Not Found", f"there is {', '.join(('/metrics', *questions))}"
            else:
                well, text = question()
                status = "200 OK" if well else "503 Service Unavailable"
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
            start(status, headers)
            return [f"{text}\n".encode()]

        try:
            self._server = make_server(host, port, application, _Server, _Handler)
        except OSError as error:
            raise Failed(
                f"metrics can't be served at {host}:{port}: {error.strerror}; "
                "set PARTIDOR_METRICS_PORT to a free port, or to 0 for none"
            ) from None
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_port)

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
