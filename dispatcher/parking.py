"""The leads that wait in a channel until somebody may take them. An immutable value.

Leads of one batch with equal requirements (and of one kind, where limits are about kinds) wait
together, as one entry; entries are numbered in
the order in which they began to wait. The oldest entry whose requirement somebody can meet goes
first; when only some of its leads can be taken the rest stays, in its old place.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
from immutables import Map

from dispatcher.events import InputRef
from dispatcher.recent import Recent
from dispatcher.requirements import NOTHING, Requirement
from dispatcher.share_limits import Mark


class Marked(NamedTuple):
    """What leads ask that match limits: they wait apart from others with the requirement."""

    requirement: Requirement
    marks: tuple[Mark, ...]


Kind = Requirement | Marked


class ParkedBatch(msgspec.Struct, frozen=True):
    """Leads of a batch that wait; their attributes are kept for that time.

    Attributes:
        content_hash: of the whole batch.
        lead_ids, attributes: of the leads that wait; attributes are JSON objects as bytes.
        input: the record that it came in.
        parked_at: the time of that record, RFC 3339.
        requirement: what each of them asks.
        marks: the kinds of leads that each is of, where limits are about them.
        values: what each counts for limits, millionths; empty without marks.
    """

    batch_id: str
    created_at: str
    content_hash: str
    lead_ids: tuple[str, ...]
    attributes: tuple[bytes, ...]
    input: InputRef
    parked_at: str
    requirement: Requirement = NOTHING
    marks: tuple[Mark, ...] = ()
    values: tuple[int, ...] = ()

    @property
    def kind(self) -> Kind:
        """With which other entries it forms a queue."""
        return Marked(self.requirement, self.marks) if self.marks else self.requirement

    @property
    def size_bytes(self) -> int:
        """About what it takes in memory: ids and attributes, and a fixed part for each lead."""
        ids = sum(map(len, self.lead_ids))
        return ids + sum(map(len, self.attributes)) + 100 * (1 + len(self.lead_ids))

    def part(self, places: Sequence[int], **changes: object) -> "ParkedBatch":
        """Only the leads at these places, with some fields changed."""
        part = msgspec.structs.replace(
            self,
            lead_ids=tuple([self.lead_ids[place] for place in places]),
            attributes=tuple([self.attributes[place] for place in places]),
            values=tuple([self.values[place] for place in places]) if self.values else (),
        )
        return msgspec.structs.replace(part, **changes) if changes else part


class Parking(msgspec.Struct, frozen=True, eq=False):
    """All that waits in a channel.

    Attributes:
        entries: by number.
        hashes: {batch_id: (content hash, how many entries)}.
        queues: per kind the numbers of its entries, oldest first, by their places.
        next_number: what the next entry gets.
        leads, size_bytes: of all entries.
    """

    entries: "Map[int, ParkedBatch]" = Map()
    hashes: "Map[str, tuple[str, int]]" = Map()
    queues: "Map[Kind, Recent[int, int]]" = Map()
    next_number: int = 0
    leads: int = 0
    size_bytes: int = 0

    def __eq__(self, other: object) -> bool:
        """The same entries under the same numbers; all else follows from them."""
        return isinstance(other, Parking) and (
            (self.entries, self.next_number) == (other.entries, other.next_number)
        )

    def __hash__(self) -> int:
        """By how much there is."""
        return hash((self.next_number, self.leads, self.size_bytes))

    def content_hash(self, batch_id: str) -> str | None:
        """Of a batch of which anything waits."""
        found = self.hashes.get(batch_id)
        return found[0] if found else None

    def oldest(self, kinds: Iterable[Kind]) -> tuple[int, ParkedBatch] | None:
        """The entry among those of these kinds that has waited longest."""
        fronts = [_front(self.queues[each]) for each in kinds if each in self.queues]
        if not fronts:
            return None
        number = min(fronts)
        return number, self.entries[number]

    def oldest_within(self, kind: Kind, most: int, looked_at_max: int) -> int | None:
        """The number of the oldest entry of a kind with a lead that counts at most so much.

        Only so many entries are looked at.
        """
        queue = self.queues[kind]
        for place in range(queue.first, min(queue.first + looked_at_max, queue.next_number)):
            number = queue.get(place)
            if number is not None and min(self.entries[number].values, default=0) <= most:
                return number
        return None

    def added(self, batch: ParkedBatch) -> "Parking":
        """With one more entry, behind all others."""
        return self._with(self.next_number, batch)

    def without(self, number: int, rest: ParkedBatch | None = None) -> "Parking":
        """After an entry went out, or all but a rest.

        It is the oldest of its requirement, unless its leads match limits.
        """
        batch = self.entries[number]
        if rest is not None:
            return msgspec.structs.replace(
                self,
                entries=self.entries.set(number, rest),
                leads=self.leads - len(batch.lead_ids) + len(rest.lead_ids),
                size_bytes=self.size_bytes - batch.size_bytes + rest.size_bytes,
            )
        queue = self.queues[batch.kind]
        if _front(queue) == number:
            queue = queue.without_oldest()
        elif batch.marks:
            queue = _queue([each for _, _, each in queue.entries() if each != number])
        else:
            raise AssertionError("an entry goes out before an older one with its requirement")
        content_hash, entries = self.hashes[batch.batch_id]
        return Parking(
            entries=self.entries.delete(number),
            hashes=self.hashes.set(batch.batch_id, (content_hash, entries - 1))
            if entries > 1
            else self.hashes.delete(batch.batch_id),
            queues=self.queues.set(batch.kind, queue)
            if len(queue)
            else self.queues.delete(batch.kind),
            next_number=self.next_number,
            leads=self.leads - len(batch.lead_ids),
            size_bytes=self.size_bytes - batch.size_bytes,
        )

    def with_less(self, number: int, rest: ParkedBatch | None) -> "Parking":
        """After leads were taken out of an entry, wherever it stands; no rest: the entry is gone.

        That costs as much as all that waits.
        """
        if rest is not None or self.oldest([self.entries[number].kind]) == (
            number,
            self.entries[number],
        ):
            return self.without(number, rest)
        others = [(each, entry) for each, entry in self.entries.items() if each != number]
        return parking_of(others, self.next_number)

    def in_order(self) -> Iterator[tuple[int, ParkedBatch]]:
        """(number, entry) of all, oldest first."""
        for number in sorted(self.entries):
            yield number, self.entries[number]

    def _with(self, number: int, batch: ParkedBatch) -> "Parking":
        queue = self.queues.get(batch.kind, _NOBODY_WAITS)
        _, entries = self.hashes.get(batch.batch_id, ("", 0))
        return Parking(
            entries=self.entries.set(number, batch),
            hashes=self.hashes.set(batch.batch_id, (batch.content_hash, entries + 1)),
            queues=self.queues.set(batch.kind, queue.added(queue.next_number, number)),
            next_number=number + 1,
            leads=self.leads + len(batch.lead_ids),
            size_bytes=self.size_bytes + batch.size_bytes,
        )


_NOBODY_WAITS: Final[Recent[int, int]] = Recent()
NOBODY_WAITS: Final = Parking()


def _front(queue: Recent[int, int]) -> int:
    number = queue.get(queue.first)
    if number is None:
        raise AssertionError("a queue is there as long as it holds an entry")
    return number


def _queue(numbers: Iterable[int]) -> Recent[int, int]:
    queue = _NOBODY_WAITS
    for number in numbers:
        queue = queue.added(queue.next_number, number)
    return queue


def parking_of(entries: Iterable[tuple[int, ParkedBatch]], next_number: int) -> Parking:
    """Build it from stored entries, in any order."""
    parking = Parking()
    for number, batch in sorted(entries, key=lambda entry: entry[0]):
        parking = parking._with(number, batch)
    return msgspec.structs.replace(parking, next_number=next_number)
