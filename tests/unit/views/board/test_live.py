import asyncio
import json
from collections.abc import Callable
from typing import Any

from streams.views.answers_port import CatchingUp
from streams.views.board import Board
from streams.views.board.live import BYTES_PER_S, CONNECTIONS_MAX, HEARTBEAT, Live
from streams.views.board.rendering import Renderer
from streams.views.board.static_files import StaticFiles
from tests.views_board import SampleAnswers

OVERVIEW, CHANNEL = "/", "/channel?name=web"
Step = Callable[[], None]


class Tab:
    """An open page on a clock that only moves when the page waits."""

    def __init__(self, answers: SampleAnswers, steps: dict[float, Step] | None = None) -> None:
        """Each step is taken once its time, in seconds, has come."""
        self._steps = dict(steps or {})
        self._now_s = 0.0
        static = StaticFiles()
        self.live = Live(
            answers,
            Renderer(static),
            Board(answers).page_at,
            static.version,
            now_s=lambda: self._now_s,
            sleep_s=self._sleep,
        )

    async def _sleep(self, how_long_s: float) -> None:
        await asyncio.sleep(0)
        self._now_s += how_long_s
        for due_s in [each for each in self._steps if each <= self._now_s]:
            self._steps.pop(due_s)()

    def events(
        self, address: str, until_s: float, kind: str = ""
    ) -> list[tuple[float, str, dict[str, Any]]]:
        """When which event came, with what."""

        async def listen() -> list[tuple[float, str, dict[str, Any]]]:
            found = []
            events = self.live.events(address, kind, gone=lambda: self._now_s >= until_s)
            async for event in events:
                if event == HEARTBEAT:
                    found.append((self._now_s, "heartbeat", {}))
                    continue
                name, data = event.decode().strip().split("\n")
                what = json.loads(data.removeprefix("data: "))
                found.append((self._now_s, name.removeprefix("event: "), what))
            return found

        return asyncio.run(listen())


def changes(answers: SampleAnswers, **values: Any) -> Step:
    """A step after which the channel web is another."""

    def change() -> None:
        answers.summaries["web"] |= values
        answers.version += 1

    return change


def test_who_connects_gets_all_regions_once() -> None:
    """Nothing is known of what they see; after that nothing is sent while nothing changes."""
    tab = Tab(SampleAnswers())
    events = tab.events(OVERVIEW, until_s=4)
    assert [(name, sorted(what)) for _, name, what in events] == [
        ("hello", ["version"]),
        ("regions", ["live_channels", "live_totals"]),
    ]


def test_only_regions_that_changed_are_sent() -> None:
    """A new delay is a figure; the assignees are as they were."""
    answers = SampleAnswers()
    step = changes(answers, delay_ms={"last": 15, "most_last_hour": 80})
    events = Tab(answers, {3: step}).events(CHANNEL, until_s=6)
    at_s, name, what = events[-1]
    assert (name, sorted(what)) == ("regions", ["live_figures"])
    assert "15 ms" in what["live_figures"]
    assert 3 <= at_s <= 3.5


def test_without_a_change_a_page_is_made_again_every_five_seconds() -> None:
    """The last minute moves on by itself."""
    answers = SampleAnswers()

    def later() -> None:
        answers.summaries["web"]["leads_last"]["minute"] = 99

    events = Tab(answers, {1: later}).events(OVERVIEW, until_s=12)
    assert [round(at_s) for at_s, name, _ in events if name == "regions"] == [0, 5]
    assert answers.asked.count("channels") == 3


def test_a_silent_connection_has_a_heartbeat() -> None:
    """So that nobody between takes it for dead."""
    events = Tab(SampleAnswers()).events(OVERVIEW, until_s=40)
    assert [at_s for at_s, name, _ in events if name == "heartbeat"] == [15, 30]


def test_a_page_that_catches_up_becomes_what_was_asked_for() -> None:
    """It is sent whole, and goes on from there."""
    answers = SampleAnswers()
    answers.refused = CatchingUp("catching up")

    def caught_up() -> None:
        answers.refused = None
        answers.version += 1

    step = changes(answers, delay_ms=None)
    events = Tab(answers, {2: caught_up, 12: step}).events(CHANNEL, 15, kind="problem-503")
    assert [name for _, name, _ in events] == ["hello", "turned", "regions"]
    _, _, what = events[1]
    assert what["kind"] == "channel-200"
    assert 'id="live_assignees"' in what["main"]
    assert sorted(events[2][2]) == ["live_figures"]


def test_a_page_that_never_changes_again_is_left_alone() -> None:
    """A lead that could be asked at last."""
    events = Tab(SampleAnswers()).events("/lead?id=L3", 10, kind="problem-503")
    assert [name for _, name, _ in events] == ["hello", "turned", "done"]


def test_a_busy_page_sends_no_more_than_its_share() -> None:
    """The newest state is sent; what lay between is left out."""
    answers = SampleAnswers(members=100)
    ticks = {n / 4: changes(answers, leads=n) for n in range(1, 120)}
    ticks |= {n / 4 + 0.01: answers.member_ids.reverse for n in range(1, 120)}
    events = Tab(answers, ticks).events(CHANNEL, until_s=30)
    sent_bytes = sum(len(json.dumps(what)) for _, name, what in events if name == "regions")
    assert 5 < len(events) < 100
    assert sent_bytes < 31 * BYTES_PER_S + 200_000


def test_tabs_of_the_same_page_share_its_making() -> None:
    """A hundred supervisors ask no more often than one."""
    answers = SampleAnswers()
    tab = Tab(answers)

    async def hundred() -> None:
        async def one() -> None:
            async for _ in tab.live.events(OVERVIEW, "", gone=lambda: tab._now_s >= 4):
                pass

        await asyncio.gather(*(one() for _ in range(100)))

    asyncio.run(hundred())
    assert answers.asked.count("channels") == 1


def test_places_are_bounded_and_given_back() -> None:
    """Who comes when all are taken is told so; none are left after the end."""
    live = Tab(SampleAnswers()).live
    assert all(live.take_place() for _ in range(CONNECTIONS_MAX))
    assert not live.take_place()
    live.give_place_back()
    assert live.take_place()
    live.give_place_back()
    live.close()
    assert not live.take_place()


def test_connections_end_when_the_process_does() -> None:
    """Within a look."""
    tab = Tab(SampleAnswers())
    tab._steps[2] = tab.live.close
    events = tab.events(OVERVIEW, until_s=60)
    assert [name for _, name, _ in events] == ["hello", "regions"]
    assert tab._now_s <= 2.5
