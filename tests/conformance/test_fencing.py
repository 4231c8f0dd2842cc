"""Who may still write: fencing by the producer's epoch, and by the group's generation."""

from collections.abc import Callable

import pytest

from streams.broker import CallFailed, GroupConsumer, Producer, Remedy
from tests.conformance.sides import CALL_MS, Side, committed, fails

SHORT_MS = 2_000


def _produce(side: Side, producer: Producer) -> None:
    """It is stored in the background: not the first call, but a later one says that it wasn't."""
    deadline_ms = side.now_ms() + CALL_MS
    while side.now_ms() < deadline_ms:
        producer.produce(*side.places()[2], [(b"late", b"1")])
        producer.serve(20)


def _produce_unserved(side: Side, producer: Producer) -> None:
    """No call has served what the broker said: to produce is the first to find out."""
    deadline_ms = side.now_ms() + CALL_MS
    while side.now_ms() < deadline_ms:
        producer.produce(*side.places()[2], [(b"late", b"1")])
        side.wait(100)


def _serve(side: Side, producer: Producer) -> None:
    producer.produce(*side.places()[2], [(b"late", b"1")])
    deadline_ms = side.now_ms() + CALL_MS
    while side.now_ms() < deadline_ms:
        producer.serve(20)


def _send_offsets(side: Side, producer: Producer) -> None:
    consumer = side.consumer()
    side.joined(consumer)
    producer.send_offsets({side.places()[0]: 5}, consumer.group_metadata(), CALL_MS)


def _commit(side: Side, producer: Producer) -> None:
    producer.commit(CALL_MS)


def _abort(side: Side, producer: Producer) -> None:
    producer.abort(CALL_MS)


Call = Callable[[Side, Producer], None]
calls = [_produce, _produce_unserved, _serve, _send_offsets, _commit, _abort]


@pytest.mark.parametrize("call", calls)
def test_a_newer_producer_of_the_same_transactional_id_fences_the_older(
    side: Side, call: Call
) -> None:
    """Whatever the older one does next; what it left open is aborted, and nothing is added."""
    older = side.ready()
    older.begin()
    place = side.places()[2]
    side.put(older, place, "a=1")
    newer = side.ready()
    with fails(Remedy.FENCED):
        call(side, older)
    assert side.ends(place) == (2, 2)
    side.transact(newer, place, "b=2")
    side.until(lambda: side.changelog() == ["b=2"], "the newer one's record is there")


@pytest.mark.parametrize("call", [_send_offsets, _commit, _abort])
def test_a_transaction_that_timed_out_is_fenced_as_by_a_rival(side: Side, call: Call) -> None:
    """The broker aborts it; its producer can't tell why, and is replaced."""
    producer = side.ready(transaction_timeout_ms=SHORT_MS)
    producer.begin()
    place = side.places()[2]
    side.put(producer, place, "a=1")
    side.until(lambda: side.ends(place) == (2, 2), "the broker has aborted it")
    with fails(Remedy.FENCED):
        call(side, producer)
    side.transact(side.ready(), place, "b=2")
    side.until(lambda: side.changelog() == ["b=2"], "the new one's record is there")


def test_a_producer_without_an_open_transaction_may_idle_for_long(side: Side) -> None:
    """The time-out is a transaction's; one that was begun and wrote nothing is none."""
    producer = side.ready(transaction_timeout_ms=SHORT_MS)
    place = side.places()[2]
    side.transact(producer, place, "a=1")
    producer.begin()
    side.wait(SHORT_MS + 1_500)
    side.put(producer, place, "b=2")
    producer.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["a=1", "b=2"], "both are there")


def test_a_fenced_producer_stays_fenced(side: Side) -> None:
    """Every later call says so too, until it is replaced."""
    older = side.ready()
    older.begin()
    side.put(older, side.places()[2], "a=1")
    side.ready()
    for call in (older.commit, older.abort, older.commit):
        with fails(Remedy.FENCED):
            call(CALL_MS)
    with fails(Remedy.FENCED):
        older.begin()


def test_what_a_crashed_producer_left_open_is_ended_before_the_next_one_begins(
    side: Side,
) -> None:
    """When `init_transactions` returns its records are aborted and its offsets are forgotten."""
    consumer = side.consumer()
    side.joined(consumer)
    batches, _, changelog = side.places()
    crashed = side.ready()
    crashed.begin()
    side.put(crashed, changelog, "a=1")
    crashed.send_offsets({batches: 5}, consumer.group_metadata(), CALL_MS)
    crashed.close()
    assert side.ends(changelog) == (0, 1)
    with fails(Remedy.RETRY):
        committed(consumer, batches)
    side.ready()
    assert side.ends(changelog) == (2, 2)
    assert committed(consumer, batches) == {batches: None}
    assert side.changelog() == []


