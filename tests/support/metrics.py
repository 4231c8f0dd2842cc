"""What Prometheus would see: a process's metrics, and the answers to its probes."""

import urllib.error
import urllib.request
from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families

ANSWER_S = 5.0


class Exposed:
    """One process's address."""

    def __init__(self, port: int) -> None:
        """On the loopback."""
        self.base = f"http://127.0.0.1:{port}"

    def ask(self, path: str) -> tuple[int, str]:
        """Status and text; 0 and the reason when nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.base}{path}", timeout=ANSWER_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()
        except OSError as error:
            return 0, str(error)

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Every sample: name, labels, value."""
        status, text = self.ask("/metrics")
        if status == 200:
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    yield sample.name, sample.labels, sample.value

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples with this name that have these labels; nan without any."""
        found = [
            value
            for each, has, value in self.samples()
            if each == name and labels.items() <= has.items()
        ]
        return sum(found) if found else float("nan")
