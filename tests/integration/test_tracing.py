"""A trace goes on from a lead batch to its assignments, where tracing is switched on."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.reference import events
from tests.support.installation import Installation
from tests.support.publisher import encoded
from tests.support.waiting import wait_until

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
SPAN_ID = "b7ad6b7169203331"
SAMPLED, NOT_SAMPLED = "01", "00"


class Collector:
    """Takes spans as a collector does, by OTLP over HTTP."""

    def __init__(self) -> None:
        """Listens at once, on a free port."""
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_line: Any) -> None:
                """Quiet."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._server.shutdown()
        self._server.server_close()

    def named(self, name: str) -> list[Any]:
        """The spans with this name."""
        return [span for span in self.spans if span.name == name]


@pytest.fixture
def collector() -> Iterator[Collector]:
    """One that nobody else sends to."""
    opened = Collector()
    yield opened
    opened.close()


def attributes(span: Any) -> dict[str, Any]:
    """Those of a span, as text or number."""
    found = {}
    for each in span.attributes:
        value = each.value
        found[each.key] = value.string_value or value.int_value
    return found


def test_a_trace_goes_on_from_the_batch_to_its_assignments(
    installation: Installation, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The source's span is the parent; who isn't sampled stays so; nobody's batch begins one."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
    dispatcher = installation.started(tracing=True)
    topics = installation.topics
    installation.process([events.roster("r", {"A": "1", "B": "2"}, "web")])
    for number, flags in enumerate((SAMPLED, NOT_SAMPLED)):
        installation.publisher.send(
            topics.lead_batches,
            encoded(events.lead_batch(f"b{number}", 5, "web")),
            b"web",
            headers=[("traceparent", f"00-{TRACE_ID}-{SPAN_ID}-{flags}".encode())],
        )
    installation.publisher.send(
        topics.lead_batches, encoded(events.lead_batch("without", 5, "web")), b"web"
    )
    installation.wait_until_processed()
    process, send = f"process {topics.lead_batches}", f"send {topics.assignments}"
    wait_until(
        lambda: len(collector.named(process)) == len(collector.named(send)) == 2,
        lambda: f"{[span.name for span in collector.spans]}; {dispatcher.log_tail()}",
    )
    (first,) = [s for s in collector.named(process) if s.parent_span_id.hex() == SPAN_ID]
    assert first.trace_id.hex() == TRACE_ID
    (sent,) = [s for s in collector.named(send) if s.parent_span_id == first.span_id]
    told = attributes(first)
    assert (
        told.items()
        >= {
            "messaging.system": "kafka",
            "messaging.destination.name": topics.lead_batches,
            "messaging.batch.message_count": 5,
            "messaging.consumer.group.name": installation.name,
            "partidor.channel": "web",
            "partidor.batch_id": "b0",
        }.items()
    )
    assert first.start_time_unix_nano < first.end_time_unix_nano
    by_batch: dict[str, set[str]] = {}
    for record in installation.read(topics.assignments):
        headers = dict(record.headers)
        by_batch.setdefault(record.event["batch_id"], set()).add(headers["traceparent"].decode())
    assert by_batch["b0"] == {f"00-{TRACE_ID}-{sent.span_id.hex()}-{SAMPLED}"}
    assert by_batch["b1"] == {f"00-{TRACE_ID}-{SPAN_ID}-{NOT_SAMPLED}"}
    (own,) = by_batch["without"]
    assert TRACE_ID not in own
    assert int(own[-2:], 16) & int(SAMPLED, 16)
