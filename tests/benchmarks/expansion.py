"""How long `partidor topics expand` takes for many channels, and what memory it holds.

    PYTHONPATH=. python -m tests.benchmarks.expansion [CHANNELS] [BEFORE] [AFTER]

A changelog with a state for each channel (a roster of eight, 60 batches behind it) is written as
dispatchers would leave it; then the command runs as a process of its own.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from confluent_kafka import Producer

from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedOffsets,
    all_records,
    applied_offsets_value,
)
from schemas.partitioning import partition_of
from streams.local import LocalStack
from streams.replay import Replay
from tests.reference import events
from tests.support.expansions import expand
from tests.support.installation import Installation

BATCHES = 60


def a_state() -> ChannelState:
    """Of a channel like any other."""
    replay = Replay(Limits())
    weights = {f"P{member}": "1" for member in range(8)}
    history = [events.roster("r", weights, "like-any-other")]
    history += [events.lead_batch(f"b{n}", 20, "like-any-other") for n in range(BATCHES)]
    for _ in replay.lines(json.dumps(event).encode() for event in history):
        pass
    return replay.states["like-any-other"]


def write_states(installation: Installation, channels: int) -> int:
    """The changelog; returns its bytes."""
    producer = Producer({"bootstrap.servers": installation.bootstrap_servers, "linger.ms": 20})
    topic, state, size = installation.topics.changelog, a_state(), 0
    records = []
    for number in range(channels):
        channel = f"channel-{number}"
        at = partition_of(channel.encode(), installation.partitions)
        every = all_records(msgspec.structs.replace(state, channel=channel))
        records += [(at, key, value) for key, value in every]
    own = applied_offsets_value(AppliedOffsets(installation.partitions, {}))
    records += [(number, APPLIED_OFFSETS_KEY, own) for number in range(installation.partitions)]
    for at, key, value in records:
        size += len(key) + len(value or b"")
        while True:
            try:
                producer.produce(topic, value, key, at)
                break
            except BufferError:
                producer.poll(0.1)
    producer.flush()
    return size


def main(channels: int = 100_000, before: int = 12, after: int = 24) -> None:
    """Print what it took."""
    os.environ["TEST_MEMORY"] = "1"
    with (
        tempfile.TemporaryDirectory() as directory,
        LocalStack() as stack,
        Installation(
            stack.bootstrap_servers, stack.redis_url, Path(directory), partitions=before
        ) as installation,
    ):
        size = write_states(installation, channels)
        began = time.monotonic()
        done = expand(installation, after)
        took_s = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        print(f"{channels:,} channels, {size / 2**20:.0f} MiB, in {took_s:.1f} s")
        print(done.stdout.strip())


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
