"""Whatever comes in from outside, fuzzed: `./tests/run fuzz`."""
