"""The image as it is built, and the story of the demo in containers: deploy/compose.yaml.

`tests/run image` builds the image on a local base and runs this; the figures it prints are those in
deploy/production.md.
"""

import hashlib
import json
import re
import statistics
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import pytest

from streams.demo import story
from streams.generators import Event, lead_stream
from tests.support.composed import IMAGE, Composed, docker, why_not
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "dispatcher", "streams")
SIZE_MAX_MB = 260
STREAM_LEADS = 60_000
STARTS = 3


@pytest.fixture(autouse=True)
def _engine(left_out: Callable[[str, str], NoReturn]) -> None:
    missing = why_not()
    if missing is not None:
        left_out("the image is tried where it can be built", missing)


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    """All of deploy/compose.yaml but Prometheus and Grafana."""
    with Composed() as opened:
        yield opened


@pytest.fixture
def system(_engine: None, request: pytest.FixtureRequest) -> Composed:
    """The same, once it is known that it can be had."""
    found: Composed = request.getfixturevalue("composed")
    return found


def shell(script: str) -> str:
    """What a script prints in the image, which has a shell because its base has."""
    return docker(
        "run", "--rm", "--network=none", "--read-only", "--entrypoint=sh", IMAGE, "-c", script
    )


def test_the_image_is_small_and_nobodys(say: Callable[[str], None]) -> None:
    """A fixed user who isn't root, a stop by SIGTERM, a health check, no pip and no compiler."""
    (image,) = json.loads(docker("image", "inspect", IMAGE))
    megabytes = image["Size"] / 1_000_000
    say(f"image: {megabytes:.0f} MB with its base, user {image['Config']['User']}")
    assert megabytes < SIZE_MAX_MB
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Entrypoint"] == ["partidor"]
    assert config["Healthcheck"]["Test"] == ["CMD", "partidor", "health"]
    assert "PYTHONSAFEPATH=1" in config["Env"]
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert shell("id -u; id -g").split() == ["10001", "10001"]
    assert shell("command -v pip pip3 gcc cc make || echo none").strip() == "none"
    for python in ("python3", "/usr/bin/env -u PATH /opt/partidor/bin/python"):
        assert "No module named pip" in shell(f"{python} -m pip 2>&1 || true")
    # Nothing is writable but what belongs to the views.
    found = shell("find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null || true")
    assert set(found.split()) <= {"/tmp", "/var/tmp", "/run/lock", "/var/lib/partidor"}


