"""The judge is judged: after a good run one thing is spoiled at a time, and each is noticed."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.reference import events
from tests.support import copies, oracle
from tests.support.installation import Installation
from tests.support.oracle import Outcome
from tests.support.records import Json, Record
from tests.support.traffic import day, rosters

Spoil = Callable[[list[Record]], list[Record]]


def changed(number: int, change: Callable[[Json], object]) -> Spoil:
    """One event is another."""

    def spoil(records: list[Record]) -> list[Record]:
        event = json.loads(records[number].value or b"")
        change(event)
        records[number] = replace(records[number], value=json.dumps(event).encode())
        return records

    return spoil


def exchanged(records: list[Record]) -> list[Record]:
    """Two leads of one batch went to each other's assignee."""
    one = next(r for r in records if r.event["batch_size"] > 9 and r.event["position"] == 1)
    other = next(
        r
        for r in records
        if r.event["state_version"] == one.event["state_version"]
        and r.event["channel"] == one.event["channel"]
        and r.event["assignee_id"] != one.event["assignee_id"]
    )
    for taken, given in ((one, other), (other, one)):
        event = {**taken.event, "assignee_id": given.event["assignee_id"]}
        records[records.index(taken)] = replace(taken, value=json.dumps(event).encode())
    return records


def last_batch(records: list[Record]) -> int:
    """Where the newest decision on a batch stands."""
    return max(n for n, r in enumerate(records) if r.event["type"] == "batch_dispatched")


def error_moved(records: list[Record]) -> list[Record]:
    """The newest decision leaves other errors, which add up as well."""

    def move(event: Json) -> None:
        first, second = event["shares"][:2]
        for row, by in ((first, 1), (second, -1)):
            numerator = int(row["cumulative_error_numerator"]) + by
            row["cumulative_error_numerator"] = str(numerator)

    return changed(last_batch(records), move)(records)


SPOILS: dict[str, tuple[str, Spoil]] = {
    "a lead is lost": ("assignments", lambda records: records[1:]),
    "a lead is doubled": ("assignments", lambda records: [*records, records[0]]),
    "leads are exchanged": ("assignments", exchanged),
    "attributes are another's": (
        "assignments",
        changed(0, lambda event: event.update(attributes={"phone": "1"})),
    ),
    "a decision is lost": ("decisions", lambda records: records[:-1]),
    "a decision is doubled": ("decisions", lambda records: [*records, records[-1]]),
    "an error is another": ("decisions", error_moved),
    "a time is another": (
        "decisions",
        changed(-1, lambda event: event.update(decided_at="2026-11-21T09:00:00.000Z")),
    ),
    "a dead letter is lost": ("dead_letters", lambda records: records[1:]),
    "a dead letter is doubled": ("dead_letters", lambda records: records * 2),
    "a dead letter is mended": (
        "dead_letters",
        lambda records: [replace(records[0], value=b"{}")],
    ),
    "a dead letter lost its key": (
        "dead_letters",
        lambda records: [replace(records[0], key=None)],
    ),
}


def judge(outcome: Outcome) -> None:
    """What `oracle.check` says of the topics."""
    oracle.check_assigned_once(outcome)
    oracle.check_chains(outcome)
    oracle.check_reference(outcome)
    oracle.check_dead_letters(outcome)


def is_noticed(outcome: Outcome) -> bool:
    """Whether the oracle finds anything wrong."""
    try:
        judge(outcome)
    except (AssertionError, KeyError):
        return True
    return False


def test_whatever_is_spoiled_is_noticed(installation: Installation) -> None:
    """In assignments, decisions, dead letters, the changelog, and Redis."""
    installation.started()
    installation.publish(rosters(3))
    installation.process(day(300, 3))
    stranger = events.change("assignee_left", "s", "channel-1", assignee_id="stranger")
    installation.process([stranger])
    outcome = oracle.check(installation)
    judge(outcome)
    for what, (name, spoil) in SPOILS.items():
        records = list(getattr(outcome, name))
        spoiled = outcome._replace(**{name: spoil(records)})  # type: ignore[arg-type]
        assert is_noticed(spoiled), what

    partition, kept = max(outcome.changelog.items(), key=lambda item: len(item[1]))
    key = next(key for key in kept if key.startswith(b"channel-") and b"/" not in key)
    older = {**kept, key: kept[key].replace(b'"state_version":', b'"state_version":1')}
    with pytest.raises(AssertionError):
        copies.check_states({**outcome.changelog, partition: older}, outcome.expected.states)
    name = installation.redis_key(partition)
    for field, value in ((b"channels/" + key, b"{}"), (b"channels/more", b"{}")):
        before = installation.redis_hash(partition).get(field)
        installation.redis.hset(name, field.decode(), value.decode())
        with pytest.raises(AssertionError, match="Redis is the changelog"):
            copies.check_redis(installation, timeout_s=0.1)
        if before is not None:
            installation.redis.hset(name, field.decode(), before.decode())
    installation.redis.hdel(name, "channels/more")
    copies.check_redis(installation)
