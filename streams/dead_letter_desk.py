"""What operators do with dead letters: look at them, and send them again.

In: `dispatch.dead-letters`, read committed. Out: letters with what their headers say; the original
bytes back on the original topic, on the partition of their key. Dead letters stay where they are:
sending one again doesn't remove it, and what comes twice is known by its id (R10).
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
from confluent_kafka import Message

from streams.dead_letters import HEADER_PREFIX
from streams.delivery import Delivery
from streams.failure import Failed
from streams.kafka_clients import (
    Place,
    admin_client,
    end_offsets,
    first_offsets,
    partition_counts,
    records_between,
)
from streams.settings import Settings


class Address(NamedTuple):
    """Where a dead letter stands in its topic."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """As commands take it: `3:12`."""
        return f"{self.partition}:{self.offset}"


class Letter(NamedTuple):
    """A dead letter.

    Attributes:
        dead_at_ms: when it became one; milliseconds since the epoch.
        headers: the original ones, ours left out.
        topic, partition, offset, timestamp_ms: of the original record, as text; "" if unknown.
    """

    address: Address
    dead_at_ms: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    topic: str
    partition: str
    offset: str
    timestamp_ms: str
    reason: str
    detail: str

    @property
    def content(self) -> dict[str, Any]:
        """The value, as far as it is a JSON object."""
        try:
            found = msgspec.json.decode(self.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def is_digest(self) -> bool:
        """Whether the original was too large to be kept: only its length and hash are."""
        content = self.content
        return "value_sha256" in content and str(content.get("offset")) == self.offset


class Retried(NamedTuple):
    """What became of letters that were to be sent again: how many were, why some weren't."""

    sent: int
    not_sent: list[str]


def parsed_address(text: str) -> Address:
    """Read `PARTITION:OFFSET`. Raises ValueError."""
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise ValueError(f"a dead letter is named PARTITION:OFFSET, as in 3:12, not {text!r}")
    return Address(int(partition), int(offset))


class DeadLetterDesk:
    """All dead letters that were there when it was opened."""

    def __init__(self, settings: Settings) -> None:
        """Finds where the topic begins and ends. Raises Failed."""
        self._settings = settings
        self._topic = settings.topics.dead_letters
        self._admin = admin_client(settings)
        count = partition_counts(self._admin, settings, [self._topic])[self._topic]
        places: list[Place] = [(self._topic, partition) for partition in range(count)]
        self._starts = first_offsets(self._admin, settings, places)
        self._ends = end_offsets(self._admin, settings, places)

    def all(self, reasons: Sequence[str] = ()) -> Iterator[Letter]:
        """Every letter, or those with one of the reasons; in order within a partition."""
        for message in records_between(self._settings, self._starts, self._ends):
            letter = _letter(message)
            if not reasons or letter.reason in reasons:
                yield letter

    def named(self, addresses: Iterable[Address]) -> list[Letter]:
        """The letters at these places, in the order given. Raises Failed when one isn't there."""
        wanted = list(dict.fromkeys(addresses))
        starts: dict[Place, int] = {}
        ends: dict[Place, int] = {}
        for address in wanted:
            place = (self._topic, address.partition)
            if not self._starts.get(place, 0) <= address.offset < self._ends.get(place, 0):
                raise Failed(f"there is no dead letter {address} in {self._topic}")
            starts[place] = min(starts.get(place, address.offset), address.offset)
            ends[place] = max(ends.get(place, 0), address.offset + 1)
        found = {
            letter.address: letter
            for letter in map(_letter, records_between(self._settings, starts, ends))
            if letter.address in wanted
        }
        for address in wanted:
            if address not in found:
                raise Failed(f"there is no dead letter {address} in {self._topic}")
        return [found[address] for address in wanted]

    def retry(self, letters: Iterable[Letter], *, key_from_channel: bool) -> Retried:
        """Send the originals again and wait until they are acknowledged.

        Raises Failed when delivery fails.
        """
        inputs = list(self._settings.topics.inputs)
        delivery = Delivery(self._settings, partition_counts(self._admin, self._settings, inputs))
        complaints = []
        for letter in letters:
            complaint = _complaint(letter, inputs)
            key = _retry_key(letter, key_from_channel=key_from_channel)
            if complaint is None and key is None:
                complaint = "neither a key nor a channel says which partition it belongs to"
            if complaint is not None or key is None:
                complaints.append(f"{letter.address}: {complaint}")
                continue
            delivery.send(letter.topic, key, letter.value or b"", letter.headers)
        delivery.flush()
        return Retried(delivery.acknowledged, complaints)


def _complaint(letter: Letter, inputs: list[str]) -> str | None:
    """Why a letter can't be sent again, if it can't."""
    if letter.topic not in inputs:
        return f"it came from {letter.topic or 'an unknown topic'}, which is no input topic"
    if letter.is_digest:
        return "it was too large to be kept; only its length and hash are"
    if letter.value is None:
        return "it has no value"
    return None


def _retry_key(letter: Letter, *, key_from_channel: bool) -> bytes | None:
    """The original key; the event's channel where that is no key or is asked for instead."""
    if _usable(letter.key) and not key_from_channel:
        return letter.key
    channel = letter.content.get("channel")
    return channel.encode() if isinstance(channel, str) and channel else None


def _usable(key: bytes | None) -> bool:
    """Whether a key could be a channel's name."""
    try:
        return bool(key and key.decode())
    except UnicodeDecodeError:
        return False


def _letter(message: Message) -> Letter:
    headers = [
        (str(name), value.encode() if isinstance(value, str) else value)
        for name, value in list(message.headers() or [])
    ]
    ours = {
        name[len(HEADER_PREFIX) :]: (value or b"").decode(errors="replace")
        for name, value in headers
        if name.startswith(HEADER_PREFIX)
    }
    return Letter(
        address=Address(message.partition() or 0, message.offset() or 0),
        dead_at_ms=message.timestamp()[1],
        key=message.key(),
        value=message.value(),
        headers=[header for header in headers if not header[0].startswith(HEADER_PREFIX)],
        topic=ours.get("topic", ""),
        partition=ours.get("partition", ""),
        offset=ours.get("offset", ""),
        timestamp_ms=ours.get("timestamp", ""),
        reason=ours.get("reason", ""),
        detail=ours.get("detail", ""),
    )
