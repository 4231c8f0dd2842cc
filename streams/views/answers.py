"""What the views know, question by question: the documents that pages and API send.

In: what this process has counted and kept, the time. Out: documents, or a refusal that says why.
"""

import asyncio
import heapq
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from schemas.partitioning import partition_of
from streams.failure import Failed
from streams.settings import Settings
from streams.views import decision_archive, lead_archive
from streams.views.activity import Activity
from streams.views.answers_port import (
    ROWS_PER_PAGE_MAX,
    BadQuestion,
    CatchingUp,
    Elsewhere,
    Json,
    NotThere,
)
from streams.views.decision_archive import Indexed, Passed
from streams.views.documents import (
    channel_document,
    channel_summary,
    member_document,
    promise_document,
    standings_document,
    today_of,
)
from streams.views.lead_archive import KeptAssignment
from streams.views.lead_questions import (
    DECISIONS_MAX,
    LogReader,
    Places,
    Stretch,
    beginning,
    explained,
)
from streams.views.operations import Operations
from streams.views.partitions import PartitionStandings
from streams.views.reading import ViewsReader
from streams.views.standings import ChannelStanding, DecisionInShort

OF_LEAD_MAX: Final = 50
"""Assignments of one lead, and outcomes, on a partition."""

_OUTCOME: Final = (
    "state_version", "decided_at", "outcome_type", "assignee_id", "to_assignee_id", "reason",
    "changed_by", "credited", "dispatched_again",
)  # fmt: skip

T = TypeVar("T")


