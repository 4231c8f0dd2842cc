"""What all tests share: kinds by directory, a Kafka and a Redis for the session, unique names.

- The kind of a test is the directory it lies in (`tests/unit/...` is `unit`); tests directly in
  `tests/` are unit tests. `--kinds` chooses (`tests/run` hands it over); quick kinds run first,
  benchmarks only when named.
- `left_out` says at the end what a machine could not run, and how to get it. With
  `PARTIDOR_TEST_REQUIRE=all` nothing is left out: it fails instead.
- With `PARTIDOR_TEST_SERVERS=containers` the servers are containers: see `tests.support.stacks`.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.support.machine import PROCESSES_ONLY

if TYPE_CHECKING:
    from streams.local import Stack

# In the order in which they run: what fails quickly fails first.
KINDS = ("unit", "simulation", "integration", "browser", "monitoring", "faults", "benchmarks")
ONLY_WHEN_NAMED = ("benchmarks",)
REQUIRE_ALL = os.environ.get("PARTIDOR_TEST_REQUIRE") == "all"

LEFT_OUT = "left out"
SAID = "said"
_left_out: dict[str, list[str]] = {}
_said: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--kinds unit,integration`; `all` is every kind that doesn't have to be named."""
    parser.addoption("--kinds", default="", help=f"kinds of tests to run: {', '.join(KINDS)}; all")


def _kind(path: Path) -> str:
    first = path.relative_to(Path(__file__).parent).parts[0]
    if first == "conformance":
        return "integration"  # half of each test is on real servers
    return first if first in KINDS else "unit"


def _chosen_kinds(config: pytest.Config) -> set[str]:
    named = {kind for kind in config.getoption("--kinds").split(",") if kind}
    if "all" in named:
        named |= set(KINDS) - set(ONLY_WHEN_NAMED)
    return named


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its kind, keep the chosen ones, quick kinds first."""
    from tests.support.stacks import deselect_what_stays_the_same

    deselect_what_stays_the_same(config, items)
    named = _chosen_kinds(config)
    # A test that is named by its file or directory is wanted, whatever its kind.
    given_by_path = not named and any(Path(re.split("::", arg)[0]).exists() for arg in config.args)
    kept, dropped = [], []
    for item in items:
        kind = _kind(item.path)
        item.add_marker(kind)
        wanted = kind in named if named else given_by_path or kind not in ONLY_WHEN_NAMED
        (kept if wanted else dropped).append(item)
    kept.sort(key=lambda item: KINDS.index(_kind(item.path)))
    if dropped:
        config.hook.pytest_deselected(items=dropped)
    items[:] = kept


@pytest.fixture
def left_out(request: pytest.FixtureRequest) -> Callable[[str, str], NoReturn]:
    """Ends a test that this machine can't run: `left_out("no Docker engine", "install one")`.

    The end of the run names the test, the reason, and how to get what is missing. Where
    everything is required the test fails, unless it only has to run on other servers.
    """

    def leave_out(reason: str, remedy: str) -> NoReturn:
        if REQUIRE_ALL and remedy != PROCESSES_ONLY:
            pytest.fail(f"required here, and yet: {reason}; {remedy}", pytrace=False)
        request.node.user_properties.append((LEFT_OUT, f"{reason}; {remedy}"))
        pytest.skip(reason)

    return leave_out


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Adds a line to the end of the run's report: a figure that a test came to."""

    def add(text: str) -> None:
        request.node.user_properties.append((SAID, text))

    return add


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Where everything is required, a test that skips itself in any other way fails as well.

    What was left out and yet didn't fail isn't run on these servers, and is on others.
    """
    outcome = yield
    report = outcome.get_result()
    by_left_out = any(name == LEFT_OUT for name, _ in item.user_properties)
    if REQUIRE_ALL and report.skipped and not by_left_out and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be: {report.longrepr}"


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Collect what was left out and what was said, also in processes beside this one."""
    for name, how in report.user_properties:
        if name == LEFT_OUT and report.when == "teardown":
            _left_out.setdefault(str(how), []).append(report.nodeid)
        if name == SAID and report.when == "teardown":
            _said.append(str(how))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what tests came to, what was left out, and how to get it."""
    for line in _said:
        terminalreporter.write_line(line)
    if _left_out:
        terminalreporter.section("left out on this machine")
        for how, tests in _left_out.items():
            terminalreporter.write_line(f"{how}:")
            for test in tests:
                terminalreporter.write_line(f"    {test}")


@pytest.fixture(scope="session")
def stack() -> Iterator["Stack"]:
    """One Kafka and one Redis for the whole session; see `tests.support.stacks`.

    Tests that hurt a server open one of their own.
    """
    from tests.support.stacks import open_session_stack

    with open_session_stack() as opened:
        yield opened


@pytest.fixture(scope="session")
def bootstrap_servers(stack: "Stack") -> str:
    """The address of the session's Kafka."""
    return stack.bootstrap_servers


@pytest.fixture(scope="session")
def redis_url(stack: "Stack") -> str:
    """The address of the session's Redis."""
    return stack.redis_url


@pytest.fixture
def application_id(request: pytest.FixtureRequest) -> str:
    """A name that no other test has: for the application, its group, its Redis keys."""
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def topics_prefix(application_id: str) -> str:
    """What to put in front of topic names so that tests don't see each other's records."""
    return f"{application_id}."
