import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from streams.demo.processes import Running
from streams.demo.working_day import CHANNELS
from streams.failure import Failed
from streams.local import ServerProcess
from streams.local.cache import cache_dir
from streams.settings import Settings
from tests.support.waiting import wait_until

PARTIDOR = Path(sys.executable).with_name("partidor")
LEADS = "2000"
DEMO_S = 120


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A cache with Kafka in it and with room for a kept demo, and a directory for all that is
    temporary. Settings of somebody else's Kafka must not matter.
    """
    cache, temporary = tmp_path / "cache", tmp_path / "temporary"
    cache.mkdir()
    temporary.mkdir()
    for prepared in cache_dir().glob("kafka-*"):
        (cache / prepared.name).symlink_to(prepared)
    return {
        **os.environ,
        "PARTIDOR_CACHE_DIR": str(cache),
        "TMPDIR": str(temporary),
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": "kafka.example.com:9092",
        "PARTIDOR_TOPIC_PREFIX": "elsewhere.",
        "PARTIDOR_VIEWS__PORT": "no port",
    }


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it as a user does, but without a terminal."""
    return subprocess.run(
        [PARTIDOR, "demo", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEMO_S,
        check=False,
    )


def rows(output: str) -> list[list[str]]:
    """The words of each line."""
    return [line.split() for line in output.splitlines()]


def left_behind(environment: dict[str, str]) -> list[str]:
    """Directories of servers that were not removed."""
    return [path.name for path in Path(environment["TMPDIR"]).glob("partidor-*")]


def check_golden(output: str) -> None:
    """The figures of the source stand in the tables, and everything that was checked held."""
    found = rows(output)
    for golden in (
        "A 0.8 0.2667 26.6667 0.0000 26.6667 27 +0.3333",
        "B 1 0.3333 33.3333 0.0000 33.3333 33 -0.3333",
        "C 1.2 0.4000 40.0000 0.0000 40.0000 40 0.0000",
        "B 1 0.3333 16.6667 -0.3333 17.0000 17 0.0000",
        "D 0.5 0.1923 57.6923 0.0000 57.6923 58 +0.3077",
        "A 27 13 - 40",
        "B 33 17 115 165",
        "C 40 20 127 187",
        "D - - 58 58",
        "total 100 50 300 450",
        "A 0.6 0.6000 0.6000 +0.4000 0.2000 0 -0.2000",
        "A 0.8 0.2667 26.6667 +0.5000 26.1667 26 -0.1667",
        "B 1 0.3333 33.3333 +0.6000 32.7333 33 +0.2667",
        "C 1.2 0.4000 40.0000 -1.1000 41.1000 41 -0.1000",
        "B active 1 165 165.3846 0.0000 -0.3846",
    ):
        assert golden.split() in found
    assert "1/3, 13/15 and -1.2" in output
    checks = output.partition("Checked\n")[2].partition("\n\n")[0].splitlines()
    assert len(checks) == 9
    assert all(line.startswith("ok ") for line in checks), checks
    assert "2,553 leads in = 2,553 assignments out: one for each lead" in output


def test_the_demo_shows_the_examples_and_every_check_holds(environment: dict[str, str]) -> None:
    """Without a terminal the output is plain, progress is a few lines, and nothing is left."""
    done = demo(environment, "--leads", LEADS)
    assert done.returncode == 0, done.stdout + done.stderr
    check_golden(done.stdout)
    assert "\x1b" not in done.stdout + done.stderr
    assert "\r" not in done.stdout + done.stderr
    assert 3 <= len(done.stderr.splitlines()) <= 10
    assert left_behind(environment) == []


@pytest.fixture
def kept(environment: dict[str, str]) -> Iterator[tuple[dict[str, str], str]]:
    """A demo that runs on, and what it printed."""
    try:
        done = demo(environment, "--leads", LEADS, "--keep")
        assert done.returncode == 0, done.stdout + done.stderr
        yield environment, done.stdout
    finally:
        demo(environment, "--stop")


def pasted(output: str, title: str) -> list[str]:
    """The lines to paste below a title."""
    return [line.strip() for line in output.partition(title)[2].partition("\n\n")[0].splitlines()]


def test_a_kept_demo_runs_on_until_it_is_stopped(kept: tuple[dict[str, str], str]) -> None:
    """Its commands work when they are pasted, there is only one of it, and it ends whole."""
    environment, output = kept
    check_golden(output)
    exports = pasted(output, "Paste these first:\n")
    commands = pasted(output, "Five commands to try:\n")
    assert len(commands) == 5
    shell_environment = {
        name: value for name, value in environment.items() if not name.startswith("PARTIDOR_")
    }
    for command in commands:
        pasting = subprocess.run(
            ["sh", "-e", "-c", "\n".join([*exports, command])],
            env={**shell_environment, "PATH": f"{PARTIDOR.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert pasting.returncode == 0, f"{command}: {pasting.stdout}{pasting.stderr}"

    urls = re.findall(r"(?:http|redis)://\S+", output)
    board, api = (url for url in urls if url.startswith("http"))
    with urllib.request.urlopen(board) as answer:
        assert b"<h1>Channels</h1>" in answer.read()
    with urllib.request.urlopen(api) as answer:
        assert b'"leads":453' in answer.read()

    again = demo(environment, "--keep")
    assert again.returncode == 1
    assert "partidor demo --stop" in again.stderr

    stopped = demo(environment, "--stop")
    assert (stopped.returncode, stopped.stderr) == (0, "everything is stopped\n")
    for url in urls:
        port = urlsplit(url).port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port or 0), timeout=5).close()
    assert not (Path(environment["PARTIDOR_CACHE_DIR"]) / "kept-stack").exists()
    again = demo(environment, "--stop")
    assert (again.returncode, again.stderr) == (0, "nothing was running\n")


def test_ctrl_c_ends_everything(environment: dict[str, str]) -> None:
    """In the middle of the stream; nothing is left but the exit code."""
    with subprocess.Popen(
        [PARTIDOR, "demo", "--leads", "200000"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        while not process.stderr.readline().startswith("sending "):
            assert process.poll() is None
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(DEMO_S) == 130
    wait_until(lambda: left_behind(environment) == [], "the directories are removed")


def test_a_process_that_ends_on_the_way_is_told_with_its_last_words(tmp_path: Path) -> None:
    """Nobody waits for what will not come."""
    command = [sys.executable, "-c", "import time; time.sleep(0.2); raise SystemExit('no memory')"]
    server = ServerProcess("dispatcher", command, tmp_path)
    server.start()
    wait_until(lambda: not server.is_running, "it ends")
    with pytest.raises(Failed, match="dispatcher has ended") as failure:
        Running(Settings(), "http://127.0.0.1:1", (server,)).check()
    assert "no memory" in str(failure.value)
    server.stop()


@pytest.fixture
def board_demo(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that shows the board, and the address that it said."""
    with subprocess.Popen(
        [PARTIDOR, "demo", "--board", "--no-browser"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("The board: http://127.0.0.1:"), said
            yield process, said.split()[-1]
        finally:
            process.kill()


def channels_at(url: str) -> dict[str, int]:
    """Leads so far, by channel, as the board's own API says."""
    with urllib.request.urlopen(f"{url}api/channels", timeout=30) as answer:
        return {each["channel"]: each["leads"] for each in json.load(answer)["channels"]}


def test_leads_move_on_the_demo_s_board_until_it_is_ended(
    environment: dict[str, str], board_demo: tuple[subprocess.Popen[str], str]
) -> None:
    """On channels of several kinds; SIGTERM ends it, and every process that it started."""
    process, url = board_demo
    wait_until(lambda: channels_at(url).keys() == set(CHANNELS), "all channels are there")
    leads = sum(channels_at(url).values())
    wait_until(lambda: sum(channels_at(url).values()) > leads, "leads come")
    with urllib.request.urlopen(url, timeout=30) as page:
        assert b"<h1>Channels</h1>" in page.read()
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) >= 4
    process.terminate()
    assert process.wait(DEMO_S) == 0
    _, alive = psutil.wait_procs(started, timeout=DEMO_S)
    assert alive == []
    assert left_behind(environment) == []


@pytest.mark.parametrize("others", [["--board", "--keep"], ["--board", "--stop"], ["--no-browser"]])
def test_the_board_goes_with_no_other_way_to_run(
    environment: dict[str, str], others: list[str]
) -> None:
    """Wrong usage, told before anything is started."""
    done = demo(environment, *others)
    assert (done.returncode, done.stdout) == (2, "")


def test_keep_and_stop_exclude_each_other(environment: dict[str, str]) -> None:
    """Wrong usage, told before anything is started."""
    done = demo(environment, "--keep", "--stop")
    assert (done.returncode, done.stdout) == (2, "")
