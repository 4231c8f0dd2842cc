"""What the literal reference decides about the input records of an installation.

The order in which events were decided is read from the decisions: each names its input record.
Within a partition of a topic that is the order of offsets; a record that no decision names must
be a dead letter, and stands where its offset puts it. So the whole input can be put in order,
decided again by the reference, and compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from schemas.partitioning import partition_of
from tests.reference.replayer import Replayer
from tests.reference.rules import moment
from tests.reference.state import State
from tests.reference.validation import Batch, Change, Outcome, RefusedError, checked, parsed

from .records import Json, Record

At = tuple[str, int, int]
INPUT_BYTES_MAX = 1024 * 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refusal(NamedTuple):
    """An expected dead letter: its record, why, and the lead's place from 1 (0: all of it)."""

    at: At
    reason: str
    place: int


class Expected(NamedTuple):
    """What the reference gives: outputs by channel, in order, and the states at the end.

    `routed` are the batches that go on to other channels, by batch_id.
    """

    assignments: Mapping[str, list[Json]]
    decisions: Mapping[str, list[Json]]
    refusals: list[Refusal]
    states: Mapping[str, State]
    routed: Mapping[str, Json] = MappingProxyType({})


class Timer(NamedTuple):
    """A timer of a channel that happened by itself, and when its day ends if it began one."""

    channel: str
    at: str
    day_ends_at: str | None


def in_order_of_decision(
    inputs: Iterable[Record], decisions: Iterable[Record], dead_letters: Iterable[Record]
) -> list[Record | Timer]:
    """The input records in the order in which they were decided, partition by partition.

    Between them stand the timers, each of which is a decision of its own. A record that was
    refused says against which version of its channel: it was before the next decision there.
    """
    refused: dict[tuple[str, int], list[At]] = defaultdict(list)
    for letter in dead_letters:
        if (version := letter.errors.get("state_version")) is not None:
            channel = letter.key.decode() if letter.key else ""
            refused[channel, int(version)].append(refusal_of(letter).at)
    waiting: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in inputs:
        waiting[record.topic, record.partition].append(record)
    queues = {place: iter(records) for place, records in waiting.items()}
    reached: dict[tuple[str, int], int] = defaultdict(int)
    ordered: list[Record | Timer] = []

    def pass_by(place: tuple[str, int], offset: int) -> None:
        while reached[place] <= offset:
            record = next(queues[place])
            reached[place] = record.offset + 1
            ordered.append(record)

    for decision in decisions:
        before = (decision.event["channel"], decision.event["state_version"] - 1)
        for topic, partition, offset in refused.get(before, ()):
            pass_by((topic, partition), offset)
        if (timer := _timer(decision.event)) is not None:
            ordered.append(timer)
            continue
        source = decision.event["input"]
        place = (source["topic"], source["partition"])
        # A release names the input that set it off, which has been passed already.
        pass_by(place, source["offset"])
    for queue in queues.values():
        ordered.extend(queue)
    return ordered


def by_itself(decision: Json) -> bool:
    """Whether a timer set the decision off; its input is then what set the timer, long ago."""
    return decision["type"] == "day_began" or bool(decision.get("by_timer"))


def _timer(decision: Json) -> Timer | None:
    if not by_itself(decision):
        return None
    return Timer(decision["channel"], decision["decided_at"], decision.get("day_ends_at"))


def expected(
    ordered: Iterable[Record | Timer],
    partitions: int,
    input_topics: Sequence[str],
    refused: Mapping[At, str] | None = None,
    forwarded: AbstractSet[At] = frozenset(),
    former_partitions: Sequence[int] = (),
) -> Expected:
    """Decide the records with the reference.

    Args:
        ordered: As `in_order_of_decision` gives them.
        partitions: The count of the input topics.
        input_topics: The names of those for batches, for changes, for outcomes.
        refused: Records that are refused for a limit that the reference doesn't know.
        forwarded: Records that stand once more where they belong since an expansion.
        former_partitions: The counts before that; who was right then was decided.
    """
    # What goes on comes back among the records, if the dispatcher wrote it.
    replayer = Replayer(timers_by_events=False, routes_followed=False)
    assignments: dict[str, list[Json]] = defaultdict(list)
    decisions: dict[str, list[Json]] = defaultdict(list)
    routed: dict[str, Json] = {}
    refusals: list[Refusal] = []

    def put(output: Json) -> None:
        if output["type"] == "lead_batch":
            assert output["batch_id"] not in routed
            routed[output["batch_id"]] = output
            return
        kind = assignments if output["type"] == "lead_assigned" else decisions
        kind[output["channel"]].append(output)

    for record in ordered:
        if isinstance(record, Timer):
            for output in _happened(replayer, record):
                put(output)
            continue
        if record.at in forwarded:
            continue
        reason = (refused or {}).get(record.at) or _refused_at_sight(
            record, (partitions, *former_partitions), input_topics
        )
        if reason is not None:
            refusals.append(Refusal(record.at, reason, 0))
            continue
        event = {**record.event, "created_at": time_text(record.timestamp_ms)}
        for output in replayer.feed(event):
            if output["type"] == "dead_letter":
                refusals.append(Refusal(record.at, output["reason"], output.get("position", 0)))
            else:
                put(output)
    return Expected(assignments, decisions, refusals, replayer.states, routed)


def _happened(replayer: Replayer, timer: Timer) -> list[Json]:
    """Any moment of the day that began is as good as another."""
    now = moment(timer.at)
    if timer.day_ends_at is not None:
        now = max(now, moment(timer.day_ends_at) - timedelta(minutes=1))
    return replayer.timer(replayer.states[timer.channel], now)


def _refused_at_sight(
    record: Record, counts: Sequence[int], input_topics: Sequence[str]
) -> str | None:
    """Why a record is refused whatever the state is, if it is."""
    if record.value is None:
        return "not_json"
    if len(record.value) > INPUT_BYTES_MAX:
        return "too_large"
    try:
        event = checked(parsed(record.value))
    except RefusedError as refusal:
        return refusal.reason
    if record.topic != input_topics[(Batch, Change, Outcome).index(type(event))]:
        return "invalid_event"  # belongs in another topic
    key = event.channel.encode()
    if record.key != key:
        return "wrong_key"
    if record.partition not in {partition_of(key, count) for count in counts}:
        return "wrong_partition"
    return None


def time_text(timestamp_ms: int) -> str:
    """A record's time as decisions show it."""
    moment = _EPOCH + timedelta(milliseconds=timestamp_ms)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{timestamp_ms % 1000:03d}Z"


def refusal_of(letter: Record) -> Refusal:
    """The same of an actual dead letter, read from its headers and, for a lead, its batch's id."""
    errors = letter.errors
    at = (errors["topic"], int(errors["partition"]), int(errors["offset"]))
    place = 0
    if errors["reason"] in ("invalid_lead", "duplicate_lead"):
        place = int(letter.event["batch_id"].rpartition("~")[2])
    return Refusal(at, errors["reason"], place)


def by_channel(records: Iterable[Record]) -> Mapping[str, list[Json]]:
    """The events of records, grouped; in order."""
    grouped: dict[str, list[Json]] = defaultdict(list)
    for event in _events(records):
        grouped[event["channel"]].append(event)
    return grouped


def _events(records: Iterable[Record]) -> Iterator[Json]:
    for record in records:
        yield record.event
