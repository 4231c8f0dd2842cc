"""Every input of a partition, and every lead in it: which decision it led to, or why refused.

In: the records of the three input topics in order of offset, the decisions of the partition in
order, what became dead letters. Out: faults of `inputs`, and what comes and goes in a `Balance`.
Pure.

Within a topic inputs are decided in the order of their offsets, so each topic is read once, beside
the decisions. An input that is passed over without a decision has to be a dead letter.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from dispatcher.events import batch_content_hash
from streams.audit.balance import Balance, ids_sum
from streams.audit.chains import BROKEN
from streams.audit.decision_log import Json
from streams.audit.findings import Report, Where
from streams.audit.going_on import went_on
from streams.audit.groups import Group
from streams.intake import lead_identity

CUT_INPUTS: Final = "inputs are not kept for so long"
CUT_DECISIONS: Final = "decisions are not kept for so long"
CUT_LETTERS: Final = "dead letters are not kept for so long"


class Input(NamedTuple):
    """A record of an input topic."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None


class _Lead(msgspec.Struct):
    lead_id: str


class _Source(msgspec.Struct):
    channel: str
    batch_id: str
    state_version: int


class _Batch(msgspec.Struct):
    leads: list[msgspec.Raw]


class _Routed(msgspec.Struct):
    routed_from: _Source
    leads: list[_Lead]


_decode_batch = msgspec.json.Decoder(_Batch).decode
_decode_lead = msgspec.json.Decoder(_Lead).decode
_decode_routed = msgspec.json.Decoder(_Routed).decode
_ROUTED: Final = b'"routed_from"'
_OUTCOME_BATCHES: Final = {
    "lead_returned": "returned",
    "lead_reassigned": "reassigned",
    "lead_assigned_manually": "by-hand",
}


class DeadLetters:
    """What was refused: offsets by partition of an input topic, and places of single leads.

    Attributes:
        since_ms: the time of the oldest that is kept, where retention has cut the log.
    """

    def __init__(self) -> None:
        """Nothing refused."""
        self._whole: dict[tuple[str, int], set[int]] = {}
        self._leads: dict[tuple[str, int], dict[int, set[int]]] = {}
        self.since_ms = 0

    def add(self, headers: Mapping[str, str], batch_id: str | None) -> None:
        """A dead letter; headers without their prefix, the id of the batch that it is now."""
        try:
            place = (headers["topic"], int(headers["partition"]))
            offset = int(headers["offset"])
            if headers["reason"] in ("invalid_lead", "duplicate_lead") and batch_id is not None:
                number = int(batch_id.rpartition("~")[2])
                self._leads.setdefault(place, {}).setdefault(offset, set()).add(number)
            else:
                self._whole.setdefault(place, set()).add(offset)
        except (KeyError, ValueError):
            return  # sent by somebody else

    def whole(self, topic: str, partition: int, offset: int) -> bool:
        """Whether all of a record was refused."""
        return offset in self._whole.get((topic, partition), ())

    def leads(self, topic: str, partition: int, offset: int) -> set[int]:
        """The places of its leads that were, from 1."""
        return self._leads.get((topic, partition), {}).get(offset, set())


class Cursor:
    """One topic's inputs, passed one after another.

    Attributes:
        start: where the log begins; `is_cut` whether retention cut off what was before.
    """

    def __init__(self, records: Iterable[Input], start: int, *, is_cut: bool) -> None:
        """Before the first."""
        self._records: Iterator[Input] = iter(records)
        self._next = next(self._records, None)
        self.start = max(start, self._next.offset) if is_cut and self._next else start
        self.decided: int | None = None

    def upto(self, offset: int) -> Iterator[Input]:
        """The records below an offset that weren't passed."""
        while self._next is not None and self._next.offset < offset:
            record, self._next = self._next, next(self._records, None)
            yield record

    def at(self, offset: int) -> Input | None:
        """The record at an offset, which is passed by that."""
        if self._next is None or self._next.offset != offset:
            return None
        record, self._next = self._next, next(self._records, None)
        return record


