"""`partidor health`, as a container's check runs it, against the server that processes have."""

import socket
import time
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from streams.cli import main
from streams.local.ports import HOST, free_ports
from streams.metrics.health import Answer
from streams.metrics.server import MetricsServer


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a process that lives and isn't ready, as the settings tell it."""
    (number,) = free_ports(1)
    monkeypatch.setenv("PARTIDOR_METRICS_PORT", str(number))
    questions = {
        "/livez": lambda: Answer(True, "the loop turns"),
        "/readyz": lambda: Answer(False, "restoring partitions 3"),
    }
    with MetricsServer(CollectorRegistry(), questions, HOST, number):
        yield number


def test_it_asks_the_port_of_the_settings_whether_the_process_lives(
    port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who listens on all addresses is asked on this machine; no proxy comes between."""
    for host in (HOST, "0.0.0.0"):
        monkeypatch.setenv("PARTIDOR_METRICS_HOST", host)
        monkeypatch.setenv("http_proxy", f"http://{HOST}:1")
        assert main(["health"]) == 0
        assert capsys.readouterr().out == "the loop turns\n"


def test_what_is_not_ready_is_said_with_its_reason(
    port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 1, which is what an engine calls unhealthy."""
    assert main(["health", "--ready"]) == 1
    assert capsys.readouterr().err == "partidor: restoring partitions 3\n"


def test_any_address_may_be_asked(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The views have another port and path; what isn't there is no answer that all is well."""
    assert main(["health", f"http://{HOST}:{port}/livez"]) == 0
    assert main(["health", f"http://{HOST}:{port}/healthz"]) == 1
    assert "there is /metrics" in capsys.readouterr().err


def test_nobody_there_is_unhealthy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that has ended."""
    (number,) = free_ports(1)
    monkeypatch.setenv("PARTIDOR_METRICS_PORT", str(number))
    assert main(["health"]) == 1
    assert "doesn't answer" in capsys.readouterr().err


def test_who_accepts_and_says_nothing_is_unhealthy_within_seconds() -> None:
    """A process that hangs altogether: its kernel still takes connections."""
    with socket.create_server((HOST, 0)) as silent:
        began = time.monotonic()
        assert main(["health", f"http://{HOST}:{silent.getsockname()[1]}/livez"]) == 1
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "arguments",
    [
        ["health"],
        ["health", "--ready", "http://x/"],
        ["health", "ftp://x/"],
        ["health", "http://[/"],
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No port, two answers to one question, no address: exit 2 and what to do."""
    monkeypatch.delenv("PARTIDOR_METRICS_PORT", raising=False)
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("partidor: ")
