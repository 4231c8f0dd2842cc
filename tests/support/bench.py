"""One installation and one dispatcher that take a lot of bad input, item by item."""

from schemas.partitioning import partition_of
from tests.reference import events

from .installation import Installation
from .records import Record

HEADERS = (("trace-id", b"\x00\xff"), ("source", b"web"), ("nothing", None))
"""What every record carries, and every dead letter has to carry on."""


class Bench:
    """An installation with a dispatcher, and what must have been refused so far.

    `refused` holds the records whose reason the oracle can't know by itself.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.refused: dict[tuple[str, int, int], str] = {}
        self.letters_seen = 0

    def channel(self, name: str) -> str:
        """A channel of that name with a roster."""
        self.installation.process([events.roster("first", {"A": "1", "B": "1"}, name)])
        return name

    def send(
        self,
        topic: str,
        value: bytes | None,
        channel: str,
        *,
        key: bytes | None = b"channel",
        partition: int | None = None,
        timestamp_ms: int = 0,
    ) -> tuple[str, int, int]:
        """One record under the channel's key, unless it is to have another."""
        right = partition_of(channel.encode(), self.installation.partitions)
        self.installation.publisher.send(
            topic,
            value,
            channel.encode() if key == b"channel" else key,
            partition=right if partition is None else partition,
            headers=HEADERS,
            timestamp_ms=timestamp_ms,
        )
        return self.installation.publisher.flush()

    def good_batch_passes(self, channel: str, batch_id: str = "good") -> None:
        """A batch behind what was sent is divided."""
        self.installation.process([events.lead_batch(batch_id, 4, channel)])
        batches = {
            decision["batch_id"]
            for decision in self.installation.decisions(channel, "batch_dispatched")
        }
        assert batch_id in batches

    def new_letters(self) -> list[Record]:
        """The dead letters since the last question."""
        letters = self.installation.dead_letters()
        new = sorted(letters, key=lambda letter: letter.timestamp_ms)[self.letters_seen :]
        self.letters_seen = len(letters)
        return new

    def letter(self, at: tuple[str, int, int], reason: str) -> Record:
        """The one new dead letter, found to be of the record there and for the reason."""
        (letter,) = self.new_letters()
        errors = letter.errors
        assert (errors["topic"], int(errors["partition"]), int(errors["offset"])) == at
        assert errors["reason"] == reason, errors["detail"]
        assert letter.own_headers == HEADERS
        return letter
