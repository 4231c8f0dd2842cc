"""What the dispatchers decide, as it is committed: nothing of the programs that follow the plan.

In: the installation's topics. Out: who has which loan, what branches weigh, why loans wait.
"""

import json
from collections import Counter
from collections.abc import Mapping

import msgspec
from confluent_kafka import KafkaError, TopicPartition

from streams.kafka_clients import reader
from tests.support.installation import Installation

FETCH_WAIT_MS = 20
RECORDS_AT_ONCE = 2_000
ONE = 10**12
"""What a value of 1 is in decisions, which have 12 decimals."""


class _Share(msgspec.Struct):
    assignee_id: str
    weight: str
    paused: bool = False
    assigned_value: str | None = None
    cumulative_error_after: str = "0"


class _Group(msgspec.Struct):
    parked: int = 0
    parked_because: str | None = None


class _Decision(msgspec.Struct):
    type: str
    channel: str
    shares: list[_Share] = []
    groups: list[_Group] = []
    batch_id: str | None = None
    batch_size: int = 0
    released: bool | None = None


class _RoutedFrom(msgspec.Struct):
    channel: str
    state_version: int


class _Lead(msgspec.Struct):
    lead_id: str
    attributes: dict[str, msgspec.Raw] = {}


class _Batch(msgspec.Struct):
    channel: str
    leads: list[_Lead]
    routed_from: _RoutedFrom | None = None


class _Assigned(msgspec.Struct):
    channel: str
    lead_id: str
    assignee_id: str


class Routed(msgspec.Struct):
    """A loan that the hub gave to a branch."""

    state_version: int
    branch_id: str
    lead_id: str


class Tail:
    """Reads decisions, routed batches and assignments of one hub and its branches.

    Attributes:
        weights: of branches, (weight in whole dollars, paused), as the last change left them.
        got: dollars of each branch, as the hub's decisions say.
        routed: loans given to branches, in order of the hub's decisions within a branch.
        taken: (branch, banker, lead_id) of every assignment.
        decided: batches that the hub has decided on.
        parked_because: of batches of which something had to wait, when they came.
        waits: loans that had to wait, by reason, for however long.
        released: loans that went out after they had waited.
        renewals: changes of the hub's roster.
        furthest: the largest amount, in dollars, that a branch was ahead or owed at any of those.
        closed: loans of which the branches' channels know what became.
    """

    def __init__(self, installation: Installation, hub: str) -> None:
        """From the beginning."""
        self._hub, self._prefix = hub, f"{hub}/"
        topics = installation.topics
        self._decisions, self._assignments = topics.decisions, topics.assignments
        self._consumer = reader(installation.settings, fetch_wait_ms=FETCH_WAIT_MS)
        self._consumer.assign(
            [
                TopicPartition(*place, 0)
                for place in installation.places(
                    topics.decisions, topics.assignments, topics.lead_batches
                )
            ]
        )
        self.weights: dict[str, tuple[int, bool]] = {}
        self.got: Counter[str] = Counter()
        self.routed: list[Routed] = []
        self.taken: list[tuple[str, str, str]] = []
        self.decided: set[str] = set()
        self.parked_because: dict[str, str] = {}
        self.waits: Counter[str] = Counter()
        self.released = 0
        self.renewals = 0
        self.furthest = 0.0
        self.closed = 0

    def close(self) -> None:
        """Read no more."""
        self._consumer.close()

    def read(self, seconds: float) -> None:
        """What came meanwhile, waiting so long for the first of it."""
        messages = self._consumer.consume(1, seconds)
        if messages:
            messages += self._consumer.consume(RECORDS_AT_ONCE, 0)
        for message in messages:
            error, value = message.error(), message.value() or b""
            if error is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
            elif message.topic() == self._decisions:
                self._decision(value)
            elif message.topic() == self._assignments:
                self._assignment(value)
            else:
                self._batch(value)

    def _decision(self, value: bytes) -> None:
        decision = _decode_decision(value)
        if decision.channel != self._hub:
            self.closed += decision.type == "outcome_recorded"
            return
        if decision.type == "roster_changed":
            self.renewals += 1
            self.weights = {
                share.assignee_id: (_millionths(share.weight), share.paused)
                for share in decision.shares
            }
            errors = [abs(float(share.cumulative_error_after)) for share in decision.shares]
            self.furthest = max([self.furthest, *errors])
        elif decision.type in ("batch_dispatched", "batch_parked"):
            self.decided.add(decision.batch_id or "")
            for share in decision.shares:
                self.got[share.assignee_id] += int((share.assigned_value or "0").replace(".", ""))
            if decision.released:
                self.released += decision.batch_size
                return
            for group in decision.groups:
                if group.parked and group.parked_because:
                    self.parked_because[decision.batch_id or ""] = group.parked_because
                    self.waits[group.parked_because] += group.parked

    def _assignment(self, value: bytes) -> None:
        assigned = _decode_assigned(value)
        branch_id = assigned.channel.removeprefix(self._prefix)
        self.taken.append((branch_id, assigned.assignee_id, assigned.lead_id))

    def _batch(self, value: bytes) -> None:
        batch = _decode_batch(value)
        if batch.routed_from is None:
            return
        branch_id = batch.channel.removeprefix(self._prefix)
        for lead in batch.leads:
            self.routed.append(Routed(batch.routed_from.state_version, branch_id, lead.lead_id))

    def dollars(self) -> Mapping[str, int]:
        """What each branch got, whole."""
        return {branch_id: value // ONE for branch_id, value in self.got.items()}


_decode_decision = msgspec.json.Decoder(_Decision).decode
_decode_assigned = msgspec.json.Decoder(_Assigned).decode
_decode_batch = msgspec.json.Decoder(_Batch).decode


def _millionths(text: str) -> int:
    whole, _, decimals = text.partition(".")
    return int(whole) * 1_000_000 + int((decimals + "000000")[:6])


def printable(value: object) -> str:
    """As JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
