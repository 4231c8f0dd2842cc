"""The reader of the changelog: positions, ends, and a log that is compacted."""

from collections.abc import Callable

from streams.broker import ChangelogReader
from tests.conformance.sides import CALL_MS, FILLER, RECORDS_MOST, Side, pair

FILLER_PAIR = f"{FILLER.decode()}="


def _read_until(side: Side, reader: ChangelogReader, condition: Callable[[], bool]) -> list[str]:
    """Read until it holds; returns what was read."""
    found: list[str] = []

    def holds() -> bool:
        found.extend(pair(record) for record in reader.read(RECORDS_MOST, 20))
        return condition()

    side.until(holds, "what is read for", pause_ms=0)
    return found


def test_before_anything_was_read_there_is_no_position(side: Side) -> None:
    """Not even when it is known where to start."""
    reader = side.reader()
    assert reader.position(0) is None
    reader.start(0, 0)
    assert reader.position(0) is None


def test_the_position_of_an_empty_partition_becomes_its_end(side: Side) -> None:
    """Who starts there, and waits for a position, doesn't wait for ever."""
    reader = side.reader()
    reader.start(0, 0)
    assert _read_until(side, reader, lambda: reader.position(0) == 0) == []


def test_started_at_the_end_the_position_becomes_that_end(side: Side) -> None:
    """With nothing to read, and markers before it."""
    place = side.places()[2]
    side.transact(side.ready(), place, "a=1")
    side.until(lambda: side.ends(place) == (2, 2), "the marker is written")
    reader = side.reader()
    reader.start(0, 2)
    assert _read_until(side, reader, lambda: reader.position(0) == 2) == []


def test_started_between_the_last_record_and_its_marker_the_position_passes_the_marker(
    side: Side,
) -> None:
    """That is where a restore point stands: behind the last record."""
    place = side.places()[2]
    side.transact(side.ready(), place, "a=1")
    side.until(lambda: side.ends(place) == (2, 2), "the marker is written")
    reader = side.reader()
    reader.start(0, 1)
    assert _read_until(side, reader, lambda: reader.position(0) == 2) == []


def test_the_position_passes_trailing_markers_and_aborted_records(side: Side) -> None:
    """So that it reaches the high watermark once nothing is open."""
    place = side.places()[2]
    producer = side.ready()
    side.transact(producer, place, "a=1")
    producer.begin()
    side.put(producer, place, "b=2", "c=3")
    producer.abort(CALL_MS)
    side.until(lambda: side.ends(place) == (5, 5), "the markers are written")
    reader = side.reader()
    reader.start(0, 0)
    assert _read_until(side, reader, lambda: reader.position(0) == 5) == ["a=1"]


def test_the_position_waits_at_an_open_transaction(side: Side) -> None:
    """However long; it goes on when the transaction has ended."""
    place = side.places()[2]
    side.publish(place, b"before", b"0")
    producer = side.ready()
    producer.begin()
    side.put(producer, place, "a=1")
    reader = side.reader()
    reader.start(0, 0)
    assert _read_until(side, reader, lambda: reader.position(0) == 1) == ["before=0"]
    for _ in range(5):
        assert reader.read(RECORDS_MOST, 20) == []
    assert reader.position(0) == 1
    producer.commit(CALL_MS)
    assert _read_until(side, reader, lambda: reader.position(0) == 3) == ["a=1"]


def test_a_position_is_never_ahead_of_what_was_given(side: Side) -> None:
    """Everything visible below it has been returned by `read`."""
    place = side.places()[2]
    producer = side.ready()
    for number in range(10):
        side.transact(producer, place, f"a={number}", f"b={number}")
    side.until(lambda: side.ends(place) == (30, 30), "the markers are written")
    visible = [offset for offset in range(30) if offset % 3 != 2]
    reader = side.reader()
    reader.start(0, 0)
    given: list[int] = []

    def step() -> bool:
        given.extend(record.offset for record in reader.read(3, 20))
        position = reader.position(0) or 0
        assert [offset for offset in visible if offset < position] == given
        return position == 30

    side.until(step, "the end")


def test_partitions_are_read_side_by_side(side: Side) -> None:
    """Each started and stopped by itself; a stopped one is read no more."""
    for number in range(side.partitions):
        side.publish(side.places(number)[2], b"a", b"%d" % number)
    reader = side.reader()
    for number in range(side.partitions):
        reader.start(number, 0)
    found = _read_until(
        side, reader, lambda: all(reader.position(n) == 1 for n in range(side.partitions))
    )
    assert sorted(found) == ["a=0", "a=1"]
    reader.stop(0)
    for number in range(side.partitions):
        side.publish(side.places(number)[2], b"b", b"%d" % number)
    assert _read_until(side, reader, lambda: reader.position(1) == 2) == ["b=1"]


