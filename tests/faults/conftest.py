"""One Kafka and one Redis for the variants that don't hurt them."""

from collections.abc import Iterator

import pytest

from tests.faults.servers import Servers, shared_servers


@pytest.fixture(scope="session")
def shared() -> Iterator[Servers]:
    """Quick to miss a dispatcher that was killed."""
    with shared_servers() as servers:
        yield servers
