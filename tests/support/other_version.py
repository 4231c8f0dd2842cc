"""Run by another version's packages: histories to records, records to records.

    python -m tests.support.other_version write   events, one a line -> records of every channel
    python -m tests.support.other_version read    such records -> as this version writes them again

Records travel as one JSON document: {channel: {key: value}}, bytes in Base64.
"""

import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Mapping

from dispatcher.limits import Limits
from dispatcher.state import ChannelState
from dispatcher.state_records import all_records, read_state
from streams.replay import Replay

Records = Mapping[str, Mapping[bytes, bytes]]


def packed(records: Records) -> str:
    """As it travels."""
    texts = {
        channel: {b64encode(key).decode(): b64encode(value).decode() for key, value in each.items()}
        for channel, each in records.items()
    }
    return json.dumps(texts)


def unpacked(text: str) -> Records:
    """Read it."""
    return {
        channel: {b64decode(key): b64decode(value) for key, value in each.items()}
        for channel, each in json.loads(text).items()
    }


def records_of(states: Mapping[str, ChannelState]) -> Records:
    """All records of channels."""
    return {
        channel: {key: value for key, value in all_records(state) if value is not None}
        for channel, state in states.items()
        if state.exists
    }


def written(lines: list[bytes]) -> Records:
    """What a history leaves behind."""
    replay = Replay(Limits())
    for _ in replay.lines(lines):
        pass
    return records_of(replay.states)


def written_again(records: Records) -> Records:
    """Read and written."""
    return records_of({channel: read_state(each) for channel, each in records.items()})


if __name__ == "__main__":
    text = sys.stdin.read()
    if sys.argv[1] == "write":
        sys.stdout.write(packed(written([line.encode() for line in text.splitlines()])))
    else:
        sys.stdout.write(packed(written_again(unpacked(text))))
