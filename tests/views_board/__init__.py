"""Answers for tests of the board: documents as the port says them, made up, without a broker."""

import asyncio
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from streams.views.answers_port import BadQuestion, Json, NotThere, Refused
from streams.views.board import Board
from streams.views.board.figures import address
from tests.reference import events
from tests.support.audit import decided, explained
from tests.views_board.documents import at, member, operations, points, shorts, summary


class SampleAnswers:
    """Answers from documents that tests may change; `refused` is raised by every question."""

    def __init__(self, names: list[str] | None = None, members: int = 12) -> None:
        """Channels by name, each with so many members."""
        self.summaries = {
            name: summary(name, n)
            for n, name in enumerate(["web", "phone"] if names is None else names)
        }
        digits = max(2, len(str(members - 1)))
        self.member_ids = [f"agent-{n:0{digits}d}" for n in range(members)]
        self.shorts = shorts()
        self.operations_document = operations()
        self.refused: Refused | None = None
        self.version = 0
        self.asked: list[str] = []
        self._outputs, _ = decided(events.the_seeds_story())

    def stamp(self, channel: str | None) -> int:
        """Rises when a test says so."""
        return self.version

    def _ask(self, what: str, channel: str | None = None) -> None:
        self.asked.append(what)
        if self.refused is not None:
            raise self.refused
        if channel is not None and channel not in self.summaries:
            raise NotThere("no such channel")

    async def channels(self, after: str = "", limit: int = 50, find: str = "") -> Json:
        """In order of name."""
        self._ask("channels")
        named = sorted(name for name in self.summaries if find.casefold() in name.casefold())
        shown = [name for name in named if name > after]
        return {
            "channels": [self.summaries[name] for name in shown[:limit]],
            "next_after": shown[limit - 1] if len(shown) > limit else None,
            "total": len(self.summaries),
            "found": len(named),
            "partitions_here": [0, 1, 2, 3],
            "partition_count": 4,
        }

    async def channel(self, channel: str) -> Json:
        """A summary and more."""
        self._ask("channel", channel)
        return {
            **self.summaries[channel],
            "time_zone": "Australia/Melbourne",
            "rules": None,
            "duplicates_ignored": 2,
            "counted_from": {"state_version": 1, "decided_at": at(9000)},
            "roster_complete": True,
            "error_denominator": "3000000000000000000",
            "parked": [],
            "history": {
                "minutes": points(60, 1),
                "hours": points(48, 60),
                "days": points(60, 1440),
            },
            **self.summaries[channel].get("more", {}),
        }

    async def standings(self, channel: str, after: str = "", limit: int = 100) -> Json:
        """In order of assignee_id."""
        self._ask("standings", channel)
        found = [(n, name) for n, name in enumerate(self.member_ids) if name > after]
        return {
            "channel": channel,
            "state_version": 12,
            "error_denominator": "3000000000000000000",
            "standings": [member(name, n) for n, name in found[:limit]],
            "next_after": found[limit - 1][1] if len(found) > limit else None,
        }

    async def decisions(self, channel: str, before: int | None = None, limit: int = 50) -> Json:
        """Newest first."""
        self._ask("decisions", channel)
        found = [each for each in self.shorts if before is None or each["state_version"] < before]
        return {
            "channel": channel,
            "decisions": found[:limit],
            "next_before": found[limit - 1]["state_version"] if len(found) > limit else None,
        }

    async def decision(self, channel: str, state_version: int) -> Json:
        """As the dispatcher wrote it."""
        self._ask("decision", channel)
        for output in self._outputs:
            if output["type"] != "lead_assigned" and output["state_version"] == state_version:
                return output
        raise NotThere("no such decision")

    async def assignee(self, channel: str, assignee_id: str) -> Json:
        """A member and more."""
        self._ask("assignee", channel)
        if assignee_id not in self.member_ids:
            raise NotThere("no such assignee")
        found = self.summaries[channel]
        return {
            **member(assignee_id, self.member_ids.index(assignee_id)),
            "channel": channel,
            "error_denominator": "3000000000000000000",
            "promise": found["promise"],
            "is_member": True,
            "dispatch_by": found["dispatch_by"],
            "today_date": "2026-11-22",
            "time_zone": "UTC",
        }

    async def assignments(
        self, channel: str, assignee_id: str, before: int | None = None, limit: int = 50
    ) -> Json:
        """Newest first."""
        self._ask("assignments", channel)
        made = [
            {"assignment_id": f"{channel}/{n}/L{n}", "channel": channel, "lead_id": f"L{n}",
             "assignee_id": assignee_id, "batch_id": "day-1-first", "position": n % 100 + 1,
             "batch_size": 100, "state_version": n, "decided_at": at(200 - n)}
            for n in range(120, 0, -1) if before is None or n < before
        ]  # fmt: skip
        return {
            "channel": channel,
            "assignee_id": assignee_id,
            "assignments": made[:limit],
            "next_before": made[limit - 1]["state_version"] if len(made) > limit else None,
        }

    async def lead(self, lead_id: str, channel: str | None = None) -> Json:
        """Explained from a real log where it is there; `L17` has only an assignment."""
        self._ask("lead", channel)
        if not lead_id.isprintable():
            raise BadQuestion("not an id")
        found = [each for each in self._outputs if each.get("lead_id") == lead_id]
        assignments = [each for each in found if each["type"] == "lead_assigned"]
        if lead_id == "L17":
            assignments = (await self.assignments("web", "A"))["assignments"][:1]
        if not assignments:
            raise NotThere("nothing is known of this lead")
        outcomes = [
            {**each, "channel": "web", "credited": True, "dispatched_again": True}
            for each in self.shorts if each["type"] == "outcome_recorded"
        ]  # fmt: skip
        return {
            "lead_id": lead_id,
            "assigned": explained(self._outputs, lead_id) if lead_id != "L17" else [],
            "outcomes": outcomes[:1],
            "assignments": assignments,
        }

    async def operations(self) -> Json:
        """All is well."""
        self._ask("operations")
        return self.operations_document


class Seen(HTMLParser):
    """A page as a browser takes it apart: elements with their attributes, and the text."""

    def __init__(self, html: str) -> None:
        """All of it, at once."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One more element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """One more piece of text."""
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of all elements of a kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def asked(self, path: str) -> list[dict[str, str]]:
        """What the links to a path ask for."""
        links = [urlsplit(each["href"]) for each in self.all("a")]
        return [dict(parse_qsl(link.query)) for link in links if link.path == path]


def answered(answers: SampleAnswers, path: str, **query: object) -> web.Response:
    """What the board answers to a question, without a socket."""
    board = Board(answers)
    handler = board.static if path.startswith("/static/") else board.page
    request = make_mocked_request(
        "GET", address(path, **query), match_info={"name": path.removeprefix("/static/")}
    )
    return asyncio.run(handler(request))


def shown(answers: SampleAnswers, path: str, **query: object) -> str:
    """The HTML of a page that is there."""
    response = answered(answers, path, **query)
    assert (response.status, response.content_type) == (200, "text/html")
    return str(response.text)
