"""A partition's changelog as compaction leaves it, and Redis held against it.

In: the records of one changelog partition, in order; what Redis holds, as digests of its fields,
and its restore points before and after it was read. Out: the state of each channel, what waits,
what is applied; each field of Redis that is not the changelog's. Pure.

Values are kept as digests, so that a partition takes little memory whatever waits in it. A field
that changed while Redis was read may be as it was at any moment in between.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedOffsets,
    ParkedNumbers,
    applied_offsets_value,
    channel_of,
    read_applied_offsets,
)
from dispatcher.store import RestorePoint
from streams.audit.balance import ids_sum


class MainRead(msgspec.Struct, frozen=True):
    """What a verification needs of a channel's main record."""

    channel: str
    state_version: int
    roster_version: int
    members: list[tuple[str, int, bool, str]]
    parked: ParkedNumbers


class Waits(NamedTuple):
    """An entry of what waits: of which batch, and which input it came in."""

    channel: str
    batch_id: str
    topic: str
    partition: int
    offset: int
    leads: int
    ids: int


class _InputRead(msgspec.Struct):
    topic: str
    partition: int
    offset: int


class _ParkedRead(msgspec.Struct):
    batch_id: str
    input: _InputRead
    leads: list[tuple[str, msgspec.Raw]]


_decode_main = msgspec.json.Decoder(MainRead).decode
_decode_parked = msgspec.json.Decoder(_ParkedRead).decode
_DIGEST_BYTES: Final = 16


def digest(key: bytes, value: bytes) -> bytes:
    """What is kept of a value.

    A partition on which nothing was ever decided has a record with no inputs, once the topics were
    expanded; who restores it begins each input at 0, and says so in Redis. That is the same.
    """
    if key == APPLIED_OFFSETS_KEY:
        value = _without_untouched(value)
    return hashlib.blake2b(value, digest_size=_DIGEST_BYTES).digest()


def _without_untouched(value: bytes) -> bytes:
    try:
        applied = read_applied_offsets(value)
    except msgspec.DecodeError:
        return value
    touched = {topic: each for topic, each in applied.inputs.items() if each.next_offset}
    return applied_offsets_value(msgspec.structs.replace(applied, inputs=touched))


class RedisCopy(NamedTuple):
    """A partition's hash in Redis, read in parts.

    Attributes:
        before, after: its restore point before and after the rest was read; None for no hash.
        fields: digests by changelog key.
    """

    before: RestorePoint | None
    after: RestorePoint | None
    fields: dict[bytes, bytes]


class ChangelogFold:
    """The changelog of a partition, record by record.

    Attributes:
        mains, waits: as of the last record; by channel, and by changelog key.
        applied: what is applied; None while nothing is.
        unreadable: keys of records that aren't what a dispatcher writes.
    """

    def __init__(self, copy: RedisCopy) -> None:
        """Compared with a copy, as far as it goes."""
        self._copy = copy
        self._from = copy.before.next_offset if copy.before else 0
        self._upto = copy.after.next_offset if copy.after else 0
        self._digests: dict[bytes, bytes] = {}
        self._between: dict[bytes, list[bytes | None]] = {}
        self._later: set[bytes] = set()
        self.mains: dict[str, MainRead] = {}
        self.waits: dict[bytes, Waits] = {}
        self.applied: AppliedOffsets | None = None
        self.unreadable: list[tuple[int, bytes]] = []

    def add(self, offset: int, key: bytes, value: bytes | None) -> None:
        """The next record."""
        if self._copy.before is not None:
            self._remember(offset, key, value)
        try:
            self._read(key, value)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.unreadable.append((offset, key))

    def _remember(self, offset: int, key: bytes, value: bytes | None) -> None:
        kept = None if value is None else digest(key, value)
        if offset >= self._upto:
            self._later.add(key)
        elif offset >= self._from:
            self._between.setdefault(key, []).append(kept)
        elif kept is None:
            self._digests.pop(key, None)
        else:
            self._digests[key] = kept

    def _read(self, key: bytes, value: bytes | None) -> None:
        if key == APPLIED_OFFSETS_KEY:
            self.applied = read_applied_offsets(value or b"")
        elif b"/parked/" in key:
            self.waits.pop(key, None)
            if value is not None:
                parked = _decode_parked(value)
                ids = ids_sum(lead_id for lead_id, _ in parked.leads)
                at = parked.input
                self.waits[key] = Waits(
                    channel_of(key), parked.batch_id, at.topic, at.partition, at.offset,
                    len(parked.leads), ids,
                )  # fmt: skip
        elif b"/" not in key:
            if value is None:
                self.mains.pop(channel_of(key), None)
            else:
                main = _decode_main(value)
                self.mains[main.channel] = main

    def redis_differences(self) -> Iterator[tuple[str, str]]:
        """(changelog key, what is different) of each field that can be told."""
        for key in sorted(self._digests.keys() | self._copy.fields.keys() | self._between.keys()):
            found, wanted = self._copy.fields.get(key), self._digests.get(key)
            if found == wanted or found in self._between.get(key, ()):
                continue
            if wanted is None and (key in self._later or key in self._between):
                continue  # what it was then may have been compacted away since
            name = key.decode(errors="replace")
            if found is None:
                yield name, "is missing in Redis"
            elif wanted is None:
                yield name, "is in Redis, and not in the changelog"
            else:
                yield name, "has another value in Redis than in the changelog"

    @property
    def fields_compared(self) -> int:
        """How many fields there are on both sides together."""
        return len(self._digests.keys() | self._copy.fields.keys())


def members_differ(main: MainRead, accounts: dict[str, Any]) -> str | None:
    """What is different between a state and (weight, paused, error as a pair) by assignee."""
    weights = sum(weight for _, weight, paused, _ in main.members if not paused) or 1
    denominator = weights * 10**12
    names = {name for name, *_ in main.members}
    if names != accounts.keys():
        return f"its members are {sorted(names ^ accounts.keys())} more or less"
    for name, weight, paused, error in main.members:
        wanted_weight, wanted_paused, (numerator, over) = accounts[name]
        if (weight, paused) != (wanted_weight, wanted_paused):
            return f"{name} has another weight or presence"
        if int(error) * over != numerator * denominator:
            return f"the cumulative error of {name} is another"
    return None
