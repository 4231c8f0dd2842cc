"""What readers of committed records see of transactions, and when."""

from streams.broker import Polled, TopicPartition
from tests.conformance.sides import CALL_MS, Side, pair


def test_an_open_transaction_hides_itself_and_what_comes_behind_it(side: Side) -> None:
    """Even a record outside of transactions; once it ends all of it is there, in order."""
    _, _, place = side.places()
    side.publish(place, b"before", b"0")
    producer = side.ready()
    producer.begin()
    side.put(producer, place, "a=1")
    side.publish(place, b"behind", b"2")
    assert side.changelog() == ["before=0"]
    producer.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["before=0", "a=1", "behind=2"], "all is there")


def test_nothing_of_an_aborted_transaction_is_ever_seen(side: Side) -> None:
    """In no partition that it wrote; what was written around it is."""
    producer = side.ready()
    for number in range(side.partitions):
        side.publish(side.places(number)[2], b"before", b"0")
    producer.begin()
    for number in range(side.partitions):
        side.put(producer, side.places(number)[2], "a=1", "b=2")
    producer.abort(CALL_MS)
    for number in range(side.partitions):
        side.transact(producer, side.places(number)[2], "c=3")
        side.until(lambda n=number: len(side.changelog(n)) == 2, "what was committed is there")  # type: ignore[misc]
        assert side.changelog(number) == ["before=0", "c=3"]


def test_the_end_of_a_transaction_occupies_an_offset_in_each_of_its_partitions(side: Side) -> None:
    """Committed or aborted alike."""
    producer = side.ready()
    first, second = side.places(0)[2], side.places(1)[2]
    producer.begin()
    assert side.put(producer, first, "a=1", "b=2") == [0, 1]
    assert side.put(producer, second, "c=1") == [0]
    producer.commit(CALL_MS)
    producer.begin()
    assert side.put(producer, first, "d=1") == [3]
    producer.abort(CALL_MS)
    side.until(lambda: side.ends(first) == (5, 5), "the second marker is written")
    assert side.ends(second) == (2, 2)
    assert [record.offset for record in side.read_changelog()] == [0, 1]


def test_the_last_stable_offset_stands_before_the_first_open_transaction(side: Side) -> None:
    """Of two that are open the earlier one counts; the high watermark is the end of the log."""
    place = side.places()[2]
    side.publish(place, b"before", b"0")
    assert side.ends(place) == (1, 1)
    one, other = side.ready("one"), side.ready("other")
    one.begin()
    other.begin()
    side.put(one, place, "a=1")
    side.put(other, place, "b=2")
    assert side.ends(place) == (1, 3)
    other.commit(CALL_MS)
    side.until(lambda: side.ends(place)[1] == 4, "the marker of the later one is written")
    assert side.ends(place) == (1, 4)
    assert side.changelog() == ["before=0"]
    one.commit(CALL_MS)
    side.until(lambda: side.ends(place) == (5, 5), "nothing is open")
    assert side.changelog() == ["before=0", "a=1", "b=2"]


def test_a_transaction_without_anything_leaves_nothing(side: Side) -> None:
    """Committed or aborted, no offset is occupied."""
    producer = side.ready()
    producer.begin()
    producer.commit(CALL_MS)
    producer.begin()
    producer.abort(CALL_MS)
    assert side.ends(side.places()[2]) == (0, 0)


def test_a_member_of_the_group_reads_what_is_committed_and_nothing_else(side: Side) -> None:
    """It is told of the end of a partition: of what may be read, then behind the markers."""
    consumer = side.consumer()
    side.joined(consumer)
    side.started(consumer)
    place = side.places()[0]
    producer = side.ready()
    producer.begin()
    side.put(producer, place, "a=1")
    producer.abort(CALL_MS)
    side.transact(producer, place, "b=2")
    polled = side.poll_until(consumer, lambda one: _end(one, place) == 4, "the end is reached")
    assert [pair(record) for record in polled.records] == ["b=2"]
    producer.begin()
    side.put(producer, place, "c=3")
    for _ in range(5):
        assert consumer.poll(100, 50).records == []
    producer.commit(CALL_MS)
    polled = side.poll_until(consumer, lambda one: _end(one, place) == 6, "the end is reached")
    assert [pair(record) for record in polled.records] == ["c=3"]


def test_ends_are_reported_after_all_that_lies_before_them(side: Side) -> None:
    """Whoever is told of an end has been given every record below it."""
    consumer = side.consumer()
    side.joined(consumer)
    place = side.places()[0]
    for number in range(30):
        side.publish(place, b"k", b"%d" % number)
    side.started(consumer)
    given: list[int] = []

    def step() -> bool:
        polled = consumer.poll(7, 20)
        given.extend(record.offset for record in polled.records if record.topic == place[0])
        ends = [offset for *at, offset in polled.ends if tuple(at) == place]
        assert all(given == list(range(end)) for end in ends)
        return bool(ends) and ends[-1] == 30

    side.until(step, "the end is reached")


def _end(polled: Polled, place: TopicPartition) -> int | None:
    """The end that was reached last."""
    return next((end[2] for end in reversed(polled.ends) if end[:2] == place), None)
