"""From the records that wait in tasks to the outputs of one transaction.

In: tasks with records that are ready. Out: a draft, its outputs in order; the tasks' overlays hold
the states behind it.

For each task: releases under way first (R13), then timers that are due, then roster changes, then
batches and outcomes whose rosters are all there (R5), in the order in which they came. A draft ends
with the first events that make it long or late enough; the rest waits for the next transaction.

- R16 A record that stands where its key belonged before the topics were expanded is not decided: it
  goes on to where its key belongs now, as it is, in the transaction that commits its offset. There
  it is in place, so it goes on once. Its time goes with it: decisions go by it.

Batches are decided some at a time: all are read, then all are decided, in order, then all are
written. Each of these steps is a quarter faster for following its own kind.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from dispatcher.channel import Event, decide, decide_release, evolve
from dispatcher.decisions import (
    Decision,
    Dispatched,
    DuplicateIgnored,
    OutcomeRecorded,
    Parked,
    Rejected,
)
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import (
    BatchReceived,
    ChangeReceived,
    InputRef,
    OutcomeReceived,
    TimerDue,
)
from dispatcher.limits import Limits
from dispatcher.singles import Written, dispatched_single
from dispatcher.times import timestamp_text
from schemas.partitioning import partition_of
from schemas.reasons import Reason
from streams.broker import InputRecord, KeyValue
from streams.dead_letters import dead_letter, lead_in, lead_value
from streams.draft import Draft, Note
from streams.intake import Refused, read_batch, read_change, read_outcome
from streams.settings import Settings
from streams.task import Task
from streams.tracing import Tracing
from streams.transactions import Output

TOGETHER_RECORDS_MAX: Final = 64
TOGETHER_BYTES_MAX: Final = 262_144
"""Of batches that are decided together; one at least. A draft is longer by so much at most."""

SHORTER_AFTER_FAILURE: Final = 8
"""Three failures make five hundred times as short: fewer would be taken for a rival (R6)."""

_WITH_LEADS: Final = (Dispatched, Parked)
_NOTED: Final = (Parked, DuplicateIgnored)

Received = BatchReceived | ChangeReceived | OutcomeReceived


class Moved(NamedTuple):
    """The partition that a record belongs to since its topic was expanded."""

    partition: int


Read = Callable[[bytes | None, Limits, InputRef, str | None], Received]


class Decider:
    """Decides what waits in tasks.

    A transaction that failed may have been too long for a slow network or broker, and would be so
    for ever; so the next one is shorter, and each that succeeds lets the next be longer again.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        dead_letter_partitions: int,
        tracing: Tracing | None = None,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`dead_letter_partitions` is the partition count of the dead-letter topic.

        `wall_ms` is the time in milliseconds since the epoch: what timers go by.
        """
        self._settings = settings
        self._tracing = tracing
        self._limits = settings.limits.limits()
        self._dead_letters = settings.topics.dead_letters
        # Asked for with each event: names are put together whenever they are.
        self._assignments = settings.topics.assignments
        self._decisions = settings.topics.decisions
        self._lead_batches = settings.topics.lead_batches
        self._readers: dict[str, Read] = dict(
            zip(settings.topics.inputs, (read_batch, read_change, read_outcome), strict=True)
        )
        self._dead_letter_partitions = dead_letter_partitions
        self._wall_ms = wall_ms
        self._monotonic = monotonic
        self._records_max = settings.transaction_records_max

    def failed(self) -> None:
        """A transaction came to nothing."""
        self._records_max = max(1, self._records_max // SHORTER_AFTER_FAILURE)

    def succeeded(self) -> None:
        """A transaction was committed."""
        self._records_max = min(self._settings.transaction_records_max, 2 * self._records_max)

    def fill(self, draft: Draft, tasks: Iterable[Task], most_ms: int | None = None) -> None:
        """Decide what is ready, up to the size of a transaction, and its time or `most_ms`."""
        if most_ms is None:
            most_ms = self._settings.transaction_max_ms
        deadline = self._monotonic() + most_ms / 1000
        for task in tasks:
            while not self.is_full(draft) and self._decide_next(task, draft):
                draft.tasks[task.partition] = task
                if self._monotonic() >= deadline:
                    return

    def is_full(self, draft: Draft) -> bool:
        """Whether a transaction takes no more."""
        return draft.size >= self._records_max

    def _decide_next(self, task: Task, draft: Draft) -> bool:
        """Decide one thing; False when nothing of the task is ready."""
        if task.overlay.releasing:
            self._release_one(task, draft)
        elif task.timers and (channel := task.timer_due(now_ms := self._wall_ms())) is not None:
            self._let_happen(task, TimerDue(channel, now_ms), draft)
        elif task.changes:
            self._decide_together(task, [task.take_change()], draft)
        elif task.waiting_ready():
            most = min(TOGETHER_RECORDS_MAX, max(1, self._records_max - draft.size))
            self._decide_together(task, task.take_waiting(most, TOGETHER_BYTES_MAX), draft)
        else:
            return False
        return True

    def _release_one(self, task: Task, draft: Draft) -> None:
        """R13: one parked batch; the cursor moves on in the state."""
        channel = next(iter(task.overlay.releasing))
        state = task.state(channel)
        released, dispatched = decide_release(state, self._limits)
        task.remember(dispatched)
        task.put(state, evolve(evolve(state, released), dispatched))
        self._emit(task, [(channel.encode(), (released, dispatched))], draft)

    def _let_happen(self, task: Task, timer: TimerDue, draft: Draft) -> None:
        outcome = self._decided(task, timer)
        assert not isinstance(outcome, Rejected)  # a timer is never refused
        self._emit(task, [(timer.channel.encode(), outcome)], draft)

    def _decide_together(self, task: Task, records: Sequence[InputRecord], draft: Draft) -> None:
        began_ns = time.time_ns() if self._tracing is not None else 0
        events = [self._read(record, task) for record in records]
        decided: list[tuple[bytes, tuple[Decision, ...] | Written]] = []
        for number, (record, event) in enumerate(zip(records, events, strict=True), start=1):
            if isinstance(event, Refused):
                self._bury(record, event.reason, event.detail, draft)
                continue
            if isinstance(event, Moved):
                self._send_to_its_place(record, event, draft)
                continue
            if self._tracing is None and isinstance(event, BatchReceived):
                before = task.state(event.channel)
                written = dispatched_single(before, event)
                if written is not None:
                    task.put(before, written.after)
                    assert record.key is not None  # it is the channel
                    decided.append((record.key, written))
                    continue
            outcome = self._decided(task, event, record)
            if isinstance(outcome, Rejected):
                at_version = task.state(event.channel).state_version
                self._bury(
                    record, outcome.reason, outcome.detail, draft, of=event, at_version=at_version
                )
                continue
            first = outcome[0]
            if isinstance(first, _WITH_LEADS) and first.rejected_leads:
                assert isinstance(event, BatchReceived)  # nothing else has leads to refuse
                self._bury_leads(record, event, outcome, draft)
            assert record.key is not None  # it is the channel
            decided.append((record.key, outcome))
            if task.overlay.releasing:
                # R13: what this one lets go comes before anything newer of its channel.
                task.put_back(len(records) - number)
                break
        self._emit(task, decided, draft, records, began_ns)

    def _read(self, record: InputRecord, task: Task) -> Received | Refused | Moved:
        read = self._readers[record.topic]
        reference = InputRef(record.topic, record.partition, record.offset)
        try:
            event = read(record.value, self._limits, reference, timestamp_text(record.timestamp_ms))
            moved = self._check_place(record, event.channel, task)
        except Refused as refusal:
            return refusal
        return moved or event

    def _decided(
        self, task: Task, event: Event, record: InputRecord | None = None
    ) -> tuple[Decision, ...] | Rejected:
        """What is decided; it stands in the task's overlay."""
        before = task.state(event.channel)
        if record is not None and before.is_sticky and isinstance(event, BatchReceived):
            event = msgspec.structs.replace(event, owners=task.owners_for(record))
        outcome = decide(before, event, self._limits, task.room(self._limits))
        if isinstance(outcome, Rejected):
            return outcome
        after = before
        for decision in outcome:
            after = evolve(after, decision)
            if isinstance(decision, OutcomeRecorded) or (
                isinstance(decision, Dispatched) and decision.sticky is not None
            ):
                task.remember(decision)
        task.put(before, after)
        return outcome

    def _bury_leads(
        self, record: InputRecord, event: BatchReceived, outcome: Iterable[Decision], draft: Draft
    ) -> None:
        for decision in outcome:
            if isinstance(decision, _WITH_LEADS):
                for lead in decision.rejected_leads:
                    raw = lead.raw or lead_in(record.value, lead.place)
                    value = lead_value(event, lead, raw)
                    self._bury(record, lead.reason, lead.detail, draft, value, of=event)

    def _emit(
        self,
        task: Task,
        decided: Sequence[tuple[bytes, tuple[Decision, ...] | Written]],
        draft: Draft,
        records: Sequence[InputRecord] = (),
        began_ns: int = 0,
    ) -> None:
        """Write decisions, each with its channel in UTF-8, and the assignments of each.

        For traces: the `records` that they are about, and when their deciding began.
        """
        assignments = draft.records[self._assignments, task.partition]
        already = len(assignments)
        leads = 0
        for key, decisions in decided:
            if isinstance(decisions, Written):
                draft.decided[Dispatched] += 1
                assignments.append((key, decisions.assignment))
                continue
            for decision in decisions:
                draft.decided[type(decision)] += 1
                if isinstance(decision, Dispatched):
                    own = [(key, value) for value in encode_assignments(decision)]
                    if self._tracing is None:
                        assignments += own
                    else:
                        leads += len(own)
                        self._trace(task, decision, own, draft, records, began_ns)
                    if decision.routed:
                        self._send_on(task, decision, draft)
                elif isinstance(decision, _NOTED):
                    draft.note(_noted(decision))
        leads += len(assignments) - already
        events = draft.records[self._decisions, task.partition]
        already = len(events)
        for key, decisions in decided:
            if isinstance(decisions, Written):
                events.append((key, decisions.decision))
            else:
                events += [(key, encode_decision(decision)) for decision in decisions]
        draft.leads += leads
        draft.size += leads + len(events) - already

    def _trace(
        self,
        task: Task,
        decision: Dispatched,
        assignments: Sequence[KeyValue],
        draft: Draft,
        records: Sequence[InputRecord],
        began_ns: int,
    ) -> None:
        """Have a batch's assignments carry the trace that it came with."""
        assert self._tracing is not None
        headers = None
        for record in () if decision.released else records:
            if (record.topic, record.offset) == (decision.input.topic, decision.input.offset):
                traced = self._tracing.batch(record, decision.batch_id, len(assignments), began_ns)
                draft.traced.append(traced)
                headers = traced.headers
        if assignments:
            place = (self._assignments, task.partition)
            draft.letters.append(Output(*place, assignments, headers))

    def _send_on(self, task: Task, decision: Dispatched, draft: Draft) -> None:
        """What goes on to other channels, on partitions that may be anybody's.

        It becomes visible with this transaction, or never; R4 fences that by this task's offsets.
        """
        for batch in decision.routed:
            key = batch.routes_to.encode()
            place = (self._lead_batches, partition_of(key, task.partition_count))
            draft.records[place].append((key, batch.value))
        draft.size += len(decision.routed)

    def _send_to_its_place(self, record: InputRecord, moved: Moved, draft: Draft) -> None:
        """R16: the same bytes, key, headers and time."""
        content = [(record.key, record.value)]
        draft.letters.append(
            Output(
                record.topic,
                moved.partition,
                content,
                record.headers or None,
                timestamp_ms=record.timestamp_ms if record.timestamp_ms > 0 else None,
            )
        )
        draft.size += 1
        draft.sent_on += 1

    def _check_place(self, record: InputRecord, channel: str, task: Task) -> Moved | None:
        """Where the record belongs, if that is elsewhere since the topics were expanded.

        Raises Refused: wrong_key, wrong_partition.
        """
        key = record.key
        if key != channel.encode():
            given = "no key" if record.key is None else "another key"
            raise Refused(
                Reason.WRONG_KEY, f"the record has {given}; the key has to be the channel, in UTF-8"
            )
        partition = partition_of(key, task.partition_count)
        if record.partition == partition:
            return None
        if any(record.partition == partition_of(key, count) for count in task.former_counts):
            return Moved(partition)
        raise Refused(
            Reason.WRONG_PARTITION,
            f"the key belongs on partition {partition}, the record is on {record.partition}: "
            "set the producer's partitioner to murmur2_random (librdkafka) or leave it at the "
            "default (Java)",
        )

    def _bury(
        self,
        record: InputRecord,
        reason: Reason,
        detail: str,
        draft: Draft,
        value: bytes | None = None,
        *,
        of: Received | None = None,
        at_version: int | None = None,
    ) -> None:
        """`of`: the event, if it could be read; `at_version`: of the state that refuses it."""
        draft.size += 1
        draft.refused[reason] += 1
        # The key of what can't be read may be anything.
        channel = of.channel if of is not None else ""
        batch_id = of.batch_id if isinstance(of, BatchReceived) else ""
        place = (record.topic, record.partition, record.offset)
        draft.note(Note("refused", channel, batch_id, *place, reason.value))
        draft.letters.append(
            dead_letter(
                record,
                reason,
                detail,
                topic=self._dead_letters,
                partition_count=self._dead_letter_partitions,
                bytes_max=self._settings.output_bytes_max,
                value=value,
                state_version=at_version,
            )
        )


def _noted(decision: Parked | DuplicateIgnored) -> Note:
    event = "parked" if isinstance(decision, Parked) else "duplicate ignored"
    place = (decision.input.topic, decision.input.partition, decision.input.offset)
    return Note(event, decision.channel, decision.batch_id or "", *place)
