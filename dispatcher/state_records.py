"""A channel's state as records: what the changelog and Redis hold, and how it is read back.

A channel has one main record, under its own name; beside it, under `name/...`:

- `name/batches/N`, `name/changes/N` and `name/outcomes/N`: closed segments of the duplicates
  windows. Entries are numbered; 25 of them make a segment. The open one stands in the main record,
  so that a batch of one lead doesn't rewrite the whole window (R10). A segment is written once,
  when it is full, and its place is taken by the one that makes all of it too old.
- `name/parked/N`: a parked batch with its leads; a tombstone once it is released.

A name's own "/" and "%" are percent-encoded in keys, so no channel's name can be another one's
sub-key. Beside the channels each partition has one record under `/applied-offsets` (R2).

Values are JSON. Numerators can have more than 64 bits and travel as strings.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote

import msgspec

from dispatcher.eligibility import Eligibility
from dispatcher.events import InputRef
from dispatcher.limits import RECENT_LENGTH_MAX
from dispatcher.parking import ParkedBatch, Parking, parking_of
from dispatcher.promise import Promise
from dispatcher.recent import Recent, recent_from
from dispatcher.requirements import NOTHING, Requirement
from dispatcher.roster import Member, Roster, rank_digest
from dispatcher.share_limits import Mark
from dispatcher.state import ChannelState, Release, Seen

SEGMENT_LENGTH: Final = 25
SEGMENTS: Final = RECENT_LENGTH_MAX // SEGMENT_LENGTH
"""Places for closed segments; segment s stands in place s modulo this."""

APPLIED_OFFSETS_KEY: Final = b"/applied-offsets"

Record = tuple[bytes, bytes | None]
"""A key and a value; None deletes."""


PARKED_ENTRIES_MAX: Final = 10_000_000
"""In a channel; what says that it has more isn't a state."""


class AppliedInput(msgspec.Struct, frozen=True):
    """How far an input partition is applied: everything below `next_offset` is in the state."""

    topic_id: str
    next_offset: int


class AppliedOffsets(msgspec.Struct, frozen=True):
    """A partition's record of what is applied, and of the topics that it was true for (R2, R3).

    Attributes:
        partition_count: where keys hash to.
        former_counts: those of before expansions, oldest first. A version that doesn't know them
            leaves them out of what it writes.
    """

    partition_count: int
    inputs: dict[str, AppliedInput]
    schema_version: int = 1
    former_counts: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET

    @property
    def formers(self) -> tuple[int, ...]:
        """`former_counts`; () where there are none."""
        return () if isinstance(self.former_counts, msgspec.UnsetType) else self.former_counts


class _Window(msgspec.Struct, frozen=True):
    first: int
    next: int
    open: list[tuple[str, Seen]]


_NO_WINDOW: Final = _Window(0, 0, [])