def test_producers_of_other_slots_are_not_fenced(side: Side) -> None:
    """Each transactional id for itself."""
    one = side.ready("one")
    one.begin()
    place = side.places()[2]
    side.put(one, place, "a=1")
    side.transact(side.ready("other"), place, "b=2")
    one.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["a=1", "b=2"], "both are there")


def test_offsets_of_an_older_generation_abort_the_transaction(side: Side) -> None:
    """A member's own, from before another one joined; then the same producer may go on."""
    first = side.consumer("first")
    side.joined(first)
    older, was = first.group_metadata(), first.generation()
    side.joined(first, side.consumer("second"))
    assert first.generation() > was >= 0
    producer = side.ready()
    _expect_refused_and_aborted(side, producer, older)
    _expect_taken(side, producer, first)


def test_offsets_of_a_member_that_has_left_abort_the_transaction(side: Side) -> None:
    """While others go on with the group."""
    first, second = side.consumer("first"), side.consumer("second")
    side.joined(first, second)
    gone = second.group_metadata()
    second.close()
    side.joined(first)
    producer = side.ready()
    _expect_refused_and_aborted(side, producer, gone)
    _expect_taken(side, producer, first)


def test_offsets_of_the_last_member_that_has_left_abort_the_transaction(side: Side) -> None:
    """An empty group knows nobody."""
    only = side.consumer()
    side.joined(only)
    gone = only.group_metadata()
    only.close()
    producer = side.ready()
    _expect_refused_and_aborted(side, producer, gone)
    later = side.consumer("later")
    side.joined(later)
    _expect_taken(side, producer, later)


def test_offsets_without_a_generation_are_taken_while_the_group_has_members(side: Side) -> None:
    """Generation -1 fences nobody: who sends offsets has to look at it himself."""
    member = side.consumer("member")
    side.joined(member)
    nobody = _of_no_member(side)
    batches = side.places()[0]
    producer = side.ready()
    producer.begin()
    producer.send_offsets({batches: 5}, nobody, CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(member, batches) == 5


def test_no_offsets_at_all_are_taken_even_from_a_dead_member(side: Side) -> None:
    """An empty list fences nobody either: the transaction commits."""
    first, second = side.consumer("first"), side.consumer("second")
    side.joined(first, second)
    gone = second.group_metadata()
    second.close()
    side.joined(first)
    changelog = side.places()[2]
    producer = side.ready()
    producer.begin()
    side.put(producer, changelog, "a=1")
    producer.send_offsets({}, gone, CALL_MS)
    producer.commit(CALL_MS)
    side.until(lambda: side.changelog() == ["a=1"], "it is there")


def test_a_member_may_commit_until_the_rebalance_that_was_begun_is_complete(side: Side) -> None:
    """Another one has asked to join; this one finishes what it does before it joins again."""
    first = side.consumer("first")
    side.joined(first)
    batches = side.places()[0]
    producer = side.ready()
    producer.begin()
    second = side.consumer("second")
    for _ in range(10):
        second.poll(10, 50)
    producer.send_offsets({batches: 5}, first.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    side.joined(first, second)
    assert side.committed(second, batches) == 5


def _of_no_member(side: Side) -> bytes:
    """The metadata of somebody who isn't a member yet."""
    stranger = side.consumer("stranger")
    metadata = stranger.group_metadata()
    assert stranger.generation() == -1
    stranger.close()
    return metadata


def _expect_refused_and_aborted(side: Side, producer: Producer, metadata: bytes) -> None:
    batches, _, changelog = side.places()
    producer.begin()
    side.put(producer, changelog, "refused=1")
    with fails(Remedy.ABORT):
        producer.send_offsets({batches: 5}, metadata, CALL_MS)
    with pytest.raises(CallFailed):
        producer.commit(CALL_MS)
    producer.abort(CALL_MS)
    side.until(lambda: len(set(side.ends(changelog))) == 1, "nothing is open")
    assert side.changelog() == []


def _expect_taken(side: Side, producer: Producer, consumer: GroupConsumer) -> None:
    batches, _, changelog = side.places()
    producer.begin()
    side.put(producer, changelog, "taken=1")
    producer.send_offsets({batches: 7}, consumer.group_metadata(), CALL_MS)
    producer.commit(CALL_MS)
    assert side.committed(consumer, batches) == 7
    side.until(lambda: side.changelog() == ["taken=1"], "it is there")
