"""How long it takes to start: the help, the imports, and until all partitions run."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Final

from streams.local import LocalStack
from tests.support.dispatchers import CODE
from tests.support.installation import Installation

ROUNDS: Final = 9
_IMPORT: Final = (
    "import json, sys, time; began = time.perf_counter(); import streams.bootstrap; "
    "print(json.dumps(time.perf_counter() - began))"
)


def measured() -> dict[str, float]:
    """Milliseconds, medians: {what: how long}."""
    found = {
        "python -c pass": median(_run(["-c", "pass"]) for _ in range(ROUNDS)),
        "partidor --help": median(
            _run(["-c", "import sys; from streams.cli import main; sys.exit(main(['--help']))"])
            for _ in range(ROUNDS)
        ),
        "import of all that `partidor run` needs": median(_imported() for _ in range(ROUNDS)),
    }
    with (
        tempfile.TemporaryDirectory(prefix="partidor-benchmarks-") as directory,
        LocalStack() as stack,
        Installation(stack.bootstrap_servers, stack.redis_url, Path(directory)) as installation,
    ):
        took = []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            process = installation.start()
            installation.wait_until_restored(process, installation.partitions)
            took.append((time.perf_counter() - began) * 1000)
            assert process.stop() == 0
        found["partidor run, until four partitions without a state run"] = median(took)
    return found


def _run(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *arguments], env=_environment(), stdout=subprocess.DEVNULL, check=True
    )
    return (time.perf_counter() - began) * 1000


def _imported() -> float:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT], env=_environment(), capture_output=True, check=True
    )
    return float(json.loads(done.stdout)) * 1000


def _environment() -> Mapping[str, str]:
    return {"PYTHONPATH": CODE}