class ParkedNumbers(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which entries wait: all from `first` on below `next`, or those in `runs`, ends excluded."""

    first: int
    next: int
    leads: int
    bytes: int
    runs: list[tuple[int, int]] | None = None

    def numbers(self) -> Iterator[int]:
        """Of the entries, ascending. Raises msgspec.DecodeError for more than there can be."""
        runs = [(self.first, self.next)] if self.runs is None else self.runs
        if sum(max(0, end - first) for first, end in runs) > PARKED_ENTRIES_MAX:
            raise msgspec.DecodeError(f"more than {PARKED_ENTRIES_MAX} parked batches")
        for first, end in runs:
            yield from range(first, end)


class _Main(msgspec.Struct, frozen=True, omit_defaults=True):
    channel: str
    state_version: int
    roster_version: int
    members: list[tuple[str, int, bool, str]]
    promise: Promise
    batches: _Window
    changes: _Window
    parked: ParkedNumbers
    release: Release | None
    schema_version: int
    eligibility: Eligibility | None = None
    outcomes: _Window | None = None
    routes: dict[str, str] | None = None


class _Segment(msgspec.Struct, frozen=True):
    first: int
    entries: list[tuple[str, Seen]]


class _ParkedRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    batch_id: str
    created_at: str
    content_hash: str
    input: InputRef
    parked_at: str
    leads: list[tuple[str, msgspec.Raw]]
    requirement: Requirement = NOTHING
    marks: tuple[Mark, ...] = ()
    values: tuple[int, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode_main = msgspec.json.Decoder(_Main).decode
_decode_segment = msgspec.json.Decoder(_Segment).decode
_decode_parked = msgspec.json.Decoder(_ParkedRecord).decode
_decode_applied = msgspec.json.Decoder(AppliedOffsets).decode


def channel_key(channel: str) -> bytes:
    """The key of a channel's main record."""
    if "/" in channel or "%" in channel:
        return channel.replace("%", "%25").replace("/", "%2F").encode()
    return channel.encode()


def channel_of(key: bytes) -> str:
    """The channel that a record belongs to; the partition's own record belongs to ""."""
    return unquote(key.partition(b"/")[0].decode())


def changed_records(before: ChannelState, after: ChannelState) -> Iterator[Record]:
    """The records that lead from one state of a channel to a later one, the main record last."""
    key = channel_key(after.channel)
    for name, older, newer in (
        (b"/batches/", before.batches, after.batches),
        (b"/changes/", before.changes, after.changes),
        (b"/outcomes/", before.outcomes, after.outcomes),
    ):
        if older.next_number // SEGMENT_LENGTH != newer.next_number // SEGMENT_LENGTH:
            yield from _segments(key + name, older, newer)
    if before.parking.entries is not after.parking.entries:
        yield from _parked(key, before.parking, after.parking)
    yield key, _main_value(after)


def all_records(state: ChannelState) -> Iterator[Record]:
    """All records of a channel."""
    return changed_records(ChannelState(state.channel), state)


def _parked(key: bytes, before: Parking, after: Parking) -> Iterator[Record]:
    came, came_leads = 0, 0
    newer: Iterable[int] = range(before.next_number, after.next_number)
    if after.next_number - before.next_number > len(after.entries):
        newer = sorted(number for number in after.entries if number >= before.next_number)
    for number in newer:
        if (batch := after.entries.get(number)) is not None:
            came, came_leads = came + 1, came_leads + len(batch.lead_ids)
            yield _parked_key(key, number), _parked_value(batch)
    # Mostly nothing of what waited before is touched, and there may be very much of it.
    if (len(after.entries), after.leads) == (
        len(before.entries) + came,
        before.leads + came_leads,
    ):
        return
    for number, batch in before.in_order():
        now = after.entries.get(number)
        if now is not batch:
            yield _parked_key(key, number), None if now is None else _parked_value(now)


def _main_value(state: ChannelState) -> bytes:
    members = [
        (assignee_id, weight, paused, error)
        for (_, assignee_id, weight, paused, _), error in zip(
            state.roster.members, map(str, state.errors), strict=True
        )
    ]
    return _encode(
        _Main(
            state.channel,
            state.state_version,
            state.roster_version,
            members,
            state.promise,
            _window(state.batches),
            _window(state.changes),
            _parked_numbers(state.parking),
            state.release,
            1,
            state.eligibility,
            _window(state.outcomes) if state.outcomes.next_number else None,
            _routes(state.roster),
        )
    )


def _routes(roster: Roster) -> dict[str, str] | None:
    if not roster.routes:
        return None
    return {roster.members[rank].assignee_id: channel for rank, channel in roster.routes.items()}


def _parked_numbers(parking: Parking) -> ParkedNumbers:
    end = parking.next_number
    oldest = parking.oldest(parking.queues)
    if oldest is None or oldest[0] + len(parking.entries) == end:
        first = end - len(parking.entries)
        return ParkedNumbers(first, end, parking.leads, parking.size_bytes)
    numbers = sorted(parking.entries)
    runs: list[tuple[int, int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number:
            runs[-1] = (runs[-1][0], number + 1)
        else:
            runs.append((number, number + 1))
    return ParkedNumbers(numbers[0], end, parking.leads, parking.size_bytes, runs)


def _window(recent: Recent[str, Seen]) -> _Window:
    open_from = recent.next_number // SEGMENT_LENGTH * SEGMENT_LENGTH
    return _Window(recent.first, recent.next_number, recent.items_since(open_from))


def _segments(
    prefix: bytes, before: Recent[str, Seen], after: Recent[str, Seen]
) -> Iterator[Record]:
    """The segments that were closed on the way and still count."""
    first_open = before.next_number // SEGMENT_LENGTH
    now_open = after.next_number // SEGMENT_LENGTH
    by_number = {n: (k, seen) for n, k, seen in after.since(first_open * SEGMENT_LENGTH)}
    for segment in range(max(first_open, now_open - SEGMENTS), now_open):
        first = segment * SEGMENT_LENGTH
        numbers = range(first, first + SEGMENT_LENGTH)
        entries = [by_number[number] for number in numbers if number in by_number]
        # Entries leave a segment only at its front.
        start = first + SEGMENT_LENGTH - len(entries)
        yield prefix + b"%d" % (segment % SEGMENTS), _encode(_Segment(start, entries))


def _parked_key(key: bytes, number: int) -> bytes:
    return key + b"/parked/%d" % number


def _parked_value(batch: ParkedBatch) -> bytes:
    leads = [
        (lead_id, msgspec.Raw(attributes))
        for lead_id, attributes in zip(batch.lead_ids, batch.attributes, strict=True)
    ]
    return _encode(
        _ParkedRecord(
            batch.batch_id,
            batch.created_at,
            batch.content_hash,
            batch.input,
            batch.parked_at,
            leads,
            batch.requirement if batch.requirement != NOTHING else NOTHING,
            batch.marks or (),
            batch.values or (),
        )
    )


def read_state(records: Mapping[bytes, bytes]) -> ChannelState:
    """Build a channel's state from all its records.

    Raises msgspec.DecodeError or KeyError when they are not what `changed_records` writes.
    """
    try:
        return _read_state(records)
    except (ValueError, TypeError, ArithmeticError, AssertionError, StopIteration) as error:
        if isinstance(error, msgspec.DecodeError):
            raise
        # Valid JSON of the right form that no state can have: only a stranger can have written it.
        raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from None
    except RecursionError:
        raise msgspec.DecodeError("nested too deep") from None


def _read_state(records: Mapping[bytes, bytes]) -> ChannelState:
    main_key = next(key for key in records if b"/" not in key)
    main = _decode_main(records[main_key])
    routes = main.routes or {}
    members = [
        Member(
            rank_digest(main.channel, assignee_id),
            assignee_id,
            weight,
            paused,
            routes.get(assignee_id),
        )
        for assignee_id, weight, paused, _ in main.members
    ]
    # Stored in order of rank, and read in it.
    parked = [
        (number, _read_parked(records[_parked_key(main_key, number)]))
        for number in main.parked.numbers()
    ]
    return ChannelState(
        channel=main.channel,
        state_version=main.state_version,
        roster_version=main.roster_version,
        roster=Roster(members),
        errors=tuple(int(error) for *_, error in main.members),
        promise=main.promise,
        batches=_read_window(main.batches, main_key + b"/batches/", records),
        changes=_read_window(main.changes, main_key + b"/changes/", records),
        parking=parking_of(parked, main.parked.next),
        release=main.release,
        eligibility=main.eligibility,
        outcomes=_read_window(main.outcomes or _NO_WINDOW, main_key + b"/outcomes/", records),
    )


def _read_window(
    window: _Window, prefix: bytes, records: Mapping[bytes, bytes]
) -> Recent[str, Seen]:
    open_segment = window.next // SEGMENT_LENGTH
    if not 0 <= window.next - window.first <= SEGMENTS * SEGMENT_LENGTH:
        # Segments are reused: it would go round and round through those that are there.
        raise msgspec.DecodeError(f"a window from {window.first} to {window.next}")
    entries = list(_numbered(open_segment * SEGMENT_LENGTH, window.open))
    for segment in range(window.first // SEGMENT_LENGTH, open_segment):
        stored = _decode_segment(records[prefix + b"%d" % (segment % SEGMENTS)])
        entries.extend(_numbered(stored.first, stored.entries))
    return recent_from(entries, window.first, window.next)


def _numbered(first: int, entries: Iterable[tuple[str, Seen]]) -> Iterator[tuple[int, str, Seen]]:
    for number, (key, seen) in enumerate(entries, start=first):
        yield number, key, seen


def _read_parked(value: bytes) -> ParkedBatch:
    record = _decode_parked(value)
    return ParkedBatch(
        batch_id=record.batch_id,
        created_at=record.created_at,
        content_hash=record.content_hash,
        lead_ids=tuple(lead_id for lead_id, _ in record.leads),
        attributes=tuple(bytes(attributes) for _, attributes in record.leads),
        input=record.input,
        parked_at=record.parked_at,
        requirement=record.requirement,
        marks=record.marks,
        values=record.values,
    )


def applied_offsets_value(applied: AppliedOffsets) -> bytes:
    """The value of a partition's `/applied-offsets` record."""
    return _encode(applied)


def read_applied_offsets(value: bytes) -> AppliedOffsets:
    """Read it back. Raises msgspec.DecodeError."""
    try:
        return _decode_applied(value)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(type(error).__name__) from None
