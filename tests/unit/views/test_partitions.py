import json

import pytest

from dispatcher.limits import Limits
from schemas.partitioning import partition_of
from streams.replay import Replay
from streams.views.decisions import read_decision
from streams.views.folding import folded
from streams.views.partitions import PUT_OFF_MAX, PartitionStandings, Views
from tests.reference.histories import history, lines


def decisions(seed: int = 1) -> list[bytes]:
    """The decisions of a random history, as they stand in a partition."""
    events = history(seed, channels=3, events=150, rules=seed % 2 == 1)
    outputs = Replay(Limits()).lines(line.encode() for line in lines(events))
    kinds = ("lead_assigned", "dead_letter")
    return [output for output in outputs if json.loads(output)["type"] not in kinds]


def reading(views: Views, number: int = 0, *, end: int = 0, generation: int = 1) -> None:
    """The partition is held and its reading has begun."""
    views.hold([number], generation)
    views.begin({number: (0, end)})


def test_records_are_counted_and_the_next_offset_moves_with_them() -> None:
    """Gaps between offsets are what markers leave, and nothing is missing for it."""
    views = Views(3)
    reading(views)
    values = decisions()
    for place, value in enumerate(values):
        views.receive(0, place * 3, value, 1)
    held = views.partitions[0]
    assert held.channels == folded(map(read_decision, values))
    assert held.next_offset == (len(values) - 1) * 3 + 1
    assert (held.gaps, held.unreadable) == (0, 0)
    assert {each.channel for each in views.standings()} == held.channels.keys()


def test_what_comes_again_changes_nothing() -> None:
    """After a seek back the same records come; the next offset never goes back."""
    views = Views(1)
    reading(views)
    values = decisions()
    for place, value in enumerate(values):
        views.receive(0, place, value, 1)
    before, offset = dict(views.partitions[0].channels), views.partitions[0].next_offset
    for place, value in enumerate(values[:50]):
        views.receive(0, place, value, 1)
    assert views.partitions[0].channels == before
    assert views.partitions[0].next_offset == offset


def test_late_records_of_another_generation_are_dropped() -> None:
    """A partition that came back begins at its beginning, not in the middle."""
    views = Views(2)
    values = decisions()
    reading(views)
    for place, value in enumerate(values[:20]):
        views.receive(0, place, value, 1)
    views.hold([1], 2)
    views.receive(0, 20, values[20], 1)
    reading(views, generation=3)
    views.receive(0, 21, values[21], 1)
    assert views.partitions[0].channels == {}
    assert views.begin({0: (0, 100)}) == {0: 0}


def test_partitions_that_stay_go_on_where_they_are() -> None:
    """A rebalance gives and takes; what is kept is kept with its standings."""
    views = Views(3)
    views.hold([0, 1], 1)
    assert views.begin({0: (0, 9), 1: (5, 9)}) == {0: 0, 1: 5}
    views.receive(0, 3, decisions()[0], 1)
    kept = views.partitions[0]
    assert [each.number for each in views.hold([0, 2], 2)] == [2]
    assert views.partitions.keys() == {0, 2}
    assert views.partitions[0] is kept
    assert views.begin({0: (0, 20), 2: (0, 0)}) == {0: 4, 2: 0}


def test_a_partition_is_caught_up_when_its_end_at_the_beginning_is_counted() -> None:
    """Not before the last record that came is counted; markers behind it count as read."""
    views = Views(1)
    assert not views.caught_up
    reading(views, end=12)
    first, *_ = decisions()
    assert not views.reached(0, 5, 4, 20)
    views.receive(0, 10, first, 1)
    assert not views.reached(0, 12, 11, 20)
    assert not views.reached(0, 11, 10, 20)
    assert not views.caught_up
    assert views.reached(0, 12, 10, 20)
    assert views.caught_up
    assert not views.reached(0, 13, 10, 20)
    assert (views.partitions[0].next_offset, views.partitions[0].end_offset) == (13, 20)


def test_an_empty_partition_is_caught_up_at_once() -> None:
    """Also one in which everything was aborted."""
    views = Views(1)
    reading(views, end=7)
    assert views.reached(0, 7, None, 7)
    assert views.caught_up


def test_how_far_means_nothing_before_reading_begins() -> None:
    """A position from before the rebalance is none of the new partition."""
    views = Views(1)
    views.hold([0], 1)
    assert not views.reached(0, 100, None, 100)
    assert not views.reached(5, 100, None, 100)
    assert views.partitions[0].next_offset is None


