"""One target in this process: `python -m tests.fuzz.one TARGET CORPUS [libFuzzer's options]`."""

import logging
import sys
from pathlib import Path

import atheris
import structlog

with atheris.instrument_imports(include=["schemas", "dispatcher", "streams"]):
    from tests.fuzz.targets import FUZZED, seeds


def main() -> None:
    """Does not return: libFuzzer ends the process."""
    name, corpus = sys.argv[1], Path(sys.argv[2])
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    # What is logged of bad input is right, and would be most of what happens here.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], FUZZED[name].target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
