"""What a task knows of its partition's lead register: who had a person's last lead.

The register itself is in Redis, and on a topic of its own. Here is what was looked up for inputs
that wait, and what was committed since or isn't in Redis yet: together they are what the register
holds now.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from dispatcher.register import Owner
from dispatcher.store import RegisterPoint

RECENT_MAX: Final = 200_000
"""Entries; beyond, what was looked up is forgotten and looked up again."""

InputPlace = tuple[str, int]
"""Topic and offset of an input."""

Entry = tuple[bytes, Owner]
"""The record key on the register's topic, and the owner."""


class Found(NamedTuple):
    """What was looked up for an input.

    Attributes:
        attributes: by which persons were known then; another rule asks for others.
        owners: by key; None if it has to do without.
    """

    attributes: tuple[str, ...]
    owners: Mapping[str, Owner] | None


class Phase(Enum):
    """How far Redis is known to hold the register."""

    UNKNOWN = "unknown"
    READING = "reading"
    CURRENT = "current"


class KnownOwners:
    """Of one task.

    Attributes:
        next_offset: of the register's topic, behind what Redis holds or will hold with `unflushed`.
        point: behind what Redis holds, as this owner wrote or found it.
        end: up to where the topic is read; `since` when, monotonic seconds.
        found: what was looked up for inputs that wait.
        recent: committed since the first of them was looked up.
        unflushed: committed, and not in Redis.
    """

    def __init__(self) -> None:
        """Nothing known."""
        self.phase = Phase.UNKNOWN
        self.next_offset = 0
        self.point: RegisterPoint | None = None
        self.end = 0
        self.since: float | None = None
        self.found: dict[InputPlace, Found] = {}
        self.recent: dict[str, Owner] = {}
        self.unflushed: dict[str, Entry] = {}

    def committed(self, entries: Mapping[str, Entry], decided: Iterable[InputPlace]) -> None:
        """What a transaction wrote to the register, and the inputs that it decided."""
        for place in decided:
            self.found.pop(place, None)
        self.unflushed.update(entries)
        if not self.found:
            self.recent.clear()
            return
        for key, (_, owner) in entries.items():
            self.recent[key] = owner
        if len(self.recent) > RECENT_MAX:
            self.found.clear()
            self.recent.clear()

    def get(self, place: InputPlace, key: str) -> Owner | None:
        """As of the last commit, for an input that was looked up."""
        owner = self.recent.get(key)
        if owner is not None:
            return owner
        entry = self.unflushed.get(key)
        if entry is not None:
            return entry[1]
        found = self.found.get(place)
        return found.owners.get(key) if found and found.owners else None
