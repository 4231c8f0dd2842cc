"""Logs: structured, on standard error, as text for people or JSON for machines.

No line carries attributes of leads: they may be personal data.
"""

import logging
import sys

import structlog

from streams.settings import Settings


def configure_logs(settings: Settings) -> None:
    """Set up structlog and the standard library's logging, which librdkafka's lines come by."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    # librdkafka tells every connection at "info"; with "debug" it is let speak.
    client_level = level if level == logging.DEBUG else max(level, logging.WARNING)
    logging.basicConfig(stream=sys.stderr, level=client_level, format="%(message)s")
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
