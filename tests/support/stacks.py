"""Where the tests' Kafka and Redis come from: processes of this machine, or containers.

`PARTIDOR_TEST_SERVERS=containers` asks for containers, and `tests/run containers` does so for the
integration and fault tests; without it they are processes. It is read here and nowhere else.

In containers the tests are the same, with two exceptions. Those that don't take their servers from
here, such as the tests of the local stack itself, would only do again what they did before: they
are deselected. And what can't be done with containers is left out with the remedy
`machine.PROCESSES_ONLY`. That is no failure even where everything is required
(`PARTIDOR_TEST_REQUIRE=all`): nothing is missing on the machine, and the same test runs on
processes.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from streams.local import LocalStack, LocalStackError, Stack
from streams.local import open_stack as open_chosen_stack
from streams.local.containers import (
    ContainerStack,
    RedisContainer,
    remove_leftovers,
    why_no_containers,
)
from streams.local.redis_server import RedisServer

VARIABLE = "PARTIDOR_TEST_SERVERS"
_CHOICES = ("processes", "containers")
_choice = os.environ.get(VARIABLE) or "processes"
if _choice not in _CHOICES:
    raise LocalStackError(f"{VARIABLE} is {_choice!r}: one of {', '.join(_CHOICES)} is needed")

IN_CONTAINERS = _choice == "containers"
FIXTURES = frozenset({"stack", "own_redis", "shared", "containers", "side"})
"""What a test asks for that takes its servers from here; `side` does when it is no model."""


def deselect_what_stays_the_same(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In containers: keep the tests that take their servers from here."""
    if not IN_CONTAINERS:
        return
    kept, dropped = [], []
    for item in items:
        (kept if _takes_servers_from_here(item) else dropped).append(item)
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = kept


def _takes_servers_from_here(item: pytest.Item) -> bool:
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    if str(parameters.get("side", "")).startswith("model"):
        return False
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))


@contextmanager
def open_session_stack() -> Iterator[Stack]:
    """What tests share that hurt nobody: the Kafka and Redis of the settings, else one of each."""
    given = (
        os.environ.get("PARTIDOR_KAFKA__BOOTSTRAP_SERVERS"),
        os.environ.get("PARTIDOR_REDIS_URL"),
    )
    if IN_CONTAINERS and not any(given):
        with open_stack() as containers:
            yield containers
    else:
        with open_chosen_stack(*given, prefer_processes=True) as chosen:
            yield chosen


@contextmanager
def open_stack(
    kafka_properties: Mapping[str, str] | None = None,
) -> Iterator[LocalStack | ContainerStack]:
    """A Kafka and a Redis that may be hurt. Kafka's data lies on this machine in any case."""
    if not IN_CONTAINERS:
        with LocalStack(kafka_properties=kafka_properties) as processes:
            yield processes
        return
    _need_containers()
    directory = Path(tempfile.mkdtemp(prefix="partidor-kafka-")).resolve()
    try:
        with ContainerStack(directory, kafka_properties) as containers:
            yield containers
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def open_redis() -> Iterator[RedisServer | RedisContainer]:
    """A Redis alone, which may be hurt."""
    if not IN_CONTAINERS:
        directory = Path(tempfile.mkdtemp(prefix="partidor-redis-"))
        process = RedisServer(directory / "redis", remove_when_orphaned=directory)
        try:
            process.start()
            yield process
        finally:
            process.kill()
            shutil.rmtree(directory, ignore_errors=True)
        return
    _need_containers()
    remove_leftovers()
    container = RedisContainer()
    try:
        container.start()
        yield container
    finally:
        container.remove()


def _need_containers() -> None:
    missing = why_no_containers()
    if missing is not None:
        raise LocalStackError(f"{VARIABLE}=containers: {missing}")
