"""Is what came out right? Asked after a run, of everything that the topics and Redis hold.

Nothing here trusts what the dispatcher says of itself: inputs, outputs, changelog and Redis are
read from outside and held against each other and against the literal reference.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

import msgspec

from dispatcher.state import ChannelState
from dispatcher.state_records import channel_of, read_state
from tests.reference import comparison
from tests.reference.state import State

from .expected import At, Expected, by_channel, expected, in_order_of_decision, refusal_of
from .installation import Installation
from .publisher import encoded
from .records import Json, Place, Record, ends
from .waiting import wait_until

APPLIED = b"/applied-offsets"
RECORD_BYTES_MAX = 4 * 1024 * 1024
"""About what an output topic takes in one record."""


class Outcome(NamedTuple):
    """All that a run left behind; records in order within their partitions."""

    inputs: list[Record]
    assignments: list[Record]
    decisions: list[Record]
    dead_letters: list[Record]
    changelog: Mapping[int, Mapping[bytes, bytes]]
    expected: Expected


def check(installation: Installation, refused: Mapping[At, str] | None = None) -> Outcome:
    """Everything below, once all input is processed and Redis has caught up.

    Args:
        installation: What ran; a dispatcher that could still write to Redis should be running.
        refused: Records that must be refused for a limit that the reference doesn't know.
    """
    installation.wait_until_processed()
    wait_until(
        lambda: not releases_under_way(installation),
        lambda: f"releases end: {releases_under_way(installation)}",
    )
    installation.wait_until_settled()
    topics = installation.topics
    inputs = installation.read(topics.lead_batches) + installation.read(topics.roster_changes)
    decisions = installation.read(topics.decisions)
    ordered = in_order_of_decision(inputs, decisions)
    outcome = Outcome(
        inputs,
        installation.read(topics.assignments),
        decisions,
        installation.dead_letters(),
        compacted(installation.read(topics.changelog)),
        expected(ordered, installation.partitions, topics.lead_batches, refused),
    )
    check_assigned_once(outcome)
    check_chains(outcome)
    check_reference(outcome)
    check_dead_letters(outcome)
    check_states(outcome)
    check_redis(installation)
    check_offsets(installation, outcome)
    return outcome


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
    counted = 0
    for channel, decisions in by_channel(outcome.decisions).items():
        versions = [decision["state_version"] for decision in decisions]
        assert versions == list(range(1, len(decisions) + 1)), channel
        errors: dict[str, str] | None = {}
        for decision in decisions:
            _check_sum(decision)
            errors = _follow(errors, decision)
            for row in decision.get("shares", ()):
                assigned = row.get("assigned", 0)
                assert assigned == given[channel, decision["state_version"], row["assignee_id"]]
                counted += assigned
    assert counted == len(outcome.assignments)


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
    assert set(errors) == {"topic", "partition", "offset", "timestamp", "reason", "detail"}
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


def check_states(outcome: Outcome) -> None:
    """The changelog holds, for each channel, the state that the fold of the events gives."""
    states = {}
    for records in outcome.changelog.values():
        for channel, parts in _grouped(records).items():
            states[channel] = read_state(parts)
    wanted = outcome.expected.states
    assert sorted(states) == sorted(wanted)
    for channel, state in wanted.items():
        assert _summary(states[channel]) == _reference_summary(state), channel


def _grouped(records: Mapping[bytes, bytes]) -> dict[str, dict[bytes, bytes]]:
    grouped: dict[str, dict[bytes, bytes]] = {}
    for key, value in records.items():
        if key != APPLIED:
            grouped.setdefault(channel_of(key), {})[key] = value
    return grouped


def _summary(state: ChannelState) -> Json:
    assert state.release is None
    denominator = state.roster.error_denominator
    return {
        "state_version": state.state_version,
        "roster_version": state.roster_version,
        "members": {
            member.assignee_id: (
                Fraction(member.weight_millionths, 10**6),
                member.paused,
                Fraction(error, denominator),
            )
            for member, error in zip(state.roster.members, state.errors, strict=True)
        },
        "batches": [name for _, name, _ in state.batches.entries()],
        "changes": [name for _, name, _ in state.changes.entries()],
        "parked": [(name, batch.lead_ids) for _, name, batch in state.parked.entries()],
        "promise": (state.promise.members_most, state.promise.paused, state.promise.corrected),
    }


def _reference_summary(state: State) -> Json:
    return {
        "state_version": state.state_version,
        "roster_version": state.roster_version,
        "members": {
            name: (member.weight, member.paused, member.error)
            for name, member in state.members.items()
        },
        "batches": list(state.batches),
        "changes": list(state.changes),
        "parked": [
            (name, tuple(lead.lead_id for lead in parked.leads))
            for name, parked in state.parked.items()
        ],
        "promise": (state.promise.most_members, state.promise.pauses, state.promise.corrected),
    }


def releases_under_way(installation: Installation) -> set[str]:
    """The channels whose parked batches are going out just now, as the changelog says."""
    changelog = compacted(installation.read(installation.topics.changelog))
    return {
        channel_of(key)
        for records in changelog.values()
        for key, value in records.items()
        if b"/" not in key and msgspec.json.decode(value)["release"] is not None
    }


def compacted(changelog: Iterable[Record]) -> dict[int, dict[bytes, bytes]]:
    """Per partition the last value of each key; tombstones take keys away."""
    kept: dict[int, dict[bytes, bytes]] = {}
    for record in changelog:
        assert record.key is not None
        partition = kept.setdefault(record.partition, {})
        if record.value is None:
            partition.pop(record.key, None)
        else:
            partition[record.key] = record.value
    return kept


def check_redis(installation: Installation, timeout_s: float = 15.0) -> None:
    """Redis comes to hold the compacted changelog, byte for byte, and says up to where."""
    topic = installation.topics.changelog
    changelog = installation.read(topic)
    kept = compacted(changelog)
    last = {record.partition: record.offset for record in changelog}
    log_ends = ends(installation.admin, installation.places(topic))
    # Behind the last record there may be markers of transactions, which hold nothing.
    up_to = {number: range(last[number] + 1, log_ends[topic, number] + 1) for number in last}
    different: list[str] = []

    def same() -> bool:
        different[:] = [
            text
            for partition, records in kept.items()
            for text in _redis_differences(
                installation.redis_hash(partition), records, up_to[partition]
            )
        ]
        return not different

    wait_until(same, lambda: f"Redis is the changelog: {different[:3]}", timeout_s)


def _redis_differences(
    found: dict[bytes, bytes], records: Mapping[bytes, bytes], up_to: range
) -> list[str]:
    fields = {
        b"applied-offsets" if key == APPLIED else b"channels/" + key: value
        for key, value in records.items()
    }
    point = msgspec.json.decode(found.pop(b"restore-point", b"{}"))
    different = [
        f"{name!r}: {found.get(name)!r} instead of {fields.get(name)!r}"
        for name in sorted(found.keys() | fields.keys())
        if found.get(name) != fields.get(name)
    ]
    if point.get("next_offset") not in up_to:
        different.append(f"restore point {point} is not in {up_to}")
    return different


def check_offsets(installation: Installation, outcome: Outcome) -> None:
    """The group has committed all input, and the changelog says the same of each partition."""
    places = installation.input_places()
    last: dict[Place, int] = dict.fromkeys(places, 0)
    last.update({(record.topic, record.partition): record.offset + 1 for record in outcome.inputs})
    assert ends(installation.admin, places) == last
    assert installation.committed() == last
    for partition, records in outcome.changelog.items():
        applied = msgspec.json.decode(records[APPLIED])
        assert applied["partition_count"] == installation.partitions
        for topic, found in applied["inputs"].items():
            assert found["next_offset"] == last[topic, partition]
