"""Is what came out right? Asked after a run, of everything that the topics and Redis hold.

Nothing here trusts what the dispatcher says of itself: inputs, outputs, changelog and Redis are
read from outside and held against each other and against the literal reference.
"""

import hashlib
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from schemas.partitioning import partition_of
from tests.reference import comparison

from . import copies
from .expected import At, Expected, by_channel, expected, in_order_of_decision, refusal_of
from .installation import Installation
from .publisher import encoded
from .quiet import wait_until_quiet
from .records import Json, Record

RECORD_BYTES_MAX = 4 * 1024 * 1024
"""About what an output topic takes in one record."""
PROBLEM_CHARACTERS = 600


class Outcome(NamedTuple):
    """All that a run left behind; records in order within their partitions.

    `sent_on` are the inputs that went on to their place after an expansion.
    """

    inputs: list[Record]
    assignments: list[Record]
    decisions: list[Record]
    dead_letters: list[Record]
    changelog: copies.Changelog
    expected: Expected
    register: list[Record]
    sent_on: AbstractSet[At] = frozenset()


def check(installation: Installation, refused: Mapping[At, str] | None = None) -> Outcome:
    """Everything below, once all input is processed and Redis has caught up.

    Args:
        installation: What ran; a dispatcher that could still write to Redis should be running.
        refused: Records that must be refused for a limit that the reference doesn't know.
    """
    wait_until_quiet(installation)
    outcome = gathered(installation, refused)
    for _, look in _looks(installation, outcome):
        look()
    return outcome


def examine(
    installation: Installation,
    refused: Mapping[At, str] | None = None,
    *,
    timeout_s: float = 60.0,
) -> tuple[Outcome, list[str]]:
    """The same as `check`, but all of it is looked at, and what is wrong is told in words.

    Args:
        installation, refused: As for `check`.
        timeout_s: How long each step towards the end of all work may take.
    """
    problems: list[str] = []
    problems += _problem("not quiet", lambda: wait_until_quiet(installation, timeout_s))
    try:
        outcome = gathered(installation, refused)
    except Exception as error:  # noqa: BLE001 - whatever the reference can make nothing of
        problems.append(f"reference: {_told(error)}")
        outcome = gathered(installation, refused, with_reference=False)
        return outcome, problems
    for name, look in _looks(installation, outcome):
        problems += _problem(name, look)
    return outcome, problems


def _problem(name: str, call: Callable[[], object]) -> list[str]:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it stumbles over is wrong
        return [f"{name}: {_told(error)}"]
    return []


def _told(error: Exception) -> str:
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    where = traceback.extract_tb(error.__traceback__)[-1]
    return f"{kind}{str(error)[:PROBLEM_CHARACTERS]} ({where.name}: {where.line})"


