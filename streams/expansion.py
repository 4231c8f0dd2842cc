"""More partitions, without losing or splitting a channel's state, while sources go on.

In: an admin client's view of the topics, the changelog, the lead register. Out: the co-partitioned
topics with more partitions; every state where its channel's key hashes to now; in each partition's
record the new count, and the former ones (R2, R3, R16).

The gate. Dispatchers of every version refuse to run while the counts of the co-partitioned topics
differ, at their start and at every restore. The changelog's count is raised first, which closes the
gate; that of the lead batches last, which opens it. In between nobody decides anything:

    close    the changelog gets its partitions; then nobody may be in the group, and every
             transaction is over: first the group's offsets are stable, then the changelog's ends
             are (as R1 asks)
    copy     the records of each channel that moves, to the partition that its key hashes to
    flip     one transaction: the record of every partition names the new count
    remove   tombstones for what moved away
    open     the other topics get their partitions, the lead batches last

Every step can be done again, and what was killed goes on by running it again: a copy counts for
nothing before the flip and is made anew; after the flip only removing and opening are left.

- A producer with an id of its own writes all of it, so a second expansion fences the first.
- New input partitions are read from offset 0, by their record: what sources put there while the
  gate is still closed is neither lost nor left out.
- What sources still send to where keys belonged before goes on to its place (R16).
- Redis is left alone: its copies are prefixes of the changelog as before, and dispatchers bring
  them up to date with everything written here.
- Memory holds the keys of one partition's records, or of all channels, and a transaction's records.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient

from dispatcher.state_records import (
    APPLIED_OFFSETS_KEY,
    AppliedInput,
    AppliedOffsets,
    applied_offsets_value,
    channel_of,
    read_applied_offsets,
)
from schemas.partitioning import partition_of
from streams.failure import Failed, WrongUsage
from streams.kafka_clients import (
    Place,
    admin_client,
    committed_offsets,
    described,
    end_offsets,
    first_offsets,
    high_watermarks,
    partition_counts,
    problem,
    records_between,
    transactional_producer,
)
from streams.lag import group_members
from streams.settings import Settings
from streams.topic_admin import raise_partitions

RECORDS_PER_TRANSACTION_MAX: Final = 20_000
BYTES_PER_TRANSACTION_MAX: Final = 8 * 1024 * 1024
AHEAD_KIB: Final = 4 * 1024
"""Of the changelog, beyond what is being looked at."""
_POLL_S: Final = 0.1
_AGAIN: Final = "run it again: it goes on where it stopped"


class Moved(NamedTuple):
    """A record to write; `timestamp_ms` 0 is now."""

    topic: str
    partition: int
    key: bytes
    value: bytes | None
    timestamp_ms: int = 0


class Found(NamedTuple):
    """What the changelog holds.

    Attributes:
        applied: per partition its own record, where it has one.
        channels: per partition the keys of the channels' main records.
        ends: of the partitions, when this was read.
    """

    applied: dict[int, AppliedOffsets]
    channels: dict[int, set[bytes]]
    ends: dict[Place, int]


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
        before, after: partition counts.
        formers: counts before that, oldest first.
        channels: how many there are, and how many of them move.
        flipped: whether the records name the new count already.
        done: whether nothing is left to do.
    """

    before: int
    after: int
    formers: tuple[int, ...]
    channels: int
    moving: int
    flipped: bool
    done: bool


