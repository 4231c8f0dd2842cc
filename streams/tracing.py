"""Traces: from a lead batch to its assignments, in OpenTelemetry's terms, where it is switched on.

In: a batch's record, with or without a W3C `traceparent` among its headers. Out: the headers of its
assignments, so that whoever takes a lead goes on with the trace of whoever sent it; and two spans,
named by the semantic conventions for messaging: `process leads.batches` from the reading of the
record to the commit, and `send leads.assignments` in it.

Where spans go is said by OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT,
OTEL_TRACES_SAMPLER, OTEL_BSP_MAX_QUEUE_SIZE and so on). A decision that an abort took back
leaves no span: it is decided again. Leads that were parked go out without: their record is long
gone. Spans say channel and batch id, and nothing of a lead.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

from streams.broker import Headers, InputRecord
from streams.settings import Settings

TRACE_HEADERS: Final = ("traceparent", "tracestate")


class Traced(NamedTuple):
    """A batch on its way.

    Attributes:
        headers: of its assignments; None where it isn't sampled.
    """

    headers: Headers | None
    spans: tuple[Any, ...]

    def end(self) -> None:
        """It is committed."""
        now_ns = time.time_ns()
        for span in self.spans:
            span.end(now_ns)


class Tracing(Protocol):
    """What the decider asks."""

    def batch(self, record: InputRecord, batch_id: str, leads: int, began_ns: int) -> Traced:
        """A batch was decided, `began_ns` after 1970 was when that began."""


class OpenTelemetry:
    """Spans by OpenTelemetry's SDK, sent in batches by a thread of its own; what is too much is
    dropped there.
    """

    def __init__(self, settings: Settings) -> None:
        """Raises ImportError without the extra `tracing`."""
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        resource = Resource.create(
            {
                "service.name": "partidor-dispatcher",
                "service.namespace": settings.application_id,
                "service.instance.id": settings.slot,
            }
        )
        self._provider = TracerProvider(resource=resource)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("partidor")
        self._propagator = TraceContextTextMapPropagator()
        self._trace = trace
        self._common = {
            "messaging.system": "kafka",
            "messaging.client.id": settings.transactional_id,
        }
        self._group = settings.application_id
        self._assignments = settings.topics.assignments

    def batch(self, record: InputRecord, batch_id: str, leads: int, began_ns: int) -> Traced:
        """See `Tracing`."""
        parent = self._propagator.extract(_texts(record.headers))
        process = self._tracer.start_span(
            f"process {record.topic}",
            parent,
            self._trace.SpanKind.CONSUMER,
            self._attributes("process", record.topic, leads, record.partition, batch_id, record.key)
            | {
                "messaging.consumer.group.name": self._group,
                "messaging.kafka.offset": record.offset,
            },
            start_time=began_ns,
        )
        if not process.is_recording():
            return Traced(_kept(record.headers), ())
        send = self._tracer.start_span(
            f"send {self._assignments}",
            self._trace.set_span_in_context(process),
            self._trace.SpanKind.PRODUCER,
            self._attributes(
                "send", self._assignments, leads, record.partition, batch_id, record.key
            ),
        )
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, self._trace.set_span_in_context(send))
        headers = [(name, value.encode()) for name, value in carrier.items()]
        return Traced(headers, (send, process))

    def _attributes(
        self,
        operation: str,
        topic: str,
        leads: int,
        partition: int,
        batch_id: str,
        key: bytes | None,
    ) -> dict[str, str | int]:
        return {
            **self._common,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": topic,
            "messaging.destination.partition.id": str(partition),
            "messaging.batch.message_count": leads,
            "partidor.batch_id": batch_id,
            "partidor.channel": (key or b"").decode(errors="replace"),
        }

    def close(self) -> None:
        """Send what is left, for a bounded time (OTEL_BSP_EXPORT_TIMEOUT)."""
        self._provider.shutdown()


def _texts(headers: Headers) -> Mapping[str, str]:
    """The trace context among a record's headers."""
    return {
        name.lower(): (value or b"").decode("latin-1")
        for name, value in headers
        if name.lower() in TRACE_HEADERS
    }


def _kept(headers: Headers) -> Headers | None:
    """The context as it came: who goes on with a trace that isn't sampled should know."""
    return [(name, value) for name, value in headers if name.lower() in TRACE_HEADERS] or None
