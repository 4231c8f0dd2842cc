"""The transactional producer where nobody fences it."""

import pytest

from streams.broker import UNKNOWN_OFFSET, CallFailed, ChangelogRecord, KeyValue, Remedy
from tests.conformance.sides import CALL_MS, Side, fails, pair

QUEUE_RECORDS = 60
RECORDS = 300


def test_offsets_are_reported_before_commit_returns(side: Side) -> None:
    """Without anything else being called in between; and they are those of the log."""
    producer = side.ready()
    places = [side.places(number)[2] for number in range(side.partitions)]
    reported: dict[int, list[int]] = {number: [] for number in range(side.partitions)}
    producer.begin()
    for number in range(20):
        for partition, place in enumerate(places):
            producer.produce(*place, [(b"k", b"%d" % number)], None, reported[partition].append)
    producer.commit(CALL_MS)
    assert reported == {number: list(range(20)) for number in reported}
    for partition, place in enumerate(places):
        side.until(lambda at=place: side.ends(at) == (21, 21), "the markers are written")  # type: ignore[misc]
        assert side.read_changelog(partition) == [
            ChangelogRecord(partition, number, b"k", b"%d" % number) for number in range(20)
        ]


def test_a_first_record_that_came_too_early_is_told_without_an_offset(side: Side) -> None:
    """The leader refused it and took the next; the client has no error for that, and commits."""
    producer = side.ready(can_be_copied=True)
    place = side.places()[2]
    let_answers_through = side.name_leaders_early(producer)
    reported: list[int] = []
    producer.begin()
    for value in (b"first", b"second"):
        producer.produce(*place, [(b"k", value)], None, reported.append)
        side.wait(50)  # so that each goes in a request of its own
    let_answers_through()
    producer.flush(CALL_MS)
    assert reported == [UNKNOWN_OFFSET, 0]
    producer.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["k=second"], "what was stored is there")


def test_records_of_a_partition_keep_the_order_in_which_they_were_produced(side: Side) -> None:
    """Over more sends than one, and over several partitions and transactions."""
    producer = side.ready()
    expected: list[str] = []
    for transaction in range(3):
        producer.begin()
        for number in range(20):
            text = f"{transaction}-{number}"
            for partition in range(side.partitions):
                producer.produce(*side.places(partition)[2], [(b"k", text.encode())])
            expected.append(f"k={text}")
            if number % 7 == 0:
                producer.serve(10)
        producer.commit(CALL_MS)
    for partition in range(side.partitions):
        side.until(lambda n=partition: len(side.changelog(n)) == len(expected), "all are there")  # type: ignore[misc]
        assert side.changelog(partition) == expected


@pytest.mark.parametrize("at_once", [1, 7, RECORDS])
def test_a_full_queue_takes_more_after_it_was_served(side: Side, at_once: int) -> None:
    """It says how many it took: the rest may be given again, and nothing is lost or doubled."""
    producer = side.ready(queue_records_max=QUEUE_RECORDS)
    place = side.places()[2]
    producer.begin()
    times_full = 0
    for first in range(0, RECORDS, at_once):
        last = min(first + at_once, RECORDS)
        records: list[KeyValue] = [(b"k", b"%d" % number) for number in range(first, last)]
        while records := records[producer.produce(*place, records) :]:
            times_full += 1
            producer.serve(50)
    producer.commit(CALL_MS)
    assert times_full > 0
    side.until(lambda: len(side.changelog()) == RECORDS, "all are there")
    assert side.changelog() == [f"k={number}" for number in range(RECORDS)]


def test_records_that_are_given_together_are_as_if_given_one_by_one(side: Side) -> None:
    """Of several partitions by turns, text among bytes; the first one's offset is told."""
    producer = side.ready()
    reported: dict[int, list[int]] = {number: [] for number in range(side.partitions)}
    records: list[KeyValue] = [(b"a", b"one"), (b"b", "zw\u00f6lf"), (b"c", None), (b"d", "")]
    for _ in range(2):
        producer.begin()
        for partition, offsets in reported.items():
            place = side.places(partition)[2]
            assert producer.produce(*place, records, None, offsets.append) == len(records)
            assert producer.produce(*place, [(b"alone", b"1")], None, offsets.append) == 1
        producer.commit(CALL_MS)
    of_each = ["a=one", "b=zw\u00f6lf", "c", "d=", "alone=1"]
    for partition, offsets in reported.items():
        side.until(lambda n=partition: len(side.changelog(n)) == 10, "both are there")  # type: ignore[misc]
        assert side.changelog(partition) == 2 * of_each
        assert offsets == [0, 4, 6, 10]


def test_calls_may_be_made_alongside(side: Side) -> None:
    """They are over when they were waited for, and fail as they do."""
    producer = side.ready()
    place = side.places()[2]
    producer.begin()
    producer.produce(*place, [(b"k", b"1")])
    wait = producer.alongside(lambda: producer.commit(CALL_MS))
    wait()
    side.until(lambda: side.changelog() == ["k=1"], "it is committed")
    side.ready()
    producer.begin()
    producer.produce(*place, [(b"k", b"2")])
    wait = producer.alongside(lambda: producer.commit(CALL_MS))
    with fails(Remedy.FENCED):
        wait()