def planned(found: Found, counts: dict[str, int], lead_batches: str, after: int) -> Plan:
    """What leads from what there is to so many partitions. Raises Failed, WrongUsage."""
    most = max(counts.values())
    if after < most:
        raise WrongUsage(
            f"the topics have up to {most} partitions: there can't be fewer. If an expansion to "
            f"{most} was begun, end it first: --partitions {most}"
        )
    recorded = {applied.partition_count for applied in found.applied.values()}
    if len(recorded) > 1:
        raise Failed(
            "the partitions' records name different counts: "
            + ", ".join(f"{n}: {a.partition_count}" for n, a in sorted(found.applied.items()))
            + ". Some were dispatched after topics were altered by hand: an operator has to decide"
        )
    formers = max((a.formers for a in found.applied.values()), key=len, default=())
    now = recorded.pop() if recorded else counts[lead_batches]
    if now > after:
        raise Failed(f"the states were made with {now} partitions: there can't be fewer")
    # Copies of an attempt that was broken off stand elsewhere, and don't count.
    at_home = [
        channel
        for number, keys in found.channels.items()
        for channel in map(channel_of, keys)
        if partition_of(channel.encode(), now) == number
    ]
    stray = sum(len(keys) for keys in found.channels.values()) - len(at_home)
    moving = sum(
        partition_of(channel.encode(), now) != partition_of(channel.encode(), after)
        for channel in at_home
    )
    flipped = bool(found.applied) and now == after
    is_open = set(counts.values()) == {after}
    done = is_open and (flipped or not found.applied) and now == after and not stray
    before = formers[-1] if flipped and formers else now
    return Plan(before, after, formers, len(at_home), moving, flipped, done)


def flip_records(
    found: Found, plan: Plan, changelog: str, topic_ids: dict[str, str]
) -> Iterator[Moved]:
    """The record of every partition, with the new count.

    A new partition is read from its beginning; what is known of the others stays as it is.
    """
    for number in range(plan.after):
        known = found.applied.get(number)
        inputs = dict(known.inputs) if known else {}
        if known is None and number >= plan.before:
            inputs = {topic: AppliedInput(topic_id, 0) for topic, topic_id in topic_ids.items()}
        formers = (*plan.formers, plan.before)
        value = applied_offsets_value(AppliedOffsets(plan.after, inputs, former_counts=formers))
        yield Moved(changelog, number, APPLIED_OFFSETS_KEY, value)


