"""An installation for each test, or for a file of tests, on the session's Kafka and Redis."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installation import Installation

if TYPE_CHECKING:
    from streams.local import Stack


@pytest.fixture
def installation(stack: "Stack", application_id: str, tmp_path: Path) -> Iterator[Installation]:
    """Topics, group and keys that no other test has; its dispatchers end with the test."""
    with Installation(stack.bootstrap_servers, stack.redis_url, tmp_path, application_id) as opened:
        yield opened
