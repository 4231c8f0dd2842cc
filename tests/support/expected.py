"""What the literal reference decides about the input records of an installation.

The order in which events were decided is read from the decisions: each names its input record.
Within a partition of a topic that is the order of offsets; a record that no decision names must
be a dead letter, and stands where its offset puts it. So the whole input can be put in order,
decided again by the reference, and compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from schemas.partitioning import partition_of
from tests.reference.replayer import Replayer
from tests.reference.state import State
from tests.reference.validation import Change, RefusedError, checked, parsed

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
    """What the reference gives: outputs by channel, in order, and the states at the end."""

    assignments: Mapping[str, list[Json]]
    decisions: Mapping[str, list[Json]]
    refusals: list[Refusal]
    states: Mapping[str, State]


def in_order_of_decision(inputs: Iterable[Record], decisions: Iterable[Record]) -> list[Record]:
    """The input records in the order in which they were decided, partition by partition."""
    waiting: dict[tuple[str, int], list[Record]] = defaultdict(list)
    for record in inputs:
        waiting[record.topic, record.partition].append(record)
    queues = {place: iter(records) for place, records in waiting.items()}
    reached: dict[tuple[str, int], int] = defaultdict(int)
    ordered: list[Record] = []
    for decision in decisions:
        source = decision.event["input"]
        place = (source["topic"], source["partition"])
        # A release names the change that set it off, which has been passed already.
        while reached[place] <= source["offset"]:
            record = next(queues[place])
            reached[place] = record.offset + 1
            ordered.append(record)
    for queue in queues.values():
        ordered.extend(queue)
    return ordered


def expected(
    ordered: Iterable[Record],
    partitions: int,
    leads_topic: str,
    refused: Mapping[At, str] | None = None,
) -> Expected:
    """Decide the records with the reference.

    Args:
        ordered: As `in_order_of_decision` gives them.
        partitions: The count of the input topics.
        leads_topic: The name of the topic for batches.
        refused: Records that are refused for a limit that the reference doesn't know.
    """
    replayer = Replayer()
    assignments: dict[str, list[Json]] = defaultdict(list)
    decisions: dict[str, list[Json]] = defaultdict(list)
    refusals: list[Refusal] = []
    for record in ordered:
        reason = (refused or {}).get(record.at) or _refused_at_sight(
            record, partitions, leads_topic
        )
        if reason is not None:
            refusals.append(Refusal(record.at, reason, 0))
            continue
        event = {**record.event, "created_at": time_text(record.timestamp_ms)}
        for output in replayer.feed(event):
            if output["type"] == "dead_letter":
                refusals.append(Refusal(record.at, output["reason"], output.get("position", 0)))
            elif output["type"] == "lead_assigned":
                assignments[output["channel"]].append(output)
            else:
                decisions[output["channel"]].append(output)
    return Expected(assignments, decisions, refusals, replayer.states)


def _refused_at_sight(record: Record, partitions: int, leads_topic: str) -> str | None:
    """Why a record is refused whatever the state is, if it is."""
    if record.value is None:
        return "not_json"
    if len(record.value) > INPUT_BYTES_MAX:
        return "too_large"
    try:
        event = checked(parsed(record.value))
    except RefusedError as refusal:
        return refusal.reason
    if isinstance(event, Change) is (record.topic == leads_topic):
        return "invalid_event"  # belongs in the other topic
    key = event.channel.encode()
    if record.key != key:
        return "wrong_key"
    if record.partition != partition_of(key, partitions):
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