def test_the_image_holds_this_checkout() -> None:
    """Every module is the one that is here; byte code is there and never asks for its source."""
    script = """
import hashlib, pathlib, importlib.util
site = pathlib.Path(importlib.util.find_spec("streams").origin).parents[1]
for package in ("schemas", "dispatcher", "streams"):
    for path in sorted((site / package).rglob("*.py")):
        print(path.relative_to(site), hashlib.sha256(path.read_bytes()).hexdigest())
        flags = pathlib.Path(importlib.util.cache_from_source(str(path))).read_bytes()[4:8]
        assert flags == bytes((1, 0, 0, 0)), path
"""
    printed = docker(
        "run",
        "--rm",
        "--network=none",
        "--entrypoint=/opt/partidor/bin/python",
        IMAGE,
        "-c",
        script,
    )
    inside = dict(line.split() for line in printed.splitlines())
    here = {
        str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert inside == here, "tests/run image builds it anew"


def test_the_list_of_contents_is_what_is_installed_and_what_is_locked() -> None:
    """CycloneDX, made at the build: each package of the image's lock with its version, no more."""
    document = json.loads(shell("cat /opt/partidor/sbom.cdx.json"))
    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "partidor"
    listed = {_plain(each["name"]): each["version"] for each in document["components"]}
    script = """
from importlib.metadata import distributions
for each in distributions(): print(each.name, each.version)
"""
    printed = docker(
        "run",
        "--rm",
        "--network=none",
        "--entrypoint=/opt/partidor/bin/python",
        IMAGE,
        "-c",
        script,
    )
    installed = {_plain(name): version for name, version in map(str.split, printed.splitlines())}
    assert installed.pop("partidor") == document["metadata"]["component"]["version"]
    listed.pop("partidor", None)
    assert listed == installed
    lock = (ROOT / "deploy/requirements-image.lock").read_text()
    pins = re.findall(r"^([\w.-]+)==(\S+)( ;)?", lock, re.MULTILINE)
    locked = {_plain(name): version for name, version, _ in pins}
    assert installed.items() <= locked.items()
    # What stands in the lock and isn't there is for other platforms.
    assert {_plain(name) for name, _, marker in pins if not marker} <= set(installed)
    assert all(each.get("purl") for each in document["components"])


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_story_of_the_demo_passes_in_containers(
    system: Composed, say: Callable[[str], None]
) -> None:
    """Two dispatchers, one killed in the middle of a stream and started again: as the source says.

    Published and read back by the command from the image; afterwards nothing is behind, nothing was
    refused, and the views serve it.
    """
    stream = list(lead_stream(STREAM_LEADS, seed=8))
    events: list[Event] = []
    for number, chapter in enumerate(story.CHAPTERS):
        publish(system, chapter.events)
        events += chapter.events
        # The next chapter may change the roster: by then these batches have to be divided.
        wait_until_divided(system, events, chapter)
        if number == 0:
            killed_in_the_middle(system, stream)
            events += stream
    assignments = read_back(system, lead_count(events))
    assert duplicates(each["assignment_id"] for each in assignments) == []
    received = Counter((each["channel"], each["lead_id"]) for each in assignments)
    sent = Counter(
        (event["channel"], lead["lead_id"])
        for event in events
        if event["type"] == "lead_batch"
        for lead in event["leads"]
    )
    assert received == sent
    assert divided_as_the_source_says(assignments)
    counts = sum(sent.values()), sum(received.values())
    say("in containers: {:,} leads in, {:,} assignments out".format(*counts))
    assert lag(system) == 0
    assert system.partidor("dead-letters", "list", "--json") == ""
    # Any other command, the way the head of deploy/compose.yaml says.
    assert "0 records behind" in system.compose("run", "--rm", "-T", "partidor", "lag")
    system.compose("run", "--rm", "-T", "partidor", "topics", "check")
    wait_until(
        lambda: served(system) == Counter(map(_channel, assignments)), "the views are behind"
    )


def _channel(assignment: dict[str, Any]) -> str:
    return str(assignment["channel"])


def test_what_runs_is_hardened_and_writes_nothing(system: Composed) -> None:
    """Read-only, without capabilities, without root; on the host only the loopback is bound."""
    for service in ("dispatcher-0", "dispatcher-1", "views", "lag"):
        state = system.state(service)
        assert state["HostConfig"]["ReadonlyRootfs"], service
        assert state["HostConfig"]["CapDrop"] == ["ALL"], service
        assert "no-new-privileges:true" in state["HostConfig"]["SecurityOpt"], service
        assert state["Config"]["User"] == "10001:10001"
        assert docker("diff", state["Id"]) == "", service
        status = system.inside(service, "cat", "/proc/1/status")
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE), service
        assert re.search(r"^Uid:(\t10001){4}$", status, re.MULTILINE), service
        bindings = [each for each in state["NetworkSettings"]["Ports"].values() if each]
        assert all(binding["HostIp"] == "127.0.0.1" for each in bindings for binding in each)


def test_every_service_is_healthy_by_its_own_check(system: Composed) -> None:
    """`partidor health` in the containers, and what the engine makes of it."""
    services = ("dispatcher-0", "dispatcher-1", "views", "lag")

    def found() -> dict[str, str]:
        return {each: system.state(each)["State"]["Health"]["Status"] for each in services}

    wait_until(lambda: set(found().values()) == {"healthy"}, lambda: str(found()))
    assert system.inside("dispatcher-0", "partidor", "health", "--ready").endswith("partitions\n")
    assert "kafka_consumergroup_lag" in system.inside(
        "lag", "python3", "-c",
        "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9465/metrics').read())",
    )  # fmt: skip


