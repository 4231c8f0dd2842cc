"""A state as records, and read back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.limits import Limits
from dispatcher.recent import Recent
from dispatcher.state import ChannelState
from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedInput,
    AppliedOffsets,
    all_records,
    applied_offsets_value,
    changed_records,
    channel_key,
    channel_of,
    read_applied_offsets,
    read_state,
)
from streams.intake import Refused
from streams.replay import Replay
from tests.reference.histories import history


def plain(state: ChannelState) -> dict[str, object]:
    """The state's content, whatever the shape of its queues."""
    return {
        name: list(value.entries()) if isinstance(value, Recent) else value
        for name in state.__struct_fields__
        for value in [getattr(state, name)]
    }


@pytest.mark.parametrize("seed", range(40))
def test_records_written_step_by_step_are_those_written_at_once(seed: int) -> None:
    """After every event: applying the changes gives all records, and reading them the state."""
    replay = Replay(Limits())
    stored: dict[str, dict[bytes, bytes]] = {}
    committed: dict[str, ChannelState] = {}
    values = seed % 4 > 1
    events = history(seed, channels=2, events=60, parking=True, rules=seed % 2 == 1, values=values)
    for number, event in enumerate(events, start=1):
        replay.outputs(json.dumps(event).encode(), number)
        if number % (1 + seed % 4):
            continue
        for channel, state in replay.states.items():
            before = committed.get(channel) or ChannelState(channel)
            records = stored.setdefault(channel, {})
            for key, value in changed_records(before, state):
                assert channel == channel_of(key)
                if value is None:
                    del records[key]
                else:
                    records[key] = value
            committed[channel] = state
            assert plain(state) == plain(read_state(records))
            whole = dict(all_records(state))
            assert {k: v for k, v in records.items() if k in whole} == whole


def test_records_of_before_there_were_values_and_limits_are_read() -> None:
    """They are what is still written where there are none."""
    later = (b"value_attribute", b"value_max", b"share_limits", b'"marks"', b'"values"')
    for seed in range(10):
        replay = Replay(Limits())
        for number, event in enumerate(history(seed, events=60, rules=seed % 2 == 1), start=1):
            replay.outputs(json.dumps(event).encode(), number)
        for state in replay.states.values():
            records = dict(all_records(state))
            assert not any(name in value for value in records.values() if value for name in later)
            assert plain(state) == plain(read_state({k: v for k, v in records.items() if v}))


def test_a_long_window_is_read_back_whole() -> None:
    """Closed segments take turns; the oldest partly counts."""
    replay = Replay(Limits())
    common = {"schema_version": 1, "channel": "web/1%", "created_at": "2026-11-21T09:00:00Z"}
    join = {
        **common,
        "type": "assignee_joined",
        "change_id": "c",
        "assignee_id": "A",
        "weight": "1",
    }
    replay.outputs(json.dumps(join).encode(), 1)
    records: dict[bytes, bytes] = {}
    before = ChannelState("web/1%")
    for number in range(1_260):
        batch = {**common, "type": "lead_batch", "batch_id": f"b{number}", "leads": []}
        replay.outputs(json.dumps(batch).encode(), number + 2)
        if number % 7 == 0 or number > 1_240:
            state = replay.states["web/1%"]
            for key, value in changed_records(before, state):
                assert value is not None
                records[key] = value
            before = state
            if number % 49 == 0 or number > 1_240:
                assert plain(state) == plain(read_state(records))
    assert len(records) == 1 + 40
    assert set(dict(all_records(before))) == set(records)


@given(st.text(min_size=1, max_size=30))
def test_no_channels_name_is_another_ones_sub_key(channel: str) -> None:
    """Names may hold any character; keys tell them apart."""
    try:
        key = channel_key(channel)
    except UnicodeEncodeError:
        return  # lone surrogates are no UTF-8 and never get this far
    assert b"/" not in key
    assert channel == channel_of(key) == channel_of(key + b"/parked/1")


def test_applied_offsets_are_read_back() -> None:
    """The partition's own record, which belongs to no channel."""
    applied = AppliedOffsets(12, {"leads.batches": AppliedInput("id", 7)})
    assert applied == read_applied_offsets(applied_offsets_value(applied))
    assert channel_of(APPLIED_OFFSETS_KEY) == ""


def test_what_a_replay_refuses_is_told() -> None:
    """The helper above relies on it: a refused event changes no state."""
    with pytest.raises(Refused):
        Replay(Limits()).read(b"[]", 1)
