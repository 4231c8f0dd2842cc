"""Snapshots: a partition's standings with their next offset, in a file, for a fast start.

In: the standings of a partition. Out: a file that is replaced as a whole, and the standings again.
A snapshot that is missing, broken, of another topic or of another version of this program is no
snapshot: the partition is read from its beginning. It also carries totals over the time for which
decisions are kept. An old one only means that more is read again.
"""

import json
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from streams.views.partitions import PartitionStandings
from streams.views.standings import ChannelStanding
from streams.whole_files import write_whole

FORMAT: Final = 1
"""Rises when a standing changes its shape or its meaning; then all is read again."""

log = structlog.get_logger("views")


class Snapshots:
    """The snapshots of one application and one topic, told apart by the topic's id."""

    def __init__(self, directory: Path, topic_id: str) -> None:
        """Makes the directory, for its owner only. Raises OSError."""
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._topic_id = topic_id
        self._saved: dict[int, int | None] = {}

    def load(self, held: PartitionStandings) -> None:
        """Go on from the partition's snapshot, if there is one."""
        path = self._path(held.number)
        try:
            channels, next_offset = self._read(path.read_bytes(), held.number)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("snapshot not used", path=str(path), why=f"{type(error).__name__}: {error}")
            return
        held.channels = {each.channel: each for each in channels}
        held.next_offset = self._saved[held.number] = next_offset

    def save(self, held: PartitionStandings) -> None:
        """Write a snapshot, if anything is newer than the last one. Raises OSError.

        May run in a thread of its own, with a copy of the partition.
        """
        if held.next_offset is None or self._saved.get(held.number) == held.next_offset:
            return
        whole = {
            "format": FORMAT,
            "topic_id": self._topic_id,
            "partition": held.number,
            "next_offset": held.next_offset,
            "channels": msgspec.to_builtins(list(held.channels.values())),
        }
        # The numerators are longer than msgspec's JSON takes for a number.
        write_whole(self._path(held.number), json.dumps(whole, separators=(",", ":")).encode())
        self._saved[held.number] = held.next_offset

    def _read(self, data: bytes, number: int) -> tuple[list[ChannelStanding], int]:
        whole: dict[str, Any] = json.loads(data)
        found = (whole["format"], whole["topic_id"], whole["partition"])
        if found != (FORMAT, self._topic_id, number):
            raise ValueError("of another topic or version")
        channels = msgspec.convert(whole["channels"], list[ChannelStanding])
        return channels, int(whole["next_offset"])

    def _path(self, number: int) -> Path:
        return self._directory / f"partition-{number}.json"


def copy_of(held: PartitionStandings) -> PartitionStandings:
    """The partition as it is now; standings are values, so that copying is cheap."""
    copied = PartitionStandings(held.number)
    copied.channels = dict(held.channels)
    copied.next_offset = held.next_offset
    return copied
