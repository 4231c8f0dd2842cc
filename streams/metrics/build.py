"""Which versions run."""

import platform
from importlib.metadata import version

import confluent_kafka
from prometheus_client import CollectorRegistry

from streams.metrics import table


def describe_build(registry: CollectorRegistry) -> None:
    """Put `partidor_build_info` into a registry."""
    table.BUILD.make(registry).info(
        {
            "version": version("partidor"),
            "python": platform.python_version(),
            "librdkafka": confluent_kafka.libversion()[0],
        }
    )
