"""The archives of the decisions' partitions: read when one is held, written now and then.

In: partitions as they are counted. Out: files. A disk that won't take them stops nothing: what
isn't kept is read again from Kafka after the next start.
"""

import asyncio
import sqlite3
from pathlib import Path

import structlog

from streams.views.decision_archive import DecisionArchive
from streams.views.partitions import PartitionStandings

log = structlog.get_logger("views")


class Keeper:
    """Of one application and one topic; the topic's id tells its files from another's."""

    def __init__(self, directory: Path, topic_id: str) -> None:
        """Makes the directory, for its owner only. Raises OSError."""
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._topic_id = topic_id
        self._archives: dict[int, DecisionArchive] = {}
        self._writing = asyncio.Lock()

    def load(self, held: PartitionStandings) -> None:
        """Go on from what is kept of the partition, if anything is."""
        archive = DecisionArchive(self.directory, self._topic_id, held.number)
        self._archives[held.number] = archive
        try:
            held.begin_with(archive.load())
        except (OSError, sqlite3.Error, ValueError) as error:
            log.warning("file not used", path=str(archive.path), why=str(error))

    def path(self, number: int) -> Path:
        """Where a partition's file is."""
        return DecisionArchive(self.directory, self._topic_id, number).path

    async def keep(self, held: PartitionStandings) -> None:
        """Write what is new, if anything is; the event loop goes on meanwhile."""
        archive = self._archives[held.number]
        async with self._writing:
            if held.next_offset is None or archive.kept_offset == held.next_offset:
                return
            counted = held.unkept() if held.is_kept else held.everything()
            try:
                if not await asyncio.to_thread(archive.keep, counted, whole=not held.is_kept):
                    log.info("another process had this partition", partition=held.number)
                    held.not_kept(counted)
                    counted = held.everything()
                    await asyncio.to_thread(archive.keep, counted, whole=True)
                held.kept()
            except (OSError, sqlite3.Error) as error:
                held.not_kept(counted)
                log.error("counts are not kept", partition=held.number, why=str(error))

    async def forget_before(self, number: int, first_offset: int) -> None:
        """Leave out of the index what Kafka no longer has."""
        async with self._writing:
            try:
                await asyncio.to_thread(self._archives[number].forget_before, first_offset)
            except (OSError, sqlite3.Error) as error:
                log.error("the index is not shortened", partition=number, why=str(error))

    def release(self, number: int) -> None:
        """The partition is no longer held."""
        archive = self._archives.pop(number, None)
        if archive is not None:
            archive.close()