class InputAccounts:
    """The inputs of one partition."""

    def __init__(
        self,
        report: Report,
        balance: Balance,
        letters: DeadLetters,
        partition: int,
        cursors: Mapping[str, Cursor],
        lead_batches: str,
        known: Callable[[str], int],
        is_broken: Callable[[str], bool],
        *,
        decisions_cut: bool,
    ) -> None:
        """`known` says up to which version of a channel all has to be there, `is_broken` whether
        its decisions are no chain: then nothing can be told of its inputs.
        """
        self._report = report
        self._balance = balance
        self._letters = letters
        self._partition = partition
        self._cursors = cursors
        self._lead_batches = lead_batches
        self._known = known
        self._is_broken = is_broken
        # Where decisions are cut off, what was decided before the first of a topic is unknown.
        self._begun = dict.fromkeys(cursors, not decisions_cut)
        self._previous: dict[str, Json] = {}

    @property
    def channels(self) -> Iterable[str]:
        """Of which there were decisions."""
        return self._previous.keys()

    def decision(self, decision: Json, group: Group | None, *, beyond: bool) -> None:
        """The next decision; `group` are its assignments where all were seen."""
        channel = decision["channel"]
        previous = self._previous.get(channel)
        self._previous[channel] = decision
        if decision["type"] == "day_began" or decision.get("by_timer"):
            return
        record = self._decided(decision, previous)
        if not beyond:
            self._account(decision, previous, record, group)

    # -- inputs

    def _decided(self, decision: Json, previous: Json | None) -> Input | None:
        """The input that a decision is the first on; what is passed by it must be refused."""
        source = decision["input"]
        topic, offset = source["topic"], source["offset"]
        cursor, check = self._cursors.get(topic), self._report.inputs
        if cursor is None or source["partition"] != self._partition:
            check.fault("the decision names an input of another partition", self._where(decision))
            return None
        self._pass(topic, offset)
        if not _is_first(decision, previous, self._lead_batches):
            return None
        check.checked += 1
        if offset < cursor.start:
            check.not_told[CUT_INPUTS] += 1
            return None
        record = cursor.at(offset)
        if record is None and cursor.decided is not None and offset <= cursor.decided:
            check.fault("an input was decided again", self._where(decision))
        elif record is None:
            check.fault("the decision names an input that isn't there", self._where(decision))
        elif self._letters.whole(topic, self._partition, offset):
            check.fault("an input was decided, and is a dead letter too", self._where(decision))
        if record is not None:
            self._passed(topic, record)
            cursor.decided = offset
        return record

    def _pass(self, topic: str, offset: int) -> None:
        check = self._report.inputs
        for record in self._cursors[topic].upto(offset):
            self._passed(topic, record)
            channel = (record.key or b"").decode(errors="replace")
            if self._letters.whole(topic, self._partition, record.offset):
                check.checked += 1
            elif self._is_broken(channel):
                check.not_told[BROKEN] += 1
            elif not self._begun[topic]:
                check.not_told[CUT_DECISIONS] += 1
            elif record.timestamp_ms < self._letters.since_ms:
                check.not_told[CUT_LETTERS] += 1
            else:
                check.checked += 1
                where = Where(channel, None, topic, self._partition, record.offset)
                check.fault("an input has no decision and is no dead letter", where)
        self._begun[topic] = True

    def _passed(self, topic: str, record: Input) -> None:
        """Leads that went on: this is where they arrive."""
        if topic != self._lead_batches or _ROUTED not in (record.value or b""):
            return
        try:
            batch = _decode_routed(record.value or b"")
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        source = batch.routed_from
        if source.state_version <= self._known(source.channel):
            ids = ids_sum(lead.lead_id for lead in batch.leads)
            self._balance.went((source.channel, source.batch_id), len(batch.leads), ids)

    def finish(self, applied: Mapping[str, int], ends: Mapping[str, int]) -> None:
        """No more decisions: what is applied without one has to be refused."""
        for topic, cursor in self._cursors.items():
            self._pass(topic, applied.get(topic, 0))
            for record in cursor.upto(ends[topic]):
                # Not applied yet; but leads that went on have arrived.
                self._passed(topic, record)

    # -- leads

    def _account(
        self, decision: Json, previous: Json | None, record: Input | None, group: Group | None
    ) -> None:
        kind, channel = decision["type"], decision["channel"]
        if kind == "outcome_recorded":
            self._outcome(decision)
        if kind not in ("batch_dispatched", "batch_parked"):
            return
        batch = (channel, decision["batch_id"])
        first = _is_first(decision, previous, self._lead_batches)
        if first and record is None:
            return  # its coming can't be seen, so its going isn't counted
        if record is not None:
            self._came(batch, decision, record)
        if kind == "batch_dispatched" and not self._came_unseen(previous):
            leads = int(decision["batch_size"]) - went_on(decision)
            if leads:
                ids = ids_sum(lead.lead_id for lead in group.leads) if group else None
                self._balance.went(batch, leads, ids)

    def _came_unseen(self, previous: Json | None) -> bool:
        """Whether what is released came in an input that isn't there any more."""
        if previous is None or previous["type"] != "batch_released":
            return False
        source = previous["parked_input"]
        cursor = self._cursors.get(source["topic"])
        return cursor is None or source["offset"] < cursor.start

    def _came(self, batch: tuple[str, str], decision: Json, record: Input) -> None:
        check = self._report.leads
        refused = self._letters.leads(self._lead_batches, self._partition, record.offset)
        try:
            raw = _decode_batch(record.value or b"").leads
            ids = [
                _decode_lead(lead).lead_id
                for place, lead in enumerate(raw, start=1)
                if place not in refused
            ]
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            check.fault("leads were decided on that can't be read", self._where(decision))
            return
        check.checked += len(ids)
        sequence = [lead_identity(lead) for lead in raw]
        if decision.get("content_hash") != batch_content_hash(sequence):
            text = "the leads that were decided on are not those of the input"
            check.fault(text, self._where(decision))
            return
        self._balance.came(batch, len(ids), ids_sum(ids))

    def _outcome(self, decision: Json) -> None:
        """A lead that goes to somebody by an outcome comes with it, as a batch of its own; one that
        is forgotten waits no longer, and goes to nobody.
        """
        unparked = decision.get("unparked_batch_id")
        if decision["outcome_type"] == "lead_forgotten" and unparked is not None:
            self._balance.went((decision["channel"], unparked), 1, ids_sum([decision["lead_id"]]))
        prefix = _OUTCOME_BATCHES.get(decision["outcome_type"])
        if prefix is None or unparked is not None:
            return
        if prefix == "returned" and not decision.get("dispatched_again"):
            return
        self._report.leads.checked += 1
        batch = (decision["channel"], f"{prefix}/{decision['outcome_id']}")
        self._balance.came(batch, 1, ids_sum([decision["lead_id"]]))

    def _where(self, decision: Json) -> Where:
        source = decision["input"]
        return Where(
            decision["channel"], decision.get("batch_id"),
            source["topic"], source["partition"], source["offset"],
        )  # fmt: skip


def _is_first(decision: Json, previous: Json | None, lead_batches: str) -> bool:
    """Whether no decision on the same input came before: no release, no lead of an outcome."""
    kind, topic = decision["type"], decision["input"]["topic"]
    if kind == "batch_released":
        return False
    if kind not in ("batch_dispatched", "batch_parked"):
        return True
    if topic != lead_batches or decision.get("released"):
        return False
    return previous is None or previous["type"] != "batch_released"
