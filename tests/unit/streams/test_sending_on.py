"""R16: what stands where it belonged before an expansion goes on to its place, and only that."""

from itertools import count

from schemas.partitioning import partition_of
from schemas.topics import TopicNames
from streams.broker import Headers, InputRecord
from streams.deciding import Decider, Draft
from streams.lifecycle import Life
from streams.overlay import WaitingInput
from streams.settings import Settings
from streams.task import Task
from tests.reference import events
from tests.support.publisher import encoded

TOPICS = TopicNames()
AT_MS = 1_795_500_000_123
HEADERS: Headers = (("traceparent", b"00-1"), ("empty", None))


def a_channel(before: int, now: int) -> str:
    """A channel that stood on partition 1 of so many, and doesn't of as many as there are now."""
    return next(
        name
        for name in (f"c{number}" for number in count())
        if partition_of(name.encode(), before) == 1 and partition_of(name.encode(), now) != 1
    )


def task(partition_count: int, *formers: int) -> Task:
    """Partition 1, running."""
    made = Task(1)
    for life in (Life.RESTORING, Life.RUNNING):
        made.enter(life)
    made.partition_count, made.former_counts = partition_count, formers
    made.applied = dict.fromkeys(TOPICS.inputs, 0)
    made.topic_ids = dict.fromkeys(TOPICS.inputs, "id")
    return made


def record(
    channel: str, value: bytes, topic: str = TOPICS.lead_batches, at: int = 0
) -> InputRecord:
    """On partition 1."""
    return InputRecord(topic, 1, at, AT_MS, channel.encode(), value, HEADERS)


def filled(on: Task, *records: InputRecord) -> Draft:
    """Everything that waits, decided."""
    on.changes.extend(each for each in records if each.topic == TOPICS.roster_changes)
    on.waiting.extend(
        WaitingInput(each, 0) for each in records if each.topic != TOPICS.roster_changes
    )
    draft = Draft()
    Decider(Settings(application_id="a"), dead_letter_partitions=1).fill(draft, [on])
    return draft


def test_a_record_goes_on_as_it_is_and_its_offset_is_applied() -> None:
    """Bytes, key, headers and time; no state comes of it, and nothing else is written."""
    channel = a_channel(4, 8)
    value = encoded(events.lead_batch("b", 3, channel)) + b"  "
    on = task(8, 4)
    draft = filled(on, record(channel, value, at=6))
    (sent,) = draft.letters
    assert (sent.topic, sent.partition) == (TOPICS.lead_batches, partition_of(channel.encode(), 8))
    assert (sent.records, sent.headers) == ([(channel.encode(), value)], HEADERS)
    assert sent.timestamp_ms == AT_MS
    assert draft.size == 1
    assert not any(draft.records.values())
    assert not on.overlay.states
    assert on.overlay.applied == {TOPICS.lead_batches: 7}


def test_changes_go_on_before_batches() -> None:
    """So the rosters are there first where both arrive (R5)."""
    channel = a_channel(4, 8)
    batch = record(channel, encoded(events.lead_batch("b", 3, channel)))
    roster = encoded(events.roster("r", {"A": "1"}, channel))
    draft = filled(task(8, 4), batch, record(channel, roster, TOPICS.roster_changes))
    assert [sent.topic for sent in draft.letters] == [TOPICS.roster_changes, TOPICS.lead_batches]


def test_what_belonged_there_two_expansions_ago_goes_on_too() -> None:
    """At once to where it belongs now."""
    channel = a_channel(4, 16)
    draft = filled(task(16, 4, 8), record(channel, encoded(events.lead_batch("b", 1, channel))))
    assert [sent.partition for sent in draft.letters] == [partition_of(channel.encode(), 16)]


def test_what_never_belonged_there_stays_a_dead_letter() -> None:
    """With and without an expansion."""
    channel = next(
        name
        for name in (f"c{number}" for number in count())
        if 1 not in (partition_of(name.encode(), 4), partition_of(name.encode(), 8))
    )
    for on in (task(8, 4), task(8)):
        batch = encoded(events.lead_batch("b", 1, channel))
        (letter,) = filled(on, record(channel, batch)).letters
        assert letter.topic == TOPICS.dead_letters
        assert ("partidor.error.reason", b"wrong_partition") in list(letter.headers or ())


def test_what_was_never_expanded_sends_nothing_on() -> None:
    """A record on a wrong partition is a dead letter as ever."""
    channel = a_channel(4, 8)
    batch = encoded(events.lead_batch("b", 1, channel))
    (letter,) = filled(task(8), record(channel, batch)).letters
    assert letter.topic == TOPICS.dead_letters


def test_what_can_never_be_decided_is_buried_where_it_stands() -> None:
    """There is no use in sending it on."""
    channel = a_channel(4, 8)
    for value in (b"nothing", encoded(events.lead_batch("b", 1, "another"))):
        (letter,) = filled(task(8, 4), record(channel, value)).letters
        assert letter.topic == TOPICS.dead_letters


def test_what_arrived_in_its_place_is_decided_there() -> None:
    """So nothing goes round and round."""
    channel = next(
        name for name in (f"c{number}" for number in count()) if partition_of(name.encode(), 8) == 1
    )
    draft = filled(task(8, 4), record(channel, encoded(events.lead_batch("b", 1, channel))))
    assert not draft.letters
    assert draft.records[TOPICS.decisions, 1]


def test_an_aborted_transaction_gives_back_what_went_on() -> None:
    """It is sent on again by the next."""
    channel = a_channel(4, 8)
    on = task(8, 4)
    filled(on, record(channel, encoded(events.lead_batch("b", 1, channel))))
    on.rollback()
    assert len(filled(on).letters) == 1
