"""A file of events, decided without a broker: `partidor replay` and everything else offline.

In: input events of all input topics, one JSON object a line, several channels mixed, in order.
Out: every output event of every topic, one a line, in the order in which they are decided.

The same intake, the same `decide` and the same encoder as on Kafka. What differs: `decided_at` is
the event's `created_at`, an input's reference is its line (partition 0, offset = line - 1), and a
dead letter is a line of its own kind instead of the original bytes.

Leads of routed assignees go on in lead batches, which stand among the outputs, each before the
decision that sent it on. They are decided after all that the line itself brings about, first in
first out, and before the next line; their reference is that of the line.
"""

from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from dispatcher.channel import Event, decide, decide_release, evolve
from dispatcher.decisions import Decision, Dispatched, OutcomeRecorded, Parked, Rejected
from dispatcher.encoding import encode_assignments, encode_decision
from dispatcher.events import (
    BatchReceived,
    ChangeReceived,
    InputRef,
    OutcomeReceived,
    RejectedLead,
    TimerDue,
)
from dispatcher.limits import Limits, Room
from dispatcher.register import Owner, entries
from dispatcher.state import ChannelState
from dispatcher.times import milliseconds
from schemas.inputs import OUTCOME_TYPES
from schemas.reasons import Reason
from schemas.topics import LEAD_BATCHES, LEAD_OUTCOMES, ROSTER_CHANGES
from streams.intake import Refused, read_batch, read_change, read_outcome

_LEAD_BATCH_TYPE = b'"lead_batch"'
_OUTCOME_ID = b'"outcome_id"'
_encode = msgspec.json.Encoder().encode


class Replay:
    """The channels of a file as they stand after the lines given so far."""

    def __init__(self, limits: Limits) -> None:
        """Starts with no channel. `limits` as for a partition."""
        self.limits = limits
        self.states: dict[str, ChannelState] = {}
        self.owners: dict[str, Owner] = {}
        self.parked_bytes = 0

    def lines(self, lines: Iterable[bytes]) -> Iterator[bytes]:
        """The output events of all lines, in order, without line breaks; blank ones are skipped."""
        for number, line in enumerate(lines, start=1):
            text = line.strip(b" \t\r\n")
            if text:
                yield from self.outputs(text, number)

    def outputs(self, text: bytes, line_number: int) -> list[bytes]:
        """The output events of one line, and of all batches that go on by it."""
        outputs: list[bytes] = []
        going_on = deque([text])
        while going_on:
            outputs += self._outputs(going_on.popleft(), line_number, going_on)
        return outputs

    def _outputs(self, text: bytes, line_number: int, going_on: deque[bytes]) -> list[bytes]:
        try:
            event = self.read(text, line_number)
        except Refused as refusal:
            return [_refused_line(refusal, line_number)]
        happened = self.timers(event.channel, milliseconds(event.decided_at))
        outputs = _decision_lines(happened, going_on)
        outcome = self.decide(event)
        if isinstance(outcome, Rejected):
            return [*outputs, _rejected_line(outcome, line_number)]
        for decision in outcome:
            if isinstance(decision, Dispatched | Parked):
                outputs.extend(
                    _lead_line(event, lead, line_number) for lead in decision.rejected_leads
                )
        return outputs + _decision_lines(outcome, going_on)

    def read(
        self, text: bytes, line_number: int
    ) -> BatchReceived | ChangeReceived | OutcomeReceived:
        """Read one event of any input topic. Raises Refused."""
        # Most lines are batches; a line that looks like one and isn't is refused as a batch, but
        # only if its type says so.
        if _LEAD_BATCH_TYPE in text:
            reference = InputRef(LEAD_BATCHES.name, 0, line_number - 1)
            try:
                return read_batch(text, self.limits, reference, None)
            except Refused as refusal:
                if refusal.event_type in (None, "lead_batch"):
                    raise
        if _OUTCOME_ID in text:
            reference = InputRef(LEAD_OUTCOMES.name, 0, line_number - 1)
            try:
                return read_outcome(text, self.limits, reference, None)
            except Refused as refusal:
                if refusal.event_type in OUTCOME_TYPES:
                    raise
        reference = InputRef(ROSTER_CHANGES.name, 0, line_number - 1)
        return read_change(text, self.limits, reference, None)

    def timers(self, channel: str, now_ms: int) -> list[Decision]:
        """Let the timers of a channel happen that are due by then; the states move on."""
        decisions: list[Decision] = []
        while (
            (state := self.states.get(channel)) is not None
            and (due_ms := state.next_timer_ms) is not None
            and due_ms <= now_ms
        ):
            outcome = self.decide(TimerDue(channel, now_ms))
            if isinstance(outcome, Rejected):
                raise AssertionError("a timer is never refused")
            decisions += outcome
        return decisions

    def decide(self, event: Event) -> list[Decision] | Rejected:
        """Decide one event, with the release that it sets off; the states move on."""
        before = state = self.states.get(event.channel) or ChannelState(event.channel)
        room = Room(
            channels=self.limits.channels_per_partition_max - len(self.states),
            parked_bytes=self.limits.parked_bytes_per_partition_max - self.parked_bytes,
        )
        if isinstance(event, BatchReceived) and state.is_sticky:
            event = msgspec.structs.replace(event, owners=self.owners)
        outcome = decide(state, event, self.limits, room)
        if isinstance(outcome, Rejected):
            return outcome
        decisions = list(outcome)
        for decision in outcome:
            state = evolve(state, decision)
        while state.release is not None:
            released, dispatched = decide_release(state, self.limits)
            state = evolve(evolve(state, released), dispatched)
            decisions += (released, dispatched)
        self.parked_bytes += state.parking.size_bytes - before.parking.size_bytes
        self.states[event.channel] = state
        for decision in decisions:
            if isinstance(decision, Dispatched | OutcomeRecorded):
                self.owners.update(entries(decision))
        return decisions