class Expansion:
    """One run of it."""

    def __init__(self, settings: Settings, after: int, report: Callable[[str], None]) -> None:
        """`report` is told of each step, in a line."""
        self._settings = settings
        self._after = after
        self._report = report
        self._admin: AdminClient = admin_client(settings)
        self._topics = settings.topics
        self._copartitioned = [
            name for name, topic in settings.topics.table() if topic.copartitioned
        ]

    def plan(self) -> Plan:
        """What would be done now. Changes nothing. Raises Failed, WrongUsage."""
        return self._planned(self._look())

    def run(self) -> Plan:
        """Do it, or what is left of it. Raises Failed, WrongUsage."""
        found = self._look()
        plan = self._planned(found)
        if plan.done:
            return plan
        self._wait_until_nobody_runs()
        begun_before = self._counts()[self._topics.changelog] > plan.before
        self._close()
        self._wait_until_nobody_runs()
        self._producer = transactional_producer(self._settings, self._settings.expansion_id)
        self._wait_until_settled(plan)
        found = self._looked_again(found)
        plan = self._planned(found)
        if not plan.flipped:
            self._copy(plan, clean_first=begun_before)
            self._be_certain(plan, found)
            self._flip(found, plan)
        # What was copied stands on others, too, and belongs there.
        self._remove(plan.after, range(plan.before))
        self._open()
        return plan

    # -- what there is

    def _counts(self) -> dict[str, int]:
        return partition_counts(self._admin, self._settings, self._copartitioned)

    def _planned(self, found: Found) -> Plan:
        return planned(found, self._counts(), self._topics.lead_batches, self._after)

    def _look(self) -> Found:
        """Read the changelog's keys."""
        places = self._places(self._topics.changelog)
        ends = end_offsets(self._admin, self._settings, places)
        found = Found({}, {number: set() for _, number in places}, ends)
        for message in self._records(places, ends):
            key, number = message.key() or b"", message.partition() or 0
            value = message.value()
            if key == APPLIED_OFFSETS_KEY:
                if value is not None:
                    found.applied[number] = read_applied_offsets(value)
            elif b"/" not in key:
                if value is None:
                    found.channels[number].discard(key)
                else:
                    found.channels[number].add(key)
        return found

    def _looked_again(self, found: Found) -> Found:
        """Since nobody runs any more; nothing is read where nothing was written meanwhile."""
        places = self._places(self._topics.changelog)
        ends = end_offsets(self._admin, self._settings, places)
        if all(found.ends.get(place, 0) == end for place, end in ends.items()):
            return found._replace(ends=ends)
        return self._look()

    def _places(self, topic: str) -> list[Place]:
        count = partition_counts(self._admin, self._settings, [topic])[topic]
        return [(topic, number) for number in range(count)]

    def _records(self, places: Iterable[Place], ends: dict[Place, int]) -> Iterator[Message]:
        starts = first_offsets(self._admin, self._settings, places)
        return records_between(self._settings, starts, ends, fetch_wait_ms=50, ahead_kib=AHEAD_KIB)

    # -- nobody else

    def _wait_until_nobody_runs(self) -> None:
        """The group is empty: a process that was killed is a member until its session ends."""
        deadline = time.monotonic() + self._settings.session_timeout_ms / 1000 + 1
        while members := group_members(self._admin, self._settings):
            if time.monotonic() > deadline:
                names = ", ".join(sorted(member.client_id for member in members))
                raise Failed(
                    f"{len(members)} dispatchers run ({names}): stop all of them first; sources, "
                    "telephony systems and views may go on"
                )
            time.sleep(_POLL_S)

    def _nothing_open(self, places: list[Place]) -> bool:
        stable = end_offsets(self._admin, self._settings, places)
        return stable == high_watermarks(self._admin, self._settings, places)

    def _wait_until_settled(self, plan: Plan) -> None:
        """R1: no transaction of a dispatcher can change anything any more."""
        self._committed = self._stable_offsets(plan)
        places = [*self._places(self._topics.changelog), *self._places(self._topics.register)]
        deadline = time.monotonic() + self._patience_s()
        while end_offsets(self._admin, self._settings, places) != high_watermarks(
            self._admin, self._settings, places
        ):
            if time.monotonic() > deadline:
                raise Failed(
                    "a transaction stays open in the changelog or the register: end it "
                    "(kafka-transactions.sh find-hanging) and run this again"
                )
            time.sleep(_POLL_S)

    def _stable_offsets(self, plan: Plan) -> dict[Place, int]:
        places = [(topic, n) for topic in self._topics.inputs for n in range(plan.before)]
        deadline = time.monotonic() + self._patience_s()
        while True:
            try:
                return committed_offsets(self._settings, places, stable=True)
            except Failed:
                if time.monotonic() > deadline:
                    raise

    def _patience_s(self) -> float:
        """Longer than brokers let a transaction of a dispatcher live, and a question take."""
        return (self._settings.transaction_timeout_ms + 2 * self._settings.call_timeout_ms) / 1000

    def _be_certain(self, plan: Plan, found: Found) -> None:
        """Right before the flip: nobody has decided anything meanwhile."""
        self._wait_until_nobody_runs()
        ends = end_offsets(self._admin, self._settings, found.ends)
        since = records_between(self._settings, found.ends, ends)
        # Each transaction of a dispatcher has such a record; nothing of this has.
        decided = any(message.key() == APPLIED_OFFSETS_KEY for message in since)
        if decided or self._stable_offsets(plan) != self._committed:
            raise Failed(f"a dispatcher ran meanwhile; stop all of them, and {_AGAIN}")

    # -- the steps

    def _close(self) -> None:
        """From here on no dispatcher starts."""
        for topic in (self._topics.changelog, self._topics.register):
            raise_partitions(self._admin, self._settings, topic, self._after)
        self._report("closed: dispatchers refuse to start until this has ended")

    def _copy(self, plan: Plan, *, clean_first: bool) -> None:
        if clean_first:
            # What an attempt left that was broken off: some of it may be older than what is there.
            self._remove(plan.before, range(plan.after))
        for number in range(plan.before):
            records = sum(
                self._copy_partition(topic, number, plan.after)
                for topic in (self._topics.changelog, self._topics.register)
            )
            self._report(f"copied {number + 1} of {plan.before}: {records} records")

    def _copy_partition(self, topic: str, number: int, after: int) -> int:
        """Send what moves to where it belongs, the newest of each key of a part; returns how many.

        In the order of the log: so what is copied twice ends as it ends here.
        """
        copied, size = 0, 0
        part: dict[bytes, Moved] = {}
        ends = end_offsets(self._admin, self._settings, [(topic, number)])
        for message in self._records([(topic, number)], ends):
            key, value = message.key() or b"", message.value()
            if key == APPLIED_OFFSETS_KEY:
                continue
            target = partition_of(channel_of(key).encode(), after)
            if target == number:
                continue
            # In the register times say how long a record is kept.
            part[key] = Moved(topic, target, key, value, message.timestamp()[1])
            size += len(key) + len(value or b"")
            if len(part) >= RECORDS_PER_TRANSACTION_MAX or size >= BYTES_PER_TRANSACTION_MAX:
                copied += self._write(part.values())
                part, size = {}, 0
        return copied + self._write(part.values())

    def _flip(self, found: Found, plan: Plan) -> None:
        """From here on the states are where the copies are."""
        existing = described(self._admin, self._settings, self._topics.inputs)
        topic_ids = {topic: str(existing[topic].topic_id) for topic in self._topics.inputs}
        self._write(flip_records(found, plan, self._topics.changelog, topic_ids))
        self._report(f"flipped: the states are those of {plan.after} partitions")

    def _remove(self, count: int, numbers: Iterable[int]) -> None:
        """Tombstones for what doesn't belong on these, with so many partitions."""
        topics = (self._topics.changelog, self._topics.register)
        removed = sum(
            self._remove_partition(topic, number, count) for number in numbers for topic in topics
        )
        self._report(f"removed {removed} records from where they stood")

    def _remove_partition(self, topic: str, number: int, count: int) -> int:
        stray: dict[bytes, Moved] = {}
        ends = end_offsets(self._admin, self._settings, [(topic, number)])
        for message in self._records([(topic, number)], ends):
            key = message.key() or b""
            if key == APPLIED_OFFSETS_KEY:
                continue
            if message.value() is None:
                stray.pop(key, None)
            elif partition_of(channel_of(key).encode(), count) != number:
                stray[key] = Moved(topic, number, key, None)
        tombstones = list(stray.values())
        return sum(
            self._write(tombstones[start : start + RECORDS_PER_TRANSACTION_MAX])
            for start in range(0, len(tombstones), RECORDS_PER_TRANSACTION_MAX)
        )

    def _open(self) -> None:
        """The rest of the topics; with the last one dispatchers may run."""
        last = self._topics.lead_batches
        for topic in [*(name for name in self._copartitioned if name != last), last]:
            self._open_topic(topic)
        self._report("open: start the dispatchers")

    def _open_topic(self, topic: str) -> None:
        raise_partitions(self._admin, self._settings, topic, self._after)

    # -- writing

    def _write(self, records: Iterable[Moved]) -> int:
        """All of them in one transaction; returns how many. Raises Failed."""
        heard: list[int] = []
        count = 0

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is None and message.offset() is not None:
                heard.append(1)

        producer = self._producer
        try:
            for record in records:
                if not count:
                    producer.begin_transaction()
                _produce(producer, record, delivered)
                count += 1
            if count:
                producer.flush(self._patience_s())
                # The client may take a record for stored when it isn't: see `transactions`.
                if len(heard) < count:
                    raise Failed(f"{count - len(heard)} records were not stored; {_AGAIN}")
                producer.commit_transaction(self._patience_s())
        except KafkaException as error:
            what = f"a transaction did not end well ({_AGAIN})"
            raise problem(self._settings, what, error.args[0]) from None
        return count


def _produce(producer: Producer, record: Moved, delivered: Any) -> None:
    while True:
        try:
            producer.produce(
                record.topic,
                record.value,
                record.key,
                record.partition,
                timestamp=max(record.timestamp_ms, 0),
                on_delivery=delivered,
            )
        except BufferError:
            producer.poll(_POLL_S)
        else:
            producer.poll(0)
            return
