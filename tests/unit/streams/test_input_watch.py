"""When is input that is there not delivered any more?"""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace

import pytest

from streams.broker import CallFailed, Remedy, TopicPartition
from streams.input_watch import STALLS_MAX, InputWatch

INTERVAL_MS = 10_000
PLACE: TopicPartition = ("leads.batches", 3)
OTHER: TopicPartition = ("roster.changes", 3)


class Cluster:
    """Whose ends are set by hand; None: it doesn't answer."""

    def __init__(self) -> None:
        self.ends: dict[TopicPartition, int] | None = {}
        self.asked = 0

    def end_offsets(
        self, partitions: Sequence[TopicPartition], *, read_committed: bool
    ) -> dict[TopicPartition, int]:
        """See `broker.Cluster`."""
        assert read_committed, "what is not stable can't be delivered"
        self.asked += 1
        if self.ends is None:
            raise CallFailed(Remedy.RETRY, "no answer")
        return {place: self.ends[place] for place in partitions}


class Watched:
    """A watch, a clock, and what was sought."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.sought: list[Mapping[TopicPartition, int]] = []
        self.now_s = 0.0
        self.watch = InputWatch(
            SimpleNamespace(start_from=self.sought.append),  # type: ignore[arg-type]
            self.cluster,  # type: ignore[arg-type]
            INTERVAL_MS,
            logger=SimpleNamespace(warning=lambda *_, **__: None),
            monotonic=lambda: self.now_s,
        )

    def look(self, positions: dict[TopicPartition, int], **ends: int | None) -> None:
        """An interval later; `batches`, `rosters`: where the inputs end."""
        self.now_s += INTERVAL_MS / 1000
        known = {PLACE: ends.get("batches"), OTHER: ends.get("rosters")}
        self.cluster.ends = {place: end for place, end in known.items() if end is not None} or None
        self.watch.look(positions)


@pytest.fixture
def watched() -> Watched:
    """Nothing was looked at yet."""
    return Watched()


def test_what_was_there_for_an_interval_and_did_not_come_is_sought_anew(watched: Watched) -> None:
    """From where it stands; the others go on."""
    watched.look({PLACE: 5, OTHER: 7}, batches=9, rosters=9)
    watched.look({PLACE: 5, OTHER: 9}, batches=9, rosters=9)
    assert watched.sought == [{PLACE: 5}]


def test_what_came_since_is_not_waited_for(watched: Watched) -> None:
    """There is much to do, but it goes on."""
    for position in (5, 6, 7):
        watched.look({PLACE: position}, batches=1_000)
    assert not watched.sought


def test_at_the_end_there_is_nothing_to_come(watched: Watched) -> None:
    """However long nobody sends anything; what was sent just now may be on its way."""
    for _ in range(3):
        watched.look({PLACE: 5}, batches=5)
    watched.look({PLACE: 5}, batches=6)
    assert not watched.sought


def test_a_cluster_that_did_not_answer_delivers_nothing_either(watched: Watched) -> None:
    """It begins to count when it answers again."""
    watched.look({PLACE: 5}, batches=9)
    watched.look({PLACE: 5})
    watched.look({PLACE: 5}, batches=9)
    assert not watched.sought


def test_what_was_paused_or_started_anew_is_given_its_time(watched: Watched) -> None:
    """Then nothing that was known of it holds."""
    watched.look({PLACE: 5}, batches=9)
    watched.watch.forget(PLACE)
    watched.look({PLACE: 5}, batches=9)
    assert not watched.sought
    watched.look({}, batches=9)
    watched.look({PLACE: 5}, batches=9)
    assert not watched.sought


def test_it_asks_once_in_an_interval_and_not_about_nothing(watched: Watched) -> None:
    """However often it is called."""
    watched.look({PLACE: 5}, batches=5)
    for _ in range(10):
        watched.watch.look({PLACE: 5})
    watched.look({}, batches=5)
    assert watched.cluster.asked == 1


def test_when_seeking_does_not_help_the_process_has_to_end(watched: Watched) -> None:
    """Its supervisor starts another, with another client."""
    watched.look({PLACE: 5}, batches=9)
    for _ in range(STALLS_MAX):
        watched.look({PLACE: 5}, batches=9)
    assert watched.sought == [{PLACE: 5}] * STALLS_MAX
    with pytest.raises(CallFailed, match="delivers nothing") as failed:
        watched.look({PLACE: 5}, batches=9)
    assert failed.value.remedy is Remedy.STOP


def test_a_stall_that_ended_is_forgotten(watched: Watched) -> None:
    """Only one after the other counts."""
    for position in range(2 * STALLS_MAX):
        watched.look({PLACE: position}, batches=99)
        watched.look({PLACE: position}, batches=99)
    assert len(watched.sought) == 2 * STALLS_MAX
