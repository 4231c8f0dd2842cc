"""What must hold in a run: after every step, and at its end.

Nothing here asks the dispatchers. After a step: what became visible in the output topics is read as
any consumer would, and whatever changed in Redis is held against the changelog. At the end: the
checks that runs on real servers are given, which decide everything again with the literal
reference.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping

from dispatcher.register import key_of
from schemas.topics import TopicNames
from tests.reference.state import State
from tests.support import copies, oracle
from tests.support.expected import by_itself, expected, in_order_of_decision
from tests.support.records import Record

from .kafka import Entry, Fate, Kafka, Log, Span
from .redis import Redis

Place = tuple[str, int]


class Violation(AssertionError):
    """Something that must never be so."""


TIMERS_LATE_MS = 1_000


class Checks:
    """Follows a run step by step."""

    def __init__(self, kafka: Kafka, topics: TopicNames, partitions: int) -> None:
        self._kafka = kafka
        self._topics = topics
        self._partitions = partitions
        self._outputs = (
            topics.assignments,
            topics.decisions,
            topics.changelog,
            topics.register,
            topics.dead_letters,
        )
        self._read: dict[Place, int] = {
            place: 0 for place in kafka.logs if place[0] in self._outputs
        }
        self._followed = [(place, kafka.logs[place]) for place in self._read]
        self._assigned: dict[tuple[str, str, str], str] = {}
        self._ids: set[str] = set()
        self._versions: dict[str, int] = defaultdict(int)
        self._history: dict[int, list[tuple[int, bytes, bytes | None]]] = defaultdict(list)
        self._newest_batch_ms: dict[int, float] = defaultdict(float)
        self.acknowledged_ms: dict[tuple[str, int, int], float] = {}
        self.sent_ms: dict[tuple[str, int, int], float] = {}
        self.records: dict[str, list[Record]] = defaultdict(list)
        self._redis_at: dict[int, int] = {}
        self._must_abort: dict[Span, str] = {}
        self.applied: dict[Place, int] = {}
        self.leads = 0

    def redis_was_hurt(self) -> None:
        """It was emptied or went back: not by a dispatcher."""
        self._redis_at.clear()

    # -- after every step

    def step(self) -> None:
        """Read what has become visible. Raises Violation."""
        for span, where in self._must_abort.items():
            if span.decided is Fate.COMMITTED:
                raise Violation(f"{where} was committed behind a restore point in Redis")
        for place, log in self._followed:
            if not log.changed:
                continue
            log.changed = False
            first, stable = self._read[place], log.stable
            if first < stable:
                for entry in log.between(first, stable):
                    if entry.visible:
                        self._see(place, entry)
                self._read[place] = stable

    def _see(self, place: Place, entry: Entry) -> None:
        topic, partition = place
        record = record_of(place, entry)
        if topic == self._topics.changelog:
            assert entry.key is not None
            self._history[partition].append((entry.offset, entry.key, entry.value))
            if entry.key == copies.APPLIED:
                for name, applied in record.event["inputs"].items():
                    self.applied[name, partition] = applied["next_offset"]
        elif topic == self._topics.assignments:
            self._see_assignment(record)
        elif topic == self._topics.decisions:
            self._see_decision(partition, record)
        self.records[topic].append(record)

    def _see_assignment(self, record: Record) -> None:
        event = record.event
        lead = (event["channel"], event["batch_id"], event["lead_id"])
        if lead in self._assigned or event["assignment_id"] in self._ids:
            raise Violation(
                f"duplicated: lead {lead} to {event['assignee_id']} and {self._assigned.get(lead)}"
            )
        self._assigned[lead] = event["assignee_id"]
        self._ids.add(event["assignment_id"])
        self.leads += 1

    def _see_decision(self, partition: int, record: Record) -> None:
        event = record.event
        channel = event["channel"]
        if event["state_version"] != self._versions[channel] + 1:
            raise Violation(
                f"chain of {channel}: version {event['state_version']} after "
                f"{self._versions[channel]} ({event['type']})"
            )
        self._versions[channel] += 1
        source = event["input"]
        at = (source["topic"], source["partition"], source["offset"])
        (given,) = self._kafka.logs[at[:2]].between(at[2], at[2] + 1)
        if not given.visible:
            raise Violation(f"the input at {at} was aborted, and yet it was decided")
        if source["topic"] != self._topics.roster_changes:
            # What a dispatcher sent on was sent when it wrote it.
            sent_ms = self.sent_ms[at] if at in self.sent_ms else self._kafka.produced_ms[at]
            newest = max(self._newest_batch_ms[partition], sent_ms)
            self._newest_batch_ms[partition] = newest
        elif (
            event["type"] == "roster_changed"
            and not by_itself(event)
            and self.acknowledged_ms[at] < self._newest_batch_ms[partition]
        ):
            raise Violation(
                f"stale: the roster change at {at[2]} of partition {partition} was "
                "acknowledged before a batch was sent, and applied after it"
            )

    def offsets_went_back(self, place: Place, before: int, after: int) -> None:
        """Committed offsets only rise: who watches lag, or decides inputs again, goes by them."""
        raise Violation(f"offsets: {place[0]}-{place[1]} went back from {before} to {after}")

    def redis_changed(self, redis: Redis, partition: int) -> None:
        """Whatever is in Redis is a committed prefix of the changelog. Raises Violation."""
        point = redis.store.restore_point(partition)
        if point is None:
            return
        log = self._kafka.logs[self._topics.changelog, partition]
        if point.next_offset > log.end:
            raise Violation(f"Redis is at {point.next_offset} of {log.end}, partition {partition}")
        before = self._redis_at.get(partition, 0)
        if point.next_offset < before:
            raise Violation(f"Redis, partition {partition}: back from {before} to {point}")
        self._redis_at[partition] = point.next_offset
        wanted: dict[bytes, bytes | None] = {
            key: value
            for offset, key, value in self._history[partition]
            if offset < point.next_offset
        }
        read = self._read[self._topics.changelog, partition]
        for entry in log.between(read, point.next_offset):
            if not entry.marker and entry.span is not None:
                if entry.span.decided is Fate.OPEN:
                    # Somebody's who can't commit any more; it has to stay so.
                    self._must_abort[entry.span] = f"offset {entry.offset} of {partition}"
                if entry.span.decided is Fate.COMMITTED:
                    assert entry.key is not None
                    wanted[entry.key] = entry.value
        found = dict(redis.store.read(partition, 0, 10**9).records)
        if found != {key: value for key, value in wanted.items() if value is not None}:
            different = sorted(
                key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)
            )
            raise Violation(
                f"Redis at {point.next_offset} of partition {partition} is not the changelog's "
                f"prefix: {different[:4]}"
            )

    # -- at the end

    def finish(self, redis: Redis, wall_ms: float) -> None:
        """The whole oracle; `wall_ms` is what the clocks show. Raises AssertionError."""
        self.step()
        topics = self._topics
        inputs = [record for topic in topics.inputs for record in self._visible(topic)]
        decisions = self._sorted(topics.decisions)
        dead_letters = self._sorted(topics.dead_letters)
        ordered = in_order_of_decision(inputs, decisions, dead_letters)
        changelog = copies.compacted(self._sorted(topics.changelog))
        outcome = oracle.Outcome(
            inputs,
            self._sorted(topics.assignments),
            decisions,
            dead_letters,
            changelog,
            expected(ordered, self._partitions, topics.inputs),
            self._sorted(topics.register),
        )
        for check in (
            oracle.check_assigned_once,
            oracle.check_chains,
            oracle.check_cascade,
            oracle.check_dead_letters,
            oracle.check_reference,
        ):
            _violated(check.__name__, lambda check=check: check(outcome))
        _violated("states", lambda: copies.check_states(changelog, outcome.expected.states))
        self._check_offsets(changelog)
        self._check_timers(changelog, wall_ms)
        self._check_redis(redis, changelog)
        self._check_register(redis, outcome.expected.states)

    def _check_register(self, redis: Redis, states: Mapping[str, State]) -> None:
        """Its topic holds the last owner of everybody, and Redis the same up to its point."""
        topic = self._topics.register
        records = self._sorted(topic)
        _violated("register", lambda: copies.check_register(records, states))
        held: dict[int, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
        for record in records:
            assert record.key is not None
            held[record.partition][key_of(record.key)].append(record)
        for partition, part in held.items():
            topic_id = self._kafka.topic_ids[topic]
            there = redis.store.owners(partition, topic_id, sorted(part))
            if there.register_point is None:
                continue  # nobody has asked since Redis lost it
            for key, value in zip(sorted(part), there.owners, strict=True):
                below = [
                    each for each in part[key] if each.offset < there.register_point.next_offset
                ]
                # What is below the point is there, or something newer.
                if below and value not in {each.value for each in part[key][len(below) - 1 :]}:
                    raise Violation(f"register: {key} of {partition} in Redis is {value!r}")

    def _sorted(self, topic: str) -> list[Record]:
        return sorted(self.records[topic], key=lambda record: record.at)

    def _visible(self, topic: str) -> list[Record]:
        return [
            record_of(place, entry)
            for place, log in sorted(self._kafka.logs.items())
            if place[0] == topic
            for entry in log.entries
            if entry.visible
        ]

    def _check_offsets(self, changelog: copies.Changelog) -> None:
        for topic in self._topics.inputs:
            for number in range(self._partitions):
                log = self._kafka.logs[topic, number]
                wanted = last_visible(log)
                found = self._kafka.group.offsets.get((topic, number), 0)
                if found != wanted:
                    raise Violation(f"committed offset {found} of {topic}-{number}, not {wanted}")
                if number in changelog:
                    applied = json.loads(changelog[number][copies.APPLIED])["inputs"]
                    if applied[topic]["next_offset"] != wanted:
                        raise Violation(f"applied offsets {applied}, {topic} ends at {wanted}")

    def _check_timers(self, changelog: copies.Changelog, wall_ms: float) -> None:
        """R14: what was due has happened."""
        for records in changelog.values():
            for state in copies.states_in(records).values():
                at_ms = state.next_timer_ms
                if at_ms is not None and at_ms < wall_ms - TIMERS_LATE_MS:
                    raise Violation(f"timers: one of {state.channel} is due for {wall_ms - at_ms}")

    def _check_redis(self, redis: Redis, changelog: copies.Changelog) -> None:
        for partition, records in changelog.items():
            found = dict(redis.store.read(partition, 0, 10**9).records)
            if found != records:
                raise Violation(f"Redis is not the changelog in partition {partition}")


def last_visible(log: Log) -> int:
    """The offset behind the last record that a consumer is given; 0 where there is none."""
    return max((entry.offset + 1 for entry in log.entries if entry.visible), default=0)


def record_of(place: Place, entry: Entry) -> Record:
    """As a consumer gives it out."""
    return Record(
        *place, entry.offset, entry.timestamp_ms, entry.key, entry.value, tuple(entry.headers)
    )


def _violated(name: str, check: Callable[[], object]) -> None:
    try:
        check()
    except AssertionError as error:
        text = str(error).strip().splitlines()
        raise Violation(f"{name}: {text[0][:300] if text else 'does not hold'}") from error