def _decision_lines(decisions: Iterable[Decision], going_on: deque[bytes]) -> list[bytes]:
    """What goes on to other channels is added to `going_on`, too."""
    lines: list[bytes] = []
    for decision in decisions:
        if isinstance(decision, Dispatched):
            lines.extend(map(str.encode, encode_assignments(decision)))
            going_on += [batch.value for batch in decision.routed]
            lines += [batch.value for batch in decision.routed]
        lines.append(encode_decision(decision).encode())
    return lines


def _dead_letter(
    line_number: int, reason: Reason, detail: str, known: dict[str, str | int | None]
) -> bytes:
    letter: dict[str, str | int] = {
        "type": "dead_letter",
        "schema_version": 1,
        "reason": str(reason),
        "detail": detail,
        "line": line_number,
    }
    letter.update({name: value for name, value in known.items() if value is not None})
    return _encode(letter)


def _refused_line(refusal: Refused, line_number: int) -> bytes:
    known: dict[str, str | int | None] = {
        "channel": refusal.channel,
        "batch_id": refusal.batch_id,
        "change_id": refusal.change_id,
        "outcome_id": refusal.outcome_id,
    }
    return _dead_letter(line_number, refusal.reason, refusal.detail, known)


def _rejected_line(rejected: Rejected, line_number: int) -> bytes:
    event = rejected.received
    known: dict[str, str | int | None] = {"channel": event.channel}
    if isinstance(event, BatchReceived):
        known["batch_id"] = event.batch_id
    elif isinstance(event, OutcomeReceived):
        known["outcome_id"] = event.outcome.outcome_id
    else:
        known["change_id"] = event.change.change_id
    return _dead_letter(line_number, rejected.reason, rejected.detail, known)


def _lead_line(event: Event, lead: RejectedLead, line_number: int) -> bytes:
    batch_id = event.batch_id if isinstance(event, BatchReceived) else None
    known: dict[str, str | int | None] = {
        "channel": event.channel,
        "batch_id": batch_id,
        "position": lead.place,
    }
    return _dead_letter(line_number, lead.reason, lead.detail, known)
