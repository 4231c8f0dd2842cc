"""The group: who has which partitions, and how members are told."""

from streams.broker import GroupConsumer, Polled, Rebalance, RebalanceEvent, Remedy
from tests.conformance.sides import (
    CALL_MS,
    SESSION_TIMEOUT_MS,
    Side,
    fails,
    owned_after,
    poll_into,
)

EVERYTHING = frozenset(range(Side.partitions))


def test_who_is_alone_is_assigned_everything(side: Side) -> None:
    """One rebalance, and a generation from then on."""
    consumer = side.consumer()
    (polled,) = side.joined(consumer)
    assert polled.rebalances == [RebalanceEvent(Rebalance.ASSIGNED, EVERYTHING)]
    assert consumer.generation() > 0
    assert polled.records == []


def test_when_another_one_joins_the_first_gives_up_everything_before_it_gets_its_part(
    side: Side,
) -> None:
    """Both topics' partitions of a number go together, and each to one of them."""
    first = side.consumer("first")
    side.joined(first)
    second = side.consumer("second")
    of_first, of_second = side.joined(first, second)
    (revoked, assigned) = of_first.rebalances
    assert revoked == RebalanceEvent(Rebalance.REVOKED, EVERYTHING)
    assert assigned.kind is Rebalance.ASSIGNED
    assert of_second.rebalances == [
        RebalanceEvent(Rebalance.ASSIGNED, EVERYTHING - assigned.partitions)
    ]
    assert len(assigned.partitions) == side.partitions // 2
    assert first.generation() == second.generation()


def test_what_a_member_had_that_left_goes_to_who_is_still_there(side: Side) -> None:
    """In good order, and soon."""
    first = side.consumer("first")
    side.joined(first)
    second = side.consumer("second")
    side.joined(first, second)
    had = second.generation()
    second.close()
    began_ms = side.now_ms()
    (polled,) = side.joined(first)
    assert side.now_ms() - began_ms < SESSION_TIMEOUT_MS
    assert [event.kind for event in polled.rebalances] == [Rebalance.REVOKED, Rebalance.ASSIGNED]
    assert polled.rebalances[1].partitions == EVERYTHING
    assert first.generation() > had


def test_members_beyond_the_partitions_get_nothing(side: Side) -> None:
    """They are members all the same."""
    consumers: list[GroupConsumer] = []
    for number in range(side.partitions + 1):
        consumers.append(side.consumer(str(number)))
        polled = side.joined(*consumers)
    owned = sorted(len(owned_after(each.rebalances) or ()) for each in polled)
    assert owned == [0] + [1] * side.partitions
    assert len({consumer.generation() for consumer in consumers}) == 1


def test_a_silent_member_is_replaced_and_told_that_it_lost_everything(side: Side) -> None:
    """After the session time-out; what it sends then is refused, and then it may join again."""
    silent, other = side.consumer("silent", can_be_silenced=True), None
    side.joined(silent)
    other = side.consumer("other")
    of_silent, _ = side.joined(silent, other)
    metadata = silent.group_metadata()
    side.silence(silent)
    began_ms = side.now_ms()
    (polled,) = side.joined(other)
    assert 0.5 * SESSION_TIMEOUT_MS < side.now_ms() - began_ms < 3 * SESSION_TIMEOUT_MS
    assert polled.rebalances[-1] == RebalanceEvent(Rebalance.ASSIGNED, EVERYTHING)
    producer = side.ready()
    producer.begin()
    with fails(Remedy.ABORT):
        producer.send_offsets({side.places()[0]: 5}, metadata, CALL_MS)
    producer.abort(CALL_MS)
    side.unsilence(silent)
    again, _ = side.joined(silent, other)
    had = owned_after(of_silent.rebalances)
    assert again.rebalances[0] == RebalanceEvent(Rebalance.LOST, had or frozenset())
    assert [event.kind for event in again.rebalances[1:]] == [Rebalance.ASSIGNED]


def test_who_doesnt_poll_for_too_long_is_out(side: Side) -> None:
    """Though it is heard of in the background: `max.poll.interval.ms`."""
    idle = side.consumer("idle", max_poll_interval_ms=SESSION_TIMEOUT_MS)
    side.joined(idle)
    other = side.consumer("other")
    side.joined(idle, other)
    metadata = idle.group_metadata()
    began_ms = side.now_ms()
    side.joined(other)
    assert side.now_ms() - began_ms > 0.5 * SESSION_TIMEOUT_MS
    producer = side.ready()
    producer.begin()
    with fails(Remedy.ABORT):
        producer.send_offsets({side.places()[0]: 5}, metadata, CALL_MS)
    producer.abort(CALL_MS)
    again, _ = side.joined(idle, other)
    assert [event.kind for event in again.rebalances] == [Rebalance.LOST, Rebalance.ASSIGNED]


def test_rebalances_are_told_by_poll_alone(side: Side) -> None:
    """Between two polls the generation is as it was, whatever goes on in the background."""
    first = side.consumer("first")
    side.joined(first)
    was = first.generation()
    second = side.consumer("second")
    of_second = Polled([], [], [])
    for _ in range(20):
        poll_into(of_second, second)
        side.wait(50)
    assert of_second.rebalances == []
    assert first.generation() == was
    side.joined(first, second)