def test_what_was_counted_and_is_gone_from_kafka_is_not_shown() -> None:
    """The log is shorter than what was read: it is counted again, from what there is."""
    views = Views(1)
    reading(views, end=100)
    for place, value in enumerate(decisions()):
        views.receive(0, place, value, 1)
    assert views.begin({0: (0, 10)}) == {0: 0}
    assert views.partitions[0].channels == {}


def test_what_is_no_decision_is_skipped_and_counted() -> None:
    """By its place only: what stands in it may be anything."""
    views = Views(1)
    reading(views)
    good, *_ = decisions()
    wrong = json.loads(good)
    wrong["shares"] = [{"assignee_id": "A", "weight": "much", "cumulative_error_numerator": "x"}]
    wrong.update(type="roster_changed", change_id="c", error_denominator="1")
    for place, value in enumerate((None, b"{", json.dumps(wrong).encode(), good)):
        views.receive(0, place, value, 1)
    held = views.partitions[0]
    assert (held.unreadable, held.next_offset, len(held.channels)) == (3, 4, 1)


def test_missing_decisions_are_noticed() -> None:
    """Counted as a gap; the channel is counted anew."""
    views = Views(1)
    reading(views)
    channel = json.loads(decisions()[0])["channel"]
    mine = [value for value in decisions() if json.loads(value)["channel"] == channel]
    for place in (0, 1, 2, 5):
        views.receive(0, place, mine[place], 1)
    assert views.partitions[0].gaps == 1
    assert views.partitions[0].channels[channel].counted_from.state_version == 6


def counted(number: int = 0) -> PartitionStandings:
    """A partition with some history."""
    held = PartitionStandings(number)
    for place, value in enumerate(decisions()):
        held.receive(place, value)
    return held


def expanded(seed: int = 1) -> tuple[dict[int, list[bytes]], list[bytes]]:
    """Decisions of channels that were on 2 partitions at first and are on 4, by partition; all."""
    values = decisions(seed)
    versions: dict[str, int] = {}
    placed: dict[int, list[bytes]] = {number: [] for number in range(4)}
    for value in values:
        channel = json.loads(value)["channel"]
        versions[channel] = versions.get(channel, 0) + 1
        count = 2 if versions[channel] <= 20 else 4
        placed[partition_of(channel.encode(), count)].append(value)
    return placed, values


def read(placed: dict[int, list[bytes]], order: list[int]) -> Views:
    """One partition after the other, to their ends."""
    views = Views(4, (2,))
    views.hold(range(4), 1)
    views.begin({number: (0, len(values)) for number, values in placed.items()})
    for number in order:
        for offset, value in enumerate(placed[number]):
            views.receive(number, offset, value, 1)
    for number in order:
        end = len(placed[number])
        views.reached(number, end, end - 1 if end else None, end)
    for number in order:  # as it is asked again and again
        end = len(placed[number])
        views.reached(number, end, end - 1 if end else None, end)
    return views


def test_a_channel_that_moved_goes_on_with_its_standing() -> None:
    """Whichever partition is read first; and it is served once."""
    placed, values = expanded()
    moved = {json.loads(value)["channel"] for number in (2, 3) for value in placed[number]}
    assert moved
    wanted = folded(map(read_decision, values))
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        views = read(placed, order)
        assert views.caught_up
        served = {each.channel: each for each in views.standings()}
        assert served == wanted
        assert len(list(views.standings())) == len(wanted)
        assert not any(held.gaps for held in views.partitions.values())


def test_a_channel_that_moved_is_shown_as_it_was_until_it_is_decided_anew() -> None:
    """Nothing of it stands where it is now."""
    placed, _ = expanded()
    before = {number: placed[number] if number < 2 else [] for number in placed}
    views = read(before, [0, 1, 2, 3])
    assert {each.channel for each in views.standings()} == {
        json.loads(value)["channel"] for values in before.values() for value in values
    }


def test_what_waits_for_another_partition_is_bounded() -> None:
    """Then it is counted alone, from where it begins."""
    placed, _ = expanded()
    views = Views(4, (2,))
    views.hold(range(4), 1)
    views.begin(dict.fromkeys(range(4), (0, 10**6)))
    number = next(number for number in (2, 3) if placed[number])
    for offset in range(PUT_OFF_MAX + 1):
        value = placed[number][min(offset, len(placed[number]) - 1)]
        views.receive(number, offset, value, 1)
    assert views.partitions[number].channels


def test_partitions_that_came_since_the_start_end_the_process() -> None:
    """It would look for channels where they were."""
    views = Views(2)
    with pytest.raises(RuntimeError, match="start it again"):
        views.hold([1, 2], 1)
