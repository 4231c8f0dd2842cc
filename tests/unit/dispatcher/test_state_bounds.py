"""A state that no dispatcher wrote is refused, before it takes memory or time without end."""

import msgspec
import pytest

from dispatcher.state import ChannelState
from dispatcher.state_records import (
    PARKED_ENTRIES_MAX,
    ParkedNumbers,
    all_records,
    read_applied_offsets,
    read_state,
)


def spoiled(**fields: object) -> dict[bytes, bytes]:
    """The records of an empty channel with some of the main one's fields replaced."""
    ((key, value),) = [record for record in all_records(ChannelState("web")) if record[1]]
    return {key: msgspec.json.encode({**msgspec.json.decode(value or b""), **fields})}


def test_more_parked_batches_than_there_can_be_are_not_counted_through() -> None:
    """As one number or in runs."""
    for numbers in (
        ParkedNumbers(0, 10**18, 1, 1),
        ParkedNumbers(0, 0, 1, 1, [(0, PARKED_ENTRIES_MAX), (0, 1)]),
    ):
        with pytest.raises(msgspec.DecodeError, match="parked batches"):
            next(numbers.numbers())


@pytest.mark.parametrize(
    "fields",
    [
        {"batches": {"first": 0, "next": 10**15, "open": []}},
        {"batches": {"first": 5, "next": 0, "open": []}},
        {"members": [["A", 1, False, "not a number"]]},
        {"members": [["A", 1, False, "9" * 5_000]]},
    ],
)
def test_what_no_state_can_have_is_one_kind_of_error(fields: dict[str, object]) -> None:
    """For all who read states to handle."""
    with pytest.raises(msgspec.DecodeError):
        read_state(spoiled(**fields))


def test_a_bomb_among_the_records_is_the_same_error() -> None:
    """Nesting that takes Python's stack."""
    with pytest.raises(msgspec.DecodeError):
        read_applied_offsets(b"[" * 100_000)
    with pytest.raises(msgspec.DecodeError):
        read_state({b"web": b'{"channel":' * 100_000})
    with pytest.raises(msgspec.DecodeError):
        read_state({})
