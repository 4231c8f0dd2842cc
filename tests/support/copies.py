"""The changelog, Redis and the committed offsets: do they say the same as one another and the fold?

The changelog is read whole and compacted here, as Kafka would do it in time.
"""

import hashlib
from collections.abc import Iterable, Mapping
from fractions import Fraction

import msgspec

from dispatcher.register import decode_owner, key_of
from dispatcher.state import ChannelState
from dispatcher.state_records import channel_of, read_state
from tests.reference.state import State

from .installation import Installation
from .records import Json, Place, Record, ends
from .waiting import wait_until

Changelog = Mapping[int, Mapping[bytes, bytes]]
"""Per partition the records that compaction would leave."""

APPLIED = b"/applied-offsets"


def check_states(changelog: Changelog, wanted: Mapping[str, State]) -> None:
    """The changelog holds, for each channel, the state that the fold of the events gives."""
    states: dict[str, ChannelState] = {}
    for records in changelog.values():
        states |= states_in(records)
    assert sorted(states) == sorted(wanted)
    for channel, state in wanted.items():
        assert _summary(states[channel]) == _reference_summary(state), channel


def states_in(records: Mapping[bytes, bytes]) -> dict[str, ChannelState]:
    """The states of a partition's channels."""
    return {channel: read_state(parts) for channel, parts in _grouped(records).items()}


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
        "outcomes": [name for _, name, _ in state.outcomes.entries()],
        "open leads": _open_leads(state),
        "parked": [(batch.batch_id, batch.lead_ids) for _, batch in state.parking.in_order()],
        "promise": (state.promise.members_most, state.promise.paused, state.promise.corrected),
    }


def _open_leads(state: ChannelState) -> Json:
    members = [member.assignee_id for member in state.roster.members]
    counts = state.eligibility.open_leads if state.eligibility else (0,) * len(members)
    return dict(zip(members, counts, strict=True))


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
        "outcomes": list(state.outcomes),
        "open leads": {name: member.open_leads for name, member in state.members.items()},
        "parked": [
            (parked.batch_id, tuple(lead.lead_id for lead in parked.leads))
            for parked in state.parked
        ],
        "promise": (state.promise.most_members, state.promise.pauses, state.promise.corrected),
    }


def check_register(register: Iterable[Record], states: Mapping[str, State]) -> None:
    """The register's topic holds the last owner of everybody, as the reference knows them."""
    last = {
        (partition, key): value
        for partition, records in compacted(register).items()
        for key, value in records.items()
    }
    found = {
        key_of(key): (owner.assignee_id, owner.at_ms)
        for (_, key), value in last.items()
        if (owner := decode_owner(value)) is not None
    }
    assert len(found) == len(last)  # each in one place
    wanted = {
        _owner_key(channel, name, value): (assignee, round(at.timestamp() * 1000))
        for channel, state in states.items()
        for (name, value), (assignee, at, _) in state.owners.items()
    }
    assert found == wanted


def _owner_key(channel: str, name: str, value: str) -> str:
    return hashlib.sha256(f"{channel}\n{name}\n{value}".encode()).hexdigest()[:32]


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


def check_redis(installation: Installation, timeout_s: float = 60.0) -> None:
    """Redis comes to hold the compacted changelog, byte for byte, and says up to where.

    For when nothing is being processed. The group's offsets may be committed a moment before the
    changelog's marker is written: that is waited for.
    """
    installation.wait_until_settled()
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
    found.pop(b"register-point", None)  # of the owners, which are keys of their own
    different = [
        f"{name!r}: {found.get(name)!r} instead of {fields.get(name)!r}"
        for name in sorted(found.keys() | fields.keys())
        if found.get(name) != fields.get(name)
    ]
    if point.get("next_offset") not in up_to:
        different.append(f"restore point {point} is not in {up_to}")
    return different


def check_offsets(
    installation: Installation, changelog: Changelog, inputs: Iterable[Record]
) -> None:
    """The group has committed all input, and the changelog says the same of each partition."""
    places = installation.input_places()
    last: dict[Place, int] = dict.fromkeys(places, 0)
    inputs = list(inputs)
    routed = any(b'"routed_from"' in (record.value or b"") for record in inputs)
    last.update({(record.topic, record.partition): record.offset + 1 for record in inputs})
    for place, end in ends(installation.admin, places).items():
        # Behind what a dispatcher sent on stand the markers of its transactions.
        assert (
            end == last[place]
            or (routed and place[0] == installation.topics.lead_batches)
            or installation.former_partitions  # of what was sent on to its new place
        )
    assert installation.committed() == last
    for partition, records in changelog.items():
        applied = msgspec.json.decode(records[APPLIED])
        assert applied["partition_count"] == installation.partitions
        for topic, found in applied["inputs"].items():
            assert found["next_offset"] == last[topic, partition]
