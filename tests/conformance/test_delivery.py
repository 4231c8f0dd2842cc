"""What a member of the group is given of the partitions that it has."""

from operator import attrgetter

import pytest
from msgspec.structs import replace

from streams.broker import InputLost, InputRecord, TopicPartition
from tests.conformance.sides import Side, pair

TIMESTAMP_MS = 1_795_251_612_345


def _publish(side: Side, place: TopicPartition, first: int, limit: int) -> None:
    for number in range(first, limit):
        side.publish(place, b"k", b"%d" % number)


def test_a_record_comes_as_it_was_written(side: Side) -> None:
    """Key, value, headers, timestamp; each of them may be nothing."""
    consumer = side.consumer()
    side.joined(consumer)
    side.started(consumer)
    batches, rosters, _ = side.places(1)
    headers = (("one", b"1"), ("none", None), ("one", b"again"))
    side.publish(batches, b"key", b"value", headers, TIMESTAMP_MS)
    side.publish(rosters, None, None, (), TIMESTAMP_MS + 1)
    found = side.delivered(consumer, 2)
    found = [replace(record, headers=tuple(record.headers)) for record in found]
    assert sorted(found, key=attrgetter("topic")) == [
        InputRecord(*batches, 0, TIMESTAMP_MS, b"key", b"value", headers),
        InputRecord(*rosters, 0, TIMESTAMP_MS + 1, None, None, ()),
    ]


def test_nothing_of_a_partition_comes_before_it_was_started(side: Side) -> None:
    """Nor its end; then it comes from where it was started."""
    consumer = side.consumer()
    batches = side.places()[0]
    _publish(side, batches, 0, 5)
    side.joined(consumer)
    for _ in range(10):
        polled = consumer.poll(100, 20)
        assert polled.records == []
        assert polled.ends == []
    side.started(consumer, {batches: 2})
    assert [pair(record) for record in side.delivered(consumer, 3)] == ["k=2", "k=3", "k=4"]


def test_after_a_rebalance_everything_has_to_be_started_again(side: Side) -> None:
    """What a member keeps, too."""
    first = side.consumer("first")
    side.joined(first)
    side.started(first)
    for number in range(side.partitions):
        _publish(side, side.places(number)[0], 0, 3)
    side.delivered(first, 3 * side.partitions)
    second = side.consumer("second")
    of_first, of_second = side.joined(first, second)
    for number in range(side.partitions):
        _publish(side, side.places(number)[0], 3, 5)
    for _ in range(10):
        assert first.poll(100, 20).records == []
        assert second.poll(100, 20).records == []
    (kept,) = of_first.rebalances[-1].partitions
    (taken,) = of_second.rebalances[-1].partitions
    side.started(first, {side.places(kept)[0]: 3})
    side.started(second, {side.places(taken)[0]: 4})
    assert [pair(record) for record in side.delivered(first, 2)] == ["k=3", "k=4"]
    assert [pair(record) for record in side.delivered(second, 1)] == ["k=4"]


def test_the_records_of_a_partition_come_in_order_each_of_them_once(side: Side) -> None:
    """However little is asked for at a time, and while more are written."""
    consumer = side.consumer()
    side.joined(consumer)
    side.started(consumer)
    places = [side.places(number)[0] for number in range(side.partitions)]
    for place in places:
        _publish(side, place, 0, 40)
    found: list[InputRecord] = []

    def more() -> bool:
        found.extend(consumer.poll(3, 20).records)
        return len(found) > 20

    side.until(more, "the first of them")
    for place in places:
        _publish(side, place, 40, 50)
    found += side.delivered(consumer, 50 * side.partitions - len(found))
    for place in places:
        offsets = [one.offset for one in found if (one.topic, one.partition) == place]
        assert offsets == list(range(50))


def test_a_paused_partition_delivers_nothing_and_then_goes_on_where_it_stopped(
    side: Side,
) -> None:
    """The others go on meanwhile; what was fetched already is kept back, too."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, rosters, _ = side.places()
    _publish(side, batches, 0, 30)
    side.started(consumer)
    before = side.poll_until(consumer, lambda polled: bool(polled.records), "a first one").records
    consumer.pause([batches])
    _publish(side, batches, 30, 40)
    _publish(side, rosters, 0, 3)
    meanwhile = side.delivered(consumer, 3)
    for _ in range(5):
        meanwhile += consumer.poll(100, 20).records
    assert {record.topic for record in meanwhile} == {rosters[0]}
    consumer.resume([batches])
    after = side.delivered(consumer, 40 - len(before))
    assert [record.offset for record in before + after] == list(range(40))


def test_started_again_elsewhere_a_partition_goes_on_from_there(side: Side) -> None:
    """Forth or back: a rewind after an aborted transaction."""
    consumer = side.consumer()
    side.joined(consumer)
    batches = side.places()[0]
    _publish(side, batches, 0, 10)
    side.started(consumer, {batches: 0})
    side.delivered(consumer, 10)
    side.started(consumer, {batches: 4})
    assert [record.offset for record in side.delivered(consumer, 6)] == [4, 5, 6, 7, 8, 9]
    side.started(consumer, {batches: 8})
    assert [record.offset for record in side.delivered(consumer, 2)] == [8, 9]


def test_started_at_its_end_a_partition_reports_that_end(side: Side) -> None:
    """And then what is written behind it."""
    consumer = side.consumer()
    side.joined(consumer)
    batches = side.places()[0]
    _publish(side, batches, 0, 5)
    side.started(consumer, {batches: 5})
    polled = side.poll_until(consumer, lambda one: (*batches, 5) in one.ends, "its end")
    assert polled.records == []
    _publish(side, batches, 5, 6)
    assert [record.offset for record in side.delivered(consumer, 1)] == [5]


def test_an_offset_that_retention_has_passed_is_lost_input(side: Side) -> None:
    """It is said, and nothing behind it is delivered."""
    consumer = side.consumer()
    side.joined(consumer)
    batches = side.places()[0]
    _publish(side, batches, 0, 10)
    side.delete_before(batches, 6)
    assert side.cluster().start_offsets([batches]) == {batches: 6}
    side.started(consumer, {batches: 3})
    with pytest.raises(InputLost):
        side.delivered(consumer, 1)


def test_an_offset_beyond_the_end_is_lost_input(side: Side) -> None:
    """The log isn't the one that it was."""
    consumer = side.consumer()
    side.joined(consumer)
    batches = side.places()[0]
    _publish(side, batches, 0, 3)
    side.started(consumer, {batches: 7})
    with pytest.raises(InputLost):
        side.delivered(consumer, 1)
