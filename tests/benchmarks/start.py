"""How long it takes to start: the help, the imports, and until all partitions run."""

import json
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

from streams.local import LocalStack
from tests.support.installation import Installation
from tests.support.interpreter import output_of

ROUNDS: Final = 9
_IMPORT: Final = (
    "import json, sys, time; began = time.perf_counter(); import streams.bootstrap; "
    "print(json.dumps(time.perf_counter() - began))"
)


def measured() -> dict[str, float]:
    """Milliseconds, medians: {what: how long}."""
    found = {
        "python -c pass": median(_run("pass") for _ in range(ROUNDS)),
        "partidor --help": median(
            _run("import sys; from streams.cli import main; sys.exit(main(['--help']))")
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


def _run(program: str) -> float:
    began = time.perf_counter()
    output_of(program)
    return (time.perf_counter() - began) * 1000


def _imported() -> float:
    return float(json.loads(output_of(_IMPORT))) * 1000
