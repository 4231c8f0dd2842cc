"""Which endpoints, ports and programs the local stack takes."""

import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from streams.local import LocalStackError, chooser, java, open_stack, redis_server
from streams.local.cache import cache_dir
from streams.local.ports import FIRST_PORT, HOST, LAST_PORT, free_ports


def test_given_addresses_are_used_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings come first: neither an engine nor a local process is thought of."""
    monkeypatch.setattr(chooser, "why_no_containers", lambda: None)
    with open_stack("kafka.example:9092", "redis://redis.example:6379/0") as stack:
        assert stack.bootstrap_servers == "kafka.example:9092"
        assert stack.redis_url == "redis://redis.example:6379/0"


@pytest.mark.parametrize("given", [("kafka.example:9092", None), (None, "redis://example/0")])
def test_one_address_alone_is_refused(given: tuple[str | None, str | None]) -> None:
    """Half a stack that is the user's and half that goes away would surprise."""
    with pytest.raises(LocalStackError, match="both"), open_stack(*given):
        pass


@pytest.mark.parametrize(
    ("missing", "prefer_processes", "chosen"),
    [(None, False, "containers"), (None, True, "processes"), ("no engine", False, "processes")],
)
def test_containers_come_before_processes_unless_processes_are_preferred(
    monkeypatch: pytest.MonkeyPatch, missing: str | None, prefer_processes: bool, chosen: str
) -> None:
    """An engine with our images is used; who measures or does harm says: processes."""
    monkeypatch.setattr(chooser, "why_no_containers", lambda: missing)
    monkeypatch.setattr(chooser, "ContainerStack", lambda: nullcontext("containers"))
    monkeypatch.setattr(chooser, "LocalStack", lambda **_: nullcontext("processes"))
    with open_stack(None, None, prefer_processes) as stack:
        assert stack == chosen


def test_free_ports_are_free_different_and_out_of_the_way() -> None:
    """Ports of outgoing connections begin above: a server that is down keeps its own."""
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        assert FIRST_PORT <= port <= LAST_PORT
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))


def _program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_java_that_is_too_old_is_passed_over_and_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Java 11 can't run Kafka 4; the message says what was found."""
    old = _program(tmp_path / "old" / "java", "echo 'openjdk version \"11.0.2\" 2019-01-15' >&2")
    new = _program(tmp_path / "new" / "java", "echo 'openjdk version \"17.0.1\" 2021-10-19' >&2")
    broken = _program(tmp_path / "broken" / "java", "exit 1")
    monkeypatch.setattr(java, "_candidates", lambda: [broken, old, new])
    assert java.find_java() == java.Java(new, 17, "17.0.1")
    monkeypatch.setattr(java, "_candidates", lambda: [broken, old])
    with pytest.raises(LocalStackError, match=r"Java 17 or later; found: .*11\.0\.2"):
        java.find_java()


def test_an_installed_redis_comes_before_a_packaged_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the user installed is what they want to see used; without it a package's does."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "site-packages" in str(redis_server.find_redis())
    valkey = _program(tmp_path / "valkey-server", "exit 0")
    assert redis_server.find_redis() == valkey
    redis = _program(tmp_path / "redis-server", "exit 0")
    assert redis_server.find_redis() == redis


def test_without_any_redis_the_message_says_how_to_get_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The extra brings one."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis_server, "PACKAGED_PROGRAMS", ())
    with pytest.raises(LocalStackError, match=r"partidor\[local\]"):
        redis_server.find_redis()


def test_the_cache_is_the_users_unless_another_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """XDG's directory, `~/.cache` without it; `PARTIDOR_CACHE_DIR` overrules both."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("PARTIDOR_CACHE_DIR", raising=False)
    assert cache_dir() == tmp_path / "home" / ".cache" / "partidor"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "partidor"
    monkeypatch.setenv("PARTIDOR_CACHE_DIR", str(tmp_path / "named"))
    assert cache_dir() == tmp_path / "named"
