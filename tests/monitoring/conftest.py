"""One monitored installation for a file, watched by a real Prometheus."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.monitoring.stack import Monitored
from tests.support.stacks import open_redis

if TYPE_CHECKING:
    from streams.local import Stack

LeftOut = Callable[[str, str], NoReturn]


@pytest.fixture
def promtool(left_out: LeftOut) -> str:
    """Where it is; without it the test is left out."""
    return _needed("promtool", left_out)


@pytest.fixture
def monitored(left_out: LeftOut, request: pytest.FixtureRequest) -> Monitored:
    """The installation; without Prometheus the test is left out before anything is started."""
    _needed("prometheus", left_out)
    found: Monitored = request.getfixturevalue("opened_monitored")
    return found


@pytest.fixture(scope="module")
def opened_monitored(
    stack: "Stack", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Monitored]:
    """Once it is known that it can be watched. Its Redis may be hurt."""
    program = shutil.which("prometheus")
    assert program is not None
    directory = Path(tmp_path_factory.mktemp("monitored"))
    with (
        open_redis() as redis,
        Monitored(stack.bootstrap_servers, redis, directory, program) as opened,
    ):
        yield opened


def _needed(program: str, left_out: LeftOut) -> str:
    found = shutil.which(program)
    if found is None:
        left_out(f"no {program}", "install Prometheus (Debian and Ubuntu: the package prometheus)")
    return found