def test_records_larger_than_what_is_read_ahead_are_given_whole(side: Side) -> None:
    """Three that no single fetch would hold."""
    place = side.places()[2]
    large = [b"%d" % number * 900_000 for number in range(3)]
    for value in large:
        side.publish(place, b"large", value)
    side.publish(place, b"small", b"1")
    given = [record.value for record in side.read_changelog()]
    assert given == [*large, b"1"]


def test_started_again_it_reads_from_there_and_forgets_its_position(side: Side) -> None:
    """What had been fetched for the first start isn't given any more."""
    place = side.places()[2]
    for number in range(20):
        side.publish(place, b"a", b"%d" % number)
    reader = side.reader()
    reader.start(0, 0)
    side.until(lambda: bool(reader.read(1, 20)), "a first record")
    reader.stop(0)
    reader.start(0, 15)
    assert reader.position(0) is None
    found = _read_until(side, reader, lambda: reader.position(0) == 20)
    assert found == [f"a={number}" for number in range(15, 20)]


def test_compaction_keeps_the_last_record_of_each_key(side: Side) -> None:
    """With its offset; the position passes the holes."""
    place = side.places()[2]
    producer = side.ready()
    for number in range(3):
        side.transact(producer, place, f"a={number}", f"b={number}")
    side.transact(producer, place, "c=0")
    producer.begin()
    side.put(producer, place, "a=aborted")
    producer.abort(CALL_MS)
    side.until(lambda: side.ends(place) == (13, 13), "the markers are written")
    before = side.read_changelog()
    side.compact(0)
    expected = ["a=2", "b=2", "c=0", FILLER_PAIR]
    side.until(lambda: side.changelog() == expected, "it is compacted")
    after = side.read_changelog()
    assert after[:-1] == [record for record in before if pair(record) in expected]
    assert [record.offset for record in after] == [6, 7, 9, 13]
    assert side.ends(place) == (14, 14)
    assert side.cluster().start_offsets([place]) == {place: 0}


def test_a_hole_may_be_started_at(side: Side) -> None:
    """The next record that is there is the first one."""
    place = side.places()[2]
    for number in range(4):
        side.publish(place, b"a", b"%d" % number)
    side.publish(place, b"b", b"0")
    side.compact(0)
    expected = ["a=3", "b=0", FILLER_PAIR]
    side.until(lambda: side.changelog() == expected, "it is compacted")
    assert [pair(record) for record in side.read_changelog(offset=1)] == expected


def _without_fillers(side: Side) -> list[str]:
    return [one for one in side.changelog() if one != FILLER_PAIR]


def _delete_a_key(side: Side) -> None:
    place = side.places()[2]
    producer = side.ready()
    side.transact(producer, place, "a=1", "b=1")
    side.transact(producer, place, "a")
    side.until(lambda: side.ends(place) == (5, 5), "the markers are written")


def test_compaction_keeps_a_tombstone_in_the_place_of_what_it_deletes(side: Side) -> None:
    """For as long as the topic says: who has an older copy has to learn of it."""
    _delete_a_key(side)
    side.compact(0)
    expected = ["b=1", "a", FILLER_PAIR]
    side.until(lambda: side.changelog() == expected, "it is compacted")
    for value in (b"1", b"2"):
        side.publish(side.places()[2], b"c", value)
    side.compact(0)
    side.until(lambda: "c=1" not in side.changelog(), "it is compacted again")
    assert _without_fillers(side) == ["b=1", "a", "c=2"]


def test_a_tombstone_that_was_kept_for_long_enough_goes(side: Side) -> None:
    """Then nothing is left of the key."""
    _delete_a_key(side)

    def is_gone() -> bool:
        side.compact(0, tombstones_too=True)
        side.wait(300)
        return _without_fillers(side) == ["b=1"]

    side.until(is_gone, "the tombstone goes")


def test_records_of_an_open_transaction_supersede_nothing(side: Side) -> None:
    """Compaction stops before the last stable offset: the transaction may be aborted yet."""
    place = side.places()[2]
    side.publish(place, b"a", b"1")
    side.publish(place, b"a", b"2")
    side.compact(0)
    side.until(lambda: side.changelog() == ["a=2", FILLER_PAIR], "it is compacted")
    side.publish(place, b"a", b"3")
    producer = side.ready()
    producer.begin()
    side.put(producer, place, "a=open")
    side.compact(0)
    side.until(lambda: side.changelog()[-1] == "a=3", "it is compacted again")
    side.wait(300)
    assert side.changelog()[-1] == "a=3"
    producer.abort(CALL_MS)
    side.until(lambda: side.changelog() == ["a=3", FILLER_PAIR], "nothing is open")
