"""The API of the views on what a dispatcher wrote: the topics say the same, and so does the CLI."""

import json
import os
import subprocess
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from pydantic import TypeAdapter
from schemathesis import GenerationMode

from streams.metrics.table import VIEWS
from streams.own_command import PARTIDOR
from streams.views.openapi import ROUTES
from tests.integration.test_cascade import BANK
from tests.reference import events
from tests.reference.histories import history
from tests.support.installation import Installation
from tests.support.metrics import Exposed
from tests.support.quiet import wait_until_quiet
from tests.views_process import Answer, ViewsProcess
from tests.views_process.material import facts

if TYPE_CHECKING:
    from streams.local import Stack

HISTORIES = 6
EVENTS = 40
PATIENCE_S = 60
LEADS_ASKED = 8
QUESTIONS = 40
"""Of each kind on each route."""


class Served:
    """An installation whose dispatcher has decided everything, and views that show it."""

    def __init__(self, installation: Installation, views: ViewsProcess) -> None:
        """Both run."""
        self.installation = installation
        self.views = views

    def get(self, *path: str, **query: object) -> Answer:
        """Ask `/api/...`; ids are percent-encoded."""
        asked = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query.items())
        parts = "/".join(quote(part, safe="") for part in path)
        return self.views.get(f"/api/{parts}?{asked}")

    def body(self, *path: str, **query: object) -> Any:
        """Of an answer that is one."""
        answer = self.get(*path, **query)
        assert answer.status == 200, (path, query, answer)
        return answer.body

    def all_pages(self, rows: str, cursor: str, *path: str, limit: int) -> list[Any]:
        """The rows of all pages."""
        found: list[Any] = []
        query: dict[str, object] = {"limit": limit}
        while True:
            page = self.body(*path, **query)
            assert len(page[rows]) <= limit
            found += page[rows]
            if page[f"next_{cursor}"] is None:
                return found
            query[cursor] = page[f"next_{cursor}"]

    def partidor(self, *arguments: str) -> Any:
        """The JSON of a command, as an operator of this installation calls it."""
        environment = {**os.environ, **environment_of(self.installation)}
        result = subprocess.run(
            [*PARTIDOR, *arguments, "--json"],
            capture_output=True, env=environment, timeout=PATIENCE_S, check=False,
        )  # fmt: skip
        assert result.returncode == 0, result.stderr.decode()
        return json.loads(result.stdout)


def environment_of(installation: Installation) -> dict[str, str]:
    """What a process needs to know of it."""
    return {
        "PARTIDOR_KAFKA__BOOTSTRAP_SERVERS": installation.bootstrap_servers,
        "PARTIDOR_REDIS_URL": installation.redis_url,
        "PARTIDOR_APPLICATION_ID": installation.name,
        "PARTIDOR_TOPIC_PREFIX": f"{installation.name}.",
    }


