"""A real Prometheus, with the rules of deploy/monitoring, their times shortened.

In: rules, the addresses of processes. Out: a server of its own on the loopback, and its answers.
"""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import yaml

from streams.local.ports import free_ports

from .waiting import wait_until

MONITORING: Final = Path(__file__).parents[2] / "deploy" / "monitoring"
SCRAPE_S: Final = 0.5
ANSWER_S: Final = 10.0
_UNITS_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000}
_DURATION = re.compile(r"\b(\d+)(ms|s|m|h)\b")
_LIMIT = re.compile(r"(_seconds\)* > )(\d+)")


def shortened(text: str, factor: int) -> str:
    """Rules whose durations and limits in seconds are so many times shorter; nothing else differs.

    Texts for people keep theirs.
    """
    rules = yaml.safe_load(text)
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["expr"] = _LIMIT.sub(
                lambda found: f"{found[1]}{int(found[2]) / factor:g}",
                _DURATION.sub(lambda found: _shorter(found, factor), rule["expr"]),
            )
            if "for" in rule:
                rule["for"] = _DURATION.sub(lambda found: _shorter(found, factor), rule["for"])
    return yaml.safe_dump(rules, sort_keys=False)


def _shorter(found: re.Match[str], factor: int) -> str:
    return f"{max(1, int(found[1]) * _UNITS_MS[found[2]] // factor)}ms"


class Prometheus:
    """A context manager: runs from its beginning to its end.

    Args:
        program: Where it is.
        directory: For its files.
        rules: The text of the rules.
        targets: Addresses (host:port) by job.
    """

    def __init__(
        self, program: str, directory: Path, rules: str, targets: Mapping[str, Iterable[str]]
    ) -> None:
        self._program = program
        self._directory = directory
        (self.port,) = free_ports(1)
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "rules.yml").write_text(rules)
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_S * 1000:.0f}ms",
                "scrape_timeout": f"{SCRAPE_S * 800:.0f}ms",
                "evaluation_interval": f"{SCRAPE_S * 1000:.0f}ms",
            },
            "rule_files": ["rules.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}]}
                for job, addresses in targets.items()
            ],
        }
        (directory / "prometheus.yml").write_text(yaml.safe_dump(config))

    def __enter__(self) -> Self:
        """Start, and wait until it answers."""
        self._log = (self._directory / "prometheus.log").open("wb")
        self._process = subprocess.Popen(
            [
                self._program,
                f"--config.file={self._directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={self._directory / 'data'}",
                f"--web.listen-address=127.0.0.1:{self.port}",
            ],
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        wait_until(self._is_ready, lambda: f"Prometheus is ready: {self._log_tail()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _log_tail(self) -> str:
        return (self._directory / "prometheus.log").read_text(errors="replace")[-2_000:]

    def _is_ready(self) -> bool:
        try:
            return self._get("/-/ready") != b""
        except OSError:
            return False

    def _get(self, path: str, **query: str) -> bytes:
        address = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=ANSWER_S) as answer:
            body: bytes = answer.read()
        return body

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What an expression gives now: one entry for each series."""
        found = json.loads(self._get("/api/v1/query", query=expr))
        assert found["status"] == "success", found
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        found = json.loads(self._get("/api/v1/alerts"))["data"]["alerts"]
        return {each["labels"]["alertname"] for each in found if each["state"] == "firing"}
