"""The leads of the partitions that this process has: followed, kept, asked for.

In: records of `leads.assignments`, read committed. Out: assignments of a lead or of somebody.
"""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog
from confluent_kafka import Message

from streams.settings import Settings
from streams.views.lead_archive import LeadArchive
from streams.views.topic_follower import TopicFollower

FAILURES: Final = (OSError, sqlite3.Error)

log = structlog.get_logger("views")


class LeadSink:
    """Puts assignments into the archives of their partitions."""

    def __init__(self, directory: Path, topic_id: str) -> None:
        """Makes the directory, for its owner only. Raises OSError."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._topic_id = topic_id
        self._archives: dict[int, LeadArchive] = {}
        self.leads = 0
        self.unreadable = 0

    def begin(self, partition: int, first_offset: int, end_offset: int) -> int:
        """Open the archive, and leave out what Kafka no longer has."""
        archive = self._archives.get(partition)
        if archive is None:
            archive = LeadArchive(self.directory, self._topic_id, partition)
            self._archives[partition] = archive
        if archive.next_offset > end_offset:
            log.error("assignments are gone that were kept", partition=partition)
            archive.clear()
        archive.forget_before(first_offset)
        return max(first_offset, archive.next_offset)

    def take(self, partition: int, records: Sequence[Message], next_offset: int) -> None:
        """Keep them."""
        values = [(message.offset() or 0, message.value()) for message in records]
        added = self._archives[partition].add(values, next_offset)
        self.leads += added.leads
        self.unreadable += len(added.unreadable)
        for offset in added.unreadable:
            log.error("unreadable assignment", partition=partition, offset=offset)

    def end(self, partition: int) -> None:
        """Close the archive."""
        archive = self._archives.pop(partition, None)
        if archive is not None:
            archive.close()


def lead_follower(settings: Settings, sink: LeadSink) -> TopicFollower:
    """Follows the assignments into the sink."""
    return TopicFollower(settings, settings.topics.assignments, sink, FAILURES)