@pytest.fixture(scope="module")
def served(stack: "Stack", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The seed's story, a bank on three levels, random histories with every rule there is."""
    directory = tmp_path_factory.mktemp("served")
    with Installation(stack.bootstrap_servers, stack.redis_url, directory) as installation:
        installation.started()
        environment = environment_of(installation) | {
            "PARTIDOR_VIEWS__DATA_DIR": str(directory / "data"),
            "PARTIDOR_VIEWS__SNAPSHOT_INTERVAL_MS": "300",
        }
        with ViewsProcess(environment, directory / "views.log") as views:
            views.ready()
            installation.process(events.the_seeds_story())
            installation.process(BANK)
            installation.process([events.lead_batch("b", 30, "hub")])
            for seed in range(HISTORIES):
                name = f"history-{seed}"
                features = {"rules": seed % 2 == 1, "outcomes": seed % 3 == 1}
                for event in history(seed, 1, EVENTS, leads_max=20, **features):
                    if event.get("channel") == "channel-1":
                        installation.publisher.publish([{**event, "channel": name}], key=name)
            wait_until_quiet(installation)
            found = Served(installation, views)
            until_all_is_shown(found)
            yield found


def until_all_is_shown(served: Served) -> None:
    """Every decision is counted and every assignment kept."""
    leads = len(served.installation.assignments())
    versions: dict[str, int] = {}
    for decision in served.installation.decisions():
        versions[decision["channel"]] = decision["state_version"]
    deadline = time.monotonic() + PATIENCE_S
    for channel, version in versions.items():
        while served.get("channels", channel).body.get("state_version") != version:
            assert time.monotonic() < deadline, channel
            time.sleep(0.02)
    while kept(served) < leads:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kept(served: Served) -> int:
    """How many assignments can be asked for."""
    whose = {(each["channel"], each["assignee_id"]) for each in served.installation.assignments()}
    return sum(
        len(served.body("channels", channel, "assignees", name, "assignments", limit=1000)[
            "assignments"
        ])
        for channel, name in whose
    )  # fmt: skip


def test_every_channel_stands_where_redis_says(served: Served) -> None:
    """Members, exact errors, what is parked, and the bound with all that it depends on."""
    listed = served.all_pages("channels", "after", "channels", limit=4)
    assert [each["channel"] for each in listed] == sorted(
        {each["channel"] for each in served.installation.decisions()}
    )
    for summary in listed:
        channel = summary["channel"]
        shown = served.partidor("show", channel)
        document = served.body("channels", channel)
        members = served.all_pages("standings", "after", "channels", channel, "standings", limit=3)
        assert {each["assignee_id"]: each["cumulative_error_numerator"] for each in members} == {
            each["assignee_id"]: each["cumulative_error_numerator"] for each in shown["members"]
        }
        assert document["error_denominator"] == shown["error_denominator"]
        assert document["parked_leads"] == shown["parked_leads"]
        assert document["promise"] == shown["promise"]
        if document["has_rules"]:
            for name, rule in document["rules"].items():
                assert shown["rules"].get(name) == rule
        told = facts({**document, "standings": []})
        assert {name: told[name] for name in summary if name in told} == {
            name: value for name, value in summary.items() if name in told
        }


def test_every_decision_is_listed_and_told_whole(served: Served) -> None:
    """Page by page newest first; one by one as it stands in Kafka."""
    by_channel: dict[str, list[Any]] = {}
    for decision in served.installation.decisions():
        by_channel.setdefault(decision["channel"], []).append(decision)
    for channel, decisions in by_channel.items():
        path = ("channels", channel, "decisions")
        listed = served.all_pages("decisions", "before", *path, limit=7)
        assert [each["state_version"] for each in listed] == [
            each["state_version"] for each in reversed(decisions)
        ]
        for short, whole in zip(listed, reversed(decisions), strict=True):
            for name in short.keys() & whole.keys() - {"leads_parked"}:
                assert short[name] == whole[name]
        for decision in (decisions[0], decisions[-1]):
            assert served.body(*path, str(decision["state_version"])) == decision
    assert served.get("channels", "web", "decisions", "99999").status == 404


def test_what_was_assigned_to_somebody_is_what_the_topic_says(served: Served) -> None:
    """Every assignment once, newest first; without attributes, which nobody asked for."""
    expected: dict[tuple[str, str], list[Any]] = {}
    for event in served.installation.assignments():
        expected.setdefault((event["channel"], event["assignee_id"]), []).append(event)
    for (channel, name), theirs in expected.items():
        path = ("channels", channel, "assignees", name, "assignments")
        listed = served.all_pages("assignments", "before", *path, limit=11)
        for told in listed:
            assert "attributes" not in told
            del told["offset"]
        assert listed == [
            {field: event[field] for field in listed[0]} for event in reversed(theirs)
        ]
        about = served.body("channels", channel, "assignees", name)
        assert about["leads"] == len(theirs) if about["is_member"] else "leads" not in about
    assert served.get("channels", "web", "assignees", "nobody").status == 404
    assert served.get("channels", "nowhere", "assignees", "A").status == 404


def test_why_a_lead_went_to_somebody_is_what_the_command_says(served: Served) -> None:
    """On one channel or all, on every level, in channels with rules; checked, not repeated."""
    assignments = served.installation.assignments()
    step = max(1, len(assignments) // LEADS_ASKED)
    asked = {each["lead_id"] for each in assignments[::step]} | {"L17"}
    asked |= {next(each["lead_id"] for each in assignments if each["channel"].count("/") == 2)}
    for lead_id in sorted(asked):
        told = served.body("leads", lead_id)
        meant = served.partidor("explain", lead_id)
        assert order(told["assigned"]) == order(meant["assigned"])
        # The command reads the channels on which it was assigned.
        where = {each["channel"] for each in told["assigned"]}
        outcomes = [each for each in told["outcomes"] if each["channel"] in where]
        assert order(outcomes) == order(meant["outcomes"])
        assert {each["assignment_id"] for each in told["assignments"]} == {
            each["assignment_id"] for each in assignments if each["lead_id"] == lead_id
        }
    one = served.body("leads", "L17", channel="web")
    assert {each["channel"] for each in one["assignments"]} == {"web"}
    assert served.get("leads", "never there").status == 404


def order(told: list[Any]) -> list[str]:
    """Of several channels either order is as good."""
    return sorted(json.dumps(each, sort_keys=True) for each in told)


def test_attributes_are_told_where_they_are_switched_on(served: Served, tmp_path: Path) -> None:
    """As they came; by a process that is told to."""
    environment = environment_of(served.installation) | {
        "PARTIDOR_APPLICATION_ID": f"{served.installation.name}-attributes",
        "PARTIDOR_VIEWS__DATA_DIR": str(tmp_path / "data"),
        "PARTIDOR_VIEWS__ATTRIBUTES": "true",
    }
    with ViewsProcess(environment, tmp_path / "views.log") as views:
        views.ready()
        telling = Served(served.installation, views)
        expected = served.installation.assignments("history-1")[-20:]
        views.until(
            "/api/operations", lambda answer: answer.body["views"]["assignments"]["caught_up"]
        )
        for event in expected[::5]:
            told = telling.body("leads", event["lead_id"], channel="history-1")["assignments"]
            found = {each["assignment_id"]: each["attributes"] for each in told}
            assert found[event["assignment_id"]] == event["attributes"]


def test_prometheus_sees_how_far_the_views_are(served: Served) -> None:
    """Every partition caught up, every channel; requests by class of status, without any path."""
    seen = Exposed(served.views.port)
    assert seen.value("partidor_views_partitions", state="caught up") == 4
    assert seen.value("partidor_views_partitions", state="behind") == 0
    listed = served.all_pages("channels", "after", "channels", limit=100)
    assert seen.value("partidor_views_channels") == len(listed)
    before = seen.value("partidor_views_requests_total", status="4xx")
    assert served.get("channels", "there-is-none").status == 404
    assert seen.value("partidor_views_requests_total", status="4xx") == before + 1
    names = {name for name, _, _ in seen.samples() if name.startswith("partidor_")}
    assert {metric.exposed for metric in VIEWS} <= names


def test_operations_say_how_it_goes(served: Served) -> None:
    """Every dead letter by its reason, every decision with its delay, nothing behind.

    Kafka and Redis are asked every few seconds, and a page doesn't wait for a slow answer.
    """
    leads = len(served.installation.assignments())
    found = served.views.until(
        "/api/operations", lambda answer: is_told(answer.body, leads), PATIENCE_S
    ).body
    reasons: dict[str, int] = {}
    for letter in served.installation.dead_letters():
        reason = letter.errors["reason"]
        reasons[reason] = reasons.get(reason, 0) + 1
    assert {each["reason"]: each["count"] for each in found["dead_letters"]["by_reason"]} == reasons
    assert found["dead_letters"]["total"] == sum(reasons.values()) > 0
    assert found["delay_ms"]["decisions"] == len(served.installation.decisions())
    assert 0 <= found["delay_ms"]["p50"] <= found["delay_ms"]["p99"] < PATIENCE_S * 1000
    assert found["lag"]["error"] is None
    assert {row["lag"] for row in found["lag"]["rows"]} == {0}
    assert {row["state"] for row in found["lag"]["rows"]} == {"running"}
    (dispatcher,) = found["dispatchers"]["rows"]
    assert set(dispatcher["partitions"].values()) == {"running"}
    assert {each["partition"] for each in dispatcher["restores"]} == {0, 1, 2, 3}
    assert dispatcher["leads"] >= leads
    assert found["views"]["assignments"] == {"caught_up": True, "error": None, "unreadable": 0}


def is_told(operations: Any, leads: int) -> bool:
    """Whether Kafka and Redis have answered since a dispatcher has dispatched so many leads."""
    errors = (operations["lag"]["error"], operations["dispatchers"]["error"])
    rows = operations["dispatchers"]["rows"]
    return errors == (None, None) and sum(row["leads"] for row in rows) >= leads


@pytest.fixture(scope="module")
def described(served: Served) -> Any:
    """The API as it describes itself, but for the events, which don't end.

    Ids that are there are asked for among others.
    """
    found = schemathesis.openapi.from_url(f"http://127.0.0.1:{served.views.port}/api/openapi.json")
    assignments = served.installation.assignments()
    ids = {
        "channel": sorted({each["channel"] for each in assignments}),
        "assignee_id": sorted({each["assignee_id"] for each in assignments}),
        "lead_id": sorted({each["lead_id"] for each in assignments})[:20],
    }

    @found.hook  # type: ignore[untyped-decorator]
    def map_path_parameters(_context: Any, parameters: Any) -> Any:
        # By what was drawn, so that the same is asked again when a failure is narrowed down.
        for name, value in (parameters or {}).items():
            choice = zlib.crc32(repr(value).encode())
            if name in ids and choice % 3:
                parameters[name] = ids[name][choice % len(ids[name])]
        return parameters

    return found.exclude(path="/api/live")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("path", [route.path for route in ROUTES])
def test_whatever_is_asked_is_answered_as_described(
    described: Any, path: str, mode: GenerationMode
) -> None:
    """Schemathesis: ids and numbers that are valid and that aren't, missing and strange parts."""
    operation = described[path]["GET"]
    if mode is GenerationMode.NEGATIVE and not any(operation.iter_parameters()):
        return  # nothing can be asked wrongly

    @settings(
        max_examples=QUESTIONS,
        deadline=None,
        derandomize=True,
        database=None,
        # Few texts are no valid id, so it looks for them for long; and machines are busy.
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
    )
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate()

    ask()


def test_every_answer_is_as_the_openapi_document_says(served: Served) -> None:
    """Of every route, and every refusal."""
    examples = {
        "channel": "history-1", "assignee_id": "A", "lead_id": "L17", "state_version": "1",
    }  # fmt: skip
    whose = served.installation.assignments("history-1")
    examples["assignee_id"] = whose[0]["assignee_id"]
    for route in ROUTES:
        path = route.path
        for name, value in examples.items():
            path = path.replace("{" + name + "}", quote(value, safe=""))
        answer = served.views.get(path)
        assert answer.status == 200, (path, answer)
        TypeAdapter(route.answer).validate_python(answer.body)
        for wrong in ("nothing=1", "limit=0", "limit=x", "before=0"):
            refused = served.views.get(f"{path}?{wrong}")
            if path != "/healthz" and path != "/api/operations":
                assert refused.status == 400, (path, wrong, refused)
                assert refused.body.keys() == {"error"}
