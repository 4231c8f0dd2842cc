"""Dashboards show what is there: each query of each panel returns data from a real Prometheus."""

import json
import math
import re
import runpy
from collections.abc import Iterator
from typing import Any, Final

import pytest
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.monitoring.stack import Monitored
from tests.reference import events
from tests.support.prometheus import MONITORING
from tests.support.waiting import wait_until

FILES: Final = sorted((MONITORING / "dashboards").glob("*.json"))
RATE_INTERVAL: Final = "5s"
"""What Grafana puts in for `$__rate_interval`: four scrapes at least."""


def panels(text: str) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    for panel in json.loads(text)["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions(text: str) -> Iterator[tuple[str, str]]:
    """Every query: the panel's title, and what is asked."""
    for panel in panels(text):
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_the_files_are_what_their_maker_writes() -> None:
    """Change the maker, and run it."""
    made = runpy.run_path(str(MONITORING / "make_dashboards.py"))["written"]()
    assert made == {path.name: path.read_text() for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_dashboard_fits_the_schema_of_grafana(path: Any) -> None:
    """Read by Grafana's own models; and panels don't lie over one another."""
    document = json.loads(path.read_text())
    read = Dashboard.from_json(document)
    assert read.title == document["title"]
    assert len(read.panels or []) == len(document["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in document["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert at["x"] + at["w"] <= 24
    assert len({panel["id"] for panel in document["panels"]}) == len(document["panels"])


def has_data(stack: Monitored, expr: str) -> bool:
    """Whether an expression gives a number for something."""
    found = stack.prometheus.query(expr.replace("$__rate_interval", RATE_INTERVAL))
    return any(not math.isnan(float(each["value"][1])) for each in found)


def test_every_query_returns_data(monitored: Monitored) -> None:
    """While leads come in, something is refused and something waits."""
    wanted = [each for path in FILES for each in expressions(path.read_text())]
    monitored.publish(
        [
            events.lead_batch("nobody", 2, "empty"),
            events.roster("correct", {"A": "1", "B": "1"}, "moved"),
        ]
    )
    monitored.publisher.send(monitored.topics.lead_batches, b"{", b"web")
    batches = iter(range(10**9))

    def missing() -> list[tuple[str, str]]:
        monitored.publish([events.lead_batch(f"b{next(batches)}", 5, "web") for _ in range(20)])
        monitored.views.get("/api/channels")
        return [(title, expr) for title, expr in wanted if not has_data(monitored, expr)]

    wait_until(lambda: not missing(), lambda: f"without data: {missing()}", 60)
    assert len(wanted) > 40
    metrics = set(re.findall(r"partidor_\w+", " ".join(expr for _, expr in wanted)))
    assert len(metrics) > 30


def test_what_is_not_there_has_no_data(monitored: Monitored) -> None:
    """So that the test above can fail."""
    assert not has_data(monitored, "sum(rate(partidor_no_such_total[$__rate_interval]))")


def test_the_rules_are_asked_of_what_the_table_names(monitored: Monitored) -> None:
    """Every metric in a rule is one that some process serves."""
    rules = (MONITORING / "rules.yml").read_text()
    exprs = re.findall(r"expr:(?: >-)?((?:.|\n)*?)\n\s+(?:for|labels|-)", rules)
    for name in set(re.findall(r"\b(?:partidor|kafka)_\w+", " ".join(exprs))):
        if name != "kafka_consumergroup_lag":
            assert monitored.prometheus.query(name), name