def test_what_waits_in_the_queue_goes_with_an_abort(side: Side) -> None:
    """And isn't part of the next transaction."""
    producer = side.ready()
    place = side.places()[2]
    producer.begin()
    for number in range(20):
        producer.produce(*place, [(b"k", b"%d" % number)])
    producer.abort(CALL_MS)
    side.transact(producer, place, "after=1")
    side.until(lambda: side.changelog() == ["after=1"], "only what came after")


def test_transactions_of_one_producer_follow_each_other_at_once(side: Side) -> None:
    """The next one waits by itself until the last one's markers are written.

    What is in it has to be stored before its end, though: an abort that overtakes the registering
    of partitions, which waits for those markers, is refused, and the producer is of no more use.
    """
    producer = side.ready()
    places = [side.places(number)[2] for number in range(side.partitions)]
    for number in range(10):
        producer.begin()
        for place in places:
            producer.produce(*place, [(b"k", b"%d" % number)])
        producer.flush(CALL_MS)
        if number % 3 == 2:
            producer.abort(CALL_MS)
        else:
            producer.commit(CALL_MS)
    expected = [f"k={number}" for number in range(10) if number % 3 != 2]
    for partition in range(side.partitions):
        side.until(lambda n=partition: side.changelog(n) == expected, "the committed ones")  # type: ignore[misc]


def test_a_commit_of_a_transaction_with_offsets_alone_leaves_no_record(side: Side) -> None:
    """The offsets are the group's, not the topic's."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, _, changelog = side.places()
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 2}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 2
    assert side.ends(changelog) == (0, 0)
    assert side.ends(batches) == (0, 0)


def test_a_late_copy_of_a_commit_ends_the_next_transaction(side: Side) -> None:
    """EndTxn names a producer and its epoch, not a transaction: outputs without offsets."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, _, changelog = side.places()
    producer = side.ready(can_be_copied=True)
    producer.begin()
    side.put(producer, changelog, "a=1")
    arrives_late = side.commit_with_copy(producer)
    side.until(lambda: side.changelog() == ["a=1"], "the first one is there")
    producer.begin()
    side.put(producer, changelog, "b=2")
    arrives_late()
    side.until(lambda: side.changelog() == ["a=1", "b=2"], "nobody has committed the second")
    assert side.committed(consumer, batches) is None


def test_a_late_copy_of_a_commit_is_refused_once_the_producer_was_replaced(side: Side) -> None:
    """The newer one has another epoch."""
    place = side.places()[2]
    older = side.ready(can_be_copied=True)
    older.begin()
    side.put(older, place, "a=1")
    arrives_late = side.commit_with_copy(older)
    newer = side.ready()
    newer.begin()
    side.put(newer, place, "b=2")
    arrives_late()
    side.wait(200)
    assert side.changelog() == ["a=1"]
    newer.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["a=1", "b=2"], "committed by who may")
    with fails(Remedy.FENCED):
        older.begin()
        older.produce(*place, [(b"c", b"3")])
        older.commit(CALL_MS)


def test_a_record_behind_a_late_copy_of_a_commit_is_refused(side: Side) -> None:
    """The coordinator knows of no transaction with that partition: it would hang for ever."""
    place = side.places()[2]
    producer = side.ready(can_be_copied=True)
    producer.begin()
    side.put(producer, place, "a=1")
    arrives_late = side.commit_with_copy(producer)
    producer.begin()
    side.put(producer, place, "b=2")
    arrives_late()
    side.until(lambda: len(side.changelog()) == 2, "the second one was ended")
    producer.produce(*place, [(b"c", b"3")])
    with pytest.raises(CallFailed):
        producer.commit(CALL_MS)
    side.wait(300)
    assert side.changelog() == ["a=1", "b=2"]
    assert len(set(side.ends(place))) == 1
    side.transact(side.ready(), place, "d=4")
    side.until(lambda: side.changelog() == ["a=1", "b=2", "d=4"], "a new one goes on")


def test_facts_of_topics_are_those_of_the_topics_that_exist(side: Side) -> None:
    """An id that stays, the number of partitions; what doesn't exist is left out."""
    names = [place[0] for place in side.places()]
    cluster = side.cluster()
    facts = cluster.topic_facts([*names, "no-such-topic"])
    assert sorted(facts) == sorted(names)
    assert {fact.partition_count for fact in facts.values()} == {side.partitions}
    assert len({fact.topic_id for fact in facts.values()}) == 3
    assert int(facts[side.topics.changelog].config["delete.retention.ms"]) > 0
    assert cluster.topic_facts(names) == facts


def test_what_was_produced_and_not_yet_stored_is_committed_with_the_rest(side: Side) -> None:
    """Commit sends what is queued before it ends the transaction."""
    producer = side.ready()
    place = side.places()[2]
    producer.begin()
    for number in range(40):
        producer.produce(*place, [(b"%d" % number, b"")])
    producer.commit(CALL_MS)
    side.until(lambda: side.ends(place) == (41, 41), "the marker is written")
    assert [pair(record) for record in side.read_changelog()] == [f"{n}=" for n in range(40)]
