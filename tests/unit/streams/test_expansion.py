"""What an expansion makes of what it finds: pure, without a broker."""

import pytest

from dispatcher.state_records import AppliedInput, AppliedOffsets, channel_key, read_applied_offsets
from schemas.partitioning import partition_of
from schemas.topics import TOPICS, TopicNames
from streams.expansion import Found, Plan, flip_records, planned
from streams.failure import Failed, WrongUsage
from streams.former_partitions import in_time, partitions_in_time
from streams.partition_copy import only_at_home

LEADS = TopicNames().lead_batches
COPARTITIONED = [topic.name for topic in TOPICS if topic.copartitioned]
CHANNELS = [f"channel/{number}" for number in range(40)]


def counts(usual: int, **others: int) -> dict[str, int]:
    """Partition counts of the topics; others by their names with _ for dots."""
    return dict.fromkeys(COPARTITIONED, usual) | {
        name.replace("_", "."): count for name, count in others.items()
    }


def found(count: int | None, partitions: int = 4, formers: tuple[int, ...] = ()) -> Found:
    """A changelog with a record in each partition, if there is a count, and channels in place."""
    channels: dict[int, set[bytes]] = {number: set() for number in range(partitions)}
    for channel in CHANNELS:
        channels[partition_of(channel.encode(), partitions)].add(channel_key(channel))
    applied = {}
    if count is not None:
        record = AppliedOffsets(count, {LEADS: AppliedInput("id", 7)}, former_counts=formers)
        applied = dict.fromkeys(range(partitions), record)
    return Found(applied, channels, {})


def test_channels_whose_key_hashes_elsewhere_move() -> None:
    """Doubled, about every other one."""
    plan = planned(found(4), counts(4), LEADS, 8)
    moving = sum(partition_of(c.encode(), 4) != partition_of(c.encode(), 8) for c in CHANNELS)
    assert plan == Plan(4, 8, (), len(CHANNELS), moving, flipped=False, done=False)
    assert 10 < moving < 30


def test_an_expansion_that_was_broken_off_goes_on_where_it_stood() -> None:
    """Before the flip everything is to be done, after it only the rest."""
    gate_closed = counts(4, dispatch_changelog=8)
    assert not planned(found(4), gate_closed, LEADS, 8).flipped
    after = planned(found(8, 8, (4,)), gate_closed, LEADS, 8)
    assert after == Plan(4, 8, (4,), len(CHANNELS), 0, flipped=True, done=False)
    assert planned(found(8, 8, (4,)), counts(8), LEADS, 8).done


def test_a_state_that_is_still_where_it_was_keeps_an_expansion_from_being_done() -> None:
    """Topics raised by hand, then killed between flip and removal."""
    stray = found(8, 8, (4,))
    elsewhere = (partition_of(CHANNELS[0].encode(), 8) + 1) % 8
    stray.channels[elsewhere].add(channel_key(CHANNELS[0]))
    plan = planned(stray, counts(8), LEADS, 8)
    assert not plan.done
    assert plan.channels == len(CHANNELS)


def test_nothing_is_to_be_done_where_there_are_so_many() -> None:
    """With a state, and where nothing was ever dispatched."""
    assert planned(found(4), counts(4), LEADS, 4).done
    assert planned(Found({}, {}, {}), counts(4), LEADS, 4).done


def test_partitions_raised_by_hand_are_no_end() -> None:
    """The states follow."""
    plan = planned(found(4), counts(8), LEADS, 8)
    assert (plan.before, plan.flipped, plan.done) == (4, False, False)


def test_fewer_partitions_are_refused() -> None:
    """Kafka can't take any away; and an expansion that was begun has to be ended first."""
    for now in (counts(4), counts(2, dispatch_changelog=4)):
        with pytest.raises(WrongUsage, match="can't be fewer"):
            planned(found(4), now, LEADS, 3)
    with pytest.raises(Failed, match="can't be fewer"):
        planned(found(8, 8), counts(4), LEADS, 4)


def test_records_that_disagree_are_for_an_operator() -> None:
    """Somebody has dispatched some of the partitions with another count."""
    mixed = found(4)
    mixed.applied[3] = AppliedOffsets(8, {})
    with pytest.raises(Failed, match="3: 8"):
        planned(mixed, counts(8), LEADS, 8)


def test_every_partition_gets_the_new_count_and_keeps_its_offsets() -> None:
    """New ones begin at 0, so that what is there already is read, and what is gone is missed."""
    some = found(4, formers=(2,))
    del some.applied[1]
    plan = planned(some, counts(4), LEADS, 8)
    ids = {LEADS: "id", "roster.changes": "other"}
    records = list(flip_records(some, plan, "changelog", ids))
    assert [record.partition for record in records] == list(range(8))
    applied = [read_applied_offsets(record.value or b"") for record in records]
    assert {each.partition_count for each in applied} == {8}
    assert {each.formers for each in applied} == {(2, 4)}
    assert applied[0].inputs == {LEADS: AppliedInput("id", 7)}
    assert applied[1].inputs == {}
    assert applied[5].inputs == {topic: AppliedInput(name, 0) for topic, name in ids.items()}


def test_a_record_without_former_counts_is_as_it_always_was() -> None:
    """Byte for byte: an installation that was never expanded writes what 0.1.0 writes."""
    from dispatcher.state_records import applied_offsets_value

    value = applied_offsets_value(AppliedOffsets(4, {LEADS: AppliedInput("id", 7)}))
    wanted = b'{"partition_count":4,"inputs":{"leads.batches":{"topic_id":"id","next_offset":7}}'
    assert value == wanted + b',"schema_version":1}'


def test_a_restore_leaves_out_what_has_moved_away() -> None:
    """By the recorded count."""
    everywhere = {channel: {channel_key(channel): b"{}"} for channel in CHANNELS}
    left = only_at_home(everywhere, 3, AppliedOffsets(8, {}))
    assert set(left) == {c for c in CHANNELS if partition_of(c.encode(), 8) == 3}
    assert only_at_home(everywhere, 3, None) == everywhere


def test_what_a_channel_had_before_an_expansion_is_read_first_and_once() -> None:
    """Each partition is read for those channels that were there at that time."""
    counts_in_time = (2, 4, 8)
    read: dict[str, list[int]] = {channel: [] for channel in CHANNELS}
    for partition, channels in in_time(CHANNELS, counts_in_time):
        for channel in channels:
            read[channel].append(partition)
    for channel, partitions in read.items():
        assert partitions == partitions_in_time(channel, counts_in_time)
        assert partitions == sorted(set(partitions))
        assert partitions[-1] == partition_of(channel.encode(), 8)
