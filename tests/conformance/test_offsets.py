"""The group's offsets as part of transactions."""

from streams.broker import Remedy
from tests.conformance.sides import CALL_MS, Side, committed, fails


def test_where_nothing_was_committed_there_is_no_offset(side: Side) -> None:
    """None, which isn't the same as not knowing."""
    consumer = side.consumer()
    asked = [place for number in range(side.partitions) for place in side.places(number)[:2]]
    side.until(lambda: side.committed(consumer, asked[0]) is None, "there is none")
    assert committed(consumer, *asked) == dict.fromkeys(asked)


def test_offsets_of_an_open_transaction_are_nobodys_answer(side: Side) -> None:
    """Neither the old nor the new one: the question fails, to be asked again."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, rosters, _ = side.places()
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 3}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 3
    producer.begin()
    producer.send_offsets({batches: 4}, consumer.group_metadata(), CALL_MS)
    for _ in range(2):
        with fails(Remedy.RETRY):
            committed(consumer, batches, rosters)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 4
    assert committed(consumer, batches, rosters) == {batches: 4, rosters: None}


def test_other_partitions_offsets_are_known_meanwhile(side: Side) -> None:
    """Only what could change is uncertain."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, rosters, _ = side.places()
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 4}, consumer.group_metadata(), CALL_MS)
    assert committed(consumer, rosters) == {rosters: None}
    producer.abort(CALL_MS)


def test_offsets_of_an_aborted_transaction_are_forgotten(side: Side) -> None:
    """What was committed before is committed still."""
    consumer = side.consumer()
    side.joined(consumer)
    batches = side.places()[0]
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 3}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    producer.begin()
    producer.send_offsets({batches: 9}, consumer.group_metadata(), CALL_MS)
    producer.abort(CALL_MS)
    assert side.committed(consumer, batches) == 3


def test_offsets_sent_twice_within_a_transaction_count_as_sent_last(side: Side) -> None:
    """Each partition for itself; a later transaction may go back, too."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, rosters, _ = side.places()
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 3, rosters: 1}, consumer.group_metadata(), CALL_MS)
    producer.send_offsets({batches: 4}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 4
    assert side.committed(consumer, rosters) == 1
    producer.begin()
    producer.send_offsets({batches: 2}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 2


def test_offsets_outlive_the_members_that_sent_them(side: Side) -> None:
    """The next member of the group finds them."""
    first = side.consumer("first")
    side.joined(first)
    batches = side.places()[0]
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 3}, first.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    first.close()
    assert side.committed(side.consumer("second"), batches) == 3


def test_offsets_and_records_of_a_transaction_come_into_force_together(side: Side) -> None:
    """Whoever finds the new offset finds the records too, once nothing is open."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, _, changelog = side.places()
    producer = side.ready()
    for number in range(1, 6):
        producer.begin()
        side.put(producer, changelog, f"a={number}")
        producer.send_offsets({batches: number}, consumer.group_metadata(), CALL_MS)
        if number % 2:
            producer.commit(CALL_MS)
        else:
            producer.abort(CALL_MS)
        expected = number if number % 2 else number - 1
        assert side.committed(consumer, batches) == expected
        side.until(lambda: len(set(side.ends(changelog))) == 1, "nothing is open")
        assert side.changelog()[-1] == f"a={expected}"
