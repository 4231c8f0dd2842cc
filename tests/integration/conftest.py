"""An installation for each test, on the session's Kafka and on its Redis or one of its own."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installation import Installation
from tests.support.stacks import open_redis

if TYPE_CHECKING:
    from streams.local import Stack
    from streams.local.containers import RedisContainer
    from streams.local.redis_server import RedisServer


@pytest.fixture
def installation(stack: "Stack", application_id: str, tmp_path: Path) -> Iterator[Installation]:
    """Topics, group and keys that no other test has; its dispatchers end with the test."""
    with Installation(stack.bootstrap_servers, stack.redis_url, tmp_path, application_id) as opened:
        yield opened


@pytest.fixture
def own_redis() -> Iterator["RedisServer | RedisContainer"]:
    """A Redis that only this test uses, and may hurt."""
    with open_redis() as server:
        yield server


@pytest.fixture
def beside(
    stack: "Stack",
    own_redis: "RedisServer | RedisContainer",
    application_id: str,
    tmp_path: Path,
) -> Iterator[Installation]:
    """An installation with a Redis of its own."""
    with Installation(stack.bootstrap_servers, own_redis.url, tmp_path, application_id) as opened:
        yield opened
