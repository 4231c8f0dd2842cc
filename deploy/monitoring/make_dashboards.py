"""Writes dashboards/*.json, so that panels are said once and look alike.

    python deploy/monitoring/make_dashboards.py

A test shows that the files are what this writes, that they fit Grafana's schema, and that every
query returns data from a real Prometheus.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

HERE: Final = Path(__file__).parent
SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WIDTH: Final = 24
HEIGHT: Final = 8
RATE: Final = "$__rate_interval"


class Query(NamedTuple):
    """A line or more of a panel; `legend` names them."""

    expr: str
    legend: str = ""


class Panel(NamedTuple):
    """One of a row; `unit` is Grafana's name for it."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    says: str
    kind: str = "timeseries"
    red_above: float | None = None


class Row(NamedTuple):
    """Panels side by side."""

    title: str
    panels: tuple[Panel, ...]


def rate(metric: str, by: str = "") -> str:
    """Per second, over all processes, by labels."""
    grouping = f" by ({by})" if by else ""
    return f"sum{grouping} (rate({metric}[{RATE}]))"


def quantile(share: float, metric: str, by: str = "") -> str:
    """Of a histogram, over all processes."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (rate({metric}_bucket[{RATE}])))"


def quantiles(metric: str) -> tuple[Query, ...]:
    """The middle and the slow end."""
    return tuple(Query(quantile(share, metric), f"p{share * 100:g}") for share in (0.5, 0.99))


OVERVIEW: Final = (
    Row(
        "Is it moving?",
        (
            Panel(
                "Leads assigned", "ops", (Query(rate("partidor_leads_dispatched_total"), "leads"),),
                "Committed assignments a second, all dispatchers.",
            ),
            Panel(
                "Lag", "short", (Query("partidor:lag_records:sum", "{{topic}}"),),
                "Records behind, by topic; a partition seen by several exporters counts once.",
            ),
            Panel(
                "Oldest record that waits", "s",
                (
                    Query("max by (topic) (partidor_group_delay_seconds)", "{{topic}}"),
                    Query("max(partidor_delay_seconds)", "received, not committed"),
                ),
                "By the records' own times.", red_above=60,
            ),
        ),
    ),
    Row(
        "Is it fair?",
        (
            Panel(
                "Bound used", "percentunit",
                (Query("max(partidor_error_bound_used_ratio)", "furthest channel"),),
                "How much of the promised distance from the fair share is taken, by the channel "
                "that is furthest off. Above 100 % is a breach.", red_above=1,
            ),
            Panel(
                "Channels", "short",
                (
                    Query("sum(partidor_channels)", "in memory"),
                    Query("sum(partidor_channels_corrected)", "corrected"),
                    Query("sum(partidor_channels_breached)", "breached"),
                ),
                "Corrected: a correction is still being worked off, and the alarm rests.",
            ),
            Panel(
                "Parked leads", "short", (Query("sum(partidor_parked_leads)", "leads"),),
                "They wait for somebody who may take them.",
            ),
            Panel(
                "Longest wait of a parked lead", "s",
                (Query("max(partidor_parked_oldest_age_seconds)", "oldest"),),
                "Since its batch came.", red_above=900,
            ),
        ),
    ),
    Row(
        "Is it well?",
        (
            Panel(
                "Dispatchers ready", "short",
                (
                    Query('sum(up{job="partidor-dispatcher"})', "answering"),
                    Query("sum(partidor_ready)", "ready"),
                ),
                "Ready: all partitions that it owns are restored, and its loop turns.",
            ),
            Panel(
                "Partitions without an owner", "short",
                (Query("count(partidor_group_partition_owned == 0) or vector(0)", "partitions"),),
                "Of all input topics.", red_above=0.5,
            ),
            Panel(
                "Dead letters", "ops",
                (Query(rate("partidor_dead_letters_total", "reason"), "{{reason}}"),),
                "Refused inputs a second, by reason.",
            ),
            Panel(
                "Redis", "short", (Query("min(partidor_redis_up)", "up"),),
                "1 while every dispatcher reaches it.",
            ),
        ),
    ),
)  # fmt: skip

INTERNALS: Final = (
    Row(
        "Transactions",
        (
            Panel(
                "Duration", "s", quantiles("partidor_transaction_duration_seconds"),
                "From begin to end, the next one's deciding included.",
            ),
            Panel(
                "Records in one", "short", quantiles("partidor_transaction_records"),
                "Few while there is little to do, up to transaction_records_max under load.",
            ),
            Panel(
                "Ends", "ops",
                (
                    Query(rate("partidor_transactions_total", "ending"), "{{ending}}"),
                    Query(rate("partidor_fenced_total"), "fenced"),
                    Query(rate("partidor_producers_replaced_total"), "producer replaced"),
                ),
                "Unknown: nobody can say; the producer is replaced and everything restored.",
            ),
        ),
    ),
    Row(
        "Decisions",
        (
            Panel(
                "By kind", "ops", (Query(rate("partidor_decisions_total", "kind"), "{{kind}}"),),
                "Committed decisions a second.",
            ),
            Panel(
                "Leads in a batch", "short",
                (
                    Query(
                        f"{rate('partidor_leads_dispatched_total')} / "
                        f"({rate('partidor_batches_dispatched_total')} > 0)",
                        "mean",
                    ),
                ),
                "Mean of those dispatched.",
            ),
            Panel(
                "Duplicates", "ops", (Query(rate("partidor_duplicates_ignored_total"), "ignored"),),
                "Events that came again: a source repeats itself.",
            ),
        ),
    ),
    Row(
        "The copy in Redis",
        (
            Panel(
                "Writing", "s", quantiles("partidor_redis_apply_duration_seconds"),
                "A partition's changes, after each commit.",
            ),
            Panel(
                "Changes not taken", "short",
                (Query("sum by (instance) (partidor_redis_unflushed_changes)", "{{instance}}"),),
                "At redis_unflushed_fields_max input begins to wait.",
            ),
        ),
    ),
    Row(
        "The group",
        (
            Panel(
                "Partitions", "short",
                (
                    Query(
                        "sum by (instance, state) (partidor_partitions)", "{{instance}} {{state}}"
                    ),
                ),
                "Of each process, by state.",
            ),
            Panel(
                "Rebalances", "ops",
                (Query(rate("partidor_rebalances_total", "kind"), "{{kind}}"),),
                "More than a few an hour: processes come and go, or are too slow to poll.",
            ),
            Panel(
                "Restores", "s",
                (
                    Query("max(partidor_restoring_seconds)", "under way"),
                    Query(
                        "sum(partidor_restore_duration_seconds_sum) / "
                        "sum(partidor_restore_duration_seconds_count)",
                        "mean since the start",
                    ),
                ),
                "How long a partition takes.", red_above=120,
            ),
            Panel(
                "Open transactions", "s",
                (Query("max by (topic) (partidor_open_transaction_seconds)", "{{topic}}"),),
                "For how long one holds readers back.", red_above=60,
            ),
        ),
    ),
    Row(
        "Processes",
        (
            Panel(
                "Processor", "percentunit",
                (
                    Query(
                        f'rate(process_cpu_seconds_total{{job=~"partidor-.+"}}[{RATE}])',
                        "{{job}} {{instance}}",
                    ),
                ),
                "1 is one core; a dispatcher uses one at most, about.",
            ),
            Panel(
                "Memory", "bytes",
                (
                    Query(
                        'process_resident_memory_bytes{job=~"partidor-.+"}', "{{job}} {{instance}}"
                    ),
                ),
                "Resident.",
            ),
            Panel(
                "Loop", "s",
                (Query("max by (instance) (partidor_loop_age_seconds)", "{{instance}}"),),
                "Since its last turn.", red_above=25,
            ),
            Panel(
                "Versions", "short",
                (Query("count by (job, version) (partidor_build_info)", "{{job}} {{version}}"),),
                "Processes by version.",
            ),
        ),
    ),
    Row(
        "Views",
        (
            Panel(
                "Partitions", "short",
                (Query("sum by (state) (partidor_views_partitions)", "{{state}}"),),
                "Behind: their channels answer 503 until they are caught up.",
            ),
            Panel(
                "Requests", "ops",
                (Query(rate("partidor_views_requests_total", "status"), "{{status}}"),),
                "By class of status.",
            ),
            Panel(
                "Answers", "s", quantiles("partidor_views_request_duration_seconds"),
                "Live connections left out.",
            ),
            Panel(
                "Channels and listeners", "short",
                (
                    Query("sum(partidor_views_channels)", "channels"),
                    Query("sum(partidor_views_listeners)", "open tabs and programs"),
                ),
                "What the views hold.",
            ),
        ),
    ),
)  # fmt: skip


def dashboard(uid: str, title: str, rows: Iterable[Row]) -> dict[str, Any]:
    """As Grafana imports it."""
    panels: list[dict[str, Any]] = []
    at = 0
    for row in rows:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row.title,
                "collapsed": False,
                "gridPos": {"h": 1, "w": WIDTH, "x": 0, "y": at},
                "panels": [],
            }
        )
        width = WIDTH // len(row.panels)
        for place, panel in enumerate(row.panels):
            position = {"h": HEIGHT, "w": width, "x": place * width, "y": at + 1}
            panels.append(_panel(len(panels) + 1, panel, position))
        at += HEIGHT + 1
    return {
        "uid": uid,
        "title": title,
        "tags": ["partidor"],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                {
                    "name": "datasource",
                    "type": "datasource",
                    "query": "prometheus",
                    "label": "Prometheus",
                    "current": {},
                }
            ]
        },
        "annotations": {"list": []},
        "links": [],
        "panels": panels,
    }


def _panel(number: int, panel: Panel, position: dict[str, int]) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.red_above is not None:
        steps.append({"color": "red", "value": panel.red_above})
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": SOURCE,
        "gridPos": position,
        "fieldConfig": {
            "defaults": {
                "unit": panel.unit,
                "min": 0,
                "thresholds": {"mode": "absolute", "steps": steps},
                "custom": {
                    "lineWidth": 2,
                    "fillOpacity": 8,
                    "thresholdsStyle": {"mode": "off" if panel.red_above is None else "line"},
                },
            },
            "overrides": [],
        },
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "editorMode": "code",
                "range": True,
            }
            for place, query in enumerate(panel.queries)
        ],
    }


DASHBOARDS: Final = {
    "partidor-overview": ("Partidor: overview", OVERVIEW),
    "partidor-internals": ("Partidor: inside", INTERNALS),
}


def written() -> dict[str, str]:
    """Each file's text by its name."""
    return {
        f"{uid}.json": json.dumps(dashboard(uid, title, rows), indent=2, ensure_ascii=False) + "\n"
        for uid, (title, rows) in DASHBOARDS.items()
    }


if __name__ == "__main__":
    for name, text in written().items():
        (HERE / "dashboards" / name).write_text(text)
