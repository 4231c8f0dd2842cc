"""Log lines are all of one form, whoever writes them."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from streams.logs import configure_logs
from streams.settings import Settings


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What stands on standard error, each line a JSON object."""
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_lines_of_libraries_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With a level and a time; librdkafka's are warnings at least."""
    configure_logs(Settings.model_construct(log_format="json", log_level="info"))
    structlog.get_logger("partidor").warning("refused", channel="web", partition=3, offset=7)
    client = logging.getLogger("librdkafka")
    client.warning("FAIL [%s]: %s", "thrd:main", "connection refused")
    client.info("connected")
    ours, theirs = lines(capsys)
    assert ours.items() >= {"event": "refused", "channel": "web", "offset": 7}.items()
    assert theirs["event"] == "FAIL [thrd:main]: connection refused"
    assert theirs["logger"] == "librdkafka"
    assert {"level", "timestamp"} <= ours.keys() & theirs.keys()


def test_a_traceback_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For whoever collects logs line by line."""
    configure_logs(Settings.model_construct(log_format="json", log_level="info"))
    try:
        raise ValueError("of three\nlines\n")
    except ValueError:
        structlog.get_logger("partidor").exception("ours")
        logging.getLogger("aiohttp").exception("theirs")
    for line in lines(capsys):
        assert "ValueError" in str(line["exception"])