class ViewsAnswers:
    """Answers from one process's views; see `answers_port.Answers`."""

    def __init__(
        self,
        settings: Settings,
        reader: ViewsReader,
        operations: Operations,
        *,
        channels_per_page_max: int,
        with_attributes: bool,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        """`with_attributes`: leads' attributes, which are personal, are told too."""
        self._settings = settings
        self._reader = reader
        self._operations = operations
        self._channels_per_page_max = channels_per_page_max
        self._with_attributes = with_attributes
        self._clock_ms = clock_ms
        self._log = LogReader(settings)

    def close(self) -> None:
        """Ask nothing any more."""
        self._log.close()

    def stamp(self, channel: str | None) -> int:
        """Rises with whatever is shown of the channel, or of any."""
        if channel is None:
            return sum(held.changes for held in self._reader.views.partitions.values())
        try:
            return self._channel(channel)[0].state_version
        except (NotThere, BadQuestion, CatchingUp, Elsewhere):
            return -1

    def versions(self, channel: str | None) -> dict[str, int]:
        """The state version of every channel that is caught up, or of one."""
        if channel is not None:
            return {channel: self.stamp(channel)}
        return {
            name: standing.state_version
            for held in self._reader.views.partitions.values()
            if held.caught_up
            for name, standing in self._reader.views.served(held).items()
        }

    async def channels(self, after: str = "", limit: int = 50, find: str = "") -> Json:
        """A page of channels in order of name, those whose name contains `find`."""
        _at_most(limit, self._channels_per_page_max)
        views = self._reader.views
        if not views.caught_up:
            raise CatchingUp("catching up")
        wanted = find.casefold()
        names = [each for held in views.partitions.values() for each in views.served(held)]
        found = [name for name in names if wanted in name.casefold()]
        page = heapq.nsmallest(limit + 1, (name for name in found if name > after))
        now_ms = self._clock_ms()
        summaries = []
        for name in page[:limit]:
            standing, activity, number = self._channel(name)
            summaries.append(channel_summary(standing, activity, number, now_ms))
        return {
            "channels": summaries,
            "next_after": page[limit - 1] if len(page) > limit else None,
            "total": len(names),
            "found": len(found),
            "partitions_here": sorted(views.partitions),
            "partition_count": views.partition_count,
        }

    async def channel(self, channel: str) -> Json:
        """One channel: totals, promise, what is parked, and its history."""
        standing, activity, number = self._channel(channel)
        return channel_document(standing, activity, number, self._clock_ms())

    async def standings(self, channel: str, after: str = "", limit: int = 100) -> Json:
        """A page of a channel's members, in order of assignee_id."""
        _at_most(limit, ROWS_PER_PAGE_MAX)
        standing, _, _ = self._channel(channel)
        return standings_document(standing, after, limit, self._clock_ms())

    async def decisions(self, channel: str, before: int | None = None, limit: int = 50) -> Json:
        """A page of a channel's decisions in short, newest first."""
        _at_most(limit, ROWS_PER_PAGE_MAX)
        self._channel(channel)
        found: list[DecisionInShort] = []
        for held in self._holders(channel):
            newest = [each for each in reversed(held.newest(channel)) if _is_below(each, before)]
            found += [each.in_short for each in newest[: limit + 1 - len(found)]]
            if len(found) <= limit:
                path = self._reader.keeper.path(held.number)
                below = found[-1].state_version if found else before
                more = limit + 1 - len(found)
                found += await _looked_up(decision_archive.page, path, channel, below, more)
        page = found[:limit]
        return {
            "channel": channel,
            "decisions": [msgspec.to_builtins(each) for each in page],
            "next_before": page[-1].state_version if len(found) > limit else None,
        }

    async def decision(self, channel: str, state_version: int) -> Json:
        """One decision, whole, as it stands in Kafka."""
        self._channel(channel)
        stretch = await _looked_up(self._decision_place, channel, state_version)
        values = [] if stretch is None else await self._values(stretch, channel)
        if not values:
            raise NotThere("no such decision, or Kafka no longer has it")
        decision: Json = msgspec.json.decode(values[0])
        return decision

    async def assignee(self, channel: str, assignee_id: str) -> Json:
        """One member's standing; of who is none (any more), that they aren't."""
        standing, _, _ = self._channel(channel)
        now_ms = self._clock_ms()
        about = {
            "channel": channel,
            "assignee_id": assignee_id,
            "is_member": assignee_id in standing.members,
            "error_denominator": str(standing.denominator),
            "promise": promise_document(standing),
            "dispatch_by": "value" if standing.by_value else "count",
            "today_date": today_of(standing, now_ms),
            "time_zone": standing.time_zone,
        }
        if assignee_id in standing.members:
            return about | member_document(standing, assignee_id, now_ms)
        if not (await self.assignments(channel, assignee_id, None, 1))["assignments"]:
            raise NotThere("no such assignee")
        return about

    async def assignments(
        self, channel: str, assignee_id: str, before: int | None = None, limit: int = 50
    ) -> Json:
        """A page of the leads that an assignee received, newest first."""
        _at_most(limit, ROWS_PER_PAGE_MAX)
        held = self._held(channel)
        path = lead_archive.path_of(self._reader.leads.directory, held.number)
        found = await _looked_up(
            lead_archive.of_assignee, path, channel, assignee_id, before, limit + 1
        )
        page = found[:limit]
        return {
            "channel": channel,
            "assignee_id": assignee_id,
            "assignments": await self._told([(held.number, each) for each in page]),
            "next_before": page[-1].offset if len(found) > limit else None,
        }

    async def lead(self, lead_id: str, channel: str | None = None) -> Json:
        """Each time that a lead was assigned, why, and what became of it."""
        numbers = sorted(self._reader.views.partitions)
        if channel is not None:
            numbers = [held.number for held in self._holders(channel)]
        kept: list[tuple[int, KeptAssignment]] = []
        outcomes: list[Json] = []
        for number in numbers:
            path = lead_archive.path_of(self._reader.leads.directory, number)
            leads = await _looked_up(lead_archive.of_lead, path, lead_id, OF_LEAD_MAX)
            kept += [(number, each) for each in leads]
            outcomes += await self._outcomes(self._reader.views.partitions[number], lead_id)
        kept = [each for each in kept if channel in (None, each[1].channel)]
        outcomes = [each for each in outcomes if channel in (None, each["channel"])]
        if not kept and not outcomes:
            if not self._reader.followers[0].caught_up:
                raise CatchingUp("the assignments are not read to their end yet")
            raise NotThere(
                "no assignment of this lead is there: it may wait, be a dead letter, or be older"
                " than what Kafka keeps"
            )
        assigned = [(each.channel, each.state_version) for _, each in kept]
        places = Places(self._assignments_place, self._stretch_up_to)
        try:
            told = await asyncio.to_thread(explained, lead_id, assigned, self._log, places)
        except (Failed, OSError, sqlite3.Error) as error:
            raise CatchingUp(f"the log can't be read: {error}") from None
        return {
            "lead_id": lead_id,
            "assigned": told,
            "outcomes": outcomes,
            "assignments": await self._told(kept),
        }

    async def operations(self) -> Json:
        """What keeps it running: partitions, lag, delays, dispatchers, dead letters."""
        return await self._operations.document(self._clock_ms())

    async def _outcomes(self, held: PartitionStandings, lead_id: str) -> list[Json]:
        newest = [(each.channel, each.in_short) for each in held.newest_about(lead_id)]
        path = self._reader.keeper.path(held.number)
        found = await _looked_up(decision_archive.about_lead, path, lead_id, OF_LEAD_MAX)
        # What is just being written may come from both.
        by_version = {(channel, each.state_version): each for channel, each in [*found, *newest]}
        return [
            {"channel": channel}
            | {name: value for name in _OUTCOME if (value := getattr(short, name)) is not None}
            for (channel, _), short in by_version.items()
        ]

    # -- where things stand

    def _held(self, channel: str) -> PartitionStandings:
        views = self._reader.views
        try:
            number = partition_of(channel.encode(), views.partition_count)
        except UnicodeEncodeError:
            raise BadQuestion("a channel's name is UTF-8, percent-encoded") from None
        held = views.partitions.get(number)
        if held is None and views.partitions:
            raise Elsewhere(f"partition {number} is read by another process")
        if held is None or not held.caught_up:
            raise CatchingUp("catching up")
        return held

    def _holders(self, channel: str) -> list[PartitionStandings]:
        """Where a channel's records are: its partition, then those of before an expansion."""
        held = self._held(channel)
        return [
            held,
            *(each for each in self._reader.views.holders(channel) if each is not held),
        ]

    def _channel(self, channel: str) -> tuple[ChannelStanding, Activity, int]:
        for held in self._holders(channel):
            if (standing := held.channels.get(channel)) is not None:
                return standing, held.activities.get(channel, Activity()), held.number
        raise NotThere("no such channel")

    def _decision_place(self, channel: str, state_version: int) -> Stretch | None:
        """The one record of a decision; from any thread."""
        for held in self._holders(channel):
            offset = self._offset_of(held, channel, state_version)
            if offset is not None:
                return Stretch(self._settings.topics.decisions, held.number, offset, offset)
        return None

    def _stretch_up_to(self, channel: str, state_version: int) -> Stretch | None:
        """The records from where a decision can be followed up to it; from any thread."""
        one = self._decision_place(channel, state_version)
        if one is None:
            return None
        held = self._reader.views.partitions[one.partition]
        newest = [
            Passed(short.state_version, each.offset, each.lists_everyone, short.batch_id)
            for each in reversed(held.newest(channel))
            if (short := each.in_short).state_version <= state_version
        ]
        path = self._reader.keeper.path(held.number)
        older = decision_archive.passed(path, channel, state_version, DECISIONS_MAX)
        standing = held.channels.get(channel)
        has_rules = standing is None or standing.rules is not None
        return one._replace(first_offset=beginning([*newest, *older], has_rules=has_rules))

    def _offset_of(self, held: PartitionStandings, channel: str, state_version: int) -> int | None:
        for each in held.newest(channel):
            if each.in_short.state_version == state_version:
                return each.offset
        path = self._reader.keeper.path(held.number)
        try:
            return decision_archive.place_of(path, channel, state_version)
        except FileNotFoundError:
            return None

    def _assignments_place(self, channel: str, state_version: int) -> Stretch | None:
        """The records of a batch's assignments; from any thread."""
        for held in self._holders(channel):
            path = lead_archive.path_of(self._reader.leads.directory, held.number)
            found = lead_archive.stretch_of(path, channel, state_version)
            if found:
                return Stretch(self._settings.topics.assignments, held.number, *found)
        return None

    async def _values(self, stretch: Stretch, channel: str) -> list[bytes]:
        try:
            return await asyncio.to_thread(self._log.values, stretch, channel.encode())
        except Failed as error:
            raise CatchingUp(f"the log can't be read: {error}") from None

    async def _told(self, kept: list[tuple[int, KeptAssignment]]) -> list[Json]:
        """With the partitions that they stand on."""
        return [
            {
                "assignment_id": f"{each.channel}/{each.state_version}/{each.lead_id}",
                **each._asdict(),
                **(await self._attributes(number, each) if self._with_attributes else {}),
            }
            for number, each in kept
        ]

    async def _attributes(self, number: int, kept: KeptAssignment) -> dict[str, Any]:
        topic = self._settings.topics.assignments
        stretch = Stretch(topic, number, kept.offset, kept.offset)
        values = await self._values(stretch, kept.channel)
        return {"attributes": msgspec.json.decode(values[0])["attributes"]} if values else {}


def _is_below(indexed: Indexed, before: int | None) -> bool:
    return before is None or indexed.in_short.state_version < before


def _at_most(limit: int, limit_max: int) -> None:
    if not 1 <= limit <= limit_max:
        raise BadQuestion(f"limit is a number from 1 to {limit_max}")


async def _looked_up(find: Callable[..., T], *asked: Any) -> T:
    """Ask a file, in a thread. Raises CatchingUp while it isn't there, or can't be read."""
    try:
        return await asyncio.to_thread(find, *asked)
    except FileNotFoundError:
        raise CatchingUp("catching up") from None
    except (OSError, sqlite3.Error) as error:
        raise CatchingUp(f"a file of the views can't be read: {error}") from None
