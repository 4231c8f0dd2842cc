"""The state file of `partidor assign`: each channel's records and its last results, as JSON.

In: the bytes of the file. Out: channel states and results; and the bytes of the next file. The
file is the commit point: what it holds has happened. Records are those of the changelog
(`dispatcher.state_records`), under the same keys.
"""

from typing import Final, Literal

import msgspec

from dispatcher.state import ChannelState
from dispatcher.state_records import all_records, read_state
from streams.failure import Failed

RESULTS_LENGTH_MAX: Final = 20
"""Results that a channel keeps, to write the same output again."""


class StoredResult(msgspec.Struct, frozen=True):
    """How a batch was divided: what its output is made of.

    Attributes:
        assignees: who received leads.
        order: for each lead, in the order of the file, the place of its assignee in `assignees`.
    """

    batch_id: str
    content_hash: str
    state_version: int
    decided_at: str
    assignees: list[str]
    order: list[int]

    def assignee_ids(self) -> list[str]:
        """Who gets each lead, in the order of the file."""
        return [self.assignees[place] for place in self.order]


class _StoredChannel(msgspec.Struct, frozen=True):
    records: dict[str, msgspec.Raw]
    results: list[StoredResult]


class _StoredFile(msgspec.Struct, frozen=True):
    type: Literal["partidor_state"]
    schema_version: int
    channels: dict[str, _StoredChannel]


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_StoredFile).decode


class AssignState:
    """The file as it is in memory. Other channels than the one at work are carried unread."""

    def __init__(self, channels: dict[str, _StoredChannel]) -> None:
        """Use `read_assign_state`."""
        self._channels = channels

    def channel(self, channel: str) -> ChannelState:
        """The channel's state; a new one where there is none. Raises Failed."""
        stored = self._channels.get(channel)
        if stored is None:
            return ChannelState(channel)
        try:
            state = read_state({key.encode(): bytes(raw) for key, raw in stored.records.items()})
        except (msgspec.DecodeError, KeyError, StopIteration) as error:
            raise Failed(f"the records of channel {channel!r} are damaged: {error}") from None
        if state.channel != channel:
            raise Failed(f"under {channel!r} stand the records of channel {state.channel!r}")
        return state

    def result(self, channel: str, batch_id: str) -> StoredResult | None:
        """The result of a batch, if it is still kept."""
        stored = self._channels.get(channel)
        results = stored.results if stored else ()
        return next((result for result in results if result.batch_id == batch_id), None)

    def after(self, state: ChannelState, result: StoredResult) -> "AssignState":
        """With a channel's new state and one more result."""
        records = {
            key.decode(): msgspec.Raw(value)
            for key, value in all_records(state)
            if value is not None
        }
        stored = self._channels.get(state.channel)
        results = [*(stored.results if stored else ()), result][-RESULTS_LENGTH_MAX:]
        return AssignState({**self._channels, state.channel: _StoredChannel(records, results)})

    def as_bytes(self) -> bytes:
        """The whole file."""
        return _encode(_StoredFile("partidor_state", 1, self._channels)) + b"\n"


def read_assign_state(data: bytes | None) -> AssignState:
    """Read the file; None for one that isn't there yet. Raises Failed."""
    if data is None:
        return AssignState({})
    try:
        stored = _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Failed(f"not a state file of `partidor assign`: {error}") from None
    if stored.schema_version != 1:
        raise Failed(f"the state file has version {stored.schema_version}; this program knows 1")
    return AssignState(stored.channels)
