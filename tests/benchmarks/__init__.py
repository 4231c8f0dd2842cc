"""How fast it is, beside what else people would take: `tests/run benchmarks`."""
