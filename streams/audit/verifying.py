"""A running system looked at whole: topics, Redis and offsets held against each other (`verify`).

In: the settings. Out: a `Report`. Nothing is written, no group is joined; dispatchers go on.

- *When*: the group's offsets are asked first, then Redis is read, then the changelog up to its end.
  What that says of a partition (versions of channels, inputs applied) is what is looked at: it was
  committed as a whole, so every other log holds all of it below an end that is asked for later.
  What is decided meanwhile is held against what came before it, and is otherwise no fault.
- *An end* is a high watermark, and a log is read up to it, committed: transactions that are open
  are waited for, because the markers of one transaction don't come to all partitions at once.
- *How*: each partition's logs side by side in one pass, in the order of its decisions. What is kept
  in memory: of each channel its roster (`Chains`), of each batch that isn't wholly dispatched yet
  one entry (`Balance`), of each dead letter its offset, of each changelog record of one partition a
  digest.
- *Retention*: where a log doesn't go back far enough, that is counted with its reason.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final, cast

import msgspec
from confluent_kafka.admin import AdminClient

from dispatcher.state_records import channel_of
from dispatcher.store import RestorePoint, record_key_of
from schemas.partitioning import partition_of
from streams.audit.balance import BATCHES_OPEN_MAX, Balance
from streams.audit.chains import BROKEN, Chains
from streams.audit.changelog_copy import ChangelogFold, RedisCopy, Waits, digest
from streams.audit.checking import Assigned, assigned_in
from streams.audit.decision_log import decision_of
from streams.audit.findings import FINDINGS_MAX, Report, Where
from streams.audit.groups import Groups
from streams.audit.input_accounts import (
    CUT_INPUTS,
    Cursor,
    DeadLetters,
    Input,
    InputAccounts,
    InputPlaces,
)
from streams.dead_letters import HEADER_PREFIX
from streams.failure import Failed
from streams.kafka_clients import (
    Place,
    admin_client,
    committed_offsets,
    described,
    first_offsets,
    high_watermarks,
    partition_counts,
)
from streams.partition_log import LogRecord, PartitionLog
from streams.settings import Settings
from streams.state_reader import StateReader

COMMITTED_POLL_S: Final = 0.2
COMMITTED_WAIT_S: Final = 3.0
NO_COPY: Final = "Redis holds no copy of the partition"
TOO_MANY: Final = "more batches wait than may be kept (--batches-max)"
Advance = Callable[[int], None]
"""Told of offsets that were passed."""


class _BatchId(msgspec.Struct):
    batch_id: str | None = None


class _Version(msgspec.Struct):
    state_version: int


_decode_version = msgspec.json.Decoder(_Version).decode
_decode_batch_id = msgspec.json.Decoder(_BatchId).decode


def verify(
    settings: Settings,
    *,
    batches_open_max: int = BATCHES_OPEN_MAX,
    findings_max: int = FINDINGS_MAX,
    begins: Callable[[int], Advance] | None = None,
) -> Report:
    """Look at everything once.

    Args:
        batches_open_max: batches of which something is awaited, at most, that are kept.
        findings_max: of each check, that are listed.
        begins: told how many offsets there are to pass; gives what is told of each step.

    Raises Failed when something can't be asked.
    """
    return _Verification(settings, batches_open_max, findings_max).run(
        begins or (lambda _: lambda _: None)
    )


class _Verification:
    def __init__(self, settings: Settings, batches_open_max: int, findings_max: int) -> None:
        self._settings = settings
        self._topics = settings.topics
        self._report = Report(findings_max)
        self._balance = Balance(batches_open_max)
        self._chains = Chains(
            self._report, self._topics.decisions, self._topics.assignments, self._partition_of
        )
        self._admin: AdminClient = admin_client(settings)
        self._letters = DeadLetters()
        # By partition, as the changelog says when it was read first.
        self._applied: dict[int, dict[str, int]] = {}
        self._waits: dict[int, list[Waits]] = {}
        self._last: dict[str, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._former_counts: tuple[int, ...] = ()

    def run(self, begins: Callable[[int], Advance]) -> Report:
        topics = [name for name, _ in self._topics.table()]
        self._counts = partition_counts(self._admin, self._settings, topics)
        self._partitions = self._counts[self._topics.changelog]
        if len({self._counts[topic] for topic in self._walked()}) > 1:
            raise Failed("the topics have different partition counts; `partidor topics check`")
        found = described(self._admin, self._settings, topics)
        self._topic_ids = {name: str(each.topic_id) for name, each in found.items()}
        places = [(topic, n) for topic in topics for n in range(self._counts[topic])]
        committed = committed_offsets(self._settings, self._places(self._topics.inputs))
        self._starts = first_offsets(self._admin, self._settings, places)
        ends = high_watermarks(self._admin, self._settings, places)
        self._advance = begins(sum(ends[place] - self._starts[place] for place in places))
        with ExitStack() as stack:
            self._logs = {
                topic: stack.enter_context(PartitionLog(self._settings, topic, self._advance))
                for topic in [*self._walked(), self._topics.dead_letters]
            }
            changelog_ends = {
                partition: self._look_at_state(partition) for partition in range(self._partitions)
            }
            self._read_dead_letters()
            # Decisions first: what they say is in the other logs was written before it was told.
            self._ends = high_watermarks(
                self._admin, self._settings, self._places([self._topics.decisions])
            )
            others = [topic for topic in self._walked() if topic != self._topics.decisions]
            self._ends |= high_watermarks(self._admin, self._settings, self._places(others))
            self._input_places = InputPlaces(self._starts, self._partitions, self._former_counts)
            for partition in range(self._partitions):
                self._walk(partition, changelog_ends[partition])
            self._look_for_sent_on()
        self._finish(committed)
        return self._report

    def _walked(self) -> list[str]:
        """The topics that are read partition by partition, beside each other."""
        names = self._topics
        return [*names.inputs, names.assignments, names.decisions, names.changelog]

    def _places(self, topics: "list[str] | tuple[str, ...]") -> list[Place]:
        return [(topic, n) for topic in topics for n in range(self._partitions)]

    def _read(self, topic: str, partition: int, end: int) -> Iterator[LogRecord]:
        return self._logs[topic].read(partition, self._starts[topic, partition], end)

    # -- the changelog and Redis

    def _look_at_state(self, partition: int) -> int:
        """Redis against the changelog, and what the changelog holds. Returns its end."""
        topic = self._topics.changelog
        place = (topic, partition)
        copy, why_unknown = self._redis_copy(partition)
        end = high_watermarks(self._admin, self._settings, [place])[place]
        fold = ChangelogFold(copy)
        for record in self._read(topic, partition, end):
            fold.add(record.offset, record.key or b"", record.value)
        for offset, key in fold.unreadable:
            where = Where(key.decode(errors="replace"), None, topic, partition, offset)
            self._report.state.fault("a changelog record can't be read", where)
        self._check_redis(partition, copy, why_unknown, fold, end)
        for name, main in fold.mains.items():
            if self._partition_of(name) != partition:
                where = Where(name, None, topic, partition)
                self._report.state.fault("a state stands where its channel doesn't belong", where)
                continue
            self._chains.mains[name] = main
            self._last[name] = main.state_version
        self._waits[partition] = list(fold.waits.values())
        if fold.applied is not None:
            self._former_counts = fold.applied.formers
            self._check_applied(partition, fold)
            self._applied[partition] = {
                name: each.next_offset for name, each in fold.applied.inputs.items()
            }
        return end

    def _redis_copy(self, partition: int) -> tuple[RedisCopy, str | None]:
        """What Redis holds of a partition, or why that can't be told."""
        points: list[RestorePoint | None] = []
        fields: dict[bytes, bytes] = {}
        try:
            for part in StateReader(self._settings).points_and_fields(partition):
                if part is None or isinstance(part, RestorePoint):
                    points.append(part)
                    continue
                for name, value in part.items():
                    if (key := record_key_of(name)) is not None:
                        fields[key] = digest(key, value)
        except Failed as failure:
            return RedisCopy(None, None, {}), str(failure)
        before, after = points[0], points[-1]
        if before is None or after is None:
            return RedisCopy(None, None, {}), NO_COPY
        if before.topic_id != after.topic_id or before.next_offset > after.next_offset:
            return RedisCopy(None, None, {}), "Redis was replaced while it was read"
        return RedisCopy(before, after, fields), None

    def _check_redis(
        self,
        partition: int,
        copy: RedisCopy,
        why_unknown: str | None,
        fold: ChangelogFold,
        end: int,
    ) -> None:
        check, topic = self._report.redis, self._topics.changelog
        where = Where(topic=topic, partition=partition)
        if why_unknown is not None or copy.after is None:
            # Where nothing was ever decided there is nothing to hold a copy of.
            if fold.applied is not None or why_unknown != NO_COPY:
                check.not_told[why_unknown or NO_COPY] += 1
            return
        if copy.after.topic_id != self._topic_ids[topic]:
            check.fault("the restore point is of another changelog topic", where)
            return
        if copy.after.next_offset > end:
            text = (
                f"the restore point {copy.after.next_offset} lies behind the changelog's end {end}"
            )
            check.fault(text, where)
            return
        check.checked += fold.fields_compared
        for key, what in fold.redis_differences():
            name = channel_of(key.encode()) or None
            check.fault(f"{key} {what}", where._replace(channel=name))

    def _check_applied(self, partition: int, fold: ChangelogFold) -> None:
        """The changelog is of these topics, with so many partitions."""
        applied, where = fold.applied, Where(topic=self._topics.changelog, partition=partition)
        if applied is None:
            return
        if applied.partition_count != self._partitions:
            text = f"the changelog was written with {applied.partition_count} partitions"
            self._report.offsets.fault(text, where)
        for topic, each in applied.inputs.items():
            if topic in self._topic_ids and each.topic_id != self._topic_ids[topic]:
                text = f"what is applied is of another topic that was named {topic}"
                self._report.offsets.fault(text, where)

    # -- everything else, partition by partition

    def _read_dead_letters(self) -> None:
        topic = self._topics.dead_letters
        places = [(topic, n) for n in range(self._counts[topic])]
        ends = high_watermarks(self._admin, self._settings, places)
        for place in places:
            first = None
            for record in self._logs[topic].read(place[1], self._starts[place], ends[place]):
                first = first if first is not None else record.timestamp_ms
                self._dead_letter(record)
            if self._starts[place] and first is not None:
                self._letters.since_ms = max(self._letters.since_ms, first)

    def _dead_letter(self, record: LogRecord) -> None:
        given = cast("list[tuple[str, bytes | None]]", record.message.headers() or [])
        headers = {
            name.removeprefix(HEADER_PREFIX): (value or b"").decode(errors="replace")
            for name, value in given
            if name.startswith(HEADER_PREFIX)
        }
        try:
            batch_id = _decode_batch_id(record.value or b"").batch_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            batch_id = None
        self._letters.add(headers, batch_id)

    def _walk(self, partition: int, changelog_end: int) -> None:
        topics, chains = self._topics, self._chains
        chains.begin(partition)
        begins_late = self._starts[topics.decisions, partition] > 0
        groups = Groups(
            self._assignments(partition),
            chains.is_past,
            begins_late=self._starts[topics.assignments, partition] > 0,
        )
        cursors = {topic: self._cursor(topic, partition) for topic in topics.inputs}
        inputs = InputAccounts(
            self._report, self._balance, self._letters, partition, cursors, topics.lead_batches,
            self._input_places, chains.known, chains.is_broken, decisions_cut=begins_late,
        )  # fmt: skip
        end = self._ends[topics.decisions, partition]
        for record in self._read(topics.decisions, partition, end):
            self._decision(partition, record, groups, inputs, begins_late=begins_late)
        chains.end()
        self._read_on(partition, changelog_end)
        chains.strays([*groups.strays, *groups.rest()], self._last, begins_late=begins_late)
        input_ends = {topic: self._ends[topic, partition] for topic in topics.inputs}
        inputs.finish(self._applied.get(partition, {}), input_ends)
        for waits in self._waits.pop(partition):
            place = (waits.topic, waits.partition, waits.offset)
            if waits.leads and self._input_places.is_kept(*place):
                self._balance.went((waits.channel, waits.batch_id), waits.leads, waits.ids)

    def _decision(
        self,
        partition: int,
        record: LogRecord,
        groups: Groups,
        inputs: InputAccounts,
        *,
        begins_late: bool,
    ) -> None:
        decision = decision_of(record.value or b"")
        where = Where(None, None, self._topics.decisions, partition, record.offset)
        if decision is None or record.key != decision["channel"].encode():
            self._report.versions.fault("the record is no decision of its channel", where)
            return
        where = where._replace(channel=decision["channel"], batch_id=decision.get("batch_id"))
        chain = self._chains.turn_to(decision, where, begins_late=begins_late)
        if chain is None:
            return
        group = self._chains.follow(chain, decision, groups, where)
        beyond = decision["state_version"] > self._chains.known(decision["channel"])
        inputs.decision(decision, group, beyond=beyond)

    def _assignments(self, partition: int) -> Iterator[tuple[int, Assigned]]:
        topic = self._topics.assignments
        for record in self._read(topic, partition, self._ends[topic, partition]):
            lead = assigned_in(record.value or b"")
            if lead is None or record.key != lead.channel.encode():
                where = Where(None, None, topic, partition, record.offset)
                self._report.assignments.fault("the record is no assignment of its channel", where)
            else:
                yield record.offset, lead

    def _cursor(self, topic: str, partition: int) -> Cursor:
        start = self._starts[topic, partition]
        records = self._read(topic, partition, self._ends[topic, partition])
        inputs = (Input(each.offset, each.timestamp_ms, each.key, each.value) for each in records)
        return Cursor(inputs, start, is_cut=start > 0)

    def _read_on(self, partition: int, start: int) -> None:
        """What the changelog says since: decisions must not go further than that."""
        topic = self._topics.changelog
        place = (topic, partition)
        end = high_watermarks(self._admin, self._settings, [place])[place]
        for record in self._logs[topic].read(partition, start, end):
            key = record.key or b""
            if b"/" not in key and record.value is not None:
                self._last[channel_of(key)] = _decode_version(record.value).state_version

    def _look_for_sent_on(self) -> None:
        """What came to where a channel was before an expansion stands once more where it is now."""
        places = self._input_places
        for topic, partition in sorted({name[:2] for name in places.awaited}):
            end = high_watermarks(self._admin, self._settings, [(topic, partition)])
            for record in self._read(topic, partition, end[topic, partition]):
                places.arrived(
                    topic, Input(record.offset, record.timestamp_ms, record.key, record.value)
                )
        check = self._report.inputs
        for (topic, partition, _), count in places.awaited.items():
            check.checked += 1
            if count and self._starts[topic, partition]:
                check.not_told[CUT_INPUTS] += count
            elif count:
                where = Where(topic=topic, partition=partition)
                check.fault(f"{count} inputs were to be sent on, and don't stand here", where)

    def _partition_of(self, channel: str) -> int:
        return partition_of(channel.encode(), self._partitions)

    # -- at the end

    def _finish(self, committed: Mapping[Place, int]) -> None:
        topics = self._topics
        late = {n for n in range(self._partitions) if self._starts[topics.decisions, n]}
        self._chains.finish(self._last, late)
        self._uneven()
        self._check_offsets(committed)
        watched = [place for place in self._starts if place[0] != topics.changelog]
        again = first_offsets(self._admin, self._settings, watched)
        if not self._report.is_sound and any(again[at] > self._starts[at] for at in watched):
            raise Failed(
                "retention cut off the beginning of a log while it was read; verify once more"
            )

    def _uneven(self) -> None:
        check, decisions = self._report.leads, self._topics.decisions
        cut = any(self._starts[place] for place in self._places([decisions, *self._topics.inputs]))
        for (channel, batch_id), entry in self._balance.uneven():
            where = Where(channel, batch_id, self._topics.lead_batches, self._partition_of(channel))
            if self._chains.is_broken(channel):
                check.not_told[BROKEN] += 1
            elif self._balance.is_full:
                check.not_told[TOO_MANY] += 1
            elif not entry.came and cut:
                check.not_told[CUT_INPUTS] += 1
            elif entry.leads > 0:
                check.fault(f"{entry.leads} leads came and are nowhere", where)
            elif entry.leads < 0:
                check.fault(f"{-entry.leads} leads are somewhere and never came", where)
            else:
                check.fault("other leads were dispatched than came", where)

    def _check_offsets(self, before: Mapping[Place, int]) -> None:
        """What was committed before the changelog was read is applied, and what is applied is
        committed by now.
        """
        wanted = {
            (topic, partition): offset
            for partition, inputs in self._applied.items()
            for topic, offset in inputs.items()
            if topic in self._topics.inputs
        }
        after = self._committed_at_last(wanted)
        check = self._report.offsets
        for place, offset in before.items():
            applied = wanted.get(place, 0)
            if offset > applied:
                text = f"the group has committed {offset}, the changelog says {applied} is applied"
                check.fault(text, Where(topic=place[0], partition=place[1], offset=offset))
        for place, applied in wanted.items():
            found = after.get(place)
            if found is None:
                check.not_told["the group has no committed offset"] += 1
                continue
            check.checked += 1
            if found < applied:
                text = f"the changelog says {applied} is applied, the group has committed {found}"
                check.fault(text, Where(topic=place[0], partition=place[1], offset=found))

    def _committed_at_last(self, wanted: Mapping[Place, int]) -> dict[Place, int]:
        """A transaction's offsets may be told a moment after its records."""
        deadline = time.monotonic() + min(COMMITTED_WAIT_S, self._settings.call_timeout_ms / 1000)
        while True:
            found = committed_offsets(self._settings, wanted) if wanted else {}
            late = any(found.get(place, offset) < offset for place, offset in wanted.items())
            if not late or time.monotonic() > deadline:
                return found
            time.sleep(COMMITTED_POLL_S)