def test_a_dispatcher_is_ready_soon_and_stops_in_good_order(
    system: Composed, say: Callable[[str], None]
) -> None:
    """From the engine's start to /readyz; SIGTERM ends it with status 0, long before the grace."""
    starts, stops = [], []
    for _ in range(STARTS):
        began = time.monotonic()
        docker("stop", "--time", "40", system.container("dispatcher-1"))
        stops.append(time.monotonic() - began)
        assert system.state("dispatcher-1")["State"]["ExitCode"] == 0
        began = time.monotonic()
        docker("start", system.container("dispatcher-1"))
        wait_until(lambda: answers(f"{system.dispatcher_url}/readyz"), "it isn't ready", 60)
        starts.append(time.monotonic() - began)
    ready, stopped = statistics.median(starts), statistics.median(stops)
    say(f"container: ready {ready:.1f} s after its start, stopped {stopped:.1f} s after SIGTERM")
    say(f"    (medians of {STARTS}; slowest {max(starts):.1f} and {max(stops):.1f})")
    assert max(stops) < 20


# -- asking and telling


def publish(system: Composed, events: Iterable[Event]) -> None:
    """Send them with the command from the image."""
    system.partidor("publish", "-", given="".join(f"{json.dumps(event)}\n" for event in events))


def lead_count(events: Iterable[Event]) -> int:
    """How many leads are in the batches."""
    return sum(len(event["leads"]) for event in events if event["type"] == "lead_batch")


def wait_until_divided(system: Composed, events: Iterable[Event], chapter: story.Chapter) -> None:
    """Until each lead of the chapter's channel has an assignment that a committed reader sees."""
    channel = chapter.events[0]["channel"]
    sent = [event for event in events if event["channel"] == channel]
    read_back(system, lead_count(sent), "--channel", channel)


def read_back(system: Composed, count: int, *options: str) -> list[dict[str, Any]]:
    """Every assignment from the beginning on; `partidor watch` fails if fewer come in time."""
    lines = system.partidor(
        "watch", "--from-beginning", "--json", "--max", str(count), "--timeout", "90", *options
    )
    return [json.loads(line) for line in lines.splitlines()]


def killed_in_the_middle(system: Composed, stream: list[Event]) -> None:
    """Send a stream, and kill one of the two dispatchers while it comes and is divided."""
    before = dispatched(system)
    half = len(stream) // 2
    with ThreadPoolExecutor() as beside:
        publishing = beside.submit(publish, system, stream[:half])
        wait_until(lambda: dispatched(system) > before, "no lead of the stream was dispatched")
        docker("kill", system.container("dispatcher-0"))
        publishing.result()
    publish(system, stream[half:])
    assert lag(system) > 0, "nothing of the stream was the killed one's"
    docker("start", system.container("dispatcher-0"))


def lag(system: Composed) -> int:
    """Records behind, as the command in the image says."""
    return int(json.loads(system.partidor("lag", "--json"))["lag"])


def dispatched(system: Composed) -> float:
    """Leads that the second dispatcher has committed."""
    with urllib.request.urlopen(f"{system.dispatcher_url}/metrics", timeout=5) as answer:
        (line,) = re.findall(
            rb"^partidor_leads_dispatched_total (\S+)", answer.read(), re.MULTILINE
        )
    return float(line)


def answers(url: str) -> bool:
    """Whether the status is 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def served(system: Composed) -> Counter[str]:
    """Leads by channel, as the views count them."""
    request = urllib.request.Request(
        f"{system.views_url}/api/channels", headers={"Authorization": f"Bearer {system.token}"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        channels = json.load(answer)["channels"]
    return Counter({each["channel"]: each["leads"] for each in channels})


def duplicates(names: Iterable[str]) -> list[str]:
    """Those that came more than once."""
    return [name for name, times in Counter(names).items() if times > 1]


def divided_as_the_source_says(assignments: Iterable[dict[str, Any]]) -> bool:
    """Each batch of the story, by assignee."""
    by_batch: dict[str, Counter[str]] = {}
    for each in assignments:
        by_batch.setdefault(each["batch_id"], Counter())[each["assignee_id"]] += 1
    for chapter in story.CHAPTERS:
        for batch_id, expected in zip(chapter.batch_ids, chapter.expected, strict=True):
            assert by_batch[batch_id] == Counter(dict(expected)), batch_id
    return True
