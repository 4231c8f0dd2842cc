"""What is served of every process: which versions run, and what the client library knows itself."""

import platform
from importlib.metadata import version

import confluent_kafka
from prometheus_client import (
    CollectorRegistry,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from streams.metrics import table

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter


def registry_of_process() -> CollectorRegistry:
    """A registry with memory, processor time, garbage collection, and versions."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    describe_build(registry)
    return registry


def describe_build(registry: CollectorRegistry) -> None:
    """Put `partidor_build_info` into a registry."""
    table.BUILD.make(registry).info(
        {
            "version": version("partidor"),
            "python": platform.python_version(),
            "librdkafka": confluent_kafka.libversion()[0],
        }
    )
