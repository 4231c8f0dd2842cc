"""`partidor run --processes N`: each slot its process; all of them end with the one who started."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streams.own_command import PARTIDOR
from tests.reference import events
from tests.support.dispatchers import CODE
from tests.support.installation import QUICK, Installation
from tests.support.waiting import wait_until


class Launched:
    """A `partidor run --processes 2`, and its dispatchers."""

    def __init__(self, installation: Installation, directory: Path, **settings: str) -> None:
        self.log_path = directory / "launched.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*PARTIDOR, "run", "--processes", "2"],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env={
                    **os.environ,
                    **QUICK,
                    "PYTHONPATH": CODE,
                    "PARTIDOR_APPLICATION_ID": installation.name,
                    "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
                    "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
                    "PARTIDOR_REDIS_URL": installation.redis_url,
                    "PARTIDOR_RESTART_WAIT_MS": "50",
                    **settings,
                },
            )

    def dispatchers(self) -> list[psutil.Process]:
        """Those that run now."""
        try:
            return psutil.Process(self.process.pid).children()
        except psutil.NoSuchProcess:
            return []

    def says(self, text: str) -> int:
        """How often the text stands in the log of all of them."""
        return self.log_path.read_text(errors="replace").count(text)


@pytest.fixture
def launched(installation: Installation, tmp_path: Path) -> Iterator[Launched]:
    """Two slots that share the partitions."""
    started = Launched(installation, tmp_path)
    try:
        wait_until(lambda: shares(installation) == {"0-0": 2, "0-1": 2}, "both work")
        yield started
    finally:
        started.process.kill()
        started.process.wait()


def shares(installation: Installation) -> dict[str, int]:
    """How many partitions each slot says it runs."""
    found = {}
    for slot in ("0-0", "0-1"):
        status = installation.status(slot) or {"partitions": {}}
        found[slot] = list(status["partitions"].values()).count("running")
    return found


def test_one_that_is_killed_is_started_again_in_its_slot(
    installation: Installation, launched: Launched
) -> None:
    """And the leads flow on."""
    installation.process([events.roster("r", {"A": "1", "B": "1"}, "web")])
    victim = launched.dispatchers()[0]
    victim.kill()
    wait_until(
        lambda: len(launched.dispatchers()) == 2 and victim not in launched.dispatchers(),
        "another one runs",
    )
    assert launched.says("a dispatcher has ended") == 1
    installation.process([events.lead_batch("b", 10, "web")])
    assert len(installation.assignments()) == 10
    wait_until(lambda: shares(installation) == {"0-0": 2, "0-1": 2}, "both work again")


def test_all_of_them_stop_in_good_order(launched: Launched) -> None:
    """On SIGTERM; the exit status says so."""
    children = launched.dispatchers()
    launched.process.terminate()
    assert launched.process.wait(30) == 0
    assert not any(child.is_running() for child in children)
    assert launched.says('"event": "stopped"') == 2


def test_they_end_with_the_process_that_started_them(launched: Launched) -> None:
    """Even if that is killed."""
    children = launched.dispatchers()
    launched.process.send_signal(signal.SIGKILL)
    launched.process.wait(10)
    wait_until(lambda: not any(child.is_running() for child in children), "no orphans")


def test_who_fails_again_and_again_ends_all_of_them(
    installation: Installation, tmp_path: Path
) -> None:
    """An operator has to look; the exit status says that something failed."""
    started = Launched(
        installation, tmp_path, PARTIDOR_RESTARTS_MAX="2", PARTIDOR_TOPIC_PREFIX="nowhere."
    )
    try:
        assert started.process.wait(60) == 1
    finally:
        started.process.kill()
    assert started.says("fails again and again") == 1
