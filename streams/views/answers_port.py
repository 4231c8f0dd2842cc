"""What the pages and the JSON API ask, and how a question is refused: the port between both sides.

In: questions about channels, assignees, leads and the dispatchers. Out: plain values (objects,
lists, texts, numbers), the very documents that the JSON API sends, or a `Refused`. Ids may be any
text of up to 200 characters without control characters; whoever shows them escapes them.
"""

from typing import Any, ClassVar, Final, Protocol

Json = dict[str, Any]
"""One document of plain values."""

ROWS_PER_PAGE_MAX: Final = 1_000
"""Members, decisions or assignments in one answer."""


class Refused(Exception):
    """A question that has no answer here, with the HTTP status that says why."""

    status: ClassVar[int] = 500

    def __init__(self, message: str) -> None:
        """The message is for people."""
        super().__init__(message)
        self.message = message


class BadQuestion(Refused):
    """The question itself is wrong."""

    status = 400


class NotThere(Refused):
    """No such channel, assignee, decision or lead."""

    status = 404


class Elsewhere(Refused):
    """Another process reads this channel's partition."""

    status = 421


class CatchingUp(Refused):
    """The partition is not caught up: half of the numbers would look like all of them."""

    status = 503


class Answers(Protocol):
    """All that can be asked. Every method but `stamp` raises Refused."""

    def stamp(self, channel: str | None) -> int:
        """Changes whenever anything that is shown of the channel (None: of any) changes. Cheap."""
        ...

    async def channels(self, after: str = "", limit: int = 50, find: str = "") -> Json:
        """A page of channels in order of name, those whose name contains `find`."""
        ...

    async def channel(self, channel: str) -> Json:
        """One channel: totals, promise, what is parked, and its history."""
        ...

    async def standings(self, channel: str, after: str = "", limit: int = 100) -> Json:
        """A page of a channel's members, in order of assignee_id."""
        ...

    async def decisions(self, channel: str, before: int | None = None, limit: int = 50) -> Json:
        """A page of a channel's decisions in short, newest first."""
        ...

    async def decision(self, channel: str, state_version: int) -> Json:
        """One decision, whole, as it stands in Kafka."""
        ...

    async def assignee(self, channel: str, assignee_id: str) -> Json:
        """One member's standing."""
        ...

    async def assignments(
        self, channel: str, assignee_id: str, before: int | None = None, limit: int = 50
    ) -> Json:
        """A page of the leads that an assignee received, newest first."""
        ...

    async def lead(self, lead_id: str, channel: str | None = None) -> Json:
        """Each time that a lead was assigned, why, and what became of it."""
        ...

    async def operations(self) -> Json:
        """What keeps it running: partitions, lag, delays, dispatchers, dead letters."""
        ...
