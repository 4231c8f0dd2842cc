"""One Kafka and one Redis for the variants that don't hurt them."""

from collections.abc import Callable, Iterator
from typing import NoReturn

import pytest

from tests.faults.servers import Servers, shared_servers
from tests.support.stacks import PROCESSES_ONLY, deselect_what_stays_the_same


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """See `tests.support.stacks`."""
    deselect_what_stays_the_same(config, items)


@pytest.fixture(scope="session")
def shared() -> Iterator[Servers]:
    """Quick to miss a dispatcher that was killed."""
    with shared_servers() as servers:
        yield servers


@pytest.fixture
def left_out(
    left_out: Callable[[str, str], NoReturn], request: pytest.FixtureRequest
) -> Callable[[str, str], NoReturn]:
    """As for all tests; but what runs on processes only doesn't fail where all is required."""

    def leave_out(reason: str, remedy: str) -> NoReturn:
        if remedy == PROCESSES_ONLY:
            request.node.user_properties.append(("left out", f"{reason}; {remedy}"))
            pytest.skip(reason)
        left_out(reason, remedy)

    return leave_out
