"""Run seeds: `python -m tests.simulation --help`."""

from .command import main

main()