def _looks(
    installation: Installation, outcome: Outcome
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Everything that is looked at then."""
    yield "assigned once", lambda: check_assigned_once(outcome)
    yield "chains", lambda: check_chains(outcome)
    yield "reference", lambda: check_reference(outcome)
    yield "cascade", lambda: check_cascade(outcome)
    yield "dead letters", lambda: check_dead_letters(outcome)
    yield "changelog", lambda: copies.check_states(outcome.changelog, outcome.expected.states)
    yield "register", lambda: copies.check_register(outcome.register, outcome.expected.states)
    yield "Redis", lambda: copies.check_redis(installation)
    yield (
        "offsets",
        lambda: copies.check_offsets(installation, outcome.changelog, outcome.inputs),
    )


def gathered(
    installation: Installation,
    refused: Mapping[At, str] | None = None,
    *,
    with_reference: bool = True,
) -> Outcome:
    """What there is now, and what the reference makes of the inputs."""
    topics = installation.topics
    inputs = [record for topic in topics.inputs for record in installation.read(topic)]
    decisions = installation.read_outputs(topics.decisions)
    dead_letters = installation.dead_letters()
    wanted = Expected({}, {}, [], {})
    sent_on: set[At] = set()
    if with_reference:
        sent_on = forwarded(installation, inputs, decisions, dead_letters)
        ordered = in_order_of_decision(inputs, decisions, dead_letters)
        wanted = expected(
            ordered,
            installation.partitions,
            topics.inputs,
            refused,
            forwarded=sent_on,
            former_partitions=installation.former_partitions,
        )
    return Outcome(
        inputs,
        installation.read_outputs(topics.assignments),
        decisions,
        dead_letters,
        copies.compacted(installation.read(topics.changelog)),
        wanted,
        installation.read(topics.register),
        sent_on,
    )


def forwarded(
    installation: Installation,
    inputs: Iterable[Record],
    decisions: Iterable[Record],
    dead_letters: Iterable[Record],
) -> set[At]:
    """The inputs that stand where they belonged before an expansion, and weren't decided there.

    Each of them has to stand once more where it belongs, unchanged; that one is what counts.
    """
    decided = {refusal_of(letter).at for letter in dead_letters}
    for decision in decisions:
        source = decision.event["input"]
        decided.add((source["topic"], source["partition"], source["offset"]))
    moved = [
        record
        for record in inputs
        if record.at not in decided
        and record.key
        and record.partition != partition_of(record.key, installation.partitions)
        and record.partition
        in {partition_of(record.key, count) for count in installation.former_partitions}
    ]
    there = Counter(
        _content(record)
        for record in inputs
        if record.key and record.partition == partition_of(record.key, installation.partitions)
    )
    wanted = Counter(_content(record) for record in moved)
    # A source may have sent the same once more; but that has a time of its own.
    assert not wanted - there, f"not sent on: {list((wanted - there).keys())[:3]}"
    return {record.at for record in moved}


def _content(record: Record) -> tuple[object, ...]:
    return record.topic, record.key, record.value, record.headers, record.timestamp_ms


def check_assigned_once(outcome: Outcome) -> None:
    """No lead twice; each assignment's id says which lead of which decision it is."""
    ids: Counter[str] = Counter()
    leads: Counter[tuple[str, str, str]] = Counter()
    for record in outcome.assignments:
        event = record.event
        assert record.key == event["channel"].encode()
        assert event["assignment_id"] == (
            f"{event['channel']}/{event['state_version']}/{event['lead_id']}"
        )
        ids[event["assignment_id"]] += 1
        leads[event["channel"], event["batch_id"], event["lead_id"]] += 1
    assert not [name for name, count in ids.items() if count > 1]
    assert not [lead for lead, count in leads.items() if count > 1]


def check_chains(outcome: Outcome) -> None:
    """Each channel's decisions follow one another, and each says who got how many leads."""
    given: Counter[tuple[str, int, str]] = Counter()
    for record in outcome.assignments:
        event = record.event
        given[event["channel"], event["state_version"], event["assignee_id"]] += 1
    counted = went_on = 0
    for channel, decisions in by_channel(outcome.decisions).items():
        versions = [decision["state_version"] for decision in decisions]
        assert versions == list(range(1, len(decisions) + 1)), (channel, _broken(versions))
        errors: dict[str, str] | None = {}
        for decision in decisions:
            _check_sum(decision)
            for row in decision.get("routed", ()):
                given[channel, decision["state_version"], row["assignee_id"]] += row["leads"]
                went_on += row["leads"]
            errors = _follow(errors, decision)
            for row in decision.get("shares", ()):
                assigned = row.get("assigned", 0)
                assert assigned == given[channel, decision["state_version"], row["assignee_id"]]
                counted += assigned
    assert counted == len(outcome.assignments) + went_on


def check_cascade(outcome: Outcome) -> None:
    """What goes on to other channels is just what the reference says, and none of it is lost.

    Each lead of such a batch is assigned where it came to, has gone on from there, waits there, or
    is a dead letter, by itself (where leads count by value that it doesn't have) or with its batch.
    """
    routed = [r for r in outcome.inputs if b'"routed_from"' in (r.value or b"")]
    sent = {record.event["batch_id"]: record.event for record in routed}
    assert len(sent) == len(routed)
    assert sent == outcome.expected.routed, sent.keys() ^ outcome.expected.routed.keys()
    refusals = map(refusal_of, outcome.dead_letters if sent else ())
    refused = {(refusal.at, refusal.place) for refusal in refusals}
    ended = _ends(outcome, sent) if sent else Counter()
    for record in routed:
        event = record.event
        assert record.key == event["channel"].encode()
        for place, lead in enumerate(event["leads"], start=1):
            count = ended[event["channel"], event["batch_id"], lead["lead_id"]]
            taken = refused.isdisjoint([(record.at, 0), (record.at, place)])
            assert count == taken, (event["batch_id"], lead["lead_id"], count)


def _ends(outcome: Outcome, sent: Mapping[str, Json]) -> Counter[tuple[str, str, str]]:
    """How often each lead of a channel's batch is assigned, has gone on, or waits."""
    ended: Counter[tuple[str, str, str]] = Counter()
    for record in outcome.assignments:
        event = record.event
        ended[event["channel"], event["batch_id"], event["lead_id"]] += 1
    for event in sent.values():
        source = event["routed_from"]
        for lead in event["leads"]:
            ended[source["channel"], source["batch_id"], lead["lead_id"]] += 1
    for records in outcome.changelog.values():
        for channel, state in copies.states_in(records).items():
            for _, entry in state.parking.in_order():
                for lead_id in entry.lead_ids:
                    ended[channel, entry.batch_id, lead_id] += 1
    return ended


def _broken(versions: list[int]) -> str:
    """Where a chain of versions isn't one."""
    counts = Counter(versions)
    missing = [version for version in range(1, max(versions)) if version not in counts]
    doubled = [version for version, count in counts.items() if count > 1]
    return (
        f"missing {missing[:10]}, doubled {doubled[:10]}, in order {versions == sorted(versions)}"
    )


def _check_sum(decision: Json) -> None:
    if decision.get("shares_complete"):
        rows = decision["shares"]
        assert sum(int(row["cumulative_error_numerator"]) for row in rows) == 0


def _follow(errors: dict[str, str] | None, decision: Json) -> dict[str, str] | None:
    """The errors after the decision; those before must be the ones that the last one left.

    None stands for what isn't known, after a decision that didn't list everyone.
    """
    if "shares" not in decision:
        return errors
    if errors is not None:
        for row in decision["shares"]:
            before = errors.get(row["assignee_id"], "0.000000000000")
            assert row["cumulative_error_before"] == before, (decision["channel"], row)
        for leaver in decision.get("left", ()):
            assert leaver["cumulative_error_before"] == errors[leaver["assignee_id"]]
    if not decision["shares_complete"]:
        return None
    return {row["assignee_id"]: row["cumulative_error_after"] for row in decision["shares"]}


def check_reference(outcome: Outcome) -> None:
    """The literal reference, given the same events in the same order, decides the same."""
    for actual, wanted in (
        (by_channel(outcome.assignments), outcome.expected.assignments),
        (by_channel(outcome.decisions), outcome.expected.decisions),
    ):
        assert sorted(actual) == sorted(wanted)
        for channel, events in wanted.items():
            assert not comparison.differences(actual[channel], events), channel


def check_dead_letters(outcome: Outcome) -> None:
    """Just the records and leads that are to be refused, for the right reason, unchanged."""
    by_place = {record.at: record for record in outcome.inputs}
    actual = [refusal_of(letter) for letter in outcome.dead_letters]
    assert sorted(actual) == sorted(outcome.expected.refusals)
    for letter, refusal in zip(outcome.dead_letters, actual, strict=True):
        check_letter(letter, by_place[refusal.at], refusal.place)


def check_letter(letter: Record, original: Record, place: int = 0) -> None:
    """A dead letter carries what came, and where it came from. `place` is a lead's, from 1."""
    assert letter.key == original.key
    # What is too large to be kept whole may be so for its headers.
    whole = len(original.value or b"") <= RECORD_BYTES_MAX
    assert letter.own_headers == (original.own_headers if whole else ())
    errors = letter.errors
    assert (errors["topic"], errors["partition"], errors["offset"]) == (
        original.topic,
        str(original.partition),
        str(original.offset),
    )
    assert errors["timestamp"] == str(original.timestamp_ms)
    assert errors["detail"]
    # Against which state, where that was looked at.
    named = set(errors) - {"state_version"}
    assert named == {"topic", "partition", "offset", "timestamp", "reason", "detail"}
    if not place:
        assert letter.value == (original.value if whole else _digest(original))
        return
    event, batch = letter.event, original.event
    assert event["leads"] == [batch["leads"][place - 1]]
    assert event["batch_id"] == f"{batch['batch_id']}~{place}"
    for name in ("type", "schema_version", "channel", "created_at"):
        assert event[name] == (1 if name == "schema_version" else batch[name])


def _digest(original: Record) -> bytes:
    """What is left of a record that is too large even for the dead letters."""
    value = original.value or b""
    return encoded(
        {
            "topic": original.topic,
            "partition": original.partition,
            "offset": original.offset,
            "value_bytes": len(value),
            "value_sha256": hashlib.sha256(value).hexdigest(),
        }
    )
